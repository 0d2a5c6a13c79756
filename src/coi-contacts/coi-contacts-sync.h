#ifndef COI_CONTACTS_SYNC_H
#define COI_CONTACTS_SYNC_H

struct coi_contact_headers;
struct coi_contacts_check;
struct coi_user;
struct mail;

/* See `catch_up' of struct coi_contacts_vfuncs.

   What is new in Contacts, and what is gone, is found by comparing the mailbox
   with the index of its messages (coi-contact-index.h). For each hash that this
   touches the newest message decides (C7), and the index is written last. So
   whoever is killed meanwhile, or does the same at the same time, leaves
   nothing undone, and what has been done already changes nothing. */
int coi_contacts_catch_up(struct coi_user *cuser);

/* What a message in Contacts says. It names nobody if it is no contact message,
   was delivered (C5), or is gone. Returns 0, or -1 with *error_r (data stack)
   for the log. */
int coi_contacts_read_message(struct mail *mail, pool_t pool,
			      struct coi_contact_headers *headers_r,
			      const char **error_r);

/* Catches up as far as there is an index, then does it again as if nobody had
   looked at any message yet: what changes thereby did not agree. Tells of that,
   and fills have_contacts, has_blocked and unnamed. Returns 0, or -1 after
   logging why not. */
int coi_contacts_sync_check(struct coi_contacts_check *check);

#endif
