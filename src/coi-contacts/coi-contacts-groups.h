#ifndef COI_CONTACTS_GROUPS_H
#define COI_CONTACTS_GROUPS_H

struct coi_fields;
struct coi_user;

/* The hashes of the groups that arriving mail has made, a line each, the one
   that changed last at the end: so that not all groups have to be read to find
   those. It names all that are pending; some of what it names may have become
   known, or be gone. */
#define COI_STORE_KEY_PENDING "groups.pending"

/* See `group_message' of struct coi_contacts_vfuncs. Failures are logged. */
void coi_contacts_group_message(struct coi_user *cuser, const char *id,
				const struct coi_fields *fields, bool own);

#endif
