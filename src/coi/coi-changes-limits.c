/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "coi-changes-private.h"
#include "coi-entries.h"
#include "coi-limits.h"
#include "coi-subscriptions.h"
#include "coi-user.h"

/* Whether there will be an entry just before this change: one SETMETADATA may
   have several of the same. */
static bool
coi_changes_had_entry(const struct coi_changes_transaction *ct,
		      const struct coi_entry_change *change)
{
	const struct coi_entry_change *first = array_front(&ct->entries);
	const struct coi_entry_change *earlier;

	for (earlier = change; earlier-- > first; ) {
		if (earlier->class == change->class &&
		    strcmp(earlier->hash, change->hash) == 0)
			return earlier->new != NULL;
	}
	return change->old != NULL;
}

/* How many entries of the class there will be more, or less. */
static int
coi_changes_count_class(const struct coi_changes_transaction *ct,
			enum coi_entry_class class, bool *from_client_r)
{
	const struct coi_entry_change *change;
	int count = 0;
	bool had;

	*from_client_r = FALSE;
	array_foreach(&ct->entries, change) {
		if (change->class != class)
			continue;
		/* many at once are the server's, each another */
		had = change->source == COI_CHANGE_SERVER ?
			change->old != NULL : coi_changes_had_entry(ct, change);
		count += (change->new != NULL ? 1 : 0) - (had ? 1 : 0);
		if (change->source == COI_CHANGE_CLIENT)
			*from_client_r = TRUE;
	}
	return count;
}

/* 0: any number */
static unsigned int
coi_changes_class_max(struct coi_user *cuser, enum coi_entry_class class)
{
	switch (class) {
	case COI_ENTRY_CONTACT:
		return cuser->set->coi_contacts_max;
	case COI_ENTRY_GROUP:
		return cuser->set->coi_groups_max;
	case COI_ENTRY_SUBSCRIPTION:
		return cuser->set->coi_push_subscription_limit;
	case COI_ENTRY_TOKEN:
		/* the oldest have given way */
	case COI_ENTRY_VAPID:
		return 0;
	case COI_ENTRY_CLASS_COUNT:
		break;
	}
	i_unreached();
}

static int
coi_changes_count_class_up(struct mailbox *box, struct coi_user *cuser,
			   struct coi_changes_transaction *ct,
			   enum coi_entry_class class)
{
	bool from_client;
	int count = coi_changes_count_class(ct, class, &from_client);
	/* S43: no limit of ours makes dsync or the server lose anything */
	unsigned int max = !from_client ? 0 :
		coi_changes_class_max(cuser, class);
	const char *error;
	int ret;

	if (count <= 0)
		return 0;
	ret = coi_entries_count_up(cuser->store, class, count, max, &error);
	if (ret == 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_LIMIT,
			t_strdup_printf("Too many entries below %s, limit is %u",
				coi_entry_class_name(class), max));
	} else if (ret < 0) {
		mailbox_set_critical(box, "coi: %s", error);
	}
	return ret > 0 ? 0 : -1;
}

int coi_changes_count_up(struct mailbox *box, struct coi_user *cuser,
			 struct coi_changes_transaction *ct)
{
	enum coi_entry_class class;

	/* there is but one key */
	for (class = 0; class < COI_ENTRY_VAPID; class++) {
		if (coi_changes_count_class_up(box, cuser, ct, class) < 0)
			return -1;
	}
	return 0;
}

void coi_changes_count_down(struct coi_user *cuser,
			    struct coi_changes_transaction *ct)
{
	enum coi_entry_class class;
	bool from_client;
	const char *error;
	int count;

	/* there is but one key */
	for (class = 0; class < COI_ENTRY_VAPID; class++) {
		count = coi_changes_count_class(ct, class, &from_client);
		/* too high a number does no harm */
		if (count < 0 &&
		    coi_entries_count_down(cuser->store, class, -count,
					   &error) < 0) {
			e_error(coi_user_get_event(cuser),
				"Counting entries failed: %s", error);
		}
	}
}

/* W33 */
int coi_changes_throttle(struct mailbox *box, struct coi_user *cuser,
			 const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;
	unsigned int count = 0;
	const char *error;
	int ret;

	array_foreach(&ct->entries, change) {
		if (change->class == COI_ENTRY_SUBSCRIPTION &&
		    change->source == COI_CHANGE_CLIENT &&
		    change->value != NULL)
			count++;
	}
	if (count == 0)
		return 0;
	ret = coi_subscriptions_try(cuser->store, count, ioloop_time, &error);
	if (ret == 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_LIMIT,
			t_strdup_printf("Too many subscriptions in an hour, "
				"limit is %u", COI_PUSH_ATTEMPTS_MAX));
	} else if (ret < 0) {
		mailbox_set_critical(box, "coi: %s", error);
	}
	return ret > 0 ? 0 : -1;
}
