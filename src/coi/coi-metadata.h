#ifndef COI_METADATA_H
#define COI_METADATA_H

#include "mail-error.h"
#include "coi-entry.h"

struct coi_metadata_update;
struct coi_user;
struct mail_attribute_value;
struct mail_storage;
struct mailbox;

/* COI's entries in the METADATA tree.

   Clients name them on mailbox "" below /private/vendor/vendor.dovecot/coi/ and
   /private/vendor/vendor.dovecot/webpush/; Dovecot keeps server entries with
   INBOX. So the attribute functions of INBOX are overridden, for our keys only: a
   value goes from the client through the validator to the changes of its
   transaction (coi-changes.h). It does not go to mail_attribute_dict, and needs
   neither that nor imap_metadata (S7). */

/* Hook: `box' was allocated. Does nothing but for INBOX of a COI user. */
void coi_metadata_mailbox_allocated(struct mailbox *box);

/* Enables or disables COI as SETMETADATA of `enabled' would, with all that
   comes with it (S32). Returns 0, or -1 with the error's code and its text for
   the client (data stack), after logging it; then nothing changed. */
int coi_metadata_set_enabled(struct coi_user *cuser, bool enabled,
			     enum mail_error *error_r,
			     const char **client_error_r);

/* The key of an entry among INBOX's attributes (data stack). */
const char *coi_metadata_entry_key(enum coi_entry_class class,
				   const char *hash);

/* Gives the value that a client has sent (data stack), NULL for NIL. Of one longer
   than `max_bytes' only the beginning is read, enough to be refused. NUL becomes
   another character that no valid value has. Returns 0, or -1 with the storage's
   error set. */
int coi_metadata_read_value(struct mail_storage *storage,
			    const struct mail_attribute_value *value,
			    size_t max_bytes, const char **value_r);

/* Changes of entries that the server makes itself, in one
   transaction of INBOX, which is opened for the first of them. */
struct coi_metadata_update *coi_metadata_update_begin(struct coi_user *cuser);
/* NULL removes the entry. `hash' is valid. */
void coi_metadata_update_entry(struct coi_metadata_update *update,
			       enum coi_entry_class class, const char *hash,
			       const char *value);
/* Returns 0, or -1 with nothing changed, after logging why. */
int coi_metadata_update_commit(struct coi_metadata_update **update);

#endif
