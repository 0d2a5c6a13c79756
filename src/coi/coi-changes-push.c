/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "coi-changes-private.h"
#include "coi-deltachat.h"
#include "coi-metadata.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "coi-webpush.h"

bool coi_changes_is_about_push(const struct coi_entry_change *change)
{
	return change->class == COI_ENTRY_SUBSCRIPTION ||
		change->class == COI_ENTRY_TOKEN;
}

/* Whether it may have taken the last one of a kind away. */
static bool
coi_changes_subscription_goes(const struct coi_entry_change *change)
{
	return coi_changes_is_about_push(change) && change->old != NULL &&
		(change->new == NULL ||
		 (coi_subscriptions_may_want_seen(change->old) &&
		  !coi_subscriptions_may_want_seen(change->new)));
}

/* A mark goes with the last of them. */
void coi_changes_recount_subscriptions(struct coi_user *cuser,
				       const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;
	bool removed = FALSE;
	const char *error;

	array_foreach(&ct->entries, change) {
		if (coi_changes_subscription_goes(change))
			removed = TRUE;
	}
	if (removed && coi_subscriptions_recount(cuser->store, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Counting subscriptions failed: %s", error);
	}
}

/* The event's name for what a client has done; NULL: nothing. */
static const char *
coi_changes_subscription_change(const struct coi_entry_change *change)
{
	switch (change->source) {
	case COI_CHANGE_CLIENT:
		if (change->new != NULL)
			return change->old == NULL ? "registered" : "replaced";
		return change->old == NULL ? NULL : "removed";
	case COI_CHANGE_VALIDATE:
		return "validated";
	case COI_CHANGE_SERVER:
		break;
	}
	/* who has done it tells of it */
	return NULL;
}

static void
coi_changes_tell_subscription(struct coi_user *cuser,
			      const struct coi_entry_change *change)
{
	const char *what = coi_changes_subscription_change(change);
	const struct coi_webpush_vfuncs *v;

	if (what != NULL)
		coi_subscriptions_log(cuser, change->hash, what);
	if (!coi_webpush_is_on(cuser) ||
	    change->source == COI_CHANGE_VALIDATE ||
	    (v = coi_webpush_get(cuser)) == NULL)
		return;
	/* that the server has counted a wrong text changes nothing for what is
	   pushed */
	if (change->old != NULL &&
	    (change->new == NULL || change->source == COI_CHANGE_CLIENT) &&
	    null_strcmp(change->old, change->new) != 0)
		v->cancel(cuser, change->hash);
	if (change->new != NULL && change->source == COI_CHANGE_CLIENT)
		v->subscribed(cuser, change->hash, change->new);
}

/* The same of a device token, which needs no validation. */
static void
coi_changes_tell_token(struct coi_user *cuser,
		       const struct coi_entry_change *change)
{
	const char *what = coi_changes_subscription_change(change);
	const struct coi_webpush_vfuncs *v;

	if (what != NULL) {
		coi_subscriptions_log(cuser, change->hash,
			strcmp(what, "replaced") == 0 ? "renewed" : what);
	}
	/* the plugin is large, and most users have one device: it is needed if
	   something waits for a token that goes, or others may be gone */
	if (!coi_deltachat_is_on(cuser) ||
	    (change->new == NULL ? change->old == NULL :
	     !coi_deltachat_has_others(cuser, change->hash)) ||
	    (v = coi_webpush_get(cuser)) == NULL)
		return;
	if (change->new == NULL)
		v->cancel(cuser, change->hash);
	else if (change->source == COI_CHANGE_CLIENT)
		v->tidy(cuser);
}

void coi_changes_tell_subscriptions(struct coi_user *cuser,
				    const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;

	array_foreach(&ct->entries, change) {
		if (change->class == COI_ENTRY_SUBSCRIPTION) T_BEGIN {
			coi_changes_tell_subscription(cuser, change);
		} T_END;
		else if (change->class == COI_ENTRY_TOKEN) T_BEGIN {
			coi_changes_tell_token(cuser, change);
		} T_END;
	}
}

/* Those that a client sets, each once. */
static void
coi_changes_get_tokens(const struct coi_changes_transaction *ct,
		       ARRAY_TYPE(const_string) *ids)
{
	const struct coi_entry_change *change;
	const char *id;
	bool found;

	array_foreach(&ct->entries, change) {
		if (change->class != COI_ENTRY_TOKEN || change->value == NULL ||
		    change->source != COI_CHANGE_CLIENT)
			continue;
		found = FALSE;
		array_foreach_elem(ids, id) {
			if (strcmp(id, change->hash) == 0)
				found = TRUE;
		}
		if (!found)
			array_push_back(ids, &change->hash);
	}
}

/* Of a user's tokens the oldest give way to new ones. */
int coi_changes_make_room(struct mailbox_transaction_context *t,
			  struct coi_user *cuser,
			  struct coi_changes_transaction *ct)
{
	ARRAY_TYPE(const_string) added, surplus;
	const char *id, *error;

	t_array_init(&added, 4);
	coi_changes_get_tokens(ct, &added);
	if (array_count(&added) == 0)
		return 0;
	array_append_zero(&added);
	t_array_init(&surplus, 4);
	if (coi_deltachat_find_surplus(cuser, array_front(&added), &surplus,
				       &error) < 0) {
		mail_storage_set_error(t->box->storage, MAIL_ERROR_LIMIT,
				       error);
		return -1;
	}
	array_foreach_elem(&surplus, id) {
		coi_changes_add_entry(t,
			coi_metadata_entry_key(COI_ENTRY_TOKEN, id),
			COI_ENTRY_TOKEN, id, NULL, COI_CHANGE_SERVER, 0);
	}
	return 0;
}
