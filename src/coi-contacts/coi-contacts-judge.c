/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-contact.h"
#include "coi-group.h"
#include "coi-contacts-judge.h"

static int
coi_contacts_judge_contact(const char *entry, const char *value, time_t now,
			   struct coi_entry_verdict *verdict_r,
			   const char **client_error_r)
{
	struct coi_contact contact;
	string_t *str = t_str_new(128);

	if (coi_contact_validate(entry, value, now, &contact,
				 client_error_r) < 0)
		return -1;
	coi_contact_format(&contact, str);
	verdict_r->blocked = contact.blocked;
	verdict_r->stored = coi_contact_is_default(&contact) ?
		NULL : str_c(str);
	return 0;
}

static int
coi_contacts_judge_group(const char *entry, const char *value,
			 const char *old_value, time_t now,
			 struct coi_entry_verdict *verdict_r,
			 const char **client_error_r)
{
	struct coi_group old, group;
	string_t *str = t_str_new(256);
	const char *error;

	i_zero(&old);
	/* what cannot be read is replaced */
	if (old_value != NULL &&
	    coi_group_parse(old_value, pool_datastack_create(), &old,
			    &error) < 0)
		i_zero(&old);
	if (coi_group_validate(entry, value, &old, now, &group,
			       client_error_r) < 0)
		return -1;
	coi_group_format(&group, str);
	verdict_r->stored = coi_group_is_default(&group) ? NULL : str_c(str);
	return 0;
}

int coi_contacts_judge(enum coi_entry_class class, const char *entry,
		       const char *value, const char *old, time_t now,
		       struct coi_entry_verdict *verdict_r,
		       const char **client_error_r)
{
	i_zero(verdict_r);
	switch (class) {
	case COI_ENTRY_CONTACT:
		return coi_contacts_judge_contact(entry, value, now, verdict_r,
						  client_error_r);
	case COI_ENTRY_GROUP:
		return coi_contacts_judge_group(entry, value, old, now,
						verdict_r, client_error_r);
	case COI_ENTRY_SUBSCRIPTION:
	case COI_ENTRY_TOKEN:
	case COI_ENTRY_VAPID:
	case COI_ENTRY_CLASS_COUNT:
		break;
	}
	i_unreached();
}
