#ifndef COI_WEBPUSH_UNSEEN_H
#define COI_WEBPUSH_UNSEEN_H

#include "coi-reading.h"

struct coi_user;

/* INBOX or Chats as its index has it now: by a handle of our own, so that no
   client's view changes, and without syncing, so that nobody is waited for and
   no message is read. It must not stay open longer than a function runs: LMTP
   wants all mailboxes closed after its delivery. */
struct coi_webpush_view {
	struct mailbox *box;
	struct mail_index_view *view;
};

/* Returns 1, 0 if there is no such mailbox, or -1 with *error_r (data stack). */
int coi_webpush_view_open(struct coi_user *cuser,
			  enum coi_reading_mailbox mailbox,
			  struct coi_webpush_view *view_r,
			  const char **error_r);
void coi_webpush_view_close(struct coi_webpush_view *view);

uint32_t coi_webpush_view_uid_validity(const struct coi_webpush_view *view);
/* Has the message \Seen? Returns FALSE also if there is no such message; else
   *chat_r tells whether it carries $Chat. */
bool coi_webpush_view_is_seen(const struct coi_webpush_view *view,
			      uint32_t uid, bool *chat_r);

/* How many messages in INBOX and Chats carry $Chat and have no \Seen. One that
   rings is among them: it was committed before. Returns FALSE, after logging
   why, if that cannot be told. */
bool coi_webpush_unseen_count(struct coi_user *cuser, unsigned int *count_r);

#endif
