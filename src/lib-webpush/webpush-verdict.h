#ifndef WEBPUSH_VERDICT_H
#define WEBPUSH_VERDICT_H

/* W31: what the answer of a push service means for the push and for the
   subscription. */

enum webpush_verdict {
	/* The service has taken it. */
	WEBPUSH_VERDICT_DONE,
	/* Not now: send it again at the given time. */
	WEBPUSH_VERDICT_RETRY,
	/* The subscription does not exist any more: remove it. */
	WEBPUSH_VERDICT_GONE,
	/* Too large: send the smaller body at once. */
	WEBPUSH_VERDICT_SHRINK,
	/* It will never be taken, or not in time; the subscription stays. */
	WEBPUSH_VERDICT_DROP,
};

struct webpush_answer {
	/* 0: there was none, but an error of the network. */
	unsigned int status;
	/* The value of Retry-After; NULL: there is none. */
	const char *retry_after;
};

struct webpush_attempt {
	/* 1: this was the first. */
	unsigned int number;
	time_t now;
	/* After it the push is of no use. */
	time_t deadline;
	/* There is a smaller body that has not been sent yet. */
	bool can_shrink;
	/* Any number: what was sent together shall not come back together. */
	uint32_t random;
};

/* Total. *retry_at_r is set if the verdict is RETRY, and if it is DROP because that
   would be too late: before it the service is not to be asked about this
   endpoint. */
enum webpush_verdict
webpush_verdict(const struct webpush_answer *answer,
		const struct webpush_attempt *attempt, time_t *retry_at_r);

/* The same for a device token of Delta Chat: its service takes it (2xx), knows
   that it is gone (410), or is to be asked again. */
enum webpush_verdict
webpush_verdict_token(const struct webpush_answer *answer,
		      const struct webpush_attempt *attempt,
		      time_t *retry_at_r);

const char *webpush_verdict_name(enum webpush_verdict verdict);

/* Reads a Retry-After (RFC 9110 10.2.3), which is a number of seconds or a
   date. Returns 0, or -1 if it is neither. A time far away is cut to
   COI_PUSH_RETRY_AFTER_MAX_SECS from now, a past one is now. */
int webpush_retry_after_parse(const char *value, time_t now, time_t *time_r);

#endif
