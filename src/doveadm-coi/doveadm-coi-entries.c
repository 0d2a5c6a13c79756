/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "coi-time.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

struct doveadm_coi_entries {
	struct doveadm_coi_cmd *cmd;
	const struct doveadm_coi_user *duser;

	doveadm_coi_contact_callback_t *contact_callback;
	doveadm_coi_group_callback_t *group_callback;
	void *context;
};

const char *doveadm_coi_entry_key(const char *class, const char *hash)
{
	return t_strconcat(doveadm_coi_key_root, class, "/", hash, NULL);
}

const char *doveadm_coi_time_str(time_t value)
{
	string_t *str = t_str_new(32);

	if (value != 0)
		coi_time_append_rfc3339(str, value);
	return str_c(str);
}

/*
 * Any
 */

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
	if (ret > 0)
		callback(context, hash, value);
	return ret < 0 ? -1 : 0;
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
	while (ret == 0 &&
	       (hash = mailbox_attribute_iter_next(iter)) != NULL) T_BEGIN {
		ret = doveadm_coi_entry_call(cmd, duser, inbox, class, hash,
					     callback, context);
	} T_END;
	if (mailbox_attribute_iter_deinit(&iter) < 0 && ret == 0) {
		ret = doveadm_coi_fail_mailbox(cmd, duser, inbox,
			t_strconcat("Listing ", class, NULL));
	}
	return ret;
}

int doveadm_coi_list_ids(struct doveadm_coi_cmd *cmd,
			 const struct doveadm_coi_user *duser,
			 const char *class, pool_t pool,
			 ARRAY_TYPE(const_string) *ids)
{
	struct mailbox *inbox = doveadm_coi_inbox_alloc(duser);
	struct mailbox_attribute_iter *iter;
	const char *id;
	int ret = 0;

	iter = mailbox_attribute_iter_init(inbox, MAIL_ATTRIBUTE_TYPE_PRIVATE,
					   doveadm_coi_entry_key(class, ""));
	while ((id = mailbox_attribute_iter_next(iter)) != NULL) {
		id = p_strdup(pool, id);
		array_push_back(ids, &id);
	}
	if (mailbox_attribute_iter_deinit(&iter) < 0) {
		ret = doveadm_coi_fail_mailbox(cmd, duser, inbox,
			t_strconcat("Listing ", class, NULL));
	}
	mailbox_free(&inbox);
	return ret;
}

static void
doveadm_coi_entry_fail(struct doveadm_coi_entries *entries, const char *class,
		       const char *hash, const char *error)
{
	(void)doveadm_coi_fail(entries->cmd, entries->duser, MAIL_ERROR_TEMP,
			       "%s/%s: %s", class, hash, error);
}

/*
 * Contacts
 */

static void
doveadm_coi_contact_read(void *context, const char *hash, const char *value)
{
	struct doveadm_coi_entries *entries = context;
	struct coi_contact contact;
	const char *error;

	if (coi_contact_parse(value, &contact, &error) < 0) {
		doveadm_coi_entry_fail(entries, COI_ENTRY_CONTACTS, hash,
				       error);
	} else {
		entries->contact_callback(entries->context, hash, &contact);
	}
}

int doveadm_coi_each_contact(struct doveadm_coi_cmd *cmd,
			     const struct doveadm_coi_user *duser,
			     struct mailbox *inbox,
			     doveadm_coi_contact_callback_t *callback,
			     void *context)
{
	struct doveadm_coi_entries entries = {
		.cmd = cmd,
		.duser = duser,
		.contact_callback = callback,
		.context = context,
	};

	return doveadm_coi_each_entry(cmd, duser, inbox, COI_ENTRY_CONTACTS,
				      doveadm_coi_contact_read, &entries);
}

int doveadm_coi_get_contact(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser,
			    struct mailbox *inbox, const char *hash,
			    struct coi_contact *contact_r)
{
	const char *value, *error;
	int ret;

	i_zero(contact_r);
	ret = doveadm_coi_get(cmd, duser, inbox,
			      doveadm_coi_entry_key(COI_ENTRY_CONTACTS, hash),
			      &value);
	if (ret > 0 && coi_contact_parse(value, contact_r, &error) < 0) {
		return doveadm_coi_fail(cmd, duser, MAIL_ERROR_TEMP,
					COI_ENTRY_CONTACTS"/%s: %s",
					hash, error);
	}
	return ret;
}

/*
 * Groups
 */

static void
doveadm_coi_group_read(void *context, const char *hash, const char *value)
{
	struct doveadm_coi_entries *entries = context;
	struct coi_group group;
	const char *error;

	if (coi_group_parse(value, pool_datastack_create(), &group,
			    &error) < 0) {
		doveadm_coi_entry_fail(entries, COI_ENTRY_GROUPS, hash, error);
	} else {
		entries->group_callback(entries->context, hash, &group);
	}
}

int doveadm_coi_each_group(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser,
			   struct mailbox *inbox,
			   doveadm_coi_group_callback_t *callback,
			   void *context)
{
	struct doveadm_coi_entries entries = {
		.cmd = cmd,
		.duser = duser,
		.group_callback = callback,
		.context = context,
	};

	return doveadm_coi_each_entry(cmd, duser, inbox, COI_ENTRY_GROUPS,
				      doveadm_coi_group_read, &entries);
}
