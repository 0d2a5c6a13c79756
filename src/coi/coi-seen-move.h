#ifndef COI_SEEN_MOVE_H
#define COI_SEEN_MOVE_H

#include "seq-range-array.h"

struct mailbox;

/* How mail gets from INBOX to Chats without ever being in neither, and in both
   only until the next occasion (S35).

   The move uses handles of its own, as another session would, so the caller's
   view stays what it is until it syncs. One process moves at a time, under the
   store's lock. What is to move is

   1. noted in the store, with the UID that Chats will give out next,
   2. copied and committed in Chats, batch by batch, and
   3. expunged in INBOX.

   Killed between 2 and 3, the process leaves a message in INBOX that is noted,
   and its copy in Chats, at or above the noted UID and with the same GUID:
   copies keep it in all formats. Such a message is only expunged. GUIDs alone
   would not do: a client that moves mail back to INBOX by COPY, \Deleted and
   EXPUNGE has the same GUID in both for a moment, and would lose the mail. */

struct coi_seen_result {
	/* messages that left INBOX */
	unsigned int count;
	/* NULL, or why some did not (data stack) */
	const char *error;
	/* the error is in the log already */
	bool error_logged;
	/* something that was found did not move: it failed, or has been
	   expunged meanwhile */
	bool incomplete;
};

/* Adds to `uids' what waits to be moved in `box', which must be synced: what
   carries $Chat and \Seen, but neither \Deleted, since its owner is done with
   it, nor \Draft, since its owner is not. With `among' != NULL only those. */
void coi_seen_find(struct mailbox *box, const ARRAY_TYPE(seq_range) *among,
		   ARRAY_TYPE(seq_range) *uids);

/* Moves what coi_seen_find() finds in INBOX now, `inbox' being any handle of
   it. What cannot be moved stays. */
void coi_seen_move(struct mailbox *inbox, const ARRAY_TYPE(seq_range) *among,
		   struct coi_seen_result *result_r);

/* The same for those of `among', whether they carry \Seen or not. */
void coi_seen_move_unseen_too(struct mailbox *inbox,
			      const ARRAY_TYPE(seq_range) *among,
			      struct coi_seen_result *result_r);

/* TRUE while coi_seen_move() runs: mailboxes that are allocated now are its
   own. */
bool coi_seen_move_is_running(void);

#endif
