#ifndef COI_FOLDERS_H
#define COI_FOLDERS_H

struct mailbox;

/* What a client's CREATE, DELETE and RENAME mean for COI (S24, S29-S32).

   CREATE of Chats, or a RENAME that makes it exist, enables COI, as
   SETMETADATA does. DELETE of Chats, or a RENAME that puts it below trash,
   disables COI; any other RENAME of it is refused, for as long as COI is
   enabled. Renaming a mailbox renames those below it too, so Chats' parents
   count with what they carry. Deleting a parent does not: Dovecot leaves Chats
   where it is.

   Only a client's own command counts: an IMAP CREATE, DELETE or RENAME that is
   being executed in this process. doveadm, dsync, LMTP, LDA, Sieve, a mailbox
   that configuration creates when it is first opened, and this plugin itself
   change mailboxes without changing COI (S31, S43).

   The order leaves nothing but harmless states if a step fails or the process
   dies between two. Enabling comes after the mailbox: COI off with a Chats is a
   user who has not enabled COI yet. The command then succeeds as without us,
   and what failed is logged. Disabling comes before: COI on without a Chats
   would have the next delivery make it anew, so what cannot be disabled is not
   deleted. If then deleting or renaming fails and Chats is still there, COI is
   enabled again. Dovecot keeps the list of mailboxes locked meanwhile, so two
   clients do this one after the other. */

/* Hook: `box' was allocated. Does nothing but in the user's own namespaces. */
void coi_folders_mailbox_allocated(struct mailbox *box);

#endif
