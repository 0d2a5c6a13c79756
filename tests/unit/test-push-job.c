/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "push-job.h"

#define ID "0123456789abcdef"
#define SUBSCRIPTION "31754ee7-d3ee-4226-b112-6895ed26fcf8"
#define URL "https://push.example.net/p/1"
#define AUTHORIZATION "vapid t=a.b_c-d, k=ef"

static const in_port_t test_ports[] = { 443 };
static const struct webpush_endpoint_policy policy = {
	.ports = test_ports, .port_count = N_ELEMENTS(test_ports)
};

/* The administrator's, which nobody else could have. */
#define ADMIN_URL "http://127.0.0.1:8080/notify"
static const struct webpush_endpoint admin_endpoint = {
	.url = ADMIN_URL, .origin = "http://127.0.0.1:8080",
	.host = "127.0.0.1", .port = 8080, .trusted = TRUE, .local = TRUE
};
static const struct webpush_endpoint_policy admin_policy = {
	.ports = test_ports, .port_count = N_ELEMENTS(test_ports),
	.admin = &admin_endpoint
};

static const struct push_job full_job = {
	.id = ID, .user = "bob@example.com", .subscription_id = SUBSCRIPTION,
	.endpoint = URL, .authorization = AUTHORIZATION,
	.deadline = 1800000000, .ttl_secs = 86400,
	.urgency = PUSH_JOB_URGENCY_HIGH, .topic = "a_-Z9", .validation = FALSE,
	.body = (const unsigned char *)"\x00\x01\t\n\xff", .body_size = 5,
	.small_body = (const unsigned char *)"\x00", .small_body_size = 1
};
#define FULL_LINE "webpush1\t" ID "\tbob@example.com\t" SUBSCRIPTION "\t" URL \
	"\t" AUTHORIZATION "\t1800000000\t86400\thigh\ta_-Z9\t-\tAAEJCv8=\tAA=="

static const struct push_job small_job = {
	.id = ID, .user = "b\xc3\xb6 b", .subscription_id = SUBSCRIPTION,
	.endpoint = URL, .authorization = AUTHORIZATION,
	.deadline = 1, .validation = TRUE,
	.body = (const unsigned char *)"x", .body_size = 1
};
#define SMALL_LINE "webpush1\t" ID "\tb\xc3\xb6 b\t" SUBSCRIPTION "\t" URL \
	"\t" AUTHORIZATION "\t1\t0\tnormal\t-\tvalidation\teA==\t-"

static const struct push_job token_job = {
	.kind = PUSH_JOB_KIND_TOKEN,
	.id = ID, .user = "bob", .subscription_id = SUBSCRIPTION,
	.endpoint = ADMIN_URL, .deadline = 1800000000, .ttl_secs = 60,
	.topic = "12-34",
	.body = (const unsigned char *)"x", .body_size = 1
};
#define TOKEN_LINE "token1\t" ID "\tbob\t" SUBSCRIPTION "\t" ADMIN_URL \
	"\t-\t1800000000\t60\tnormal\t12-34\t-\teA==\t-"

static void test_both_ways(const struct push_job *job, const char *line)
{
	struct push_job again;
	struct webpush_endpoint endpoint;
	string_t *str = t_str_new(256);
	const char *error = NULL;
	int ret;

	ck_assert_int_eq(push_job_format(job, str, &error), 0);
	if (line != NULL)
		ck_assert_str_eq(str_c(str), line);
	ret = push_job_parse(str_c(str), &policy, pool_datastack_create(),
			     &again, &endpoint, &error);
	ck_assert_msg(ret == 0, "%s", error);
	ck_assert_str_eq(again.id, job->id);
	ck_assert_str_eq(again.user, job->user);
	ck_assert_str_eq(again.subscription_id, job->subscription_id);
	ck_assert_str_eq(again.endpoint, job->endpoint);
	ck_assert_str_eq(again.authorization, job->authorization);
	ck_assert_int_eq(again.deadline, job->deadline);
	ck_assert_uint_eq(again.ttl_secs, job->ttl_secs);
	ck_assert_int_eq(again.urgency, job->urgency);
	ck_assert(null_strcmp(again.topic, job->topic) == 0);
	ck_assert(again.validation == job->validation);
	ck_assert_uint_eq(again.body_size, job->body_size);
	ck_assert_mem_eq(again.body, job->body, job->body_size);
	ck_assert_uint_eq(again.small_body_size, job->small_body_size);
	if (job->small_body_size > 0) {
		ck_assert_mem_eq(again.small_body, job->small_body,
				 job->small_body_size);
	}
	ck_assert_str_eq(endpoint.host, "push.example.net");
	ck_assert_uint_eq(endpoint.port, 443);
}

START_TEST(test_good)
{
	test_both_ways(&full_job, FULL_LINE);
	test_both_ways(&small_job, SMALL_LINE);
}
END_TEST

START_TEST(test_token)
{
	string_t *str = t_str_new(256);
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *error = NULL;

	ck_assert_int_eq(push_job_format(&token_job, str, &error), 0);
	ck_assert_str_eq(str_c(str), TOKEN_LINE);
	ck_assert_int_eq(push_job_parse(TOKEN_LINE, &admin_policy,
		pool_datastack_create(), &job, &endpoint, &error), 0);
	ck_assert_int_eq(job.kind, PUSH_JOB_KIND_TOKEN);
	ck_assert(job.authorization == NULL);
	ck_assert_str_eq(endpoint.generation, "12-34");
	ck_assert_str_eq(job.endpoint, ADMIN_URL);
	ck_assert_uint_eq(job.body_size, 1);
	ck_assert_mem_eq(job.body, "x", 1);
	ck_assert(endpoint.trusted && endpoint.local);
	ck_assert_uint_eq(endpoint.port, 8080);
}
END_TEST

/* A kind must not have what belongs to the other one, nor its endpoint. */
static const struct {
	const char *line;
	bool no_admin;
	const char *error;
} token_error_tests[] = {
	{ TOKEN_LINE, TRUE, "endpoint is not allowed: "
	  "it is not coi_deltachat_push_url" },
#define TOKEN(url, authorization, rest) \
	"token1\t" ID "\tbob\t" SUBSCRIPTION "\t" url "\t" authorization \
	"\t1\t60\tnormal\t" rest
	{ TOKEN(ADMIN_URL "/", "-", "-\t-\teA==\t-"), FALSE,
	  "endpoint is not allowed: it is not coi_deltachat_push_url" },
	{ TOKEN("http://127.0.0.1/notify", "-", "-\t-\teA==\t-"), FALSE,
	  "endpoint is not allowed: it is not coi_deltachat_push_url" },
	/* what would be fine for Web Push */
	{ TOKEN(URL, "-", "-\t-\teA==\t-"), FALSE,
	  "endpoint is not allowed: it is not coi_deltachat_push_url" },
	{ TOKEN(ADMIN_URL, AUTHORIZATION, "-\t-\teA==\t-"), FALSE,
	  "invalid authorization" },
	{ TOKEN(ADMIN_URL, "-", "a b\t-\teA==\t-"), FALSE,
	  "invalid topic" },
	{ TOKEN(ADMIN_URL, "-", "-\tvalidation\teA==\t-"), FALSE,
	  "invalid validation" },
	{ TOKEN(ADMIN_URL, "-", "-\t-\teA==\teA=="), FALSE,
	  "invalid small body" },
	{ TOKEN(ADMIN_URL, "-", "-\t-\t-\t-"), FALSE, "invalid body" },
	{ "token2" FULL_LINE, FALSE, "not a job of this version" },
	/* no way for Web Push to get there */
	{ "webpush1\t" ID "\tbob\t" SUBSCRIPTION "\t" ADMIN_URL "\t"
	  AUTHORIZATION "\t1\t60\tnormal\t-\t-\teA==\t-", FALSE,
	  "endpoint is not allowed: it must begin with https://" },
	{ "webpush1\t" ID "\tbob\t" SUBSCRIPTION "\t" URL "\t-\t1\t60\t"
	  "normal\t-\t-\teA==\t-", FALSE, "invalid authorization" },
};

START_TEST(test_token_error)
{
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *error = NULL;

	ck_assert_int_eq(push_job_parse(token_error_tests[_i].line,
		token_error_tests[_i].no_admin ? &policy : &admin_policy,
		pool_datastack_create(), &job, &endpoint, &error), -1);
	ck_assert_str_eq(error, token_error_tests[_i].error);
	ck_assert(endpoint.url == NULL && !endpoint.trusted);
}
END_TEST

static const char *test_repeat(char c, size_t count)
{
	string_t *str = t_str_new(count + 1);

	while (count-- > 0)
		str_append_c(str, c);
	return str_c(str);
}

/* Everything as long as it may be. */
START_TEST(test_largest)
{
	struct push_job job = full_job;

	job.id = test_repeat('i', COI_PUSH_JOB_ID_MAX_LEN);
	job.user = test_repeat('u', COI_PUSH_USER_MAX_BYTES);
	job.endpoint = t_strconcat(URL, test_repeat('e',
		COI_PUSH_ENDPOINT_MAX_BYTES - strlen(URL)), NULL);
	job.authorization = t_strconcat("vapid ", test_repeat('a',
		COI_PUSH_AUTHORIZATION_MAX_BYTES - 6), NULL);
	job.deadline = 253402300799;
	job.ttl_secs = COI_PUSH_TTL_MAX_SECS;
	job.topic = test_repeat('t', COI_PUSH_TOPIC_MAX_LEN);
	job.validation = TRUE;
	job.body = job.small_body =
		(const unsigned char *)test_repeat('b', 4096);
	job.body_size = job.small_body_size = 4096;
	test_both_ways(&job, NULL);
}
END_TEST

/* What a job must not hold is neither written nor read. */
START_TEST(test_bad_field)
{
	static const char *const bad_ids[] = {
		"", "0123456789abcde", "0123456789abcde!", NULL
	};
	static const char *const bad_users[] = {
		"", "a\tb", "a\nb", "a\x7f", NULL
	};
	static const char *const bad_topics[] = {
		"", "-", "a b", "a\r\nX: y", NULL
	};
	static const char *const bad_authorizations[] = {
		"", "vapid", "Bearer x", "vapid t=a\r\nX: y", "vapid t=a\t",
		"vapid t=\xc3\xa4", NULL
	};
	struct {
		const char *field;
		size_t offset;
		const char *const *values;
		const char *too_long;
	} tests[] = {
		{ "id", offsetof(struct push_job, id), bad_ids,
		  test_repeat('i', COI_PUSH_JOB_ID_MAX_LEN + 1) },
		{ "user", offsetof(struct push_job, user), bad_users,
		  test_repeat('u', COI_PUSH_USER_MAX_BYTES + 1) },
		{ "subscription", offsetof(struct push_job, subscription_id),
		  bad_ids + 2, test_repeat('s', COI_PUSH_ID_MAX_LEN + 1) },
		{ "topic", offsetof(struct push_job, topic), bad_topics,
		  test_repeat('t', COI_PUSH_TOPIC_MAX_LEN + 1) },
		{ "authorization", offsetof(struct push_job, authorization),
		  bad_authorizations, t_strconcat("vapid ", test_repeat('a',
			COI_PUSH_AUTHORIZATION_MAX_BYTES - 5), NULL) },
	};
	string_t *str = t_str_new(256);
	struct push_job job;
	const char *error, *value, **field;
	unsigned int i, j;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		for (j = 0, value = ""; value != NULL; j++) {
			value = tests[i].values[j];
			job = full_job;
			field = PTR_OFFSET(&job, tests[i].offset);
			*field = value == NULL ? tests[i].too_long : value;
			ck_assert_msg(push_job_format(&job, str, &error) < 0,
				      "%s: %s", tests[i].field, value);
			ck_assert_str_eq(error, t_strconcat("invalid ",
					 tests[i].field, NULL));
			ck_assert_uint_eq(str_len(str), 0);
		}
	}
}
END_TEST

START_TEST(test_bad_number)
{
	string_t *str = t_str_new(256);
	struct push_job job = full_job;
	const char *error;

	job.body_size = 0;
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid body");
	job.body_size = 4097;
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid body");
	job = full_job;
	job.small_body_size = 4097;
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid small body");
	job = full_job;
	job.deadline = 0;
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid deadline");
	job = full_job;
	job.ttl_secs = COI_PUSH_TTL_MAX_SECS + 1;
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid ttl");
	job = full_job;
	job.endpoint = "https://push.example.net/\n";
	ck_assert_int_eq(push_job_format(&job, str, &error), -1);
	ck_assert_str_eq(error, "invalid endpoint");
}
END_TEST

/* A good line with something else in place of a part of it. */
static const struct {
	const char *part, *replacement;
	const char *error;
} bad_line_tests[] = {
	{ "webpush1", "webpush2", "not a job of this version" },
	{ "webpush1", "", "not a job of this version" },
	{ "webpush1\t", "", "not a job of this version" },
	{ "\tAA==", "", "not a job of this version" },
	{ "\tAA==", "\tAA==\tx", "not a job of this version" },
	{ ID, "0123", "invalid id" },
	{ "bob@example.com", "", "invalid user" },
	{ "bob@example.com", "b\x01", "invalid user" },
	{ SUBSCRIPTION, "../etc/passwd", "invalid subscription" },
	{ URL, "http://push.example.net/",
	  "endpoint is not allowed: it must begin with https://" },
	{ URL, "https://127.0.0.1/",
	  "endpoint is not allowed: its host is a loopback address" },
	{ AUTHORIZATION, "vapid t=a\r", "invalid authorization" },
	{ "1800000000", "0", "invalid deadline" },
	{ "1800000000", "-1", "invalid deadline" },
	{ "1800000000", "x", "invalid deadline" },
	{ "1800000000", "99999999999999999999", "invalid deadline" },
	{ "86400", "-1", "invalid ttl" },
	{ "86400", "2419201", "invalid ttl" },
	{ "86400", "4294967297", "invalid ttl" },
	{ "86400", "", "invalid ttl" },
	{ "high", "very-high", "invalid urgency" },
	{ "a_-Z9", "a/b", "invalid topic" },
	{ "a_-Z9", "", "invalid topic" },
	{ "\t-\t", "\tyes\t", "invalid validation" },
	{ "AAEJCv8=", "-", "invalid body" },
	{ "AAEJCv8=", "", "invalid body" },
	{ "AAEJCv8=", "AAEJCv8", "invalid body" },
	{ "AAEJCv8=", "AAEJCv8!", "invalid body" },
	{ "AAEJCv8=", "AAEJ Cv8=", "invalid body" },
	{ "AA==", "AA", "invalid small body" },
};

START_TEST(test_bad_line)
{
	const char *part = bad_line_tests[_i].part;
	const char *pos = strstr(FULL_LINE, part);
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *line, *error = NULL;
	int ret;

	ck_assert_ptr_nonnull(pos);
	line = t_strconcat(t_strdup_until(FULL_LINE, pos),
			   bad_line_tests[_i].replacement,
			   pos + strlen(part), NULL);
	ret = push_job_parse(line, &policy, pool_datastack_create(), &job,
			     &endpoint, &error);
	ck_assert_msg(ret == -1, "%s", line);
	ck_assert_str_eq(error, bad_line_tests[_i].error);
	ck_assert(job.id == NULL && endpoint.url == NULL);
}
END_TEST

START_TEST(test_long_line)
{
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *error;

	ck_assert_int_eq(push_job_parse(
		test_repeat('x', COI_PUSH_JOB_LINE_MAX_BYTES), &policy,
		pool_datastack_create(), &job, &endpoint, &error), -1);
	ck_assert_str_eq(error, "not a job of this version");
	ck_assert_int_eq(push_job_parse(
		test_repeat('x', COI_PUSH_JOB_LINE_MAX_BYTES + 1), &policy,
		pool_datastack_create(), &job, &endpoint, &error), -1);
	ck_assert_str_eq(error, "longer than 16384 bytes");
}
END_TEST

START_TEST(test_topic)
{
	const unsigned char *secret = (const unsigned char *)"key";
	const char *topic = push_job_topic(secret, 3, "The quick brown fox jumps "
					   "over the lazy dog");
	string_t *str = t_str_new(256);
	struct push_job job = full_job;
	const char *error;

	/* HMAC-SHA-256, as it is known: f7bc83f430538424b13298e6aa6fb143
	   ef4d59a14946175997479dbc2d1a3cd8, of which 24 bytes are kept */
	ck_assert_str_eq(topic, "97yD9DBThCSxMpjmqm-xQ-9NWaFJRhdZ");
	ck_assert_str_ne(topic, push_job_topic(secret, 2, "The quick brown fox "
					       "jumps over the lazy dog"));
	job.topic = topic;
	ck_assert_int_eq(push_job_format(&job, str, &error), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-job");
	TCase *tcase = unit_tcase_add(suite, "W36: jobs");

	tcase_add_test(tcase, test_good);
	tcase_add_test(tcase, test_largest);
	tcase_add_test(tcase, test_bad_field);
	tcase_add_test(tcase, test_bad_number);
	tcase_add_loop_test(tcase, test_bad_line, 0,
			    N_ELEMENTS(bad_line_tests));
	tcase_add_test(tcase, test_long_line);
	tcase = unit_tcase_add(suite, "D6: tokens");
	tcase_add_test(tcase, test_token);
	tcase_add_loop_test(tcase, test_token_error, 0,
			    N_ELEMENTS(token_error_tests));
	tcase = unit_tcase_add(suite, "W35: Topic");
	tcase_add_test(tcase, test_topic);
	return unit_run(suite);
}
