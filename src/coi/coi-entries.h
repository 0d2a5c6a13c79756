#ifndef COI_ENTRIES_H
#define COI_ENTRIES_H

#include "coi-entry.h"

struct coi_store;

/* Contacts and groups in the store, each a value of its own, so that what a
   delivery or a change costs does not depend on how many there are. Errors (data
   stack) are for the log. */

/* Returns 1 and *value_r (data stack), 0 and NULL if there is no such entry, or
   -1 if it cannot be read. */
int coi_entries_read(struct coi_store *store, enum coi_entry_class class,
		     const char *hash, const char **value_r,
		     const char **error_r);

/* Replaces the value; NULL: removes the entry. Call it between lock and unlock.
   Returns 0, or -1 with nothing changed. */
int coi_entries_write(struct coi_store *store, enum coi_entry_class class,
		      const char *hash, const char *value,
		      const char **error_r);

/* How many there are is kept beside the entries. Tell it that `count' will be
   added, before they are. Returns 1, 0 if there would be more than `max' (0: any
   number), or -1; unless 1, nothing is changed. */
int coi_entries_count_up(struct coi_store *store, enum coi_entry_class class,
			 unsigned int count, unsigned int max,
			 const char **error_r);
/* Tell it that `count' have been removed. */
int coi_entries_count_down(struct coi_store *store, enum coi_entry_class class,
			   unsigned int count, const char **error_r);

/* Counts them by listing them. */
int coi_entries_count(struct coi_store *store, enum coi_entry_class class,
		      unsigned int *count_r, const char **error_r);

/* Counts them and corrects the number that is kept beside them. Call it between
   lock and unlock. Returns 1 if that was right, or too high, as a writer that
   was killed leaves it; 0 if it could not be relied upon, -1 on error. */
int coi_entries_recount(struct coi_store *store, enum coi_entry_class class,
			const char **error_r);

/* Lists the hashes, in no order. */
struct coi_entries_iter *
coi_entries_iter_init(struct coi_store *store, enum coi_entry_class class);
/* Returns the next hash (valid until the next call), or NULL. */
const char *coi_entries_iter_next(struct coi_entries_iter *iter);
int coi_entries_iter_deinit(struct coi_entries_iter **iter,
			    const char **error_r);

#endif
