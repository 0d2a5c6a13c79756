/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "file-lock.h"
#include "sleep.h"
#include "unlink-directory.h"
#include "coi-limits.h"
#include "coi-store-private.h"

#include <dirent.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <sys/stat.h>

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
