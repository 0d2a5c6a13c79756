#ifndef COI_STORE_HIDE_H
#define COI_STORE_HIDE_H

struct mail_namespace;

/* Keeps the store's directory out of the list of mailboxes.

   Where control files lie among the directories of mailboxes, as with maildir's
   LAYOUT=fs, it would be listed, and a client could CREATE a mailbox in it. Its
   name becomes one of those that the format reserves for itself, as cur, new
   and tmp are. */

/* Hook: the namespace got its storage. Acts also for users with coi = no: they
   may have used COI before. */
void coi_store_hide_namespace_storage_added(struct mail_namespace *ns);

#endif
