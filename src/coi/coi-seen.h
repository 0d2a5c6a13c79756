#ifndef COI_SEEN_H
#define COI_SEEN_H

struct mail;
struct mailbox;

/* The filter `seen' (S35, flow C of doc/design.md): chat stays in INBOX until
   it gets \Seen, then it moves to Chats.

   A handle of INBOX collects what has to move:
   - UIDs of chat that gets \Seen in a transaction, once that is committed;
   - when it is SELECTed, what is there already: left by a move that failed or
     was killed, or by another program that sets flags;
   - that something was saved with \Seen.

   It moves some time after the last of this, when the client reads no bodies
   and no command works in the mailbox; and when the handle is closed. doveadm,
   LMTP and POP3 know only the latter. The mode is asked for anew each time
   (S42). */

/* Hook: `box' was allocated. Does nothing but for INBOX, opened for writing. */
void coi_seen_mailbox_allocated(struct mailbox *box);
/* Hook: `mail' was allocated. */
void coi_seen_mail_allocated(struct mail *mail);

#endif
