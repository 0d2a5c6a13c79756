/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-admin.h"
#include "coi-contacts.h"
#include "coi-mailboxes.h"
#include "coi-message.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-webpush.h"

static int
coi_admin_classify(struct mail *mail, struct coi_class *class_r,
		   const char **error_r)
{
	struct coi_message message;

	if (coi_message_read(mail, 0, pool_datastack_create(), &message,
			     error_r) < 0)
		return -1;
	*class_r = message.class;
	return 0;
}

static int coi_admin_erase(struct coi_user *cuser, const char **error_r)
{
	return coi_store_erase(cuser->store, error_r);
}

static int
coi_admin_count_subscriptions(struct coi_user *cuser, unsigned int *count_r,
			      const char **error_r)
{
	return coi_subscriptions_count(cuser->store, count_r, error_r);
}

const struct coi_admin_vfuncs coi_plugin_admin = {
	.user_get = coi_user_get,
	.get_active_filter = coi_user_get_active_filter,
	.mailbox_alloc = coi_mailboxes_alloc,
	.classify = coi_admin_classify,
	.move = coi_seen_move_unseen_too,
	.erase = coi_admin_erase,
	.check_push = coi_webpush_check,
	.count_subscriptions = coi_admin_count_subscriptions,
	.push_is_on = coi_webpush_is_on,
	.tokens_are_on = coi_deltachat_is_on,
	.each_token = coi_deltachat_each,
	.remove_token = coi_deltachat_remove,
	.push_get = coi_webpush_get,
	.contacts_get = coi_contacts_get,
};
