/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "coi-changes-private.h"
#include "coi-contacts.h"
#include "coi-entries.h"
#include "coi-user.h"
#include "coi-webpush.h"

/* What the client sends is judged here, where nobody else can change what it is
   merged with. */
static int
coi_changes_judge_entry(struct mailbox *box, struct coi_user *cuser,
			const struct coi_entry_change *change,
			struct coi_entry_verdict *verdict_r)
{
	const struct coi_contacts_vfuncs *v = coi_contacts_get(cuser);
	const char *error;

	i_zero(verdict_r);
	if (v == NULL) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	if (change->value != NULL &&
	    v->judge(change->class, coi_entry_class_name(change->class),
		     change->value, change->old, ioloop_time, verdict_r,
		     &error) < 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	}
	return 0;
}

static int
coi_changes_validate(struct mailbox *box, struct coi_user *cuser,
		     const struct coi_webpush_vfuncs *v,
		     const struct coi_entry_change *change,
		     const char **stored_r)
{
	if (change->old != NULL &&
	    v->validate(cuser, change->old, change->value, ioloop_time,
			stored_r) == COI_WEBPUSH_VALIDATION_OK)
		return 0;
	/* it was right a moment ago, when it was judged first */
	mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
			       "the subscription has just changed");
	return -1;
}

/* The same for what a subscription is to become. */
static int
coi_changes_judge_subscription(struct mailbox *box, struct coi_user *cuser,
			       const struct coi_entry_change *change,
			       const char **stored_r)
{
	const struct coi_webpush_vfuncs *v;
	const char *error;

	*stored_r = NULL;
	if (change->value == NULL && change->source == COI_CHANGE_CLIENT)
		return 0;
	v = coi_webpush_get(cuser);
	if (v == NULL) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	switch (change->source) {
	case COI_CHANGE_CLIENT:
		if (v->judge(cuser, COI_ENTRY_SUBSCRIPTIONS, change->value,
			     ioloop_time, stored_r, &error) == 0)
			return 0;
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	case COI_CHANGE_VALIDATE:
		return coi_changes_validate(box, cuser, v, change, stored_r);
	case COI_CHANGE_SERVER:
		break;
	}
	i_unreached();
}

/* Was the contact blocked before the change? What cannot be read is not. */
static bool
coi_changes_was_blocked(struct coi_user *cuser,
			const struct coi_entry_change *change)
{
	struct coi_entry_verdict verdict;
	const char *error;

	return change->class == COI_ENTRY_CONTACT && change->old != NULL &&
		coi_contacts_get(cuser)->judge(change->class, "", change->old,
			NULL, ioloop_time, &verdict, &error) == 0 &&
		verdict.blocked;
}

/* Finds out what the entry is and what it is to become. */
static int
coi_changes_look_at_entry(struct mailbox *box, struct coi_user *cuser,
			  struct coi_changes_transaction *ct,
			  struct coi_entry_change *change)
{
	struct coi_entry_verdict verdict;
	const char *old, *new, *error;

	if (coi_entries_read(cuser->store, change->class, change->hash,
			     &old, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	change->old = p_strdup(ct->pool, old);
	if (change->source == COI_CHANGE_SERVER ||
	    change->class == COI_ENTRY_TOKEN) {
		/* what it says is not looked into: that somebody may be
		   blocked does no harm */
		change->new = change->value;
		change->blocked = change->value != NULL &&
			change->class == COI_ENTRY_CONTACT;
		return 0;
	}
	if (change->class == COI_ENTRY_SUBSCRIPTION) {
		if (coi_changes_judge_subscription(box, cuser, change,
						   &new) < 0)
			return -1;
		change->new = p_strdup(ct->pool, new);
		return 0;
	}
	if (coi_changes_judge_entry(box, cuser, change, &verdict) < 0)
		return -1;
	change->new = p_strdup(ct->pool, verdict.stored);
	change->blocked = verdict.blocked;
	change->was_blocked = coi_changes_was_blocked(cuser, change);
	return 0;
}

int coi_changes_look_at_entries(struct mailbox *box, struct coi_user *cuser,
				struct coi_changes_transaction *ct)
{
	struct coi_entry_change *change;
	int ret = 0;

	array_foreach_modifiable(&ct->entries, change) {
		T_BEGIN {
			ret = coi_changes_look_at_entry(box, cuser, ct, change);
		} T_END;
		if (ret < 0)
			return -1;
	}
	return 0;
}
