#ifndef COI_STATE_H
#define COI_STATE_H

#include "coi-config.h"

struct coi_store;

/* The user's configuration as the store holds it. Errors (data stack) name the
   file and what is wrong with it; they are for the log. */

/* Returns 1 if there is one, 0 if the user has never used COI (then *config_r
   is empty), -1 if it cannot be read or was not written by us. Strings are
   allocated from `pool'. */
int coi_state_read(struct coi_store *store, pool_t pool,
		   struct coi_config *config_r, const char **error_r);

/* Replaces a value; NULL removes it. COI_CONFIG_MAILBOX_ROOT is no stored
   value. */
struct coi_state_change {
	enum coi_config_key key;
	const char *value;
};

/* Applies the changes to what the store holds, under its lock. *old_r tells
   what it held before, allocated from `pool'. Returns 0, or -1 with nothing
   changed. */
int coi_state_update(struct coi_store *store, pool_t pool,
		     const struct coi_state_change *changes, unsigned int count,
		     struct coi_config *old_r, const char **error_r);

/* Sets or clears the mark that the user may have blocked contacts. Nothing is
   written if it is so already. Returns 0, or -1 with nothing changed. */
int coi_state_set_has_blocked(struct coi_store *store, bool has_blocked,
			      const char **error_r);
/* The same for the mark that the user may have subscriptions of Web Push. */
int coi_state_set_has_subscriptions(struct coi_store *store,
				    bool has_subscriptions,
				    const char **error_r);
/* And for the mark that some of them may want to know what is read
   elsewhere. */
int coi_state_set_has_seen_subscriptions(struct coi_store *store,
					 bool has_seen_subscriptions,
					 const char **error_r);

#endif
