#ifndef COI_WEBPUSH_SEND_H
#define COI_WEBPUSH_SEND_H

#include "push-job.h"
#include "webpush-key.h"
#include "webpush-subscription.h"

struct coi_user;

/* One push to one subscription: encrypts and signs it, and hands it to the
   worker. */

struct coi_webpush_push {
	/* The plaintext, and a smaller one for a service that finds it too
	   large; NULL: there is none. */
	const string_t *payload, *small_payload;
	/* What undelivered pushes with the same name give way to the newest
	   one; NULL: they do not. */
	const char *chat;
	enum push_job_urgency urgency;
	unsigned int ttl_secs;
	/* W17 */
	bool validation;
};

/* `key' is the user's own. Returns 0 and the job's id (data stack), or -1 with
   *error_r (data stack). */
int coi_webpush_try_send(struct coi_user *cuser, const struct webpush_key *key,
			 const char *id,
			 const struct webpush_subscription *subscription,
			 const struct coi_webpush_push *push,
			 const char **job_id_r, const char **error_r);
/* The same. What goes wrong is logged. */
void coi_webpush_send(struct coi_user *cuser, const struct webpush_key *key,
		      const char *id,
		      const struct webpush_subscription *subscription,
		      const struct coi_webpush_push *push);

/* What every job needs: an id (data stack), an end of its life, and that the
   worker gets it. Returns 0, or -1 with *error_r (data stack). */
const char *coi_webpush_make_job_id(void);
time_t coi_webpush_deadline(unsigned int ttl_secs);
int coi_webpush_hand_over(struct coi_user *cuser, const struct push_job *job,
			  const char *host, const char **error_r);

/* Pushes the text that validates the subscription (W17). */
void coi_webpush_send_validation(struct coi_user *cuser, const char *id,
	const struct webpush_subscription *subscription);

/* Where pushes may go. */
void coi_webpush_get_policy(struct coi_user *cuser,
			    struct webpush_endpoint_policy *policy_r);

#endif
