#ifndef COI_CONTACTS_SYNC_PRIVATE_H
#define COI_CONTACTS_SYNC_PRIVATE_H

#include "coi-contacts-index.h"

struct coi_contacts_check;
struct mailbox;

/* What the messages say about a hash of which one is new or gone. */
struct coi_contacts_touched {
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];

	/* the newest message; UID 0: there is none */
	uint32_t uid;
	time_t date;
	bool blocked;
};

struct coi_contacts_sync {
	struct coi_user *cuser;
	/* NULL: the daily work */
	struct coi_contacts_check *check;
	/* do nothing if there is no index */
	bool known_only;
	struct mailbox *box;
	struct coi_contacts_index index;
	/* messages that the index does not know; 0: there are none */
	uint32_t new_seq1, new_seq2;
	/* it knows others than are there, or suspects that */
	bool differs;

	pool_t pool;
	ARRAY(struct coi_contacts_touched *) touched;
	HASH_TABLE(unsigned char *, struct coi_contacts_touched *) by_digest;
	/* with which bytes their digests begin: most records are passed over */
	bool first_bytes[UCHAR_MAX + 1];
	/* data stack; for the log */
	const char *error;
};

/* These two bring the records of the index in step with the mailbox, and note
   in `touched' of which contacts the messages say something else now. */

/* Those that the index has. */
void coi_contacts_sync_known(struct coi_contacts_sync *sync);
/* Those from new_seq1 to new_seq2. Returns 0, or -1 with sync->error. */
int coi_contacts_sync_new(struct coi_contacts_sync *sync);

#endif
