/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-check.h"
#include "coi-contacts-groups.h"

static int
coi_contacts_check_pending_cmp(const struct coi_contacts_check_pending *p1,
			       const struct coi_contacts_check_pending *p2)
{
	if (p1->modified != p2->modified)
		return p1->modified < p2->modified ? -1 : 1;
	return strcmp(p1->hash, p2->hash);
}

/* Removes the oldest ones; the others stay, oldest first. */
static void coi_contacts_check_evict(struct coi_contacts_check *check)
{
	struct coi_metadata_update *update =
		coi_metadata_update_begin(check->cuser);
	const struct coi_contacts_check_pending *pending;
	unsigned int i, count, evicted;

	array_sort(&check->pending, coi_contacts_check_pending_cmp);
	pending = array_get(&check->pending, &count);
	evicted = count - I_MIN(count, COI_GROUPS_PENDING_MAX);
	for (i = 0; i < evicted; i++) {
		coi_contacts_check_problem(check,
			"Pending group %s is one too many", pending[i].hash);
		coi_metadata_update_entry(update, COI_ENTRY_GROUP,
					  pending[i].hash, NULL);
	}
	if (coi_metadata_update_commit(&update) < 0)
		check->failed = TRUE;
	array_delete(&check->pending, 0, evicted);
}

/* Returns the lines of the list (data stack), NULL if it cannot be used. */
static const char *const *
coi_contacts_check_read_list(struct coi_contacts_check *check)
{
	size_t size, max = COI_GROUPS_PENDING_LIST_MAX_BYTES;
	buffer_t *buf = t_buffer_create(max + 1);
	const char *error;

	if (coi_store_read_part(check->cuser->store, COI_STORE_KEY_PENDING,
				max, buf, &size, &error) < 0) {
		coi_contacts_check_fail(check, error);
		return NULL;
	}
	if (size > max) {
		coi_contacts_check_problem(check,
			"The list of pending groups is longer than %zu bytes",
			max);
		return NULL;
	}
	return (const char *const *)t_strsplit(str_c(buf), "\n");
}

static void coi_contacts_check_write_list(struct coi_contacts_check *check)
{
	const struct coi_contacts_check_pending *pending;
	string_t *str = t_str_new(1024);
	const char *error;

	array_foreach(&check->pending, pending)
		str_printfa(str, "%s\n", pending->hash);
	if (coi_store_write(check->cuser->store, COI_STORE_KEY_PENDING,
			    str_data(str), str_len(str), &error) < 0)
		coi_contacts_check_fail(check, error);
}

/* Lines for groups that are gone or known are no harm. */
static bool coi_contacts_check_list(struct coi_contacts_check *check)
{
	const struct coi_contacts_check_pending *pending;
	const char *const *lines = coi_contacts_check_read_list(check);
	bool complete = lines != NULL;

	array_foreach(&check->pending, pending) {
		if (lines == NULL || str_array_find(lines, pending->hash))
			continue;
		coi_contacts_check_problem(check, "Pending group %s is not in "
			"the list of these", pending->hash);
		complete = FALSE;
	}
	return complete;
}

void coi_contacts_check_groups(struct coi_contacts_check *check)
{
	coi_contacts_check_evict(check);
	if (!coi_contacts_check_list(check))
		coi_contacts_check_write_list(check);
}
