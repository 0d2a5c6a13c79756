/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "strnum.h"
#include "mkdir-parents.h"
#include "write-full.h"
#include "mail-namespace.h"
#include "mailbox-list.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "storage-user.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <utime.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define KEY "key"
#define MAX_BYTES 10

static struct coi_store *store_new(void)
{
	return storage_coi_init(NULL)->store;
}

static void store_lock(struct coi_store *store)
{
	const char *error = NULL;

	ck_assert_msg(coi_store_lock(store, &error) == 0, "%s", error);
}

static void
store_write(struct coi_store *store, const char *key, const char *value)
{
	const char *error = NULL;

	store_lock(store);
	ck_assert_msg(coi_store_write(store, key, value, strlen(value),
				      &error) == 0, "%s", error);
	coi_store_unlock(store);
}

/* The store's directory exists from here on. */
static const char *store_path(struct coi_store *store, const char *key)
{
	store_lock(store);
	coi_store_unlock(store);
	return coi_store_key_path(store, key);
}

/* without the lock */
static unsigned int store_count_files(struct coi_store *store)
{
	DIR *dir = opendir(store_path(store, "."));
	struct dirent *d;
	unsigned int count = 0;

	ck_assert_ptr_nonnull(dir);
	while ((d = readdir(dir)) != NULL) {
		if (d->d_name[0] != '.' && strcmp(d->d_name, "lock") != 0)
			count++;
	}
	closedir(dir);
	return count;
}

/*
 * Read
 */

static const struct {
	const char *value;
	int ret;
} read_tests[] = {
	{ "", 1 },
	{ "1", 1 },
	{ "123456789", 1 },
	{ "1234567890", 1 },
	{ "12345678901", -1 },
	{ "123456789012", -1 },
	{ "1234567890123456789012345678901234567890", -1 },
};

/* A value is appended whole, or not at all. */
START_TEST(test_read)
{
	struct coi_store *store = store_new();
	const char *value = read_tests[_i].value, *error = NULL;
	string_t *buf = t_str_new(8);
	int ret;

	store_write(store, KEY, value);
	str_append(buf, "before");
	ret = coi_store_read(store, KEY, MAX_BYTES, buf, &error);
	ck_assert_msg(ret == read_tests[_i].ret, "%s: %d", value, ret);
	ck_assert_str_eq(str_c(buf), ret < 0 ? "before" :
			 t_strconcat("before", value, NULL));
	if (ret < 0) {
		ck_assert_str_eq(error, t_strdup_printf(
			"%s is larger than 10 bytes",
			coi_store_key_path(store, KEY)));
	}
	storage_user_deinit();
}
END_TEST

/* A user who never used COI costs one open(), and gets no directory. */
START_TEST(test_read_absent)
{
	struct coi_store *store = store_new();
	string_t *buf = t_str_new(8);
	const char *error;
	struct stat st;

	ck_assert_int_eq(coi_store_read(store, KEY, MAX_BYTES, buf, &error), 0);
	ck_assert_uint_eq(str_len(buf), 0);
	ck_assert_int_eq(stat(coi_store_key_path(store, "."), &st), -1);
	store_write(store, "other", "x");
	ck_assert_int_eq(coi_store_read(store, KEY, MAX_BYTES, buf, &error), 0);
	storage_user_deinit();
}
END_TEST

static void put_directory(const char *path)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void put_fifo(const char *path)
{
	ck_assert_int_eq(mkfifo(path, 0600), 0);
}

static void put_loop(const char *path)
{
	ck_assert_int_eq(symlink(path, path), 0);
}

static void put_device(const char *path)
{
	ck_assert_int_eq(symlink("/dev/null", path), 0);
}

static const struct {
	const char *name;
	void (*put)(const char *path);
} strange_tests[] = {
	{ "directory", put_directory },
	{ "FIFO", put_fifo },
	{ "symlink to itself", put_loop },
	{ "device", put_device },
};

/* S41: what is no value of ours is an error that names the file; it neither
   waits nor reads as an empty value. */
START_TEST(test_read_strange)
{
	struct coi_store *store = store_new();
	const char *path = t_strdup(store_path(store, KEY));
	string_t *buf = t_str_new(8);
	const char *error = NULL;

	strange_tests[_i].put(path);
	ck_assert_msg(coi_store_read(store, KEY, MAX_BYTES, buf, &error) == -1,
		      "%s", strange_tests[_i].name);
	ck_assert_uint_eq(str_len(buf), 0);
	ck_assert_msg(strstr(error, path) != NULL, "%s", error);
	storage_user_deinit();
}
END_TEST

/* S41: permission denied, in a process that root's power does not help */
START_TEST(test_read_denied)
{
	struct coi_store *store = store_new();
	string_t *buf = t_str_new(8);
	const char *path, *error = NULL;
	bool root = geteuid() == 0;

	store_write(store, KEY, "x");
	path = coi_store_key_path(store, KEY);
	ck_assert_int_eq(chmod(path, 0), 0);
	if (root)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_int_eq(coi_store_read(store, KEY, MAX_BYTES, buf, &error),
			 -1);
	if (root)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_msg(strstr(error, "Permission denied") != NULL, "%s", error);
	storage_user_deinit();
}
END_TEST

/* A file where the store's directory should be */
START_TEST(test_no_directory)
{
	struct coi_store *store = store_new();
	string_t *buf = t_str_new(8);
	const char *dir, *error = NULL;
	int fd;

	dir = store_path(store, "");
	dir = t_strndup(dir, strlen(dir) - 1);
	(void)unlink(coi_store_key_path(store, "lock"));
	ck_assert_int_eq(rmdir(dir), 0);
	fd = open(dir, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ne(fd, -1);
	i_close_fd(&fd);

	ck_assert_int_eq(coi_store_read(store, KEY, MAX_BYTES, buf, &error),
			 -1);
	ck_assert_msg(strstr(error, dir) != NULL, "%s", error);
	ck_assert_int_eq(coi_store_lock(store, &error), -1);
	ck_assert_msg(strstr(error, dir) != NULL, "%s", error);
	storage_user_deinit();
}
END_TEST

/*
 * Write
 */

START_TEST(test_write_binary)
{
	static const unsigned char value[] = { 0, 'a', '\n', 0xff, 0 };
	struct coi_store *store = store_new();
	buffer_t *buf = t_buffer_create(8);
	const char *error = NULL;

	store_lock(store);
	ck_assert_int_eq(coi_store_write(store, KEY, value, sizeof(value),
					 &error), 0);
	coi_store_unlock(store);
	ck_assert_int_eq(coi_store_read(store, KEY, sizeof(value), buf, &error),
			 1);
	ck_assert_uint_eq(buf->used, sizeof(value));
	ck_assert_mem_eq(buf->data, value, sizeof(value));
	storage_user_deinit();
}
END_TEST

/* Who has the old value open reads the old one to its end: a new file took its
   name. No temporary file stays. */
START_TEST(test_write_replaces)
{
	struct coi_store *store = store_new();
	char data[16];
	ssize_t ret;
	int fd;

	store_write(store, KEY, "old");
	fd = open(coi_store_key_path(store, KEY), O_RDONLY);
	ck_assert_int_ne(fd, -1);
	store_write(store, KEY, "newer");
	ret = read(fd, data, sizeof(data));
	ck_assert_int_eq(ret, 3);
	ck_assert_mem_eq(data, "old", 3);
	i_close_fd(&fd);
	ck_assert_uint_eq(store_count_files(store), 1);
	storage_user_deinit();
}
END_TEST

/* The value cannot take its name: nothing is left behind. */
START_TEST(test_write_fails)
{
	struct coi_store *store = store_new();
	const char *path = t_strdup(store_path(store, KEY));
	const char *error = NULL;

	put_directory(path);
	put_directory(t_strconcat(path, "/full", NULL));
	store_lock(store);
	ck_assert_int_eq(coi_store_write(store, KEY, "x", 1, &error), -1);
	coi_store_unlock(store);
	ck_assert_msg(strstr(error, path) != NULL, "%s", error);
	ck_assert_uint_eq(store_count_files(store), 1);
	storage_user_deinit();
}
END_TEST

static const struct {
	mode_t root;
	mode_t dir;
	mode_t file;
} mode_tests[] = {
	{ 0700, 0700, 0600 },
	{ 0750, 0750, 0640 },
	{ 0770, 0770, 0660 },
	{ 0777, 0777, 0666 },
};

static void check_mode(const char *path, mode_t mode)
{
	struct stat st;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_msg((st.st_mode & 0777) == mode, "%s: %03o, not %03o",
		      path, (unsigned int)(st.st_mode & 0777),
		      (unsigned int)mode);
}

/* The store is as readable as the mailboxes: several system users may share
   them by their group. */
START_TEST(test_modes)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct coi_store *store = cuser->store;
	const char *root = mailbox_list_get_root_forced(
		cuser->user->namespaces->list, MAILBOX_LIST_PATH_TYPE_DIR);

	ck_assert(mkdir_parents(root, 0700) == 0 || errno == EEXIST);
	ck_assert_int_eq(chmod(root, mode_tests[_i].root), 0);
	store_write(store, KEY, "x");
	check_mode(coi_store_key_path(store, "."), mode_tests[_i].dir);
	check_mode(coi_store_key_path(store, KEY), mode_tests[_i].file);
	store_lock(store);
	check_mode(coi_store_key_path(store, "lock"), mode_tests[_i].file);
	coi_store_unlock(store);
	storage_user_deinit();
}
END_TEST

/*
 * Lock
 */

#define LOCK_PROCESSES 4
#define LOCK_ROUNDS 25

static unsigned int counter_read(struct coi_store *store)
{
	string_t *buf = t_str_new(16);
	const char *error;
	unsigned int value;
	int ret;

	ret = coi_store_read(store, KEY, 16, buf, &error);
	if (ret < 0)
		ck_abort_msg("%s", error);
	if (ret == 0)
		return 0;
	ck_assert_int_eq(str_to_uint(str_c(buf), &value), 0);
	return value;
}

static int counter_process(struct coi_store *store)
{
	const char *str, *error;
	unsigned int i;

	for (i = 0; i < LOCK_ROUNDS; i++) T_BEGIN {
		if (coi_store_lock(store, &error) < 0)
			_exit(1);
		str = dec2str(counter_read(store) + 1);
		if (coi_store_write(store, KEY, str, strlen(str), &error) < 0)
			_exit(1);
		coi_store_unlock(store);
	} T_END;
	return 0;
}

/* Processes that change a value they have read wait for each other. */
START_TEST(test_lock_excludes)
{
	struct coi_store *store = store_new();
	pid_t pids[LOCK_PROCESSES];
	unsigned int i;
	int status;

	for (i = 0; i < N_ELEMENTS(pids); i++) {
		pids[i] = fork();
		ck_assert_int_ne(pids[i], -1);
		if (pids[i] == 0)
			_exit(counter_process(store));
	}
	for (i = 0; i < N_ELEMENTS(pids); i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(counter_read(store), LOCK_PROCESSES * LOCK_ROUNDS);
	storage_user_deinit();
}
END_TEST

/* Holds the lock until the other end of `wait_fd' is closed. */
static int
holder_process(struct coi_store *store, int wait_fd, int ready_fd)
{
	const char *error;
	char c;

	if (coi_store_lock(store, &error) < 0)
		return 1;
	if (write_full(ready_fd, "x", 1) < 0 || read(wait_fd, &c, 1) != 0)
		return 1;
	coi_store_unlock(store);
	return 0;
}

/* A lock that never comes: an error after the time that coi-limits.h allows,
   and the store works when the holder has gone. */
START_TEST(test_lock_times_out)
{
	struct coi_store *store = store_new();
	const char *error = NULL;
	int wait_fds[2], ready_fds[2], status;
	pid_t pid;
	char c;

	ck_assert_int_eq(pipe(wait_fds), 0);
	ck_assert_int_eq(pipe(ready_fds), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		i_close_fd(&wait_fds[1]);
		_exit(holder_process(store, wait_fds[0], ready_fds[1]));
	}
	ck_assert_int_eq(read(ready_fds[0], &c, 1), 1);

	ck_assert_int_eq(coi_store_lock(store, &error), -1);
	ck_assert_msg(strstr(error, "Timed out") != NULL, "%s", error);

	i_close_fd(&wait_fds[1]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	store_lock(store);
	coi_store_unlock(store);
	i_close_fd(&wait_fds[0]);
	i_close_fd(&ready_fds[0]);
	i_close_fd(&ready_fds[1]);
	storage_user_deinit();
}
END_TEST

/* The admin's lock_method is what mailboxes are locked by; not all that it may
   be can lock a file of ours. */
static const char *const lock_methods[] = { "fcntl", "flock", "dotlock" };

START_TEST(test_lock_method)
{
	const char *settings[] = {
		t_strconcat("lock_method=", lock_methods[_i], NULL), NULL
	};
	const struct storage_user_settings set = { .settings = settings };
	struct coi_store *store = storage_coi_init(&set)->store;

	store_write(store, KEY, "x");
	storage_user_deinit();
}
END_TEST

/*
 * Erase
 */

static void store_erase(struct coi_store *store)
{
	const char *error = NULL;

	ck_assert_msg(coi_store_erase(store, &error) == 0, "%s", error);
}

static const char *store_dir(struct coi_store *store)
{
	const char *path = store_path(store, "");

	return t_strndup(path, strlen(path) - 1);
}

static bool path_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void put_file(const char *path)
{
	int fd = open(path, O_CREAT | O_WRONLY, 0600);

	ck_assert_int_ne(fd, -1);
	i_close_fd(&fd);
}

/* Values, directories in directories, hidden files, what is no file, and what a
   killed process has left: all goes. What symbolic links point to stays. */
START_TEST(test_erase)
{
	struct coi_store *store = store_new();
	const char *dir = store_dir(store);
	const char *outside = t_strconcat(dir, "-outside", NULL);
	const char *file = t_strconcat(outside, "/file", NULL);
	const struct utimbuf old = { 1, 1 };

	put_directory(outside);
	put_file(file);
	store_write(store, KEY, "x");
	store_write(store, "contacts/ab/abc", "x");
	put_directory(store_path(store, ".hidden"));
	put_file(store_path(store, ".hidden/.file"));
	put_fifo(store_path(store, "fifo"));
	put_file(store_path(store, "lock123"));
	ck_assert_int_eq(utime(store_path(store, "lock123"), &old), 0);
	ck_assert_int_eq(symlink(outside, store_path(store, "link")), 0);
	ck_assert_int_eq(symlink(file, store_path(store, "contacts/link")), 0);
	ck_assert_int_eq(symlink(outside, store_path(store, "contacts/ab/link")), 0);

	store_erase(store);
	ck_assert(!path_exists(dir));
	ck_assert(path_exists(file));
	/* there is nothing now, and nothing is made */
	store_erase(store);
	ck_assert(!path_exists(dir));
	/* and it can be used again */
	store_write(store, KEY, "y");
	ck_assert_uint_eq(store_count_files(store), 1);
	ck_assert_int_eq(unlink(file), 0);
	ck_assert_int_eq(rmdir(outside), 0);
	storage_user_deinit();
}
END_TEST

/* The store itself lies elsewhere: it is not ours to follow the link. */
START_TEST(test_erase_symlinked)
{
	struct coi_store *store = store_new();
	const char *dir = store_dir(store), *error = NULL;
	const char *moved = t_strconcat(dir, "-moved", NULL);

	store_write(store, KEY, "x");
	ck_assert_int_eq(rename(dir, moved), 0);
	ck_assert_int_eq(symlink(moved, dir), 0);
	ck_assert_int_eq(coi_store_erase(store, &error), -1);
	ck_assert_str_eq(error, t_strdup_printf("%s is no directory", dir));
	ck_assert(path_exists(t_strconcat(moved, "/"KEY, NULL)));
	storage_user_deinit();
}
END_TEST

/* What cannot be removed is an error that names it. */
START_TEST(test_erase_fails)
{
	struct coi_store *store = store_new();
	const char *path, *error = NULL;
	bool root = geteuid() == 0;

	store_write(store, "contacts/ab/abc", "x");
	path = t_strdup(store_path(store, "contacts/ab"));
	ck_assert_int_eq(chmod(path, 0500), 0);
	if (root) {
		ck_assert_int_eq(chown(store_path(store, ""), 65534, -1), 0);
		ck_assert_int_eq(seteuid(65534), 0);
	}
	ck_assert_int_eq(coi_store_erase(store, &error), -1);
	if (root)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(chmod(path, 0700), 0);
	ck_assert_ptr_nonnull(error);
	ck_assert(path_exists(t_strconcat(path, "/abc", NULL)));
	storage_user_deinit();
}
END_TEST

#define ERASE_ROUNDS 200

static int writer_process(struct coi_store *store, int pid)
{
	const char *key = t_strdup_printf("%02x/%d", pid & 0xff, pid), *error;
	unsigned int i;

	for (i = 0; i < ERASE_ROUNDS; i++) T_BEGIN {
		string_t *value = t_str_new(16);

		if (coi_store_lock(store, &error) < 0 ||
		    coi_store_write(store, key, "x", 1, &error) < 0)
			i_fatal("%s", error);
		/* nothing goes while it has the lock */
		if (coi_store_read(store, key, MAX_BYTES, value, &error) != 1)
			i_fatal("lost");
		coi_store_unlock(store);
	} T_END;
	return 0;
}

/* Whoever writes meanwhile neither fails nor loses a value under the lock; in
   the end there is nothing. */
START_TEST(test_erase_concurrent)
{
	struct coi_store *store = store_new();
	const char *dir = store_dir(store);
	pid_t pids[2];
	unsigned int i, running = N_ELEMENTS(pids);
	int status;

	for (i = 0; i < N_ELEMENTS(pids); i++) {
		pids[i] = fork();
		ck_assert_int_ne(pids[i], -1);
		if (pids[i] == 0)
			_exit(writer_process(store, getpid()));
	}
	while (running > 0) T_BEGIN {
		store_erase(store);
		if (waitpid(-1, &status, WNOHANG) > 0) {
			ck_assert_int_eq(status, 0);
			running--;
		}
	} T_END;
	store_erase(store);
	ck_assert(!path_exists(dir));
	storage_user_deinit();
}
END_TEST

/*
 * Leftovers
 */

#define LEFTOVER_BEFORE 1000

static const struct {
	const char *key;
	time_t modified;
	bool removed;
} leftover_tests[] = {
	{ "state.tmp.host.1.aa", LEFTOVER_BEFORE - 1, TRUE },
	{ "state.tmp.host.2.bb", LEFTOVER_BEFORE, FALSE },
	{ "lock0123abcd", LEFTOVER_BEFORE - 1, TRUE },
	{ "lock4567abcd", LEFTOVER_BEFORE + 1, FALSE },
	{ "contacts.index", 1, FALSE },
	{ "xlock", 1, FALSE },
	{ ".tmp.", 1, FALSE },
	{ "contacts/ab/abcd", 1, FALSE },
	{ "contacts/ab/abcd.tmp.host.3.cc", 1, TRUE },
	{ "groups/00/x.tmp.host.4.dd", 1, TRUE },
	{ "groups/00/y.tmp.host.4.dd", LEFTOVER_BEFORE + 1, FALSE },
	/* deeper than the store has anything */
	{ "groups/00/z/x.tmp.host.5.ee", 1, FALSE },
};

static void leftover_put(struct coi_store *store, const char *key, time_t modified)
{
	const char *path = store_path(store, key);
	const struct timespec times[] = {
		{ .tv_sec = modified }, { .tv_sec = modified },
	};
	int fd;

	ck_assert(mkdir_parents(t_strdup_until(path, strrchr(path, '/')),
				0700) == 0 || errno == EEXIST);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(futimens(fd, times), 0);
	i_close_fd(&fd);
}

/* Old temporary files go, wherever writers make them; all else stays. */
START_TEST(test_leftovers)
{
	struct coi_store *store = store_new();
	const char *path, *error = NULL;
	unsigned int i, count, expected = 0;
	struct stat st;

	for (i = 0; i < N_ELEMENTS(leftover_tests); i++) {
		leftover_put(store, leftover_tests[i].key,
			     leftover_tests[i].modified);
		if (leftover_tests[i].removed)
			expected++;
	}
	put_directory(coi_store_key_path(store, "dir.tmp.x"));
	store_lock(store);
	ck_assert_int_eq(coi_store_remove_leftovers(store, LEFTOVER_BEFORE,
						    &count, &error), 0);
	ck_assert_uint_eq(count, expected);
	ck_assert_int_eq(coi_store_remove_leftovers(store, LEFTOVER_BEFORE,
						    &count, &error), 0);
	ck_assert_uint_eq(count, 0);
	ck_assert_int_eq(stat(coi_store_key_path(store, "lock"), &st), 0);
	coi_store_unlock(store);
	for (i = 0; i < N_ELEMENTS(leftover_tests); i++) {
		path = coi_store_key_path(store, leftover_tests[i].key);
		ck_assert_msg((stat(path, &st) < 0) ==
			      leftover_tests[i].removed, "%s", path);
	}
	storage_user_deinit();
}
END_TEST

/* What cannot be looked into is an error that names it, and the rest goes. */
START_TEST(test_leftovers_fail)
{
	struct coi_store *store = store_new();
	const char *path, *error = NULL;
	unsigned int count;

	leftover_put(store, "contacts/ab/x.tmp.y", 1);
	leftover_put(store, "groups/00/x.tmp.y", 1);
	leftover_put(store, "x.tmp.y", 1);
	path = coi_store_key_path(store, "contacts/loop");
	put_loop(path);
	store_lock(store);
	ck_assert_int_eq(coi_store_remove_leftovers(store, LEFTOVER_BEFORE,
						    &count, &error), -1);
	coi_store_unlock(store);
	ck_assert_msg(strstr(error, path) != NULL, "%s", error);
	ck_assert_uint_eq(count, 3);
	storage_user_deinit();
}
END_TEST

/* To ask whether there is a store makes none. */
START_TEST(test_exists)
{
	struct coi_store *store = store_new();
	const char *error = NULL;

	ck_assert_int_eq(coi_store_exists(store, &error), 0);
	ck_assert_int_eq(coi_store_exists(store, &error), 0);
	store_write(store, KEY, "x");
	ck_assert_int_eq(coi_store_exists(store, &error), 1);
	storage_user_deinit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-store");
	TCase *tcase;

	tcase = storage_tcase_add(suite, "S41: read");
	tcase_add_loop_test(tcase, test_read, 0, N_ELEMENTS(read_tests));
	tcase_add_test(tcase, test_read_absent);
	tcase_add_loop_test(tcase, test_read_strange, 0,
			    N_ELEMENTS(strange_tests));
	tcase_add_test(tcase, test_read_denied);
	tcase_add_test(tcase, test_no_directory);
	tcase = storage_tcase_add(suite, "write");
	tcase_add_test(tcase, test_write_binary);
	tcase_add_test(tcase, test_write_replaces);
	tcase_add_test(tcase, test_write_fails);
	tcase_add_loop_test(tcase, test_modes, 0, N_ELEMENTS(mode_tests));
	tcase = storage_tcase_add(suite, "leftovers");
	tcase_add_test(tcase, test_leftovers);
	tcase_add_test(tcase, test_leftovers_fail);
	tcase_add_test(tcase, test_exists);
	tcase = storage_tcase_add(suite, "S42: lock");
	tcase_add_loop_test(tcase, test_lock_method, 0,
			    N_ELEMENTS(lock_methods));
	tcase_add_test(tcase, test_lock_excludes);
	tcase_add_test(tcase, test_lock_times_out);
	tcase_set_timeout(tcase, 3 * COI_STORE_LOCK_TIMEOUT_SECS);
	tcase = storage_tcase_add(suite, "erase");
	tcase_add_test(tcase, test_erase);
	tcase_add_test(tcase, test_erase_symlinked);
	tcase_add_test(tcase, test_erase_fails);
	tcase_add_test(tcase, test_erase_concurrent);
	tcase_set_timeout(tcase, 3 * COI_STORE_LOCK_TIMEOUT_SECS);

	return storage_run(suite);
}
