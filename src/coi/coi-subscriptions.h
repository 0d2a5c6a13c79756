#ifndef COI_SUBSCRIPTIONS_H
#define COI_SUBSCRIPTIONS_H

struct coi_store;
struct coi_user;

/* What the store keeps about the subscriptions of Web Push beside their entries.
   Errors (data stack) are for the log. */

/* How many there are, with device tokens, and also of those that were never
   validated, or have expired, and have not been removed yet. They are not listed
   where the mark says that there are none. Returns 0 or -1. */
int coi_subscriptions_count(struct coi_store *store, unsigned int *count_r,
			    const char **error_r);

/* Call the next two between lock and unlock. */

/* Notes `count' attempts to subscribe. Returns 1, 0 if there would be more than
   COI_PUSH_ATTEMPTS_MAX in an hour (W33), with nothing changed, or -1. */
int coi_subscriptions_try(struct coi_store *store, unsigned int count,
			  time_t now, const char **error_r);

/* Whether a stored value may be that of a subscription which wants to know what
   is read elsewhere. FALSE: certainly not. */
bool coi_subscriptions_may_want_seen(const char *value);

/* Some, or some device tokens, were removed or replaced: looks at those that are
   left, and clears the marks of which there are none. */
int coi_subscriptions_recount(struct coi_store *store, const char **error_r);

/* Tells the event of a change: "registered", "replaced", "validated", "removed",
   "expired", "discarded", "gone" or "rekeyed"; of a token also "renewed" or
   "displaced". */
void coi_subscriptions_log(struct coi_user *cuser, const char *id,
			   const char *change);

#endif
