#ifndef COI_CHANGES_PRIVATE_H
#define COI_CHANGES_PRIVATE_H

#include "mail-storage-private.h"
#include "coi-changes.h"

struct coi_entry_change {
	enum coi_entry_class class;
	const char *hash;
	const char *value;
	enum coi_change_source source;

	/* found out at the commit; NULL: no entry */
	const char *old, *new;
	/* the contact was blocked, it is (or may be) blocked then */
	bool was_blocked, blocked;
	/* it has been written */
	bool changed;
};

struct coi_changes_transaction {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	ARRAY(struct coi_state_change) changes;
	ARRAY(struct coi_entry_change) entries;
	/* what the configuration was */
	struct coi_config old_config;
	/* the messages of contacts say what the entries are about to say */
	bool messages_set;
};

/* All of these are called with the store locked, and return 0, or -1 with the
   mailbox's error set. */

/* Finds out what the entries are and what they are to become. */
int coi_changes_look_at_entries(struct mailbox *box, struct coi_user *cuser,
				struct coi_changes_transaction *ct);

/* Refuses what would be too many (S43, W34), and counts what is going to be
   there, before it is; and what is gone, when it is. */
int coi_changes_count_up(struct mailbox *box, struct coi_user *cuser,
			 struct coi_changes_transaction *ct);
void coi_changes_count_down(struct coi_user *cuser,
			    struct coi_changes_transaction *ct);
/* W33 */
int coi_changes_throttle(struct mailbox *box, struct coi_user *cuser,
			 const struct coi_changes_transaction *ct);

/* Is it a subscription or a device token? */
bool coi_changes_is_about_push(const struct coi_entry_change *change);
/* Has the oldest tokens give way to those that a client sets. */
int coi_changes_make_room(struct mailbox_transaction_context *t,
			  struct coi_user *cuser,
			  struct coi_changes_transaction *ct);
/* Takes marks back that say that there are some, if there are none any more. */
void coi_changes_recount_subscriptions(struct coi_user *cuser,
				       const struct coi_changes_transaction *ct);
/* Without the lock: what was done is pushed, logged, and told to the worker. */
void coi_changes_tell_subscriptions(struct coi_user *cuser,
				    const struct coi_changes_transaction *ct);

#endif
