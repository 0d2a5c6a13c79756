/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-webpush.h"
#include "coi-webpush-admin.h"
#include "coi-webpush-check.h"
#include "coi-webpush-client.h"
#include "coi-webpush-gone.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-plugin.h"
#include "coi-webpush-ring.h"
#include "coi-webpush-seen.h"
#include "coi-webpush-subscriptions.h"

#include <sodium.h>

const char *coi_push_plugin_version = DOVECOT_ABI_VERSION;
/* The plugin `coi' loads it, and core does not know that. */
const char *coi_push_plugin_dependencies[] = { NULL };

static void coi_webpush_user_gone(struct coi_user *cuser)
{
	coi_webpush_gone_abort(cuser);
	coi_webpush_seen_deinit(cuser);
}

static const struct coi_webpush_vfuncs coi_webpush_vfuncs = {
	.prepare = coi_webpush_keys_prepare,
	.get_vapid = coi_webpush_keys_get_vapid,
	.judge = coi_webpush_subscriptions_judge,
	.validate = coi_webpush_subscriptions_validate,
	.show = coi_webpush_subscriptions_show,
	.subscribed = coi_webpush_subscriptions_subscribed,
	.cancel = coi_webpush_subscriptions_cancel,
	.tidy = coi_webpush_subscriptions_tidy,
	.ring = coi_webpush_ring,
	.seen = coi_webpush_seen,
	.check = coi_webpush_check_user,
	.list = coi_webpush_admin_list,
	.test = coi_webpush_admin_test,
	.rekey = coi_webpush_admin_rekey,
	.flush = coi_webpush_client_flush,
	.user_deinit = coi_webpush_user_gone,
};

void coi_push_plugin_init(struct module *module ATTR_UNUSED)
{
	/* it fails only where there is no randomness at all */
	if (sodium_init() < 0)
		i_fatal("coi: sodium_init() failed");
	coi_webpush_register(&coi_webpush_vfuncs);
}

void coi_push_plugin_deinit(void)
{
	coi_webpush_register(NULL);
	coi_webpush_client_deinit();
	webpush_keys_deinit();
}
