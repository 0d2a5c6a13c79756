/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

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
#include "coi-store.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#define COI_STORE_LOCK_FNAME "lock"

struct coi_store {
	struct mail_user *user;
	/* INBOX's list; NULL until the namespaces are there */
	struct mailbox_list *list;
	/* the store's directory */
	const char *dir;

	struct file_lock *lock;
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

static int
coi_store_read_fd(int fd, const char *path, size_t max_bytes, buffer_t *dest,
		  const char **error_r)
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
	if ((uoff_t)st.st_size > max_bytes) {
		*error_r = t_strdup_printf("%s is larger than %zu bytes",
					   path, max_bytes);
		return -1;
	}
	/* @UNSAFE: values are written by rename(), so the size is final */
	data = buffer_append_space_unsafe(dest, st.st_size);
	ret = st.st_size == 0 ? 1 : read_full(fd, data, st.st_size);
	if (ret > 0)
		return 1;
	buffer_set_used_size(dest, start);
	*error_r = ret < 0 ? t_strdup_printf("read(%s) failed: %m", path) :
		t_strdup_printf("%s became shorter while it was read", path);
	return -1;
}

int coi_store_read(struct coi_store *store, const char *key, size_t max_bytes,
		   buffer_t *dest, const char **error_r)
{
	const char *path;
	int fd, ret;

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
	ret = coi_store_read_fd(fd, path, max_bytes, dest, error_r);
	i_close_fd(&fd);
	return ret;
}

static int
coi_store_rename_temp(int fd, const char *temp_path, const char *path,
		      const void *data, size_t size, const char **error_r)
{
	if (write_full(fd, data, size) < 0)
		*error_r = t_strdup_printf("write(%s) failed: %m", temp_path);
	else if (fdatasync(fd) < 0)
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

int coi_store_write(struct coi_store *store, const char *key,
		    const void *data, size_t size, const char **error_r)
{
	struct mailbox_permissions perm;
	const char *path;
	string_t *temp_path;
	int fd, ret;

	i_assert(store->lock != NULL);

	path = coi_store_key_path(store, key);
	temp_path = t_str_new(128);
	str_printfa(temp_path, "%s.tmp.", path);
	mailbox_list_get_root_permissions(store->list, &perm);
	fd = safe_mkstemp_hostpid_group(temp_path, perm.file_create_mode,
					perm.file_create_gid,
					perm.file_create_gid_origin);
	if (fd == -1) {
		*error_r = errno == EACCES ?
			eacces_error_get_creating("open", str_c(temp_path)) :
			t_strdup_printf("open(%s) failed: %m", str_c(temp_path));
		return -1;
	}
	ret = coi_store_rename_temp(fd, str_c(temp_path), path, data, size,
				    error_r);
	i_close_fd(&fd);
	return ret;
}

static int coi_store_mkdir(struct coi_store *store, const char **error_r)
{
	struct mailbox_permissions perm;

	mailbox_list_get_root_permissions(store->list, &perm);
	if (mkdir_parents_chgrp(store->dir, perm.dir_create_mode,
				perm.file_create_gid,
				perm.file_create_gid_origin) < 0 &&
	    errno != EEXIST) {
		*error_r = errno == EACCES ?
			eacces_error_get_creating("mkdir", store->dir) :
			t_strdup_printf("mkdir(%s) failed: %m", store->dir);
		return -1;
	}
	return 0;
}

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
	};
	return mail_storage_lock_create(
		coi_store_key_path(store, COI_STORE_LOCK_FNAME), &lock_set,
		store->list->mail_set, &store->lock, error_r) <= 0 ? -1 : 0;
}

int coi_store_lock(struct coi_store *store, const char **error_r)
{
	i_assert(store->lock == NULL);

	if (!coi_store_find(store)) {
		*error_r = "INBOX's namespace has no control directory";
		return -1;
	}
	if (coi_store_mkdir(store, error_r) < 0)
		return -1;
	return coi_store_create_lock(store, error_r);
}

void coi_store_unlock(struct coi_store *store)
{
	i_assert(store->lock != NULL);

	file_lock_free(&store->lock);
}
