#ifndef COI_WEBPUSH_SUBSCRIPTIONS_H
#define COI_WEBPUSH_SUBSCRIPTIONS_H

#include "coi-webpush.h"
#include "webpush-subscription.h"

/* The life of subscriptions: see struct coi_webpush_vfuncs. */
int coi_webpush_subscriptions_judge(struct coi_user *cuser, const char *entry,
				    const char *value, time_t now,
				    const char **stored_r,
				    const char **client_error_r);
enum coi_webpush_validation
coi_webpush_subscriptions_validate(struct coi_user *cuser, const char *stored,
				   const char *text, time_t now,
				   const char **stored_r);
const char *
coi_webpush_subscriptions_show(struct coi_user *cuser, const char *stored,
			       time_t now);
void coi_webpush_subscriptions_subscribed(struct coi_user *cuser,
					  const char *id, const char *stored);
void coi_webpush_subscriptions_cancel(struct coi_user *cuser, const char *id);
void coi_webpush_subscriptions_tidy(struct coi_user *cuser);

/* Reads one. Returns 1, 0 if there is none, or -1 if it cannot be read or is
   none of ours; then *error_r (data stack) is for the log. Strings are allocated
   from `pool'. */
int coi_webpush_subscriptions_read(struct coi_user *cuser, const char *id,
				   pool_t pool,
				   struct webpush_subscription *subscription_r,
				   const char **error_r);

typedef void
coi_webpush_subscription_callback_t(struct coi_user *cuser, const char *id,
	const struct webpush_subscription *subscription, void *context);
/* Calls back for each that can be read, within a data stack frame of its own;
   others are logged. Returns 0, or -1 if not all could be listed or read. */
int coi_webpush_subscriptions_each(struct coi_user *cuser,
	coi_webpush_subscription_callback_t *callback, void *context);

/* Removes those that were not validated in time (W20); call it between lock and
   unlock. */
void coi_webpush_subscriptions_expire(struct coi_user *cuser);
/* Removes one. Returns 0, or -1 after logging why not. */
int coi_webpush_subscriptions_remove(struct coi_user *cuser, const char *id,
				     const char *change);

#endif
