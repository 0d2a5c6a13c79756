/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-state.h"
#include "coi-store.h"
#include "storage-user.h"

#include <unistd.h>
#include <sys/stat.h>

#define KEEP "keep"

static void state_put(struct coi_store *store, const char *data, size_t size)
{
	const char *error = NULL;

	ck_assert_int_eq(coi_store_lock(store, &error), 0);
	ck_assert_int_eq(coi_store_write(store, "state", data, size, &error),
			 0);
	coi_store_unlock(store);
}

static const char *state_data(struct coi_store *store)
{
	string_t *str = t_str_new(128);
	const char *error;

	if (coi_store_read(store, "state", 2 * COI_STATE_MAX_BYTES, str,
			   &error) <= 0)
		return NULL;
	return str_c(str);
}

static int
state_change(struct coi_store *store, enum coi_config_key key,
	     const char *value, struct coi_config *old_r, const char **error_r)
{
	const struct coi_state_change change = { key, value };

	return coi_state_update(store, pool_datastack_create(), &change, 1,
				old_r, error_r);
}

/* S17, S36: {before, change, after}; KEEP: no change of this key */
static const struct {
	const char *old_enabled, *old_filter;
	const char *enabled, *filter;
	const char *state;
} update_tests[] = {
	{ NULL, NULL, "yes", KEEP, "yes|-" },
	{ NULL, NULL, KEEP, "active", "-|active" },
	{ NULL, NULL, "yes", "seen", "yes|seen" },
	{ "yes", NULL, KEEP, "active", "yes|active" },
	{ "yes", "active", NULL, KEEP, "-|active" },
	{ "yes", "active", KEEP, NULL, "yes|-" },
	{ "yes", "active", NULL, NULL, "-|-" },
	{ "yes", "active", "yes", "seen", "yes|seen" },
	/* S20, S43: what a client may not set but dsync does */
	{ "yes", "active", "", "a\tb\nc\\", "|a\tb\nc\\" },
};

START_TEST(test_update)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_state_change changes[2];
	struct coi_config old;
	const char *error = NULL;
	unsigned int count = 0;

	if (update_tests[_i].old_enabled != NULL ||
	    update_tests[_i].old_filter != NULL) {
		storage_set_state(cuser, update_tests[_i].old_enabled,
				  update_tests[_i].old_filter);
	}
	if (null_strcmp(update_tests[_i].enabled, KEEP) != 0) {
		changes[count].key = COI_CONFIG_ENABLED;
		changes[count++].value = update_tests[_i].enabled;
	}
	if (null_strcmp(update_tests[_i].filter, KEEP) != 0) {
		changes[count].key = COI_CONFIG_MESSAGE_FILTER;
		changes[count++].value = update_tests[_i].filter;
	}
	ck_assert_int_eq(coi_state_update(cuser->store,
					  pool_datastack_create(), changes,
					  count, &old, &error), 0);
	ck_assert_str_eq(storage_get_state(cuser), update_tests[_i].state);
	ck_assert_int_eq(null_strcmp(old.enabled,
				     update_tests[_i].old_enabled), 0);
	ck_assert_int_eq(null_strcmp(old.message_filter,
				     update_tests[_i].old_filter), 0);
	storage_user_deinit();
}
END_TEST

/* The last change of a key counts, as in one SETMETADATA that names it twice */
START_TEST(test_update_twice)
{
	static const struct coi_state_change changes[] = {
		{ COI_CONFIG_ENABLED, "yes" },
		{ COI_CONFIG_ENABLED, NULL },
		{ COI_CONFIG_MESSAGE_FILTER, "seen" },
		{ COI_CONFIG_MESSAGE_FILTER, "active" },
	};
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_config old;
	const char *error;

	ck_assert_int_eq(coi_state_update(cuser->store,
					  pool_datastack_create(), changes,
					  N_ELEMENTS(changes), &old,
					  &error), 0);
	ck_assert_str_eq(storage_get_state(cuser), "-|active");
	ck_assert_ptr_null(old.enabled);
	storage_user_deinit();
}
END_TEST

static const struct {
	const char *enabled;
	enum coi_config_key key;
	const char *value;
	bool same;
} same_tests[] = {
	{ "yes", COI_CONFIG_ENABLED, "yes", TRUE },
	{ "yes", COI_CONFIG_MESSAGE_FILTER, NULL, TRUE },
	{ NULL, COI_CONFIG_ENABLED, NULL, TRUE },
	{ "yes", COI_CONFIG_ENABLED, NULL, FALSE },
	{ "yes", COI_CONFIG_ENABLED, "", FALSE },
	{ NULL, COI_CONFIG_ENABLED, "", FALSE },
};

/* What says nothing new writes nothing: each write is a new file. The old one
   is kept open by a second name, so its inode is not used again. */
START_TEST(test_unchanged)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct stat before, after;
	struct coi_config old;
	const char *path, *error;

	storage_set_state(cuser, same_tests[_i].enabled, "seen");
	storage_set_state(cuser, same_tests[_i].enabled, NULL);
	path = t_strdup(coi_store_key_path(cuser->store, "state"));
	ck_assert_int_eq(stat(path, &before), 0);
	ck_assert_int_eq(link(path, t_strconcat(path, ".old", NULL)), 0);
	ck_assert_int_eq(state_change(cuser->store, same_tests[_i].key,
				      same_tests[_i].value, &old, &error), 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert((before.st_ino == after.st_ino) == same_tests[_i].same);
	storage_user_deinit();
}
END_TEST

/* A user who never used COI, and unsets: no state comes of it */
START_TEST(test_unset_nothing)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_config old;
	const char *error;

	ck_assert_int_eq(state_change(cuser->store, COI_CONFIG_ENABLED, NULL,
				      &old, &error), 0);
	ck_assert_str_eq(storage_get_state(cuser), "none");
	storage_user_deinit();
}
END_TEST

#define GARBAGE(_data) { _data, sizeof(_data) - 1 }

static const struct {
	const char *data;
	size_t size;
} garbage_tests[] = {
	GARBAGE("garbage"),
	GARBAGE("garbage\n"),
	GARBAGE("\n"),
	GARBAGE("enabled\tyes"),
	GARBAGE("enabled\tyes\nenabled\tyes\n"),
	GARBAGE("enabled\ty\0s\n"),
	GARBAGE("\0"),
	GARBAGE("\xff\xfe\n"),
};

/* S41: what is not ours is refused, and not written over */
START_TEST(test_garbage)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_store *store = cuser->store;
	string_t *buf = t_str_new(64);
	enum coi_filter filter;
	struct coi_config config;
	const char *error = NULL;

	state_put(store, garbage_tests[_i].data, garbage_tests[_i].size);
	ck_assert_int_eq(coi_state_read(store, pool_datastack_create(),
					&config, &error), -1);
	ck_assert_ptr_null(config.enabled);
	ck_assert_msg(strstr(error, coi_store_key_path(store, "state")) != NULL,
		      "%s", error);
	ck_assert_int_eq(state_change(store, COI_CONFIG_ENABLED, "yes",
				      &config, &error), -1);
	ck_assert_int_eq(coi_store_read(store, "state", 1024, buf, &error), 1);
	ck_assert_uint_eq(str_len(buf), garbage_tests[_i].size);
	ck_assert_mem_eq(str_data(buf), garbage_tests[_i].data,
			 garbage_tests[_i].size);

	/* S41: COI does not act, and says so once */
	ck_assert_int_eq(coi_user_get_active_filter(cuser, &filter), -1);
	ck_assert_int_eq(coi_user_get_active_filter(cuser, &filter), -1);
	ck_assert_uint_eq(storage_log_count(), 1);
	ck_assert_uint_eq(storage_log_count_with("COI is off"), 1);
	storage_log_clear();
	storage_user_deinit();
}
END_TEST

/* More than we would have written, on disk or to be written */
START_TEST(test_oversized)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_store *store = cuser->store;
	string_t *str = t_str_new(COI_STATE_MAX_BYTES + 1);
	struct coi_config old;
	const char *error = NULL;

	storage_set_state(cuser, "yes", NULL);
	str_append_max(str, t_strdup_printf("%0*d", COI_STATE_MAX_BYTES, 0),
		       COI_STATE_MAX_BYTES);
	ck_assert_int_eq(state_change(store, COI_CONFIG_MESSAGE_FILTER,
				      str_c(str), &old, &error), -1);
	ck_assert_msg(strstr(error, "larger than") != NULL, "%s", error);
	ck_assert_str_eq(storage_get_state(cuser), "yes|-");

	str_append_c(str, '\n');
	state_put(store, str_c(str), str_len(str));
	ck_assert_int_eq(state_change(store, COI_CONFIG_ENABLED, NULL, &old,
				      &error), -1);
	ck_assert_msg(strstr(error, "is larger than") != NULL, "%s", error);
	ck_assert_str_eq(state_data(store), str_c(str));
	storage_user_deinit();
}
END_TEST

/* S20, S25, S36, S41, S42: what the stored values mean, read anew each time */
static const struct {
	const char *enabled, *filter, *default_filter;
	int ret;
	enum coi_filter active;
} active_tests[] = {
	{ NULL, NULL, "active", 0, COI_FILTER_NONE },
	{ NULL, "active", "none", 0, COI_FILTER_NONE },
	{ "no", "active", "none", 0, COI_FILTER_NONE },
	{ "YES", "active", "none", 0, COI_FILTER_NONE },
	{ "", "active", "none", 0, COI_FILTER_NONE },
	{ "yes", NULL, "none", 1, COI_FILTER_NONE },
	{ "yes", NULL, "active", 1, COI_FILTER_ACTIVE },
	{ "yes", "none", "active", 1, COI_FILTER_NONE },
	{ "yes", "active", "none", 1, COI_FILTER_ACTIVE },
	{ "yes", "seen", "none", 1, COI_FILTER_SEEN },
	{ "yes", "Active", "none", -1, COI_FILTER_NONE },
	{ "yes", "", "none", -1, COI_FILTER_NONE },
	/* nobody asks for the filter of who is off */
	{ NULL, "bad", "none", 0, COI_FILTER_NONE },
};

START_TEST(test_active)
{
	const char *settings[] = {
		t_strconcat("coi_default_filter=",
			    active_tests[_i].default_filter, NULL),
		NULL
	};
	const struct storage_user_settings set = { .settings = settings };
	struct coi_user *cuser = storage_coi_init(&set);
	enum coi_filter filter = COI_FILTER_NONE;

	ck_assert_int_eq(coi_user_get_active_filter(cuser, &filter), 0);
	storage_set_state(cuser, active_tests[_i].enabled,
			  active_tests[_i].filter);
	ck_assert_int_eq(coi_user_get_active_filter(cuser, &filter),
			 active_tests[_i].ret);
	if (active_tests[_i].ret > 0)
		ck_assert_int_eq(filter, active_tests[_i].active);
	ck_assert_uint_eq(storage_log_count(),
			  active_tests[_i].ret < 0 ? 1 : 0);
	storage_log_clear();
	storage_user_deinit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-state");
	TCase *tcase;

	tcase = storage_tcase_add(suite, "S17 S36 S43: update");
	tcase_add_loop_test(tcase, test_update, 0, N_ELEMENTS(update_tests));
	tcase_add_test(tcase, test_update_twice);
	tcase_add_loop_test(tcase, test_unchanged, 0, N_ELEMENTS(same_tests));
	tcase_add_test(tcase, test_unset_nothing);
	tcase = storage_tcase_add(suite, "S41: garbage");
	tcase_add_loop_test(tcase, test_garbage, 0, N_ELEMENTS(garbage_tests));
	tcase_add_test(tcase, test_oversized);
	tcase = storage_tcase_add(suite, "S20 S25 S36 S41 S42: in force");
	tcase_add_loop_test(tcase, test_active, 0, N_ELEMENTS(active_tests));
	return storage_run(suite);
}
