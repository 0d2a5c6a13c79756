#ifndef COI_CHANGES_H
#define COI_CHANGES_H

#include "coi-config.h"

struct mailbox;
struct mailbox_transaction_context;

/* Changes of a user's configuration. They are collected in a transaction of
   INBOX and take effect at its commit, all or none (RFC 5464 4.3): first the
   mailboxes that they announce are made (S21, S34), then the store is changed,
   then INBOX's index, whose attribute log dsync follows (S43). If the last fails
   the store is put back. */

/* Adds a change, already judged, to the transaction. `key' is the attribute's
   for the log; value NULL removes; timestamp 0 is now. */
void coi_changes_add(struct mailbox_transaction_context *t, const char *key,
		     enum coi_config_key config_key, const char *value,
		     time_t timestamp);

/* Hook: `box' was allocated. Does nothing but for INBOX of a COI user. */
void coi_changes_mailbox_allocated(struct mailbox *box);

#endif
