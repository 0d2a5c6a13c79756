#ifndef COI_CONTACTS_MAILBOX_H
#define COI_CONTACTS_MAILBOX_H

struct mail;
struct mailbox;

/* Hooks: the user's Contacts was allocated, and a mail of any mailbox. What
   clients append, copy, move and expunge there makes the entries follow; what
   is delivered there gets a keyword by which it is known not to be a
   client's. */
void coi_contacts_contacts_allocated(struct mailbox *box);
void coi_contacts_contacts_mail_allocated(struct mail *mail);

/* Did the message come to Contacts by a delivery (C5)? */
bool coi_contacts_mail_was_delivered(struct mail *mail);

#endif
