#ifndef IMAP_COI_TIDY_H
#define IMAP_COI_TIDY_H

struct mailbox;

/* Hook: the first SELECT of INBOX in a session has what push services say is gone
   removed (W31), when its command has ended. */
void imap_coi_tidy_mailbox_allocated(struct mailbox *box);

#endif
