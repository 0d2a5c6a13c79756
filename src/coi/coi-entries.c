/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strnum.h"
#include "coi-limits.h"
#include "coi-entries.h"
#include "coi-store.h"

/* "4294967295\n" */
#define COI_ENTRIES_COUNT_MAX_BYTES 11

int coi_entries_read(struct coi_store *store, enum coi_entry_class class,
		     const char *hash, const char **value_r,
		     const char **error_r)
{
	buffer_t *buf = t_buffer_create(256);
	const char *key = coi_entry_store_key(class, hash);
	int ret;

	*value_r = NULL;
	ret = coi_store_read(store, key, coi_entry_value_max_bytes(class),
			     buf, error_r);
	if (ret <= 0)
		return ret;
	if (memchr(buf->data, '\0', buf->used) != NULL) {
		*error_r = t_strdup_printf("%s has a NUL byte",
					   coi_store_key_path(store, key));
		return -1;
	}
	*value_r = str_c(buf);
	return 1;
}

/*
 * Counting
 */

/* Raised before entries are added and lowered after some were removed, so
   whatever is killed in between leaves it too high at worst; they are counted
   anew before anything is refused. */
static const char *coi_entries_count_key(enum coi_entry_class class)
{
	return t_strconcat(coi_entry_store_dir(class), ".count", NULL);
}

static int
coi_entries_count_write(struct coi_store *store, enum coi_entry_class class,
			unsigned int count, const char **error_r)
{
	const char *value = t_strdup_printf("%u\n", count);

	return coi_store_write(store, coi_entries_count_key(class),
			       value, strlen(value), error_r);
}

int coi_entries_count(struct coi_store *store, enum coi_entry_class class,
		      unsigned int *count_r, const char **error_r)
{
	struct coi_entries_iter *iter = coi_entries_iter_init(store, class);

	for (*count_r = 0; coi_entries_iter_next(iter) != NULL; (*count_r)++) ;
	return coi_entries_iter_deinit(&iter, error_r);
}

/* Returns FALSE if there is no number, or none that we wrote. */
static bool
coi_entries_count_read(struct coi_store *store, enum coi_entry_class class,
		       unsigned int *count_r)
{
	buffer_t *buf = t_buffer_create(COI_ENTRIES_COUNT_MAX_BYTES + 1);
	const char *end, *error;

	return coi_store_read(store, coi_entries_count_key(class),
			      COI_ENTRIES_COUNT_MAX_BYTES, buf, &error) > 0 &&
		str_parse_uint(str_c(buf), count_r, &end) == 0 &&
		strcmp(end, "\n") == 0;
}

int coi_entries_recount(struct coi_store *store, enum coi_entry_class class,
			const char **error_r)
{
	unsigned int count, kept = 0;
	bool known = coi_entries_count_read(store, class, &kept);

	if (coi_entries_count(store, class, &count, error_r) < 0)
		return -1;
	if (kept == count && (known || count == 0))
		return 1;
	if (coi_entries_count_write(store, class, count, error_r) < 0)
		return -1;
	return known && kept > count ? 1 : 0;
}

static bool
coi_entries_fit(unsigned int old, unsigned int count, unsigned int max)
{
	return old <= UINT_MAX - count && (max == 0 || old + count <= max);
}

int coi_entries_count_up(struct coi_store *store, enum coi_entry_class class,
			 unsigned int count, unsigned int max,
			 const char **error_r)
{
	unsigned int old;

	if (!coi_entries_count_read(store, class, &old) ||
	    !coi_entries_fit(old, count, max)) {
		if (coi_entries_count(store, class, &old, error_r) < 0)
			return -1;
		if (!coi_entries_fit(old, count, max))
			return 0;
	}
	return coi_entries_count_write(store, class, old + count,
				       error_r) < 0 ? -1 : 1;
}

int coi_entries_count_down(struct coi_store *store, enum coi_entry_class class,
			   unsigned int count, const char **error_r)
{
	unsigned int old;

	/* without a number there is nothing to lower: the next one counts */
	if (!coi_entries_count_read(store, class, &old))
		return 0;
	return coi_entries_count_write(store, class, old - I_MIN(count, old),
				       error_r);
}

int coi_entries_write(struct coi_store *store, enum coi_entry_class class,
		      const char *hash, const char *value, const char **error_r)
{
	const char *key = coi_entry_store_key(class, hash);

	if (value == NULL)
		return coi_store_remove(store, key, error_r) < 0 ? -1 : 0;
	return coi_store_write(store, key, value, strlen(value), error_r);
}

/*
 * Listing
 */

struct coi_entries_iter {
	enum coi_entry_class class;
	struct coi_store_iter *iter;
};

struct coi_entries_iter *
coi_entries_iter_init(struct coi_store *store, enum coi_entry_class class)
{
	struct coi_entries_iter *iter = i_new(struct coi_entries_iter, 1);

	iter->class = class;
	iter->iter = coi_store_iter_init(store, coi_entry_store_dir(class));
	return iter;
}

const char *coi_entries_iter_next(struct coi_entries_iter *iter)
{
	const char *name;

	do {
		name = coi_store_iter_next(iter->iter);
	} while (name != NULL && !coi_entry_id_is_valid(iter->class, name));
	return name;
}

int coi_entries_iter_deinit(struct coi_entries_iter **_iter,
			    const char **error_r)
{
	struct coi_entries_iter *iter = *_iter;
	int ret;

	*_iter = NULL;
	ret = coi_store_iter_deinit(&iter->iter, error_r);
	i_free(iter);
	return ret;
}
