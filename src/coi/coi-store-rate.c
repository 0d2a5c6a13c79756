/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "write-full.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "coi-rate.h"
#include "coi-store-private.h"

#include <fcntl.h>
#include <unistd.h>
#include <sys/file.h>
#include <sys/stat.h>

static int
coi_store_rate_create(struct coi_store *store, const char *path)
{
	struct mailbox_permissions perm;
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd == -1)
		return -1;
	mailbox_list_get_root_permissions(store->list, &perm);
	/* others of the group may be kept out by that, and nobody let in */
	if ((perm.file_create_gid != (gid_t)-1 &&
	     fchown(fd, (uid_t)-1, perm.file_create_gid) < 0) ||
	    fchmod(fd, perm.file_create_mode) < 0)
		i_debug("%s keeps its permissions: %m", path);
	return fd;
}

static int coi_store_rate_open(struct coi_store *store, const char *path)
{
	int fd = open(path, O_RDWR | O_NONBLOCK);

	if (fd == -1 && errno == ENOENT) {
		fd = coi_store_rate_create(store, path);
		/* another process has made it meanwhile */
		if (fd == -1 && errno == EEXIST)
			fd = open(path, O_RDWR | O_NONBLOCK);
	}
	return fd;
}

/* Returns 0 and the stamp, or -1 with errno set. */
static int coi_store_rate_read(int fd, uint64_t *last_msecs_r)
{
	unsigned char data[COI_RATE_STAMP_BYTES];
	ssize_t ret = pread(fd, data, sizeof(data), 0);

	if (ret < 0)
		return -1;
	*last_msecs_r = coi_rate_parse_stamp(data, ret);
	return 0;
}

static int coi_store_rate_write(int fd, uint64_t now_msecs)
{
	string_t *stamp = t_str_new(32);

	coi_rate_format_stamp(now_msecs, stamp);
	return pwrite_full(fd, str_data(stamp), str_len(stamp), 0);
}

static int
coi_store_rate_try_fd(int fd, uint64_t now_msecs, unsigned int window_msecs,
		      unsigned int *wait_msecs_r)
{
	uint64_t last_msecs;

	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return -1;
		/* another process does it at this moment */
		*wait_msecs_r = window_msecs;
		return 0;
	}
	if (coi_store_rate_read(fd, &last_msecs) < 0)
		return -1;
	*wait_msecs_r = coi_rate_wait(last_msecs, now_msecs, window_msecs);
	if (*wait_msecs_r > 0)
		return 0;
	return coi_store_rate_write(fd, now_msecs) < 0 ? -1 : 1;
}

int coi_store_rate_try(struct coi_store *store, const char *key,
		       uint64_t now_msecs, unsigned int window_msecs,
		       unsigned int *wait_msecs_r, const char **error_r)
{
	const char *path;
	int fd, ret;

	*wait_msecs_r = 0;
	if (!coi_store_find(store))
		return 1;
	path = coi_store_key_path(store, key);
	fd = coi_store_rate_open(store, path);
	if (fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m", path);
		return -1;
	}
	ret = coi_store_rate_try_fd(fd, now_msecs, window_msecs,
				    wait_msecs_r);
	if (ret < 0)
		*error_r = t_strdup_printf("Using %s failed: %m", path);
	i_close_fd(&fd);
	return ret;
}

void coi_store_rate_forget(struct coi_store *store, const char *key)
{
	if (coi_store_find(store))
		i_unlink_if_exists(coi_store_key_path(store, key));
}
