#ifndef IMAP_COI_SEEN_PUSH_H
#define IMAP_COI_SEEN_PUSH_H

struct mail;
struct mail_user;
struct mailbox;

/* Tells the plugin `coi_push' which messages this session's client has read, for
   subscriptions that want to know what is read elsewhere.

   Of the handle of INBOX or Chats that is SELECTed, the UIDs that get \Seen are
   collected, and told when the client has its answer: by a timeout of no time,
   which comes again as long as a command is at work; and when the session ends.
   Whether any subscription wants to know is asked at SELECT: for users who have
   none nothing else is done. */

/* Hook: a user was created. */
void imap_coi_seen_push_user_created(struct mail_user *user);
/* Hook: `box' was allocated. */
void imap_coi_seen_push_mailbox_allocated(struct mailbox *box);
/* Hook: `mail' was allocated. */
void imap_coi_seen_push_mail_allocated(struct mail *mail);

#endif
