#ifndef COI_CONTACTS_GROUPS_H
#define COI_CONTACTS_GROUPS_H

struct coi_fields;
struct coi_user;

/* See `group_message' of struct coi_contacts_vfuncs. Failures are logged. */
void coi_contacts_group_message(struct coi_user *cuser, const char *id,
				const struct coi_fields *fields, bool own);

#endif
