#ifndef COI_CONTACTS_MESSAGES_H
#define COI_CONTACTS_MESSAGES_H

#include "mail-error.h"

struct coi_contact_block;
struct coi_user;

/* See `set_blocked' of struct coi_contacts_vfuncs. The new message is committed
   before the old one is expunged: both exist for a moment, as when a client
   does it (C7). */
int coi_contacts_set_blocked(struct coi_user *cuser,
			     const struct coi_contact_block *blocks,
			     unsigned int count, enum mail_error *error_r,
			     const char **client_error_r);

#endif
