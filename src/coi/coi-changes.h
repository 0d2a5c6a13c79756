#ifndef COI_CHANGES_H
#define COI_CHANGES_H

#include "coi-config.h"
#include "coi-entry.h"

struct coi_user;
struct mailbox;
struct mailbox_transaction_context;

/* Changes of a user's configuration and entries. They are collected in
   a transaction of INBOX and take effect at its commit, all or none (RFC 5464
   4.3): first the mailboxes that they announce are made (S21, S34), then the
   messages in Contacts and the store are changed, then INBOX's index, whose
   attribute log dsync follows (S43). If the last fails the store is put back. */

/* Adds a change, already judged, to the transaction. `key' is the attribute's
   for the log; value NULL removes; timestamp 0 is now. */
void coi_changes_add(struct mailbox_transaction_context *t, const char *key,
		     enum coi_config_key config_key, const char *value,
		     time_t timestamp);

/* How the value of an entry came to us. */
enum coi_change_source {
	/* A client wants to set it: it is judged at the commit. */
	COI_CHANGE_CLIENT,
	/* The server itself, or dsync (S43): it is taken as it is. */
	COI_CHANGE_SERVER,
	/* A client validates the subscription with this text (W18). */
	COI_CHANGE_VALIDATE,
};

/* The same for an entry (coi-entry.h); `hash', its last part, is valid. */
void coi_changes_add_entry(struct mailbox_transaction_context *t,
			   const char *key, enum coi_entry_class class,
			   const char *hash, const char *value,
			   enum coi_change_source source, time_t timestamp);

/* Hook: `box' was allocated. Does nothing but for INBOX of a COI user. */
void coi_changes_mailbox_allocated(struct mailbox *box);

#endif
