#ifndef COI_SAVE_H
#define COI_SAVE_H

struct mail;
struct mailbox;
struct coi_user;

/* Puts $Chat on what is saved (S37).

   In a delivery the message is known before it is saved: the keyword is added
   to the save itself. Later recipients of the transaction may get their copy of
   what an earlier one got, and Sieve copies keywords: so $Chat is invisible
   where that is read, and none goes to a user who has COI off.

   What a client APPENDs is known only once its headers have arrived: then it is
   added in the same transaction, after the save. */

#define COI_KEYWORD_CHAT "$Chat"

/* Hook: `box' was allocated. Does nothing but in a COI user's own
   namespaces. */
void coi_save_mailbox_allocated(struct mailbox *box);
/* Hook: `mail' was allocated. Does nothing but in deliveries. */
void coi_save_mail_allocated(struct mail *mail);

#endif
