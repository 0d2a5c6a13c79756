#ifndef PUSH_JOB_H
#define PUSH_JOB_H

#include "webpush-endpoint.h"

/* One push on its way from the mail process, which has encrypted and signed it,
   to the worker, which sends it. It stands by itself: the worker knows nothing
   of users, keys or content. As text it is one line of fields with TABs between
   them, and the worker believes nothing of it that it can look at itself. */

enum push_job_kind {
	/* RFC 8030: encrypted and signed. */
	PUSH_JOB_KIND_WEBPUSH,
	/* A device token of Delta Chat is the body, and that is all. It goes to
	   the administrator's own URL. */
	PUSH_JOB_KIND_TOKEN,
};

enum push_job_urgency {
	PUSH_JOB_URGENCY_NORMAL,
	PUSH_JOB_URGENCY_HIGH,
};

struct push_job {
	enum push_job_kind kind;
	/* Random: a job that comes a second time is known by it. From
	   COI_PUSH_JOB_ID_MIN_LEN to COI_PUSH_JOB_ID_MAX_LEN characters of
	   base64url. */
	const char *id;
	/* For limits, fairness and the log. Any text without control
	   characters. */
	const char *user;
	const char *subscription_id;
	/* The URL that webpush_endpoint_parse() has made. */
	const char *endpoint;
	/* The value of the Authorization header. A token has none, nor has it
	   what stands below, but for deadline, topic and body. */
	const char *authorization;
	time_t deadline;
	/* The headers of RFC 8030 (W35). NULL: no Topic. Of a token the topic is
	   its generation (webpush-endpoint.h), and no header. */
	unsigned int ttl_secs;
	enum push_job_urgency urgency;
	const char *topic;
	/* The header WebPush-Validation goes with it (W17). */
	bool validation;
	const unsigned char *body;
	size_t body_size;
	/* Sent if the service finds `body' too large (W31). Size 0: none. */
	const unsigned char *small_body;
	size_t small_body_size;
};

/* The line has no LF at its end. Returns 0, or -1 if a field is not as it has
   to be; then *error_r (data stack) names it and `dest' is as it was. */
int push_job_format(const struct push_job *job, string_t *dest,
		    const char **error_r);

/* Returns 0, or -1 if the line is none, or goes where `policy' does not allow;
   then *error_r (data stack) names the field and quotes nothing. All is
   allocated from `pool', but for what comes from the policy: a token goes to no
   endpoint but the one that stands there. */
int push_job_parse(const char *line,
		   const struct webpush_endpoint_policy *policy, pool_t pool,
		   struct push_job *job_r,
		   struct webpush_endpoint *endpoint_r, const char **error_r);

/* The Topic (W35) under which a push service keeps only the newest push of a
   chat (data stack). `chat' is whatever names it; `secret' keeps the service
   from guessing that, and is the subscription's `auth'. */
const char *push_job_topic(const unsigned char *secret, size_t secret_size,
			   const char *chat);

#endif
