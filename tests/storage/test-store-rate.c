/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-store.h"
#include "storage-user.h"

#include <fcntl.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>

/* W44: what is done at most once in a while, by whichever process. */

#define KEY "seen-push.inbox"
#define WINDOW 5000
#define NOW 1000000000000ULL

static const char *rate_path(struct coi_store *store)
{
	const char *error = NULL;

	/* the store's directory exists from here on */
	ck_assert_int_eq(coi_store_lock(store, &error), 0);
	coi_store_unlock(store);
	return coi_store_key_path(store, KEY);
}

static int
rate_try(struct coi_store *store, const char *key, uint64_t now,
	 unsigned int *wait_r)
{
	const char *error = NULL;
	int ret;

	ret = coi_store_rate_try(store, key, now, WINDOW, wait_r, &error);
	ck_assert_int_eq(ret < 0, error != NULL);
	return ret;
}

START_TEST(test_rate)
{
	struct coi_store *store = storage_coi_init(NULL)->store;
	unsigned int wait;

	(void)rate_path(store);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 1);
	ck_assert_int_eq(rate_try(store, KEY, NOW + 1, &wait), 0);
	ck_assert_uint_eq(wait, WINDOW - 1);
	/* to ask is not to do */
	ck_assert_int_eq(rate_try(store, KEY, NOW + 4999, &wait), 0);
	ck_assert_uint_eq(wait, 1);
	ck_assert_int_eq(rate_try(store, "seen-push.chats", NOW + 1, &wait), 1);
	ck_assert_int_eq(rate_try(store, KEY, NOW + 5000, &wait), 1);
	ck_assert_int_eq(rate_try(store, KEY, NOW + 5001, &wait), 0);
	ck_assert_uint_eq(wait, WINDOW - 1);
	coi_store_rate_forget(store, KEY);
	ck_assert_int_eq(rate_try(store, KEY, NOW + 5001, &wait), 1);
	storage_user_deinit();
}
END_TEST

/* The lock of the store is another one: it may be held for long. */
START_TEST(test_rate_without_the_stores_lock)
{
	struct coi_store *store = storage_coi_init(NULL)->store;
	struct stat st;
	const char *path, *error;
	unsigned int wait;

	path = rate_path(store);
	ck_assert_int_eq(coi_store_lock(store, &error), 0);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 1);
	coi_store_unlock(store);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 21);
	storage_user_deinit();
}
END_TEST

START_TEST(test_rate_while_another_one_does_it)
{
	struct coi_store *store = storage_coi_init(NULL)->store;
	unsigned int wait;
	int fd;

	fd = open(rate_path(store), O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 0);
	ck_assert_uint_eq(wait, WINDOW);
	i_close_fd(&fd);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 1);
	storage_user_deinit();
}
END_TEST

/* What a killed process or somebody else has left there. */
START_TEST(test_rate_strange)
{
	static const char *const stamps[] = { "", "x", "1\n", "-1" };
	struct coi_store *store = storage_coi_init(NULL)->store;
	const char *path = rate_path(store);
	unsigned int i, wait;
	int fd;

	for (i = 0; i < N_ELEMENTS(stamps); i++) {
		fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
		ck_assert_int_eq(write(fd, stamps[i], strlen(stamps[i])),
				 strlen(stamps[i]));
		i_close_fd(&fd);
		ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 1);
		ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), 0);
	}
	storage_user_deinit();
}
END_TEST

/* Nothing of these hangs. */
START_TEST(test_rate_fails)
{
	struct coi_store *store = storage_coi_init(NULL)->store;
	const char *path;
	unsigned int wait;

	/* there is no store */
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), -1);
	path = rate_path(store);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), -1);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(rate_try(store, KEY, NOW, &wait), -1);
	storage_user_deinit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-store-rate");
	TCase *tcase;

	tcase = storage_tcase_add(suite, "W44: rate");
	tcase_add_test(tcase, test_rate);
	tcase_add_test(tcase, test_rate_without_the_stores_lock);
	tcase_add_test(tcase, test_rate_while_another_one_does_it);
	tcase_add_test(tcase, test_rate_strange);
	tcase_add_test(tcase, test_rate_fails);
	return storage_run(suite);
}
