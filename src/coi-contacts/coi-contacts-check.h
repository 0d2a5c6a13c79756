#ifndef COI_CONTACTS_CHECK_H
#define COI_CONTACTS_CHECK_H

#include "coi-contacts.h"

/* A pending group, of which the newest ones stay. */
struct coi_contacts_check_pending {
	const char *hash;
	time_t modified;
};

/* One run of `check'; its parts share this. The store is locked. */
struct coi_contacts_check {
	struct coi_user *cuser;
	coi_contacts_problem_t *problem;
	void *context;

	pool_t pool;
	/* Of the groups that can be read. */
	ARRAY(struct coi_contacts_check_pending) pending;
	/* COI is enabled, and somebody may be blocked, by the state file. */
	bool enabled, marked_blocked;
	/* Somebody is. */
	bool has_blocked;
	/* The mailbox is there. */
	bool have_contacts;
	/* Blocked contacts that no message names. */
	ARRAY_TYPE(const_string) unnamed;
	/* Something could not be checked or mended; it is logged. */
	bool failed;
};

/* See `check' of struct coi_contacts_vfuncs. */
int coi_contacts_check(struct coi_user *cuser, coi_contacts_problem_t *problem,
		       void *context);

/* Tells of something that does not agree and is about to be mended. */
void coi_contacts_check_problem(struct coi_contacts_check *check,
				const char *format, ...) ATTR_FORMAT(2, 3);
/* Logs that something could not be checked or mended. */
void coi_contacts_check_fail(struct coi_contacts_check *check,
			     const char *error);

/* Checks that groups.pending names the pending groups, and that there are not
   too many. */
void coi_contacts_check_groups(struct coi_contacts_check *check);

#endif
