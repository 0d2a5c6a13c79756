/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hex-binary.h"
#include "sha3.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-json.h"
#include "coi-group.h"

#define COI_MEMBER_NOTIFY "notify"
#define COI_MEMBER_MUTED_UNTIL "muted-until"
#define COI_MEMBER_ID "id"
#define COI_MEMBER_NAME "name"
#define COI_MEMBER_PARTICIPANTS "participants"
#define COI_MEMBER_KNOWN "known"
#define COI_MEMBER_MODIFIED "modified"

static const char *const coi_group_notify_names[] = {
	[COI_GROUP_NOTIFY_ALL] = "all",
	[COI_GROUP_NOTIFY_MENTIONS] = "mentions",
	[COI_GROUP_NOTIFY_NONE] = "none",
	NULL
};

const char *coi_group_key(const char *id)
{
	unsigned char digest[SHA256_RESULTLEN];

	sha3_256_get_digest(id, strlen(id), digest);
	return binary_to_hex(digest, sizeof(digest));
}

static int coi_group_read_client_members(const json_t *root,
					 struct coi_group *group,
					 const char **reason_r)
{
	unsigned int notify = COI_GROUP_NOTIFY_ALL;

	group->muted_until = 0;
	if (coi_json_get_word(root, COI_MEMBER_NOTIFY, coi_group_notify_names,
			      &notify, reason_r) < 0 ||
	    coi_json_get_time(root, COI_MEMBER_MUTED_UNTIL,
			      &group->muted_until, reason_r) < 0)
		return -1;
	group->notify = notify;
	return 0;
}

int coi_group_validate(const char *entry, const char *value,
		       const struct coi_group *old, time_t now,
		       struct coi_group *group_r, const char **client_error_r)
{
	const char *reason;
	json_t *root;
	int ret;

	i_zero(group_r);
	if (old != NULL)
		*group_r = *old;
	ret = coi_json_parse(value, strlen(value), COI_GROUP_VALUE_MAX_BYTES,
			     &root, &reason);
	if (ret == 0) {
		ret = coi_group_read_client_members(root, group_r, &reason);
		json_decref(root);
	}
	if (ret < 0) {
		i_zero(group_r);
		*client_error_r = t_strdup_printf("invalid value for %s: %s",
						  entry, reason);
		return -1;
	}
	group_r->modified = now;
	return 0;
}

static int coi_group_read_participants(const json_t *root, pool_t pool,
				       struct coi_group *group,
				       const char **reason_r)
{
	const json_t *json = json_object_get(root, COI_MEMBER_PARTICIPANTS);
	const char **participants, *address;
	size_t i, count = json_array_size(json);

	if (json == NULL)
		return 0;
	if (!json_is_array(json) || count > COI_GROUP_PARTICIPANTS_MAX) {
		*reason_r = t_strdup_printf(
			"%s must be an array of at most %u addresses",
			COI_MEMBER_PARTICIPANTS, COI_GROUP_PARTICIPANTS_MAX);
		return -1;
	}
	if (count == 0)
		return 0;
	participants = p_new(pool, const char *, count);
	for (i = 0; i < count; i++) {
		if (coi_json_check_string(json_array_get(json, i),
					  COI_MEMBER_PARTICIPANTS,
					  COI_ADDRESS_MAX_BYTES, &address,
					  reason_r) < 0)
			return -1;
		participants[i] = p_strdup(pool, address);
	}
	group->participants = participants;
	group->participant_count = count;
	return 0;
}

static int coi_group_read_server_members(const json_t *root, pool_t pool,
					 struct coi_group *group,
					 const char **reason_r)
{
	if (coi_json_get_string(root, COI_MEMBER_ID, COI_GROUP_ID_MAX_BYTES,
				&group->id, reason_r) < 0 ||
	    coi_json_get_string(root, COI_MEMBER_NAME, COI_GROUP_NAME_MAX_BYTES,
				&group->name, reason_r) < 0 ||
	    coi_json_get_bool(root, COI_MEMBER_KNOWN, &group->known,
			      reason_r) < 0 ||
	    coi_json_get_time(root, COI_MEMBER_MODIFIED, &group->modified,
			      reason_r) < 0)
		return -1;
	group->id = p_strdup(pool, group->id);
	group->name = p_strdup(pool, group->name);
	return coi_group_read_participants(root, pool, group, reason_r);
}

int coi_group_parse(const char *value, pool_t pool, struct coi_group *group_r,
		    const char **error_r)
{
	json_t *root;
	int ret;

	i_zero(group_r);
	if (coi_json_parse(value, strlen(value), COI_GROUP_VALUE_MAX_BYTES,
			   &root, error_r) < 0)
		return -1;
	ret = coi_group_read_client_members(root, group_r, error_r);
	if (ret == 0) {
		ret = coi_group_read_server_members(root, pool, group_r,
						    error_r);
	}
	json_decref(root);
	if (ret < 0)
		i_zero(group_r);
	return ret;
}

static void coi_group_format_string(string_t *dest, const char *name,
				    const char *value)
{
	if (value == NULL)
		return;
	coi_json_append_name(dest, name);
	coi_json_append_string(dest, value);
}

static void coi_group_format_time(string_t *dest, const char *name,
				  time_t value)
{
	if (value == 0)
		return;
	coi_json_append_name(dest, name);
	coi_json_append_time(dest, value);
}

static void coi_group_format_participants(string_t *dest,
					  const struct coi_group *group)
{
	unsigned int i;

	coi_json_append_name(dest, COI_MEMBER_PARTICIPANTS);
	str_append_c(dest, '[');
	for (i = 0; i < group->participant_count; i++) {
		if (i > 0)
			str_append_c(dest, ',');
		coi_json_append_string(dest, group->participants[i]);
	}
	str_append_c(dest, ']');
}

void coi_group_format(const struct coi_group *group, string_t *dest)
{
	str_append_c(dest, '{');
	/* what a pending group does not have comes first */
	if (group->notify != COI_GROUP_NOTIFY_ALL) {
		coi_group_format_string(dest, COI_MEMBER_NOTIFY,
			coi_group_notify_names[group->notify]);
	}
	coi_group_format_time(dest, COI_MEMBER_MUTED_UNTIL, group->muted_until);
	if (group->known) {
		coi_json_append_name(dest, COI_MEMBER_KNOWN);
		str_append(dest, "true");
	}
	coi_group_format_string(dest, COI_MEMBER_ID, group->id);
	coi_group_format_string(dest, COI_MEMBER_NAME, group->name);
	if (group->id != NULL)
		coi_group_format_participants(dest, group);
	coi_group_format_time(dest, COI_MEMBER_MODIFIED, group->modified);
	str_append_c(dest, '}');
}

static bool coi_group_has_client_members(const struct coi_group *group)
{
	return group->notify != COI_GROUP_NOTIFY_ALL || group->muted_until != 0;
}

bool coi_group_is_default(const struct coi_group *group)
{
	return !coi_group_has_client_members(group) && group->id == NULL;
}

bool coi_group_is_pending(const struct coi_group *group)
{
	return !group->known && !coi_group_has_client_members(group);
}

bool coi_group_value_is_pending(const void *data, size_t size)
{
	static const char head[] = "{\""COI_MEMBER_ID"\":";

	return size >= sizeof(head) - 1 &&
		memcmp(data, head, sizeof(head) - 1) == 0;
}
