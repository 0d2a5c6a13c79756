#ifndef COI_CONTACTS_JUDGE_H
#define COI_CONTACTS_JUDGE_H

#include "coi-contacts.h"

/* See struct coi_contacts_vfuncs. */
int coi_contacts_judge(enum coi_entry_class class, const char *entry,
		       const char *value, const char *old, time_t now,
		       struct coi_entry_verdict *verdict_r,
		       const char **client_error_r);

#endif
