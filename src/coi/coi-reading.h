#ifndef COI_READING_H
#define COI_READING_H

#include "seq-range-array.h"

struct coi_user;
struct mailbox;

/* Where clients read what was pushed. */
enum coi_reading_mailbox {
	COI_READING_INBOX,
	COI_READING_CHATS,

	COI_READING_MAILBOX_COUNT
};

enum coi_reading_when {
	/* They are about to be moved away: remember what they are. */
	COI_READING_LATER,
	/* Tell of them, or of them and others when it is time. */
	COI_READING_NOW,
	/* The session ends: tell of them whether it is time or not. */
	COI_READING_LAST,
};

/* Messages of one of them that have got \Seen. */
struct coi_reading {
	enum coi_reading_mailbox mailbox;
	uint32_t uid_validity;
	/* May be empty. */
	const ARRAY_TYPE(seq_range) *uids;
	enum coi_reading_when when;
};

/* Returns FALSE if `box' is none of these of this user. */
bool coi_reading_find(struct coi_user *cuser, struct mailbox *box,
		      enum coi_reading_mailbox *mailbox_r);
/* mailbox_alloc() it for looking only; the caller frees. */
struct mailbox *coi_reading_alloc(struct coi_user *cuser,
				  enum coi_reading_mailbox mailbox);

/* May a subscription of the user's want to know what is read? Reads the store:
   not to be asked per message. */
bool coi_reading_is_wanted(struct coi_user *cuser);

#endif
