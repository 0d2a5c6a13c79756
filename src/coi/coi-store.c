/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

/* for syncfs() */
#define _GNU_SOURCE

#include "lib.h"
#include "str.h"
#include "eacces-error.h"
#include "file-create-locked.h"
#include "mkdir-parents.h"
#include "read-full.h"
#include "safe-mkstemp.h"
#include "sleep.h"
#include "unlink-directory.h"
#include "write-full.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "coi-limits.h"
#include "coi-store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

#define COI_STORE_LOCK_FNAME "lock"
/* part of the names of files that are just being written */
#define COI_STORE_TEMP_INFIX ".tmp."

struct coi_store {
	struct mail_user *user;
	/* INBOX's list; NULL until the namespaces are there */
	struct mailbox_list *list;
	/* the store's directory */
	const char *dir;

	struct file_lock *lock;
	unsigned int lock_count;

	/* between coi_store_many_begin() and _end() */
	bool many;
};

struct coi_store *coi_store_init(struct mail_user *user)
{
	struct coi_store *store = p_new(user->pool, struct coi_store, 1);

	store->user = user;
	return store;
}

/* Returns FALSE if INBOX's namespace keeps no files. INBOX's own directory would
   not do: RENAME INBOX takes it away, and with LAYOUT=index it does not exist
   before INBOX does. */
static bool coi_store_find(struct coi_store *store)
{
	struct mail_namespace *ns;
	const char *control;

	if (store->dir != NULL)
		return TRUE;
	ns = mail_namespace_find_inbox(store->user->namespaces);
	if (!mailbox_list_get_root_path(ns->list,
					MAILBOX_LIST_PATH_TYPE_CONTROL,
					&control))
		return FALSE;
	store->list = ns->list;
	store->dir = p_strconcat(store->user->pool, control,
				 "/"COI_STORE_DIRNAME, NULL);
	return TRUE;
}

const char *coi_store_key_path(struct coi_store *store, const char *key)
{
	return t_strconcat(store->dir, "/", key, NULL);
}

/* Reads the first `bytes' at most. */
static int
coi_store_read_fd(int fd, const char *path, size_t bytes, buffer_t *dest,
		  size_t *size_r, const char **error_r)
{
	struct stat st;
	size_t start = dest->used;
	void *data;
	int ret;

	if (fstat(fd, &st) < 0) {
		*error_r = t_strdup_printf("fstat(%s) failed: %m", path);
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		/* a FIFO or a device would read as an empty value */
		*error_r = t_strdup_printf("%s is not a regular file", path);
		return -1;
	}
	*size_r = st.st_size;
	bytes = I_MIN(bytes, *size_r);
	/* @UNSAFE: values are written by rename(), so the size is final */
	data = buffer_append_space_unsafe(dest, bytes);
	ret = bytes == 0 ? 1 : read_full(fd, data, bytes);
	if (ret > 0)
		return 1;
	buffer_set_used_size(dest, start);
	*error_r = ret < 0 ? t_strdup_printf("read(%s) failed: %m", path) :
		t_strdup_printf("%s became shorter while it was read", path);
	return -1;
}

int coi_store_read_part(struct coi_store *store, const char *key,
			size_t max_bytes, buffer_t *dest, size_t *size_r,
			const char **error_r)
{
	const char *path;
	int fd, ret;

	*size_r = 0;
	if (!coi_store_find(store))
		return 0;
	path = coi_store_key_path(store, key);
	/* not blocking: should anybody have put a FIFO there, it must not
	   stop a delivery */
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd == -1) {
		if (errno == ENOENT)
			return 0;
		*error_r = errno == EACCES ?
			eacces_error_get("open", path) :
			t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	ret = coi_store_read_fd(fd, path, max_bytes, dest, size_r, error_r);
	i_close_fd(&fd);
	return ret;
}

int coi_store_read(struct coi_store *store, const char *key, size_t max_bytes,
		   buffer_t *dest, const char **error_r)
{
	size_t size, start = dest->used;
	int ret;

	ret = coi_store_read_part(store, key, max_bytes, dest, &size, error_r);
	if (ret > 0 && size > max_bytes) {
		buffer_set_used_size(dest, start);
		*error_r = t_strdup_printf("%s is larger than %zu bytes",
			coi_store_key_path(store, key), max_bytes);
		return -1;
	}
	return ret;
}

int coi_store_exists(struct coi_store *store, const char **error_r)
{
	struct stat st;

	if (!coi_store_find(store))
		return 0;
	if (stat(store->dir, &st) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	*error_r = errno == EACCES ? eacces_error_get("stat", store->dir) :
		t_strdup_printf("stat(%s) failed: %m", store->dir);
	return -1;
}

static int
coi_store_mkdir(struct coi_store *store, const char *dir, const char **error_r)
{
	struct mailbox_permissions perm;

	mailbox_list_get_root_permissions(store->list, &perm);
	if (mkdir_parents_chgrp(dir, perm.dir_create_mode,
				perm.file_create_gid,
				perm.file_create_gid_origin) < 0 &&
	    errno != EEXIST) {
		*error_r = errno == EACCES ?
			eacces_error_get_creating("mkdir", dir) :
			t_strdup_printf("mkdir(%s) failed: %m", dir);
		return -1;
	}
	return 0;
}

static bool coi_store_syncs(struct coi_store *store)
{
	return store->list->mail_set->parsed_fsync_mode != FSYNC_MODE_NEVER;
}

static int
coi_store_rename_temp(struct coi_store *store, int fd, const char *temp_path,
		      const char *path, const void *data, size_t size,
		      const char **error_r)
{
	if (write_full(fd, data, size) < 0)
		*error_r = t_strdup_printf("write(%s) failed: %m", temp_path);
	else if (!store->many && coi_store_syncs(store) && fdatasync(fd) < 0)
		*error_r = t_strdup_printf("fdatasync(%s) failed: %m", temp_path);
	else if (rename(temp_path, path) < 0) {
		*error_r = t_strdup_printf("rename(%s, %s) failed: %m",
					   temp_path, path);
	} else {
		return 0;
	}
	i_unlink(temp_path);
	return -1;
}

static int coi_store_mkstemp(struct coi_store *store, string_t *temp_path)
{
	struct mailbox_permissions perm;

	mailbox_list_get_root_permissions(store->list, &perm);
	return safe_mkstemp_hostpid_group(temp_path, perm.file_create_mode,
					  perm.file_create_gid,
					  perm.file_create_gid_origin);
}

/* Opens a temporary file beside `path', whose directory need not exist. */
static int
coi_store_create_temp(struct coi_store *store, const char *path,
		      string_t *temp_path, const char **error_r)
{
	const char *dir = t_strdup_until(path, strrchr(path, '/'));
	int fd;

	str_printfa(temp_path, "%s"COI_STORE_TEMP_INFIX, path);
	fd = coi_store_mkstemp(store, temp_path);
	if (fd == -1 && errno == ENOENT) {
		if (coi_store_mkdir(store, dir, error_r) < 0)
			return -1;
		str_truncate(temp_path, 0);
		str_printfa(temp_path, "%s"COI_STORE_TEMP_INFIX, path);
		fd = coi_store_mkstemp(store, temp_path);
	}
	if (fd == -1) {
		*error_r = errno == EACCES ?
			eacces_error_get_creating("open", str_c(temp_path)) :
			t_strdup_printf("open(%s) failed: %m", str_c(temp_path));
	}
	return fd;
}

int coi_store_write(struct coi_store *store, const char *key,
		    const void *data, size_t size, const char **error_r)
{
	const char *path;
	string_t *temp_path = t_str_new(128);
	int fd, ret;

	i_assert(store->lock != NULL);

	path = coi_store_key_path(store, key);
	fd = coi_store_create_temp(store, path, temp_path, error_r);
	if (fd == -1)
		return -1;
	ret = coi_store_rename_temp(store, fd, str_c(temp_path), path,
				    data, size, error_r);
	i_close_fd(&fd);
	return ret;
}

void coi_store_many_begin(struct coi_store *store)
{
	i_assert(store->lock != NULL && !store->many);

	store->many = TRUE;
}

int coi_store_many_end(struct coi_store *store, const char **error_r)
{
	int fd, ret;

	i_assert(store->many);

	store->many = FALSE;
	if (!coi_store_syncs(store))
		return 0;
	fd = open(store->dir, O_RDONLY);
	ret = fd == -1 ? -1 : syncfs(fd);
	if (ret < 0)
		*error_r = t_strdup_printf("syncfs(%s) failed: %m", store->dir);
	i_close_fd(&fd);
	return ret;
}

int coi_store_remove(struct coi_store *store, const char *key,
		     const char **error_r)
{
	const char *path;

	i_assert(store->lock != NULL);

	path = coi_store_key_path(store, key);
	if (unlink(path) == 0)
		return 1;
	if (errno == ENOENT)
		return 0;
	*error_r = errno == EACCES ? eacces_error_get("unlink", path) :
		t_strdup_printf("unlink(%s) failed: %m", path);
	return -1;
}

/*
 * Listing
 */

struct coi_store_iter {
	/* NULL: could not be listed, or has ended */
	DIR *dir, *subdir;
	char *path, *subpath, *error;
};

/* Of several errors the first one counts. */
static void
coi_store_iter_fail(struct coi_store_iter *iter, const char *function,
		    const char *path)
{
	if (iter->error == NULL)
		iter->error = i_strdup_printf("%s(%s) failed: %m",
					      function, path);
}

static DIR *coi_store_iter_open(struct coi_store_iter *iter, const char *path)
{
	DIR *dir = opendir(path);

	/* what is no directory is none of ours */
	if (dir == NULL && errno != ENOENT && errno != ENOTDIR)
		coi_store_iter_fail(iter, "opendir", path);
	return dir;
}

struct coi_store_iter *
coi_store_iter_init(struct coi_store *store, const char *dirname)
{
	struct coi_store_iter *iter = i_new(struct coi_store_iter, 1);

	if (coi_store_find(store)) {
		iter->path = i_strdup(coi_store_key_path(store, dirname));
		iter->dir = coi_store_iter_open(iter, iter->path);
	}
	return iter;
}

static void
coi_store_iter_close(struct coi_store_iter *iter, DIR **dir, const char *path)
{
	if (*dir != NULL && closedir(*dir) < 0)
		coi_store_iter_fail(iter, "closedir", path);
	*dir = NULL;
}

/* Returns the next entry that is not hidden, or NULL. */
static const char *
coi_store_iter_read(struct coi_store_iter *iter, DIR *dir, const char *path)
{
	struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(dir);
	} while (entry != NULL && entry->d_name[0] == '.');
	if (entry == NULL && errno != 0)
		coi_store_iter_fail(iter, "readdir", path);
	return entry == NULL ? NULL : entry->d_name;
}

/* Returns FALSE if there is no more. */
static bool coi_store_iter_next_subdir(struct coi_store_iter *iter)
{
	const char *name;

	coi_store_iter_close(iter, &iter->subdir, iter->subpath);
	while (iter->dir != NULL && iter->subdir == NULL) {
		name = coi_store_iter_read(iter, iter->dir, iter->path);
		if (name == NULL)
			return FALSE;
		i_free(iter->subpath);
		iter->subpath = i_strconcat(iter->path, "/", name, NULL);
		iter->subdir = coi_store_iter_open(iter, iter->subpath);
	}
	return iter->subdir != NULL;
}

const char *coi_store_iter_next(struct coi_store_iter *iter)
{
	const char *name;

	while (iter->subdir != NULL || coi_store_iter_next_subdir(iter)) {
		name = coi_store_iter_read(iter, iter->subdir, iter->subpath);
		if (name == NULL)
			coi_store_iter_close(iter, &iter->subdir, iter->subpath);
		else if (strstr(name, COI_STORE_TEMP_INFIX) == NULL)
			return name;
	}
	return NULL;
}

int coi_store_iter_deinit(struct coi_store_iter **_iter, const char **error_r)
{
	struct coi_store_iter *iter = *_iter;
	int ret;

	*_iter = NULL;
	coi_store_iter_close(iter, &iter->subdir, iter->subpath);
	coi_store_iter_close(iter, &iter->dir, iter->path);
	ret = iter->error == NULL ? 0 : -1;
	if (ret < 0)
		*error_r = t_strdup(iter->error);
	i_free(iter->error);
	i_free(iter->subpath);
	i_free(iter->path);
	i_free(iter);
	return ret;
}

/*
 * Leftovers
 */

/* Of entries below `dirname', "dirname/x/name" are the deepest. */
#define COI_STORE_DEPTH 2

struct coi_store_sweep {
	time_t before;
	unsigned int count;
	/* data stack; the first one */
	const char *error;
};

static bool coi_store_is_temp_name(const char *name)
{
	/* core makes its lock files of others whose names begin with theirs */
	return strstr(name, COI_STORE_TEMP_INFIX) != NULL ||
		(strncmp(name, COI_STORE_LOCK_FNAME,
			 strlen(COI_STORE_LOCK_FNAME)) == 0 &&
		 strcmp(name, COI_STORE_LOCK_FNAME) != 0);
}

static void
coi_store_sweep_fail(struct coi_store_sweep *sweep, const char *function,
		     const char *path)
{
	/* what is gone meanwhile was removed by its writer */
	if (errno != ENOENT && errno != ENOTDIR && sweep->error == NULL) {
		sweep->error = t_strdup_printf("%s(%s) failed: %m",
					       function, path);
	}
}

static void
coi_store_sweep_file(struct coi_store_sweep *sweep, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		coi_store_sweep_fail(sweep, "lstat", path);
	else if (!S_ISREG(st.st_mode) || st.st_mtime >= sweep->before)
		return;
	else if (unlink(path) < 0)
		coi_store_sweep_fail(sweep, "unlink", path);
	else
		sweep->count++;
}

static void
coi_store_sweep_dir(struct coi_store_sweep *sweep, const char *dir_path,
		    unsigned int depth)
{
	DIR *dir = opendir(dir_path);
	struct dirent *entry;
	const char *path;

	if (dir == NULL) {
		coi_store_sweep_fail(sweep, "opendir", dir_path);
		return;
	}
	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		path = t_strconcat(dir_path, "/", entry->d_name, NULL);
		if (coi_store_is_temp_name(entry->d_name))
			coi_store_sweep_file(sweep, path);
		else if (depth < COI_STORE_DEPTH)
			coi_store_sweep_dir(sweep, path, depth + 1);
	}
	if (errno != 0)
		coi_store_sweep_fail(sweep, "readdir", dir_path);
	(void)closedir(dir);
}

int coi_store_remove_leftovers(struct coi_store *store, time_t before,
			       unsigned int *count_r, const char **error_r)
{
	struct coi_store_sweep sweep = { .before = before };

	i_assert(store->lock != NULL);

	coi_store_sweep_dir(&sweep, store->dir, 0);
	*count_r = sweep.count;
	*error_r = sweep.error;
	return sweep.error == NULL ? 0 : -1;
}

/*
 * Locking
 */

/* Dovecot's own way of lock files, which knows every lock_method and leaves no
   file behind. */
static int coi_store_create_lock(struct coi_store *store, const char **error_r)
{
	struct mailbox_permissions perm;

	mailbox_list_get_root_permissions(store->list, &perm);
	const struct file_create_settings lock_set = {
		.lock_timeout_secs = COI_STORE_LOCK_TIMEOUT_SECS,
		.lock_settings = {
			.lock_method = store->list->mail_set->parsed_lock_method,
		},
		.mode = perm.file_create_mode,
		.gid = perm.file_create_gid,
		.gid_origin = perm.file_create_gid_origin,
		/* somebody may erase the store at this moment */
		.mkdir_mode = perm.dir_create_mode,
		.mkdir_gid = perm.file_create_gid,
	};
	return mail_storage_lock_create(
		coi_store_key_path(store, COI_STORE_LOCK_FNAME), &lock_set,
		store->list->mail_set, &store->lock, error_r) <= 0 ? -1 : 0;
}

int coi_store_lock(struct coi_store *store, const char **error_r)
{
	if (store->lock == NULL) {
		if (!coi_store_find(store)) {
			*error_r = "INBOX's namespace has no control directory";
			return -1;
		}
		if (coi_store_mkdir(store, store->dir, error_r) < 0 ||
		    coi_store_create_lock(store, error_r) < 0)
			return -1;
	}
	store->lock_count++;
	return 0;
}

void coi_store_unlock(struct coi_store *store)
{
	i_assert(store->lock_count > 0);

	if (--store->lock_count == 0)
		file_lock_free(&store->lock);
}

/*
 * Erasing
 */

/* Others who want the lock make a file with a name that begins like the lock's,
   and must find it again a moment later. What is old a killed process has
   left. */
static bool coi_store_may_be_needed(const char *name, const struct stat *st)
{
	return strncmp(name, COI_STORE_LOCK_FNAME,
		       strlen(COI_STORE_LOCK_FNAME)) == 0 &&
		st->st_mtime + COI_STORE_LOCK_TIMEOUT_SECS > time(NULL);
}

static int
coi_store_erase_file(struct coi_store *store, const char *name,
		     const char **error_r)
{
	const char *path = coi_store_key_path(store, name);
	struct stat st;

	if (lstat(path, &st) < 0) {
		*error_r = t_strdup_printf("lstat(%s) failed: %m", path);
		return errno == ENOENT ? 0 : -1;
	}
	if (S_ISDIR(st.st_mode)) {
		return unlink_directory(path, UNLINK_DIRECTORY_FLAG_RMDIR,
					error_r) < 0 ? -1 : 0;
	}
	if (!coi_store_may_be_needed(name, &st) &&
	    unlink(path) < 0 && errno != ENOENT) {
		*error_r = t_strdup_printf("unlink(%s) failed: %m", path);
		return -1;
	}
	return 0;
}

static int
coi_store_erase_files(struct coi_store *store, const char **error_r)
{
	DIR *dir = opendir(store->dir);
	struct dirent *entry;
	int ret = 0;

	if (dir == NULL) {
		*error_r = t_strdup_printf("opendir(%s) failed: %m", store->dir);
		return -1;
	}
	for (errno = 0; ret == 0 && (entry = readdir(dir)) != NULL; errno = 0) {
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0 &&
		    strcmp(entry->d_name, COI_STORE_LOCK_FNAME) != 0) {
			ret = coi_store_erase_file(store, entry->d_name,
						   error_r);
		}
	}
	if (ret == 0 && errno != 0) {
		*error_r = t_strdup_printf("readdir(%s) failed: %m", store->dir);
		ret = -1;
	}
	(void)closedir(dir);
	return ret;
}

/* Unlocks, and removes the directory. The lock's file goes first, so that nobody
   gets the lock who waits for it: they make a new one. Returns as rmdir(). */
static int coi_store_unlock_for_good(struct coi_store *store)
{
	int ret;

	i_assert(store->lock_count == 1);

	file_lock_set_unlink_on_free(store->lock, FALSE);
	i_unlink(coi_store_key_path(store, COI_STORE_LOCK_FNAME));
	ret = rmdir(store->dir);
	coi_store_unlock(store);
	/* NFS keeps a file that is still open, under another name */
	return ret == 0 ? 0 : rmdir(store->dir);
}

/* Returns 1 if the store is no more, 0 if somebody else has begun a new one, -1
   on error. */
static int coi_store_try_erase(struct coi_store *store, const char **error_r)
{
	if (coi_store_lock(store, error_r) < 0)
		return -1;
	if (coi_store_erase_files(store, error_r) < 0) {
		coi_store_unlock(store);
		return -1;
	}
	if (coi_store_unlock_for_good(store) == 0 || errno == ENOENT)
		return 1;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return 0;
	*error_r = t_strdup_printf("rmdir(%s) failed: %m", store->dir);
	return -1;
}

int coi_store_erase(struct coi_store *store, const char **error_r)
{
	struct stat st;
	unsigned int i;
	int ret = 0;

	if (!coi_store_find(store))
		return 0;
	if (lstat(store->dir, &st) < 0) {
		*error_r = t_strdup_printf("lstat(%s) failed: %m", store->dir);
		return errno == ENOENT ? 0 : -1;
	}
	if (!S_ISDIR(st.st_mode)) {
		*error_r = t_strdup_printf("%s is no directory", store->dir);
		return -1;
	}
	for (i = 0; ret == 0 && i < COI_STORE_ERASE_TRIES_MAX; i++) T_BEGIN {
		/* somebody may be just about to lock the new store */
		if (i > 0)
			i_sleep_msecs(COI_STORE_ERASE_PAUSE_MSECS);
		ret = coi_store_try_erase(store, error_r);
	} T_END_PASS_STR_IF(ret < 0, error_r);
	if (ret == 0) {
		*error_r = t_strdup_printf("%s is written to all the time",
					   store->dir);
	}
	return ret > 0 ? 0 : -1;
}
