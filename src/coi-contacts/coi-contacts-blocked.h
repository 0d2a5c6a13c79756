#ifndef COI_CONTACTS_BLOCKED_H
#define COI_CONTACTS_BLOCKED_H

struct coi_fields;
struct coi_user;

/* See `is_blocked' of struct coi_contacts_vfuncs. */
bool coi_contacts_are_blocked(struct coi_user *cuser,
			      const struct coi_fields *fields);

#endif
