/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

const char *doveadm_coi_entry_key(const char *class, const char *hash)
{
	return t_strconcat(doveadm_coi_key_root, class, "/", hash, NULL);
}

static int
doveadm_coi_entry_call(struct doveadm_coi_cmd *cmd,
		       const struct doveadm_coi_user *duser,
		       struct mailbox *inbox, const char *class,
		       const char *hash, doveadm_coi_entry_callback_t *callback,
		       void *context)
{
	const char *value;
	int ret;

	ret = doveadm_coi_get(cmd, duser, inbox,
			      doveadm_coi_entry_key(class, hash), &value);
	/* 0: somebody has just removed it */
	return ret <= 0 ? ret : callback(context, hash, value);
}

int doveadm_coi_each_entry(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox, const char *class,
			   doveadm_coi_entry_callback_t *callback,
			   void *context)
{
	struct mailbox_attribute_iter *iter;
	const char *hash;
	int ret = 0;

	iter = mailbox_attribute_iter_init(inbox, MAIL_ATTRIBUTE_TYPE_PRIVATE,
					   doveadm_coi_entry_key(class, ""));
	while (ret == 0 && (hash = mailbox_attribute_iter_next(iter)) != NULL) T_BEGIN {
		ret = doveadm_coi_entry_call(cmd, duser, inbox, class, hash,
					     callback, context);
	} T_END;
	if (mailbox_attribute_iter_deinit(&iter) < 0 && ret == 0) {
		ret = doveadm_coi_fail_mailbox(cmd, duser, inbox,
			t_strconcat("Listing ", class, NULL));
	}
	return ret;
}
