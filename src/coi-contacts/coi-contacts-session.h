#ifndef COI_CONTACTS_SESSION_H
#define COI_CONTACTS_SESSION_H

#include "coi-store.h"

struct coi_user;

/* What is expensive to open in a mailbox with many contacts, for those who work
   there one after the other: cuser->contacts_session, NULL if nobody does. */
struct coi_contacts_session {
	unsigned int refcount;
	/* Contacts; who needs it opens it. */
	struct mailbox *box;
	bool synced;
	/* coi_contacts_index's, which has not changed since. */
	struct coi_store_map index_map;
};

void coi_contacts_session_ref(struct coi_user *cuser);
void coi_contacts_session_unref(struct coi_user *cuser);

/* Synchronises the mailbox, which is open. Returns 0, or -1 with its error
   set. */
int coi_contacts_session_sync(struct coi_contacts_session *session);

#endif
