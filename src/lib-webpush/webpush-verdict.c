/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "http-date.h"
#include "strnum.h"
#include "coi-limits.h"
#include "webpush-verdict.h"

static const char *const webpush_verdict_names[] = {
	[WEBPUSH_VERDICT_DONE] = "done",
	[WEBPUSH_VERDICT_RETRY] = "retry",
	[WEBPUSH_VERDICT_GONE] = "gone",
	[WEBPUSH_VERDICT_SHRINK] = "shrink",
	[WEBPUSH_VERDICT_DROP] = "drop",
};

const char *webpush_verdict_name(enum webpush_verdict verdict)
{
	i_assert(verdict < N_ELEMENTS(webpush_verdict_names));
	return webpush_verdict_names[verdict];
}

int webpush_retry_after_parse(const char *value, time_t now, time_t *time_r)
{
	size_t len = strlen(value);
	uintmax_t secs;
	time_t date;

	if (len > 0 && strspn(value, "0123456789") == len) {
		/* What overflows is far away. */
		if (str_to_uintmax(value, &secs) < 0 ||
		    secs > COI_PUSH_RETRY_AFTER_MAX_SECS)
			secs = COI_PUSH_RETRY_AFTER_MAX_SECS;
		*time_r = now + secs;
		return 0;
	}
	if (!http_date_parse((const unsigned char *)value, len, &date))
		return -1;
	*time_r = I_MAX(now, I_MIN(date, now + COI_PUSH_RETRY_AFTER_MAX_SECS));
	return 0;
}

/* Doubles with each attempt. */
static unsigned int webpush_backoff_secs(unsigned int attempt_number)
{
	unsigned int i, secs = COI_PUSH_RETRY_MIN_SECS;

	for (i = 1; i < attempt_number && secs < COI_PUSH_RETRY_MAX_SECS; i++)
		secs *= 2;
	return I_MIN(secs, COI_PUSH_RETRY_MAX_SECS);
}

static enum webpush_verdict
webpush_verdict_retry(const struct webpush_answer *answer,
		      const struct webpush_attempt *attempt, time_t *retry_at_r)
{
	unsigned int backoff = webpush_backoff_secs(attempt->number);
	time_t retry_at = attempt->now + backoff, asked;

	if (answer->retry_after != NULL &&
	    webpush_retry_after_parse(answer->retry_after, attempt->now,
				      &asked) == 0)
		retry_at = I_MAX(retry_at, asked);
	/* Half as much again at most; never earlier than the service wants. */
	retry_at += attempt->random % (backoff / 2 + 1);
	*retry_at_r = retry_at;
	return retry_at > attempt->deadline ? WEBPUSH_VERDICT_DROP :
		WEBPUSH_VERDICT_RETRY;
}

enum webpush_verdict
webpush_verdict_token(const struct webpush_answer *answer,
		      const struct webpush_attempt *attempt, time_t *retry_at_r)
{
	if (answer->status >= 200 && answer->status < 300)
		return WEBPUSH_VERDICT_DONE;
	if (answer->status == 410)
		return WEBPUSH_VERDICT_GONE;
	return webpush_verdict_retry(answer, attempt, retry_at_r);
}

enum webpush_verdict
webpush_verdict(const struct webpush_answer *answer,
		const struct webpush_attempt *attempt, time_t *retry_at_r)
{
	unsigned int status = answer->status;

	switch (status) {
	case 404:
	case 410:
		return WEBPUSH_VERDICT_GONE;
	case 413:
		return attempt->can_shrink ? WEBPUSH_VERDICT_SHRINK :
			WEBPUSH_VERDICT_DROP;
	case 429:
		return webpush_verdict_retry(answer, attempt, retry_at_r);
	}
	if (status >= 200 && status < 300)
		return WEBPUSH_VERDICT_DONE;
	/* A redirect is not followed (W36), any other 4xx is our own fault. */
	if (status >= 300 && status < 500)
		return WEBPUSH_VERDICT_DROP;
	/* 5xx, no answer, or one that HTTP does not know. */
	return webpush_verdict_retry(answer, attempt, retry_at_r);
}
