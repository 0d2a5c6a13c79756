/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-limits.h"
#include "webpush-verdict.h"

#define NOW 1800000000
/* Long enough for everything. */
#define DEADLINE (NOW + 7*24*60*60)
#define FIRST COI_PUSH_RETRY_MIN_SECS

#define DONE WEBPUSH_VERDICT_DONE
#define RETRY WEBPUSH_VERDICT_RETRY
#define GONE WEBPUSH_VERDICT_GONE
#define SHRINK WEBPUSH_VERDICT_SHRINK
#define DROP WEBPUSH_VERDICT_DROP

static enum webpush_verdict
test_verdict(unsigned int status, bool can_shrink)
{
	struct webpush_answer answer = { .status = status };
	struct webpush_attempt attempt = {
		.number = 1, .now = NOW, .deadline = DEADLINE,
		.can_shrink = can_shrink
	};
	time_t retry_at = 0;
	enum webpush_verdict verdict;

	verdict = webpush_verdict(&answer, &attempt, &retry_at);
	ck_assert_int_eq(retry_at, verdict == RETRY ? NOW + FIRST : 0);
	return verdict;
}

/* Each row as far as the next one. */
static const struct {
	unsigned int status;
	enum webpush_verdict verdict;
} status_tests[] = {
	/* an error of the network, and what HTTP does not know */
	{ 0, RETRY },
	{ 200, DONE },
	/* redirects are not followed */
	{ 300, DROP },
	{ 404, GONE },
	{ 405, DROP },
	{ 410, GONE },
	{ 411, DROP },
	{ 413, SHRINK },
	{ 414, DROP },
	{ 429, RETRY },
	{ 430, DROP },
	{ 500, RETRY },
	{ 1000, RETRY },
};

START_TEST(test_status)
{
	unsigned int status;

	for (status = status_tests[_i].status;
	     status < status_tests[_i + 1].status; status++) {
		enum webpush_verdict verdict = test_verdict(status, TRUE);

		ck_assert_msg(verdict == status_tests[_i].verdict, "%u: %s",
			      status, webpush_verdict_name(verdict));
		/* Only one of them looks at it. */
		verdict = test_verdict(status, FALSE);
		ck_assert_msg(verdict == (status == 413 ? DROP :
					  status_tests[_i].verdict),
			      "%u: %s", status, webpush_verdict_name(verdict));
	}
}
END_TEST

static const struct {
	const char *name;
	unsigned int status, number;
	const char *retry_after;
	uint32_t random;
	int deadline_secs;
	/* negative: DROP, and not asked again before that */
	int retry_secs;
} retry_tests[] = {
	{ "first", 503, 1, NULL, 0, 3600, 5 },
	{ "second", 503, 2, NULL, 0, 3600, 10 },
	{ "third", 503, 3, NULL, 0, 3600, 20 },
	{ "eighth", 503, 8, NULL, 0, 3600, 640 },
	{ "largest", 503, 9, NULL, 0, 3600, 900 },
	{ "and no more", 503, 4000000000, NULL, 0, 3600, 900 },
	{ "never before", 503, 0, NULL, 0, 3600, 5 },
	{ "jitter", 503, 1, NULL, 2, 3600, 7 },
	{ "largest jitter", 503, 9, NULL, 450, 3600, 1350 },
	{ "jitter wraps", 503, 9, NULL, 451, 3600, 900 },
	{ "any number", 503, 1, NULL, UINT32_MAX, 3600, 5 },
	{ "network", 0, 2, NULL, 1, 3600, 11 },
	{ "at the deadline", 503, 1, NULL, 0, 5, 5 },
	{ "after the deadline", 503, 1, NULL, 0, 4, -5 },
	{ "jitter over the deadline", 503, 1, NULL, 1, 5, -6 },
	{ "deadline is over", 503, 1, NULL, 0, -1, -5 },
	{ "Retry-After", 429, 1, "120", 0, 3600, 120 },
	{ "Retry-After of another status", 503, 1, "120", 0, 3600, 120 },
	{ "Retry-After and jitter", 429, 1, "120", 2, 3600, 122 },
	{ "too short a Retry-After", 429, 3, "1", 0, 3600, 20 },
	{ "Retry-After 0", 429, 1, "0", 0, 3600, 5 },
	{ "an hour", 429, 1, "3600", 0, 5*3600, 3600 },
	{ "after the deadline", 429, 1, "3601", 0, 3600, -3601 },
	{ "unreadable", 429, 1, "soon", 0, 3600, 5 },
	/* NOW + 60 */
	{ "date", 429, 1, "Fri, 15 Jan 2027 08:01:00 GMT", 0, 3600, 60 },
};

START_TEST(test_retry)
{
	struct webpush_answer answer = {
		.status = retry_tests[_i].status,
		.retry_after = retry_tests[_i].retry_after
	};
	struct webpush_attempt attempt = {
		.number = retry_tests[_i].number, .now = NOW,
		.deadline = NOW + retry_tests[_i].deadline_secs,
		.random = retry_tests[_i].random
	};
	time_t retry_at = NOW;
	enum webpush_verdict verdict;

	verdict = webpush_verdict(&answer, &attempt, &retry_at);
	ck_assert_msg(verdict == (retry_tests[_i].retry_secs < 0 ?
				  DROP : RETRY) &&
		      retry_at == NOW + abs(retry_tests[_i].retry_secs),
		      "%s: %s %ld",
		      retry_tests[_i].name, webpush_verdict_name(verdict),
		      (long)(retry_at - NOW));
}
END_TEST

/* -1: it is none */
static const struct {
	const char *value;
	int secs;
} retry_after_tests[] = {
	{ "0", 0 },
	{ "1", 1 },
	{ "007", 7 },
	{ "86400", 86400 },
	{ "86401", 86400 },
	{ "18446744073709551615", 86400 },
	{ "99999999999999999999999999999999", 86400 },
	{ "Fri, 15 Jan 2027 08:00:10 GMT", 10 },
	{ "Friday, 15-Jan-27 08:00:10 GMT", 10 },
	{ "Fri Jan 15 08:00:10 2027", 10 },
	{ "Fri, 31 Dec 9999 23:59:59 GMT", 86400 },
	{ "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
	{ "", -1 },
	{ " 1", -1 },
	{ "1 ", -1 },
	{ "-1", -1 },
	{ "+1", -1 },
	{ "1.5", -1 },
	{ "0x10", -1 },
	{ "120, 60", -1 },
	{ "Fri, 15 Jan 2027 08:00:10", -1 },
	{ "Fri, 32 Jan 2027 08:00:10 GMT", -1 },
	{ "2027-01-15T08:00:10Z", -1 },
};

START_TEST(test_retry_after)
{
	const char *value = retry_after_tests[_i].value;
	int secs = retry_after_tests[_i].secs;
	time_t time = NOW - 1;
	int ret = webpush_retry_after_parse(value, NOW, &time);

	ck_assert_msg(ret == (secs < 0 ? -1 : 0) && time == NOW + secs,
		      "'%s': %d, %ld", value, ret, (long)(time - NOW));
}
END_TEST

/* D7: what is gone is said by 410 only. */
START_TEST(test_token)
{
	struct webpush_answer answer = { .retry_after = NULL };
	struct webpush_attempt attempt = {
		.number = 1, .now = NOW, .deadline = DEADLINE,
		.can_shrink = TRUE
	};
	enum webpush_verdict verdict, expected;
	time_t retry_at;

	for (answer.status = 0; answer.status < 700; answer.status++) {
		expected = answer.status == 410 ? GONE :
			answer.status / 100 == 2 ? DONE : RETRY;
		retry_at = 0;
		verdict = webpush_verdict_token(&answer, &attempt, &retry_at);
		ck_assert_msg(verdict == expected, "%u: %s", answer.status,
			      webpush_verdict_name(verdict));
		ck_assert_int_eq(retry_at,
				 expected == RETRY ? NOW + FIRST : 0);
	}
	answer.status = 400;
	attempt.deadline = NOW + 1;
	ck_assert_int_eq(webpush_verdict_token(&answer, &attempt, &retry_at),
			 DROP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-verdict");
	TCase *tcase = unit_tcase_add(suite, "W31: verdict");

	tcase_add_loop_test(tcase, test_status, 0,
			    N_ELEMENTS(status_tests) - 1);
	tcase_add_loop_test(tcase, test_retry, 0, N_ELEMENTS(retry_tests));
	tcase_add_loop_test(tcase, test_retry_after, 0,
			    N_ELEMENTS(retry_after_tests));
	tcase_add_test(tcase, test_token);
	return unit_run(suite);
}
