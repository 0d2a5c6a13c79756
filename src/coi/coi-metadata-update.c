/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-namespace.h"
#include "coi-changes.h"
#include "coi-metadata-private.h"
#include "coi-user.h"

struct coi_metadata_update {
	struct coi_user *cuser;
	struct mailbox *inbox;
	/* NULL until there is something to change */
	struct mailbox_transaction_context *t;
	bool failed;
};

static struct mailbox *coi_metadata_alloc_inbox(struct coi_user *cuser)
{
	struct mail_namespace *ns =
		mail_namespace_find_inbox(cuser->user->namespaces);

	return mailbox_alloc(ns->list, "INBOX", MAILBOX_FLAG_IGNORE_ACLS);
}

struct coi_metadata_update *coi_metadata_update_begin(struct coi_user *cuser)
{
	struct coi_metadata_update *update = i_new(struct coi_metadata_update, 1);

	update->cuser = cuser;
	return update;
}

static int coi_metadata_update_open(struct coi_metadata_update *update)
{
	if (update->t != NULL)
		return 0;
	if (update->inbox == NULL)
		update->inbox = coi_metadata_alloc_inbox(update->cuser);
	if (update->failed || mailbox_open(update->inbox) < 0) {
		update->failed = TRUE;
		return -1;
	}
	update->t = mailbox_transaction_begin(update->inbox, 0, __func__);
	return 0;
}

void coi_metadata_update_entry(struct coi_metadata_update *update,
			       enum coi_entry_class class, const char *hash,
			       const char *value)
{
	if (coi_metadata_update_open(update) < 0)
		return;
	T_BEGIN {
		coi_changes_add_entry(update->t,
			coi_metadata_entry_key(class, hash), class, hash,
			value, COI_CHANGE_SERVER, 0);
	} T_END;
}

int coi_metadata_update_commit(struct coi_metadata_update **_update)
{
	struct coi_metadata_update *update = *_update;
	int ret = update->failed ? -1 : 0;
	enum mail_error error;
	const char *errstr;

	*_update = NULL;
	if (update->t != NULL &&
	    mailbox_transaction_commit(&update->t) < 0)
		ret = -1;
	if (ret < 0) {
		errstr = mailbox_get_last_internal_error(update->inbox, &error);
		/* other errors were logged where they happened */
		if (error != MAIL_ERROR_TEMP) {
			e_error(coi_user_get_event(update->cuser),
				"Changing contacts or groups failed: %s",
				errstr);
		}
	}
	if (update->inbox != NULL)
		mailbox_free(&update->inbox);
	i_free(update);
	return ret;
}

static int coi_metadata_commit_enabled(struct mailbox *inbox, bool enabled)
{
	struct mailbox_transaction_context *t;
	struct mail_attribute_value value;
	const char *key = t_strconcat(COI_KEY_CONFIG_PREFIX,
		coi_config_key_name(COI_CONFIG_ENABLED), NULL);

	i_zero(&value);
	value.value = enabled ? "yes" : NULL;
	if (mailbox_open(inbox) < 0)
		return -1;
	t = mailbox_transaction_begin(inbox, 0, __func__);
	if (mailbox_attribute_set(t, MAIL_ATTRIBUTE_TYPE_PRIVATE, key,
				  &value) < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	return mailbox_transaction_commit(&t);
}

int coi_metadata_set_enabled(struct coi_user *cuser, bool enabled,
			     enum mail_error *error_r,
			     const char **client_error_r)
{
	struct mailbox *inbox = coi_metadata_alloc_inbox(cuser);
	const char *errstr;
	int ret;

	ret = coi_metadata_commit_enabled(inbox, enabled);
	if (ret < 0) {
		errstr = mailbox_get_last_internal_error(inbox, error_r);
		/* other errors were logged where they happened */
		if (*error_r != MAIL_ERROR_TEMP) {
			e_error(coi_user_get_event(cuser), "%s COI failed: %s",
				enabled ? "Enabling" : "Disabling", errstr);
		}
		*client_error_r = t_strdup(mailbox_get_last_error(inbox,
								  error_r));
	}
	mailbox_free(&inbox);
	return ret;
}
