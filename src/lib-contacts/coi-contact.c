/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-json.h"
#include "coi-contact.h"

#define COI_MEMBER_BLOCKED "blocked"
#define COI_MEMBER_NOTIFY "notify"
#define COI_MEMBER_MUTED_UNTIL "muted-until"
#define COI_MEMBER_MODIFIED "modified"

static const char *const coi_contact_notify_names[] = {
	[COI_CONTACT_NOTIFY_ALL] = "all",
	[COI_CONTACT_NOTIFY_NONE] = "none",
	NULL
};

static int coi_contact_read_members(const json_t *root,
				    struct coi_contact *contact,
				    const char **reason_r)
{
	unsigned int notify = COI_CONTACT_NOTIFY_ALL;

	if (coi_json_get_bool(root, COI_MEMBER_BLOCKED, &contact->blocked,
			      reason_r) < 0 ||
	    coi_json_get_word(root, COI_MEMBER_NOTIFY, coi_contact_notify_names,
			      &notify, reason_r) < 0 ||
	    coi_json_get_time(root, COI_MEMBER_MUTED_UNTIL,
			      &contact->muted_until, reason_r) < 0)
		return -1;
	contact->notify = notify;
	return 0;
}

int coi_contact_validate(const char *entry, const char *value, time_t now,
			 struct coi_contact *contact_r,
			 const char **client_error_r)
{
	const char *reason;
	json_t *root;
	int ret;

	i_zero(contact_r);
	ret = coi_json_parse(value, strlen(value), COI_CONTACT_VALUE_MAX_BYTES,
			     &root, &reason);
	if (ret == 0) {
		ret = coi_contact_read_members(root, contact_r, &reason);
		json_decref(root);
	}
	if (ret < 0) {
		i_zero(contact_r);
		*client_error_r = t_strdup_printf("invalid value for %s: %s",
						  entry, reason);
		return -1;
	}
	contact_r->modified = now;
	return 0;
}

int coi_contact_parse(const char *value, struct coi_contact *contact_r,
		      const char **error_r)
{
	json_t *root;
	int ret;

	i_zero(contact_r);
	if (coi_json_parse(value, strlen(value), COI_CONTACT_VALUE_MAX_BYTES,
			   &root, error_r) < 0)
		return -1;
	ret = coi_contact_read_members(root, contact_r, error_r);
	if (ret == 0) {
		ret = coi_json_get_time(root, COI_MEMBER_MODIFIED,
					&contact_r->modified, error_r);
	}
	json_decref(root);
	if (ret < 0)
		i_zero(contact_r);
	return ret;
}

void coi_contact_format(const struct coi_contact *contact, string_t *dest)
{
	str_append_c(dest, '{');
	if (contact->blocked) {
		coi_json_append_name(dest, COI_MEMBER_BLOCKED);
		str_append(dest, "true");
	}
	if (contact->notify != COI_CONTACT_NOTIFY_ALL) {
		coi_json_append_name(dest, COI_MEMBER_NOTIFY);
		coi_json_append_string(dest,
			coi_contact_notify_names[contact->notify]);
	}
	if (contact->muted_until != 0) {
		coi_json_append_name(dest, COI_MEMBER_MUTED_UNTIL);
		coi_json_append_time(dest, contact->muted_until);
	}
	if (contact->modified != 0) {
		coi_json_append_name(dest, COI_MEMBER_MODIFIED);
		coi_json_append_time(dest, contact->modified);
	}
	str_append_c(dest, '}');
}

bool coi_contact_is_default(const struct coi_contact *contact)
{
	return !contact->blocked && contact->notify == COI_CONTACT_NOTIFY_ALL &&
		contact->muted_until == 0;
}
