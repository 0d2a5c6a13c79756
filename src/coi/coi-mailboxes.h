#ifndef COI_MAILBOXES_H
#define COI_MAILBOXES_H

#include "mail-storage.h"

struct coi_user;

/* COI's own mailboxes. Nothing else opens or creates them. */
enum coi_mailbox {
	/* <root>/Contacts: what clients store about contacts and groups */
	COI_MAILBOX_CONTACTS,
	/* <root>/Chats: where chat is filed */
	COI_MAILBOX_CHATS,
	/* Blocked, at the top level (C4, C12) */
	COI_MAILBOX_BLOCKED,

	COI_MAILBOX_COUNT
};

/* <root> as the client must name it (S14): the setting coi_mailbox_root, with
   the separator of its namespace, and behind the prefix of INBOX's namespace
   unless it begins with a namespace's prefix itself. It lives as long as the
   user. The user's namespaces must exist. */
const char *coi_mailboxes_get_root(struct coi_user *cuser);
/* The same for a mailbox. */
const char *coi_mailboxes_get_vname(struct coi_user *cuser,
				    enum coi_mailbox which);

/* mailbox_alloc() it; the caller frees. */
struct mailbox *coi_mailboxes_alloc(struct coi_user *cuser,
				    enum coi_mailbox which,
				    enum mailbox_flags flags);

/* Is `box' this mailbox of this user? */
bool coi_mailboxes_is(struct coi_user *cuser, struct mailbox *box,
		      enum coi_mailbox which);

/* Makes the mailbox exist, and Chats subscribed (S21-S23, S34), without
   changing whether COI is enabled (S31). It may exist already, and two
   processes may do this at once. Returns 0, or -1 with the error's code and its
   text for the client (data stack). */
int coi_mailboxes_ensure(struct coi_user *cuser, enum coi_mailbox which,
			 enum mail_error *error_r, const char **client_error_r);

#endif
