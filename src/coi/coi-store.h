#ifndef COI_STORE_H
#define COI_STORE_H

struct mail_user;
struct coi_store;
struct coi_store_iter;

/* Where a user's COI values live: small values under short keys.

   The driver `files' keeps them in a directory of its own in the control
   directory of INBOX's namespace, so that they move, back up and vanish with the
   user's mail. It is not INBOX's own directory, which RENAME INBOX takes away.
   That there is no such directory says that the user never used COI: one failed
   open() is all that COI costs them per delivery. A value is replaced by
   writing a temporary file and renaming it, so readers need no lock; writers
   that change a value they have read take the store's lock.

   Errors (data stack) name the file and the system's reason; they are for the
   log. */

/* The store lives as long as user->pool. Nothing is opened yet. */
struct coi_store *coi_store_init(struct mail_user *user);

/* Appends the value of `key' to `dest'. Returns 1 if it exists, 0 if not, -1 if
   it cannot be read or is larger than `max_bytes'. */
int coi_store_read(struct coi_store *store, const char *key, size_t max_bytes,
		   buffer_t *dest, const char **error_r);

/* The same for no more than its first `max_bytes'; *size_r tells how large the
   value is. */
int coi_store_read_part(struct coi_store *store, const char *key,
			size_t max_bytes, buffer_t *dest, size_t *size_r,
			const char **error_r);

/* The beginning of a large value, to be looked through: mapped, unless the
   administrator has forbidden that (mmap_disable), or read. It may be changed,
   and the value stays. */
struct coi_store_map {
	void *data;
	size_t size;
	bool mapped;
};
/* `size' > 0. Call it only between lock and unlock. Returns 0, or -1 if the
   value cannot be read or has less than `size' bytes. */
int coi_store_map(struct coi_store *store, const char *key, size_t size,
		  struct coi_store_map *map_r, const char **error_r);
/* A zeroed one is as good as unmapped. */
void coi_store_unmap(struct coi_store_map *map);

/* Replaces the value of `key', creating the directory in which it lies; call it
   only between lock and unlock. Returns 0, or -1 with nothing changed. */
int coi_store_write(struct coi_store *store, const char *key,
		    const void *data, size_t size, const char **error_r);

/* Around many writes: they reach the disk together, at the end, and not one
   after the other. */
void coi_store_many_begin(struct coi_store *store);
/* Returns 0, or -1 if they may not have reached it. */
int coi_store_many_end(struct coi_store *store, const char **error_r);

/* Removes `key'; call it only between lock and unlock. Returns 1 if it existed,
   0 if not, -1 with nothing changed. */
int coi_store_remove(struct coi_store *store, const char *key,
		     const char **error_r);

/* Lists what is two levels below `dirname', that is keys of the form
   "dirname/x/name", in no order, without what is just being written. */
struct coi_store_iter *
coi_store_iter_init(struct coi_store *store, const char *dirname);
/* Returns the next `name' (valid until the next call), or NULL. */
const char *coi_store_iter_next(struct coi_store_iter *iter);
/* Returns 0, or -1 if not all of them could be listed. */
int coi_store_iter_deinit(struct coi_store_iter **iter, const char **error_r);

/* Notes in the stamp `key' (coi-rate.h) that something is done at `now_msecs', if
   that was last done at least `window_msecs' ago, by whichever process. It takes
   neither the store's lock nor waits for another one. Returns 1 if it may be
   done; 0 if not, and after how many msecs to ask again; -1 if that cannot be
   told. */
int coi_store_rate_try(struct coi_store *store, const char *key,
		       uint64_t now_msecs, unsigned int window_msecs,
		       unsigned int *wait_msecs_r, const char **error_r);
/* It was not done after all. */
void coi_store_rate_forget(struct coi_store *store, const char *key);

/* Does the user have one? Returns 1 if so, 0 if not, -1 on error. */
int coi_store_exists(struct coi_store *store, const char **error_r);
/* Removes what writers have left behind that were killed before that time; call
   it only between lock and unlock. *count_r tells how many files it were.
   Returns 0, or -1 if some could not be looked for or removed. */
int coi_store_remove_leftovers(struct coi_store *store, time_t before,
			       unsigned int *count_r, const char **error_r);

/* Keeps other writers out, in other processes; who has the lock may take it
   again. Creates the store when there is none yet. Returns 0, or -1 if the lock
   cannot be had. */
int coi_store_lock(struct coi_store *store, const char **error_r);
void coi_store_unlock(struct coi_store *store);
/* Do we have it? */
bool coi_store_is_locked(const struct coi_store *store);

/* Removes the store with all that is in its directory, of whatever kind; what
   symbolic links point to stays. Other writers wait, and then have a new store.
   Returns 0 also if there is none, or -1 if something is left. */
int coi_store_erase(struct coi_store *store, const char **error_r);

/* The directory's name. */
#define COI_STORE_DIRNAME "dovecot-coi"

/* Where `key' lives, for error texts (data stack). */
const char *coi_store_key_path(struct coi_store *store, const char *key);

#endif
