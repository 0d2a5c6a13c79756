#ifndef COI_SUBSCRIPTIONS_H
#define COI_SUBSCRIPTIONS_H

struct coi_store;
struct coi_user;

/* What the store keeps about the subscriptions of Web Push beside their entries.
   Call these between lock and unlock. Errors (data stack) are for the log. */

/* Notes `count' attempts to subscribe. Returns 1, 0 if there would be more than
   COI_PUSH_ATTEMPTS_MAX in an hour (W33), with nothing changed, or -1. */
int coi_subscriptions_try(struct coi_store *store, unsigned int count,
			  time_t now, const char **error_r);

/* Some were removed: counts them, and clears the mark that there are any if
   there are none. */
int coi_subscriptions_recount(struct coi_store *store, const char **error_r);

/* Tells the event of a change: "registered", "replaced", "validated", "removed",
   "expired", "discarded", "gone" or "rekeyed". */
void coi_subscriptions_log(struct coi_user *cuser, const char *id,
			   const char *change);

#endif
