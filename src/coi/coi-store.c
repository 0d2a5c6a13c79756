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
#include "write-full.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "coi-limits.h"
#include "coi-store-private.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct coi_store *coi_store_init(struct mail_user *user)
{
	struct coi_store *store = p_new(user->pool, struct coi_store, 1);

	store->user = user;
	return store;
}

/* INBOX's own directory would not do: RENAME INBOX takes it away, and with
   LAYOUT=index it does not exist before INBOX does. */
bool coi_store_find(struct coi_store *store)
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

/* Returns NULL if `fd' cannot be mapped. All of it will be looked at: one call
   for it costs less than a page fault for each bit. If it could be written at
   once, that would copy it. */
static void *coi_store_mmap(struct coi_store *store, int fd, size_t size)
{
	void *data;

	if (store->list->mail_set->mmap_disable)
		return NULL;
	data = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (data == MAP_FAILED)
		return NULL;
	if (mprotect(data, size, PROT_READ | PROT_WRITE) < 0)
		i_panic("mprotect() failed: %m");
	return data;
}

static int
coi_store_map_fd(struct coi_store *store, int fd, const char *path, size_t size,
		 struct coi_store_map *map_r, const char **error_r)
{
	struct stat st;
	int ret;

	if (fstat(fd, &st) < 0) {
		*error_r = t_strdup_printf("fstat(%s) failed: %m", path);
		return -1;
	}
	/* behind its end a mapped file kills who reads it */
	if (!S_ISREG(st.st_mode) || (uoff_t)st.st_size < size) {
		*error_r = t_strdup_printf("%s became shorter", path);
		return -1;
	}
	map_r->size = size;
	map_r->data = coi_store_mmap(store, fd, size);
	map_r->mapped = map_r->data != NULL;
	if (map_r->mapped)
		return 0;
	map_r->data = i_malloc(size);
	ret = pread_full(fd, map_r->data, size, 0);
	if (ret > 0)
		return 0;
	*error_r = ret < 0 ? t_strdup_printf("read(%s) failed: %m", path) :
		t_strdup_printf("%s became shorter while it was read", path);
	coi_store_unmap(map_r);
	return -1;
}

int coi_store_map(struct coi_store *store, const char *key, size_t size,
		  struct coi_store_map *map_r, const char **error_r)
{
	const char *path = coi_store_key_path(store, key);
	int fd, ret;

	i_assert(store->lock != NULL && size > 0);

	i_zero(map_r);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	ret = coi_store_map_fd(store, fd, path, size, map_r, error_r);
	i_close_fd(&fd);
	return ret;
}

void coi_store_unmap(struct coi_store_map *map)
{
	if (!map->mapped)
		i_free(map->data);
	else if (munmap(map->data, map->size) < 0)
		i_error("munmap() failed: %m");
	i_zero(map);
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

bool coi_store_is_locked(const struct coi_store *store)
{
	return store->lock != NULL;
}
