/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "lib-event.h"
#include "str.h"
#include "strnum.h"
#include "unlink-directory.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-push-queue.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUBSCRIPTION "subscription-1"
#define URL "https://push.example.net/p/1"
#define NOW 1800000000

static const struct webpush_endpoint_policy policy = { .insecure = TRUE };
static struct push_queue_settings set;
static struct push_queue *queue;
static struct event *event;
static char dir[PATH_MAX];
static unsigned int dropped;

static void on_dropped(const struct push_queue_job *job ATTR_UNUSED,
		       const char *reason ATTR_UNUSED,
		       void *context ATTR_UNUSED)
{
	dropped++;
}

static void queue_open(void)
{
	const char *error;

	if (push_queue_open(&set, event, on_dropped, NULL, &queue, &error) < 0)
		ck_abort_msg("%s", error);
}

static void queue_setup(void)
{
	const char *tmp = getenv("TMPDIR");

	i_snprintf(dir, sizeof(dir), "%s/coi-queue-XXXXXX",
		   tmp == NULL ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	i_zero(&set);
	set.dir = dir;
	set.jobs_max = 1000;
	set.user_jobs_max = 100;
	dropped = 0;
	event = event_create(NULL);
	event_set_min_log_level(event, LOG_TYPE_PANIC);
	queue_open();
}

static void queue_teardown(void)
{
	const char *error;

	if (queue != NULL)
		push_queue_close(&queue);
	event_unref(&event);
	if (unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		ck_abort_msg("%s", error);
}

static const char *job_line(unsigned int number, const char *user,
			    const char *subscription, const char *url,
			    bool validation)
{
	const struct push_job job = {
		.id = t_strdup_printf("job-%016u", number),
		.user = user, .subscription_id = subscription, .endpoint = url,
		.authorization = "vapid t=a.b.c, k=d",
		.deadline = NOW + 3600, .ttl_secs = 60,
		.validation = validation,
		.body = (const unsigned char *)"body", .body_size = 4,
	};
	string_t *str = t_str_new(256);
	const char *error;

	ck_assert_int_eq(push_job_format(&job, str, &error), 0);
	return str_c(str);
}

static int add_line(const char *line, uid_t uid, time_t deadline)
{
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *error;

	ck_assert_int_eq(push_job_parse(line, &policy, pool_datastack_create(),
					&job, &endpoint, &error), 0);
	return push_queue_add(queue, &job, &endpoint, line, deadline, uid, NOW,
			      &error);
}

static int add(unsigned int number)
{
	return add_line(job_line(number, "alice", SUBSCRIPTION, URL, FALSE), 1,
			NOW + 100);
}

static uint64_t lane_of(const char *user, const char *subscription,
			const char *url)
{
	const struct push_job job = {
		.user = user, .subscription_id = subscription, .endpoint = url,
	};

	return push_queue_lane(&job);
}

/* Returns FALSE if there is none. */
static bool first(struct push_queue_job *job_r)
{
	const char *line;
	int ret;

	ret = push_queue_first(queue, lane_of("alice", SUBSCRIPTION, URL),
			       pool_datastack_create(), job_r, &line);
	ck_assert_int_ge(ret, 0);
	if (ret > 0)
		ck_assert_ptr_nonnull(strstr(line, job_r->id));
	return ret > 0;
}

static void expect_first(unsigned int number)
{
	struct push_queue_job job;

	ck_assert(first(&job));
	ck_assert_str_eq(job.id, t_strdup_printf("job-%016u", number));
}

static void reopen(void)
{
	push_queue_close(&queue);
	queue_open();
}

START_TEST(test_order)
{
	struct push_queue_job job;
	unsigned int i;

	ck_assert(!first(&job));
	for (i = 1; i <= 3; i++)
		ck_assert_int_eq(add(i), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	reopen();
	ck_assert_uint_eq(push_queue_count(queue), 3);
	for (i = 1; i <= 3; i++) {
		ck_assert(first(&job));
		expect_first(i);
		ck_assert_int_eq(job.queued, NOW);
		ck_assert_int_eq(job.next_attempt, NOW);
		ck_assert_int_eq(job.deadline, NOW + 100);
		ck_assert_str_eq(job.user, "alice");
		ck_assert_str_eq(job.origin, "https://push.example.net");
		push_queue_done(queue, &job, NOW);
	}
	ck_assert(!first(&job));
	ck_assert_int_eq(push_queue_commit(queue), 0);
	reopen();
	ck_assert_uint_eq(push_queue_count(queue), 0);
	ck_assert(!first(&job));
}
END_TEST

START_TEST(test_retry)
{
	struct push_queue_job job;

	ck_assert_int_eq(add(1), 1);
	ck_assert(first(&job));
	job.attempts = 3;
	job.next_attempt = NOW + 50;
	job.status = 503;
	job.shrunk = TRUE;
	push_queue_retry(queue, &job, NOW);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	reopen();
	ck_assert(first(&job));
	ck_assert_uint_eq(job.attempts, 3);
	ck_assert_int_eq(job.next_attempt, NOW + 50);
	ck_assert_uint_eq(job.status, 503);
	ck_assert(job.shrunk);
}
END_TEST

START_TEST(test_known)
{
	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_int_eq(add(1), 1);
	ck_assert_uint_eq(push_queue_count(queue), 1);
}
END_TEST

/* The answer got lost with the worker; when the job comes again it has been
   sent. */
START_TEST(test_known_later)
{
	struct push_queue_job job;

	ck_assert_int_eq(add(1), 1);
	reopen();
	ck_assert(first(&job));
	push_queue_done(queue, &job, NOW);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_int_eq(add(1), 1);
	ck_assert_uint_eq(push_queue_count(queue), 0);
	ck_assert_int_eq(add(2), 1);
	ck_assert_uint_eq(push_queue_count(queue), 1);
}
END_TEST

START_TEST(test_lanes)
{
	uint64_t lane = lane_of("alice", SUBSCRIPTION, URL);

	ck_assert(lane == lane_of("alice", SUBSCRIPTION, URL));
	ck_assert(lane != lane_of("alicf", SUBSCRIPTION, URL));
	ck_assert(lane != lane_of("alice", SUBSCRIPTION"2", URL));
	ck_assert(lane != lane_of("alice", SUBSCRIPTION, URL"2"));
}
END_TEST

START_TEST(test_user_max)
{
	unsigned int i;

	/* of another device, and older */
	ck_assert_int_eq(add_line(job_line(0, "alice", SUBSCRIPTION"2", URL,
					   FALSE), 1, NOW + 100), 1);
	for (i = 1; i < set.user_jobs_max; i++)
		ck_assert_int_eq(add(i), 1);
	ck_assert_uint_eq(push_queue_count(queue), set.user_jobs_max);
	/* the oldest ones give way, and some more */
	ck_assert_int_eq(add(i), 1);
	ck_assert_uint_eq(push_queue_count(queue), set.user_jobs_max - 1);
	ck_assert_int_eq(add_line(job_line(i + 1, "bob", SUBSCRIPTION, URL,
					   FALSE), 1, NOW + 100), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_uint_eq(push_queue_count(queue), set.user_jobs_max);
	ck_assert_int_eq(add_line(job_line(0, "alice", SUBSCRIPTION"2", URL,
					   FALSE), 1, NOW + 100), 1);
	ck_assert_uint_eq(push_queue_count(queue), set.user_jobs_max);
}
END_TEST

/* The peer with the most jobs loses its oldest. */
START_TEST(test_jobs_max)
{
	unsigned int i;

	push_queue_close(&queue);
	set.jobs_max = 10;
	queue_open();
	ck_assert_int_eq(add_line(job_line(100, "bob", SUBSCRIPTION, URL,
					   FALSE), 2, NOW + 100), 1);
	for (i = 0; i < 14; i++)
		ck_assert_int_eq(add(i), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_uint_eq(dropped, 5);
	ck_assert_uint_eq(push_queue_count(queue), 10);
	expect_first(5);
	reopen();
	ck_assert_uint_eq(push_queue_count(queue), 10);
}
END_TEST

static void on_gone(const char *subscription, const char *hash, void *context)
{
	string_t *str = context;

	str_printfa(str, "%s %s;", subscription, hash);
}

static const char *gone_list(const char *user)
{
	string_t *str = str_new(default_pool, 128);
	const char *list;

	ck_assert_int_eq(push_queue_list_gone(queue, user, on_gone, str), 0);
	list = t_strdup(str_c(str));
	str_free(&str);
	return list;
}

START_TEST(test_gone)
{
	struct push_queue_job job;
	struct webpush_endpoint endpoint;
	const char *hash, *error;

	ck_assert_int_eq(webpush_endpoint_parse(URL, &policy,
		pool_datastack_create(), &endpoint, &error), 0);
	hash = webpush_endpoint_hash(&endpoint);
	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(add(2), 1);
	ck_assert_int_eq(add_line(job_line(3, "alice", SUBSCRIPTION"2", URL,
					   FALSE), 1, NOW + 100), 1);
	ck_assert(first(&job));
	push_queue_set_gone(queue, &job, hash, NOW);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	reopen();
	ck_assert(!first(&job));
	ck_assert_uint_eq(push_queue_count(queue), 1);
	ck_assert_str_eq(gone_list("alice"),
			 t_strconcat(SUBSCRIPTION" ", hash, ";", NULL));
	ck_assert_str_eq(gone_list("bob"), "");
	/* no more of them, but to validate a new one */
	ck_assert_int_eq(add(4), 0);
	ck_assert_int_eq(add_line(job_line(5, "alice", SUBSCRIPTION, URL, TRUE),
				  1, NOW + 100), 1);
	ck_assert_str_eq(gone_list("alice"), "");
	ck_assert_int_eq(add(4), 1);
	/* the same in a transaction that is not committed */
	ck_assert(first(&job));
	push_queue_set_gone(queue, &job, hash, NOW);
	ck_assert_int_eq(push_queue_forget(queue, "alice", SUBSCRIPTION,
					   "other"), 0);
	ck_assert_str_ne(gone_list("alice"), "");
	ck_assert_int_eq(push_queue_forget(queue, "alice", SUBSCRIPTION,
					   hash), 0);
	ck_assert_str_eq(gone_list("alice"), "");
}
END_TEST

START_TEST(test_gone_limits)
{
	struct push_queue_job job = { .user = "alice", .origin = "" };
	unsigned int i;

	for (i = 0; i < COI_PUSH_USER_GONE_MAX + 10; i++) T_BEGIN {
		job.subscription_id = t_strdup_printf("subscription-%u", i);
		push_queue_set_gone(queue, &job, "hash", NOW + i);
	} T_END;
	ck_assert_uint_eq(str_array_length(t_strsplit(gone_list("alice"), ";")),
			  COI_PUSH_USER_GONE_MAX + 1);
	ck_assert_ptr_null(strstr(gone_list("alice"), "subscription-9 "));
	ck_assert(!push_queue_expire(queue, NOW + 10 + COI_PUSH_GONE_SECS));
	ck_assert_uint_eq(str_array_length(t_strsplit(gone_list("alice"), ";")),
			  COI_PUSH_USER_GONE_MAX);
	(void)push_queue_expire(queue, NOW + 1000 + COI_PUSH_GONE_SECS);
	ck_assert_str_eq(gone_list("alice"), "");
}
END_TEST

#define DAY (24*60*60)

static void attempt(unsigned int status, time_t now)
{
	struct push_queue_job job;

	ck_assert(first(&job));
	job.attempts++;
	job.status = status;
	push_queue_retry(queue, &job, now);
}

static bool failed_long(unsigned int status, time_t now)
{
	struct push_queue_job job;

	ck_assert(first(&job));
	job.attempts++;
	job.status = status;
	return push_queue_has_failed_long(queue, &job, now);
}

/* W34 */
START_TEST(test_failing)
{
	struct push_queue_job job;

	ck_assert_int_eq(add(1), 1);
	ck_assert(!failed_long(503, NOW + 15 * DAY));
	attempt(503, NOW);
	attempt(0, NOW + 10 * DAY);
	reopen();
	ck_assert(!failed_long(503, NOW + 14 * DAY - 1));
	ck_assert(failed_long(503, NOW + 14 * DAY));
	ck_assert(failed_long(0, NOW + 14 * DAY));
	ck_assert(!failed_long(201, NOW + 14 * DAY));
	ck_assert(!failed_long(429, NOW + 14 * DAY));
	/* somebody is there */
	attempt(429, NOW + 11 * DAY);
	ck_assert(!failed_long(503, NOW + 15 * DAY));
	attempt(503, NOW + 12 * DAY);
	ck_assert(!failed_long(503, NOW + 25 * DAY));
	ck_assert(failed_long(503, NOW + 26 * DAY));
	/* a job that was never tried says nothing */
	ck_assert(first(&job));
	job.attempts = 0;
	job.status = 0;
	push_queue_done(queue, &job, NOW + 13 * DAY);
	ck_assert_int_eq(add(2), 1);
	ck_assert(failed_long(503, NOW + 26 * DAY));
	ck_assert(first(&job));
	job.attempts = 1;
	job.status = 201;
	push_queue_done(queue, &job, NOW + 13 * DAY);
	ck_assert_int_eq(add(3), 1);
	ck_assert(!failed_long(503, NOW + 26 * DAY));
	/* what nobody has tried for long is forgotten */
	attempt(503, NOW);
	(void)push_queue_expire(queue, NOW - 1 + 14 * DAY);
	ck_assert_int_eq(add(4), 1);
	ck_assert(failed_long(503, NOW + 26 * DAY));
	(void)push_queue_expire(queue, NOW + 14 * DAY);
	ck_assert_int_eq(add(5), 1);
	ck_assert(!failed_long(503, NOW + 26 * DAY));
}
END_TEST

START_TEST(test_cancel)
{
	static const struct {
		const char *user, *subscription;
	} jobs[] = {
		{ "alice", "subscription-1" }, { "alice", "subscription-1" },
		{ "alice", "subscription-2" }, { "bob", "subscription-1" },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(jobs); i++) {
		ck_assert_int_eq(add_line(job_line(i, jobs[i].user,
			jobs[i].subscription, URL, FALSE), 1, NOW + 100), 1);
	}
	ck_assert_int_eq(push_queue_cancel(queue, "alice", "subscription-3"), 0);
	ck_assert_uint_eq(push_queue_count(queue), 4);
	ck_assert_int_eq(push_queue_cancel(queue, "alice", "subscription-1"), 0);
	ck_assert_uint_eq(push_queue_count(queue), 2);
	ck_assert_int_eq(push_queue_cancel(queue, "alice", ""), 0);
	ck_assert_uint_eq(push_queue_count(queue), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	reopen();
	ck_assert_uint_eq(push_queue_count(queue), 1);
}
END_TEST

START_TEST(test_expire)
{
	unsigned int i;

	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(add_line(job_line(i, "alice", SUBSCRIPTION,
			URL, FALSE), 1, NOW + i), 1);
	}
	ck_assert(!push_queue_expire(queue, NOW + 4));
	ck_assert_uint_eq(dropped, 5);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	expect_first(5);
	ck_assert_uint_eq(push_queue_count(queue), 5);
}
END_TEST

static void on_job(const struct push_queue_job *job, void *context)
{
	unsigned int number;

	ck_assert_int_eq(str_to_uint(job->id + strlen("job-"), &number), 0);
	str_printfa(context, "%u ", number);
}

START_TEST(test_list)
{
	string_t *str = str_new(default_pool, 128);
	int64_t seq = 0;
	unsigned int i;

	for (i = 1; i <= 5; i++) {
		ck_assert_int_eq(add_line(job_line(i, i % 2 == 0 ? "bob" :
			"alice", SUBSCRIPTION, URL, FALSE), 1, NOW + i), 1);
	}
	ck_assert_int_eq(push_queue_list(queue, "", 3, &seq, on_job, str), 1);
	ck_assert_str_eq(str_c(str), "1 2 3 ");
	ck_assert_int_eq(push_queue_list(queue, "", 3, &seq, on_job, str), 0);
	ck_assert_str_eq(str_c(str), "1 2 3 4 5 ");
	str_truncate(str, 0);
	seq = 0;
	ck_assert_int_eq(push_queue_list(queue, "bob", 3, &seq, on_job, str), 0);
	ck_assert_str_eq(str_c(str), "2 4 ");
	str_truncate(str, 0);
	ck_assert_int_eq(push_queue_list_lanes(queue, on_job, str), 0);
	ck_assert_str_eq(str_c(str), "1 2 ");
	str_free(&str);
}
END_TEST

/* As a full disk does. */
static void forbid_writing(bool forbid)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_FSIZE, &limit) < 0)
		i_fatal("getrlimit() failed: %m");
	limit.rlim_cur = forbid ? 1 : limit.rlim_max;
	if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR ||
	    setrlimit(RLIMIT_FSIZE, &limit) < 0)
		i_fatal("setrlimit() failed: %m");
}

/* libcheck writes files too: nothing is asserted meanwhile. */
START_TEST(test_full)
{
	struct push_queue_job job;
	unsigned int count;
	bool stalled, changed;
	int ret[5];

	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(add(2), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert(first(&job));
	push_queue_done(queue, &job, NOW);
	ck_assert_int_eq(add(3), 1);
	forbid_writing(TRUE);
	/* the new one is lost, and that the old one was sent is not written */
	ret[0] = push_queue_commit(queue);
	stalled = push_queue_is_stalled(queue);
	changed = push_queue_is_changed(queue);
	count = push_queue_count(queue);
	ret[1] = push_queue_commit(queue);
	ret[2] = push_queue_cancel(queue, "alice", SUBSCRIPTION);
	ret[3] = push_queue_commit(queue);
	forbid_writing(FALSE);
	ret[4] = push_queue_commit(queue);
	ck_assert_int_eq(ret[0], -1);
	ck_assert(stalled && changed);
	ck_assert_uint_eq(count, 2);
	ck_assert_int_eq(ret[1], -1);
	ck_assert_int_eq(ret[2], 0);
	ck_assert_int_eq(ret[3], -1);
	ck_assert_int_eq(ret[4], -1);
	ck_assert(!push_queue_is_stalled(queue));
	ck_assert(!push_queue_is_changed(queue));
	expect_first(2);
	ck_assert_uint_eq(push_queue_count(queue), 1);
	ck_assert_int_eq(add(3), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_uint_eq(push_queue_count(queue), 2);
}
END_TEST

/* The file's own limit is met within a transaction. */
START_TEST(test_pages_max)
{
	unsigned int i, users = 0;
	int ret = 1;

	push_queue_close(&queue);
	set.pages_max = 60;
	set.jobs_max = 100000;
	queue_open();
	while (ret > 0 && users < 10000) T_BEGIN {
		const char *user = t_strdup_printf("user%u", users++);

		for (i = 0; i < 10 && ret > 0; i++) {
			ret = add_line(job_line(users * 10 + i, user,
				SUBSCRIPTION, URL, FALSE), 1, NOW + 100);
		}
		if (push_queue_commit(queue) < 0)
			ret = -1;
	} T_END;
	ck_assert_int_eq(ret, -1);
	ck_assert(!push_queue_is_stalled(queue));
	ck_assert_uint_eq(push_queue_count(queue), (users - 1) * 10);
	/* there is room again */
	(void)push_queue_expire(queue, NOW + 100);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
}
END_TEST

static void damage(const char *name)
{
	const char *path = t_strconcat(dir, "/", name, NULL);
	char garbage[4096];
	int fd, i;

	memset(garbage, 0xff, sizeof(garbage));
	fd = open(path, O_WRONLY);
	ck_assert_int_ge(fd, 0);
	for (i = 1; i < 100; i++) {
		ck_assert(pwrite(fd, garbage, sizeof(garbage), i * 4096) ==
			  (ssize_t)sizeof(garbage));
	}
	i_close_fd(&fd);
}

/* While it is in use: what was in it is lost, and it goes on. */
START_TEST(test_damaged)
{
	struct push_queue_job job;
	const char *line, *path;
	struct stat st;
	unsigned int i;
	int ret = 0;

	for (i = 0; i < 800; i++) {
		ck_assert_int_eq(add_line(job_line(i, t_strdup_printf("user%u",
			i / 50), SUBSCRIPTION, URL, FALSE), 1, NOW + 100), 1);
	}
	ck_assert_int_eq(push_queue_commit(queue), 0);
	(void)push_queue_tidy(queue);
	damage("queue.sqlite");
	for (i = 0; i < 16 && ret >= 0; i++) {
		ret = push_queue_first(queue, lane_of(t_strdup_printf("user%u",
			i), SUBSCRIPTION, URL), pool_datastack_create(), &job,
			&line);
	}
	ck_assert_int_eq(ret, -1);
	ck_assert(push_queue_is_changed(queue));
	ck_assert_int_eq(push_queue_commit(queue), -1);
	ck_assert(!push_queue_is_changed(queue));
	ck_assert_uint_eq(push_queue_count(queue), 0);
	ck_assert_int_eq(add(1), 1);
	ck_assert_int_eq(push_queue_commit(queue), 0);
	path = t_strconcat(dir, "/queue.sqlite.damaged", NULL);
	ck_assert_int_eq(stat(path, &st), 0);
	reopen();
	expect_first(1);
}
END_TEST

START_TEST(test_directory)
{
	const char *error;

	push_queue_close(&queue);
	ck_assert_int_eq(chmod(dir, 0750), 0);
	ck_assert_int_eq(push_queue_open(&set, event, on_dropped, NULL, &queue,
					 &error), -1);
	ck_assert_str_eq(error, t_strconcat(dir, " must be a directory with "
					    "mode 0700", NULL));
	set.dir = t_strconcat(dir, "/no/where", NULL);
	ck_assert_int_eq(push_queue_open(&set, event, on_dropped, NULL, &queue,
					 &error), -1);
	ck_assert_ptr_nonnull(strstr(error, "mkdir"));
	queue = NULL;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-queue");
	TCase *tcase = unit_tcase_add(suite, "W38: what was taken is kept");

	tcase_add_checked_fixture(tcase, queue_setup, queue_teardown);
	tcase_add_test(tcase, test_order);
	tcase_add_test(tcase, test_retry);
	tcase_add_test(tcase, test_known);
	tcase_add_test(tcase, test_known_later);
	tcase_add_test(tcase, test_lanes);
	tcase_add_test(tcase, test_user_max);
	tcase_add_test(tcase, test_jobs_max);
	tcase_add_test(tcase, test_gone);
	tcase_add_test(tcase, test_gone_limits);
	tcase_add_test(tcase, test_failing);
	tcase_add_test(tcase, test_cancel);
	tcase_add_test(tcase, test_expire);
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_full);
	tcase_add_test(tcase, test_pages_max);
	tcase_add_test(tcase, test_damaged);
	tcase_add_test(tcase, test_directory);
	return unit_run(suite);
}
