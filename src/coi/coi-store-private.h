#ifndef COI_STORE_PRIVATE_H
#define COI_STORE_PRIVATE_H

#include "coi-store.h"

#define COI_STORE_LOCK_FNAME "lock"
/* part of the names of files that are just being written */
#define COI_STORE_TEMP_INFIX ".tmp."

struct coi_store {
	struct mail_user *user;
	/* INBOX's list; NULL until the namespaces are there */
	struct mailbox_list *list;
	/* the store's directory */
	const char *dir;

	struct file_lock *lock;
	unsigned int lock_count;

	/* between coi_store_many_begin() and _end() */
	bool many;
};

/* Sets list and dir, if that has not happened yet. Returns FALSE if INBOX's
   namespace keeps no files. */
bool coi_store_find(struct coi_store *store);

#endif
