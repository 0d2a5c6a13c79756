/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage.h"
#include "coi-limits.h"
#include "coi-entries.h"
#include "coi-group.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-groups.h"

/* Returns 1, 0 if there is none, -1 on error. */
static int
coi_groups_read(struct coi_user *cuser, const char *hash,
		struct coi_group *group_r, const char **error_r)
{
	const char *value, *error;
	int ret;

	i_zero(group_r);
	ret = coi_entries_read(cuser->store, COI_ENTRY_GROUP, hash,
			       &value, error_r);
	if (ret <= 0)
		return ret;
	if (coi_group_parse(value, pool_datastack_create(), group_r,
			    &error) < 0) {
		*error_r = t_strdup_printf("Group %s: %s", hash, error);
		return -1;
	}
	return 1;
}

/*
 * Pending groups
 */

/* Only the beginning is read: a stranger chooses how long it is. */
static bool coi_pending_is(struct coi_user *cuser, const char *hash)
{
	buffer_t *buf = t_buffer_create(COI_GROUP_VALUE_HEAD_BYTES);
	const char *error;
	size_t size;

	/* of one that cannot be read, its own messages complain */
	return coi_store_read_part(cuser->store,
				   coi_entry_store_key(COI_ENTRY_GROUP, hash),
				   COI_GROUP_VALUE_HEAD_BYTES, buf, &size,
				   &error) > 0 &&
		coi_group_value_is_pending(buf->data, buf->used);
}

struct coi_pending_group {
	const char *hash;
	time_t modified;
};

static int coi_pending_group_cmp(const struct coi_pending_group *group1,
				 const struct coi_pending_group *group2)
{
	if (group1->modified != group2->modified)
		return group1->modified < group2->modified ? -1 : 1;
	return strcmp(group1->hash, group2->hash);
}

static bool
coi_pending_look(struct coi_user *cuser, const char *hash, time_t *modified_r)
{
	struct coi_group group;
	const char *error;

	if (!coi_pending_is(cuser, hash) ||
	    coi_groups_read(cuser, hash, &group, &error) <= 0)
		return FALSE;
	*modified_r = group.modified;
	return TRUE;
}

/* Finds them among all groups. */
static int
coi_pending_find(struct coi_user *cuser, ARRAY_TYPE(const_string) *hashes,
		 const char **error_r)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(cuser->store, COI_ENTRY_GROUP);
	ARRAY(struct coi_pending_group) groups;
	struct coi_pending_group group;
	const struct coi_pending_group *groupp;
	bool pending;

	t_array_init(&groups, COI_GROUPS_PENDING_MAX);
	while ((group.hash = coi_entries_iter_next(iter)) != NULL) {
		T_BEGIN {
			pending = coi_pending_look(cuser, group.hash,
						   &group.modified);
		} T_END;
		if (pending) {
			group.hash = t_strdup(group.hash);
			array_push_back(&groups, &group);
		}
	}
	array_sort(&groups, coi_pending_group_cmp);
	array_foreach(&groups, groupp)
		array_push_back(hashes, &groupp->hash);
	return coi_entries_iter_deinit(&iter, error_r);
}

/* Returns FALSE if we did not write it. */
static bool
coi_pending_parse(const char *text, ARRAY_TYPE(const_string) *hashes)
{
	const char *const *lines = t_strsplit(text, "\n");

	for (; lines[0] != NULL && lines[1] != NULL; lines++) {
		if (!coi_hash_is_valid(lines[0]))
			return FALSE;
		array_push_back(hashes, &lines[0]);
	}
	return lines[0] != NULL && *lines[0] == '\0';
}

/* Reads the list; none if it is missing or spoilt. */
static void
coi_pending_read_list(struct coi_user *cuser, ARRAY_TYPE(const_string) *hashes)
{
	buffer_t *buf = t_buffer_create(4096);
	const char *error;
	int ret;

	ret = coi_store_read(cuser->store, COI_STORE_KEY_PENDING,
			     COI_GROUPS_PENDING_LIST_MAX_BYTES, buf, &error);
	if (ret > 0 && !coi_pending_parse(str_c(buf), hashes)) {
		error = t_strdup_printf("%s is no list of groups",
			coi_store_key_path(cuser->store,
					   COI_STORE_KEY_PENDING));
		ret = -1;
	}
	if (ret < 0) {
		array_clear(hashes);
		e_error(coi_user_get_event(cuser),
			"Looking through all groups for pending ones: %s",
			error);
	}
}

/* dsync brings groups without the list. */
static int
coi_pending_read(struct coi_user *cuser, ARRAY_TYPE(const_string) *hashes,
		 const char **error_r)
{
	coi_pending_read_list(cuser, hashes);
	return array_count(hashes) > 0 ? 0 :
		coi_pending_find(cuser, hashes, error_r);
}

static int
coi_pending_write(struct coi_user *cuser,
		  const ARRAY_TYPE(const_string) *hashes, const char **error_r)
{
	string_t *str = t_str_new(4096);
	const char *hash;

	array_foreach_elem(hashes, hash) {
		str_append(str, hash);
		str_append_c(str, '\n');
	}
	return coi_store_write(cuser->store, COI_STORE_KEY_PENDING,
			       str_data(str), str_len(str), error_r);
}

static void
coi_pending_drop(ARRAY_TYPE(const_string) *hashes, const char *hash)
{
	unsigned int i;

	for (i = array_count(hashes); i-- > 0; ) {
		if (strcmp(array_idx_elem(hashes, i), hash) == 0)
			array_delete(hashes, i, 1);
	}
}

/* Drops those that are not pending any more. */
static void
coi_pending_drop_others(struct coi_user *cuser,
			ARRAY_TYPE(const_string) *hashes)
{
	unsigned int i;
	bool pending;

	for (i = array_count(hashes); i-- > 0; ) {
		T_BEGIN {
			pending = coi_pending_is(cuser,
						 array_idx_elem(hashes, i));
		} T_END;
		if (!pending)
			array_delete(hashes, i, 1);
	}
}

/* Notes a pending group that is to change, at the expense of those that have
   not changed for the longest time if there are too many. These stay in the
   list: whatever is killed now, it names all pending ones. */
static int
coi_pending_note(struct coi_user *cuser, struct coi_metadata_update *update,
		 const char *hash, const char **error_r)
{
	ARRAY_TYPE(const_string) hashes;
	unsigned int i, count;

	t_array_init(&hashes, COI_GROUPS_PENDING_MAX + 2);
	if (coi_pending_read(cuser, &hashes, error_r) < 0)
		return -1;
	coi_pending_drop(&hashes, hash);
	if (array_count(&hashes) >= COI_GROUPS_PENDING_MAX)
		coi_pending_drop_others(cuser, &hashes);
	count = array_count(&hashes);
	array_push_back(&hashes, &hash);
	if (coi_pending_write(cuser, &hashes, error_r) < 0)
		return -1;
	for (i = 0; i + COI_GROUPS_PENDING_MAX <= count; i++) {
		coi_metadata_update_entry(update, COI_ENTRY_GROUP,
					  array_idx_elem(&hashes, i), NULL);
	}
	return 0;
}

/*
 * Messages
 */

struct coi_group_arrival {
	const char *id, *hash;
	struct coi_group_message message;

	struct coi_group old, group;
	bool have_old;
};

static int
coi_groups_look(struct coi_user *cuser, struct coi_group_arrival *arrival,
		enum coi_group_change *change_r, const char **error_r)
{
	int ret;

	ret = coi_groups_read(cuser, arrival->hash, &arrival->old, error_r);
	if (ret < 0)
		return -1;
	arrival->have_old = ret > 0;
	*change_r = coi_group_update(arrival->have_old ? &arrival->old : NULL,
				     arrival->id, &arrival->message,
				     ioloop_time, pool_datastack_create(),
				     &arrival->group);
	return 0;
}

static int
coi_groups_change(struct coi_user *cuser,
		  const struct coi_group_arrival *arrival,
		  enum coi_group_change change,
		  struct coi_metadata_update *update, const char **error_r)
{
	string_t *value = t_str_new(256);

	if (change == COI_GROUP_REMOVED) {
		coi_metadata_update_entry(update, COI_ENTRY_GROUP,
					  arrival->hash, NULL);
		return 0;
	}
	if (coi_group_is_pending(&arrival->group) &&
	    coi_pending_note(cuser, update, arrival->hash, error_r) < 0)
		return -1;
	coi_group_format(&arrival->group, value);
	coi_metadata_update_entry(update, COI_ENTRY_GROUP, arrival->hash,
				  str_c(value));
	return 0;
}

static int
coi_groups_update_locked(struct coi_user *cuser,
			 struct coi_group_arrival *arrival,
			 const char **error_r)
{
	struct coi_metadata_update *update;
	enum coi_group_change change;
	int ret;

	if (coi_groups_look(cuser, arrival, &change, error_r) < 0)
		return -1;
	if (change == COI_GROUP_UNCHANGED)
		return 0;
	update = coi_metadata_update_begin(cuser);
	ret = coi_groups_change(cuser, arrival, change, update, error_r);
	/* that is logged where it happens */
	(void)coi_metadata_update_commit(&update);
	return ret;
}

/* Most messages change nothing, and take no lock. */
static int
coi_groups_update(struct coi_user *cuser, struct coi_group_arrival *arrival,
		  const char **error_r)
{
	enum coi_group_change change;
	int ret;

	if (coi_groups_look(cuser, arrival, &change, error_r) < 0)
		return -1;
	if (change == COI_GROUP_UNCHANGED)
		return 0;
	if (coi_store_lock(cuser->store, error_r) < 0)
		return -1;
	ret = coi_groups_update_locked(cuser, arrival, error_r);
	coi_store_unlock(cuser->store);
	return ret;
}

void coi_contacts_group_message(struct coi_user *cuser, const char *id,
				const struct coi_fields *fields, bool own)
{
	struct coi_group_arrival arrival;
	const char *error;

	i_zero(&arrival);
	arrival.id = id;
	arrival.hash = coi_group_key(id);
	coi_group_message_read(fields, own, pool_datastack_create(),
			       &arrival.message);
	if (coi_groups_update(cuser, &arrival, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Updating a group failed: %s", error);
	}
}
