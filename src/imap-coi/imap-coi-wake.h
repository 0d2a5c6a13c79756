#ifndef IMAP_COI_WAKE_H
#define IMAP_COI_WAKE_H

/* Instant wake-up of IDLE and NOTIFY (flow E of doc/design.md).

   Dovecot tells a client of a change 500 ms after it saw it. We watch beside
   it, and make the same call that Dovecot would make, earlier. Where we hear
   nothing, the client is told as ever.

   Users without COI, and those with coi_idle_delay at Dovecot's own delay, are
   left alone. */

struct mail_user;
struct mailbox;
struct mailbox_list;

/* After how many msecs to tell this user's clients. Returns FALSE if that is
   Dovecot's own business. */
bool imap_coi_wake_get_delay(struct mail_user *user, unsigned int *msecs_r);

/* Hook: the selected mailbox, IDLE and NOTIFY. */
void imap_coi_wake_mailbox_allocated(struct mailbox *box);
/* Hook: mailboxes that NOTIFY watches and that are not selected. */
void imap_coi_wake_list_created(struct mailbox_list *list);

#endif
