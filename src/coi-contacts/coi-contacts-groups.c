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

/* The hashes of the groups that arriving mail has made, a line each, so that
   not all groups have to be read to find those. Some of them may have become
   known or be gone meanwhile. */
#define COI_STORE_KEY_PENDING "groups.pending"

struct coi_pending {
	ARRAY_TYPE(const_string) hashes;
	ARRAY(struct coi_group) groups;
};

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

/* Adds it if it is pending still. */
static int
coi_pending_add(struct coi_user *cuser, struct coi_pending *pending,
		const char *hash, const char **error_r)
{
	struct coi_group group;
	int ret;

	ret = coi_groups_read(cuser, hash, &group, error_r);
	if (ret > 0 && coi_group_is_pending(&group)) {
		array_push_back(&pending->hashes, &hash);
		array_push_back(&pending->groups, &group);
	}
	return ret < 0 ? -1 : 0;
}

static int
coi_pending_read(struct coi_user *cuser, struct coi_pending *pending_r,
		 const char **error_r)
{
	buffer_t *buf = t_buffer_create(1024);
	const char *const *lines;

	t_array_init(&pending_r->hashes, COI_GROUPS_PENDING_MAX);
	t_array_init(&pending_r->groups, COI_GROUPS_PENDING_MAX);
	if (coi_store_read(cuser->store, COI_STORE_KEY_PENDING,
			   COI_GROUPS_PENDING_MAX * (COI_HASH_LEN + 1), buf,
			   error_r) < 0)
		return -1;
	for (lines = t_strsplit(str_c(buf), "\n"); *lines != NULL; lines++) {
		if (coi_hash_is_valid(*lines) &&
		    coi_pending_add(cuser, pending_r, *lines, error_r) < 0)
			return -1;
	}
	return 0;
}

static int
coi_pending_write(struct coi_user *cuser, const struct coi_pending *pending,
		  const char **error_r)
{
	string_t *str = t_str_new(1024);
	const char *hash;

	array_foreach_elem(&pending->hashes, hash) {
		str_append(str, hash);
		str_append_c(str, '\n');
	}
	return coi_store_write(cuser->store, COI_STORE_KEY_PENDING,
			       str_data(str), str_len(str), error_r);
}

/* Notes a new pending group, at the expense of the oldest one if there are too
   many. */
static int
coi_pending_note(struct coi_user *cuser, struct coi_metadata_update *update,
		 const char *hash, const char **error_r)
{
	struct coi_pending pending;
	const struct coi_group *groups;
	unsigned int count, idx;

	if (coi_pending_read(cuser, &pending, error_r) < 0)
		return -1;
	groups = array_get(&pending.groups, &count);
	if (coi_group_find_evicted(groups, count, &idx)) {
		coi_metadata_update_entry(update, COI_ENTRY_GROUP,
			array_idx_elem(&pending.hashes, idx), NULL);
		array_delete(&pending.hashes, idx, 1);
	}
	array_push_back(&pending.hashes, &hash);
	return coi_pending_write(cuser, &pending, error_r);
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
	if (!arrival->have_old && coi_group_is_pending(&arrival->group) &&
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
