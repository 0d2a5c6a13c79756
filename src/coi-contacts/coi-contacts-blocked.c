/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "coi-address.h"
#include "coi-contact.h"
#include "coi-entries.h"
#include "coi-user.h"
#include "coi-contacts-blocked.h"

/* Returns 1 if the contact is blocked, 0 if not, -1 if it cannot be read; then
   *error_r (data stack) is for the log. */
static int
coi_contacts_hash_is_blocked(struct coi_user *cuser, const char *hash,
			     const char **error_r)
{
	struct coi_contact contact;
	const char *value, *error;
	int ret;

	ret = coi_entries_read(cuser->store, COI_ENTRY_CONTACT, hash,
			       &value, error_r);
	if (ret <= 0)
		return ret;
	if (coi_contact_parse(value, &contact, &error) < 0) {
		*error_r = t_strdup_printf("Contact %s: %s", hash, error);
		return -1;
	}
	return contact.blocked ? 1 : 0;
}

/* C3: clients may know an internationalised domain in either form. */
static int
coi_contacts_address_is_blocked(struct coi_user *cuser, const char *address,
				const char **error_r)
{
	const char *alabel;
	int ret;

	ret = coi_contacts_hash_is_blocked(cuser, coi_address_hash(address),
					   error_r);
	if (ret != 0)
		return ret;
	alabel = coi_address_hash_alabel(address);
	return alabel == NULL ? 0 :
		coi_contacts_hash_is_blocked(cuser, alabel, error_r);
}

bool coi_contacts_are_blocked(struct coi_user *cuser,
			      const struct coi_fields *fields)
{
	struct coi_addresses from;
	const char *error;
	unsigned int i;
	int ret = 1;

	coi_addresses_read_from(fields, pool_datastack_create(), &from);
	if (from.verdict != COI_ADDRESS_LIST || from.count == 0)
		return FALSE;
	for (i = 0; i < from.count && ret > 0; i++) {
		ret = coi_contacts_address_is_blocked(cuser, from.list[i],
						      &error);
	}
	if (ret < 0) {
		e_error(coi_user_get_event(cuser),
			"Delivering as not blocked: %s", error);
	}
	return ret > 0;
}
