#ifndef COI_SEEN_JOURNAL_H
#define COI_SEEN_JOURNAL_H

#include "seq-range-array.h"

struct coi_store;

/* What a move is about to do, written to the store before it does: an index
   would be the better place, but after a crash it may be rebuilt without what
   it does not know. An entry that is done need not be removed, since a UID
   never comes back. */
struct coi_seen_journal {
	/* of INBOX */
	uint32_t uid_validity;
	/* of the messages there that may have been copied */
	ARRAY_TYPE(seq_range) uids;
	/* the lowest UID that such a copy can have in Chats */
	uint32_t first_copy_uid;
};

/* Reads what was written for this uid_validity. If there is nothing of that
   kind, journal->uids stays as it is. Returns 0, or -1 with *error_r (data
   stack). */
int coi_seen_journal_read(struct coi_store *store,
			  struct coi_seen_journal *journal,
			  const char **error_r);
/* The store must be locked. */
int coi_seen_journal_write(struct coi_store *store,
			   const struct coi_seen_journal *journal,
			   const char **error_r);

#endif
