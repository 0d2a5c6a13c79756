/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "coi-wake.h"
#include "imap-coi-watch.h"

#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>

/* A directory that the kernel watches. */
struct imap_coi_watch_dir {
	struct imap_coi_watch_dir *prev, *next;
	dev_t dev;
	ino_t ino;
	struct io *io;
	ARRAY(struct imap_coi_watch *) watches;
};

struct imap_coi_watch_path {
	const char *path;
	/* what has to be watched to hear of it */
	const char *dir;
	imap_coi_watch_known_t *known;
	/* as last seen; all 0: it was not there */
	struct stat seen_st;
};

struct imap_coi_watch {
	pool_t pool;
	ARRAY(struct imap_coi_watch_path) paths;
	bool seen;

	struct coi_wake wake;
	struct timeout *to;
	imap_coi_watch_callback_t *callback;
	void *context;
};

static struct imap_coi_watch_dir *imap_coi_watch_dirs;

static void imap_coi_watch_stat(const char *path, struct stat *st_r)
{
	if (stat(path, st_r) < 0)
		i_zero(st_r);
}

static bool imap_coi_watch_path_is_changed(struct imap_coi_watch *watch,
					   struct imap_coi_watch_path *path)
{
	struct stat st;

	imap_coi_watch_stat(path->path, &st);
	if (!ST_CHANGED(st, path->seen_st))
		return FALSE;
	if (path->known == NULL || !path->known(&st, watch->context))
		return TRUE;
	path->seen_st = st;
	return FALSE;
}

static bool imap_coi_watch_is_changed(struct imap_coi_watch *watch)
{
	struct imap_coi_watch_path *path;

	if (!watch->seen)
		return TRUE;
	array_foreach_modifiable(&watch->paths, path) {
		if (imap_coi_watch_path_is_changed(watch, path))
			return TRUE;
	}
	return FALSE;
}

static void imap_coi_watch_timeout(struct imap_coi_watch *watch)
{
	timeout_remove(&watch->to);
	watch->callback(watch->context);
	/* the watch may be gone */
}

void imap_coi_watch_check(struct imap_coi_watch *watch)
{
	unsigned int delay;

	if (watch->to != NULL || !imap_coi_watch_is_changed(watch))
		return;
	delay = coi_wake_next(&watch->wake,
		(uint64_t)ioloop_timeval.tv_sec * 1000 +
		ioloop_timeval.tv_usec / 1000);
	watch->to = timeout_add_short(delay, imap_coi_watch_timeout, watch);
}

void imap_coi_watch_seen(struct imap_coi_watch *watch)
{
	struct imap_coi_watch_path *path;

	timeout_remove(&watch->to);
	array_foreach_modifiable(&watch->paths, path)
		imap_coi_watch_stat(path->path, &path->seen_st);
	watch->seen = TRUE;
}

static void imap_coi_watch_dir_changed(struct imap_coi_watch_dir *dir)
{
	struct imap_coi_watch *watch;

	array_foreach_elem(&dir->watches, watch)
		imap_coi_watch_check(watch);
}

/* Tells which directory `path' is. One that we must not read is refused: core
   would log an error and do without inotify for the rest of this process. */
static bool imap_coi_watch_dir_stat(const char *path, struct stat *st_r)
{
	return faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0 &&
		stat(path, st_r) == 0;
}

static struct imap_coi_watch_dir *imap_coi_watch_dir_get(const char *path)
{
	struct imap_coi_watch_dir *dir;
	struct stat st;
	struct io *io;

	if (!imap_coi_watch_dir_stat(path, &st))
		return NULL;
	for (dir = imap_coi_watch_dirs; dir != NULL; dir = dir->next) {
		if (dir->ino == st.st_ino && CMP_DEV_T(dir->dev, st.st_dev))
			return dir;
	}

	dir = i_new(struct imap_coi_watch_dir, 1);
	if (io_add_notify(path, imap_coi_watch_dir_changed, dir,
			  &io) != IO_NOTIFY_ADDED) {
		i_free(dir);
		return NULL;
	}
	dir->dev = st.st_dev;
	dir->ino = st.st_ino;
	dir->io = io;
	i_array_init(&dir->watches, 2);
	DLLIST_PREPEND(&imap_coi_watch_dirs, dir);
	return dir;
}

static void imap_coi_watch_dir_free(struct imap_coi_watch_dir *dir)
{
	DLLIST_REMOVE(&imap_coi_watch_dirs, dir);
	io_remove(&dir->io);
	array_free(&dir->watches);
	i_free(dir);
}

static bool
imap_coi_watch_dir_find(struct imap_coi_watch_dir *dir,
			struct imap_coi_watch *watch, unsigned int *idx_r)
{
	struct imap_coi_watch *const *watchp;

	array_foreach(&dir->watches, watchp) {
		if (*watchp == watch) {
			*idx_r = array_foreach_idx(&dir->watches, watchp);
			return TRUE;
		}
	}
	return FALSE;
}

void imap_coi_watch_start(struct imap_coi_watch *watch)
{
	const struct imap_coi_watch_path *path;
	struct imap_coi_watch_dir *dir;
	unsigned int idx;

	array_foreach(&watch->paths, path) {
		dir = imap_coi_watch_dir_get(path->dir);
		if (dir != NULL && !imap_coi_watch_dir_find(dir, watch, &idx))
			array_push_back(&dir->watches, &watch);
	}
}

void imap_coi_watch_stop(struct imap_coi_watch *watch)
{
	struct imap_coi_watch_dir *dir, *next;
	unsigned int idx;

	for (dir = imap_coi_watch_dirs; dir != NULL; dir = next) {
		next = dir->next;
		if (!imap_coi_watch_dir_find(dir, watch, &idx))
			continue;
		array_delete(&dir->watches, idx, 1);
		if (array_is_empty(&dir->watches))
			imap_coi_watch_dir_free(dir);
	}
	timeout_remove(&watch->to);
}

#undef imap_coi_watch_init
struct imap_coi_watch *
imap_coi_watch_init(unsigned int delay_msecs,
		    imap_coi_watch_callback_t *callback, void *context)
{
	pool_t pool = pool_alloconly_create("imap coi watch", 1024);
	struct imap_coi_watch *watch;

	watch = p_new(pool, struct imap_coi_watch, 1);
	watch->pool = pool;
	watch->callback = callback;
	watch->context = context;
	p_array_init(&watch->paths, pool, 4);
	coi_wake_init(&watch->wake, delay_msecs);
	return watch;
}

void imap_coi_watch_deinit(struct imap_coi_watch **_watch)
{
	struct imap_coi_watch *watch = *_watch;

	if (watch == NULL)
		return;
	*_watch = NULL;
	imap_coi_watch_stop(watch);
	pool_unref(&watch->pool);
}

static struct imap_coi_watch_path *
imap_coi_watch_add(struct imap_coi_watch *watch, const char *path)
{
	struct imap_coi_watch_path *new_path;

	new_path = array_append_space(&watch->paths);
	new_path->path = p_strdup(watch->pool, path);
	return new_path;
}

void imap_coi_watch_add_file(struct imap_coi_watch *watch, const char *path,
			     imap_coi_watch_known_t *known)
{
	struct imap_coi_watch_path *new_path;
	const char *p = strrchr(path, '/');

	i_assert(p != NULL && p != path);
	new_path = imap_coi_watch_add(watch, path);
	new_path->dir = p_strdup_until(watch->pool, path, p);
	new_path->known = known;
}

void imap_coi_watch_add_itself(struct imap_coi_watch *watch, const char *path)
{
	struct imap_coi_watch_path *new_path = imap_coi_watch_add(watch, path);

	new_path->dir = new_path->path;
}
