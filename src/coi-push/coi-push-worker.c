/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "randgen.h"
#include "sha2.h"
#include "str.h"
#include "time-util.h"
#include "coi-limits.h"
#include "coi-push-command.h"
#include "coi-push-events.h"
#include "coi-push-queue.h"
#include "coi-push-resolver.h"
#include "coi-push-schedule.h"
#include "coi-push-sender.h"
#include "coi-push-settings.h"
#include "coi-push-worker.h"

/* Pages of the queue's file for each job: its lines, its indexes, and what is
   free in between. */
#define PUSH_QUEUE_PAGES_PER_JOB 8
#define PUSH_QUEUE_PAGES_MIN 4096

/* The first job of a lane, on its way. */
struct push_attempt {
	struct push_attempt *prev, *next;
	struct push_worker *worker;
	struct event *event;
	pool_t pool;
	struct push_lane *lane;
	struct push_queue_job job;
	struct push_job content;
	struct webpush_endpoint endpoint;
	struct push_resolve *resolve;
	struct push_request *request;
};

/* What has become of it. */
struct push_outcome {
	struct webpush_answer answer;
	enum push_origin_result origin_result;
	const char *error;
	/* It makes no sense to try again. */
	bool hopeless;
};

struct push_worker {
	struct event *event;
	pool_t pool;
	struct webpush_endpoint_policy policy;
	struct webpush_endpoint admin_endpoint;
	unsigned int deadline_secs;
	push_worker_committed_t *committed;
	void *context;

	struct push_queue *queue;
	struct push_schedule *schedule;
	/* The second one is for the administrator's endpoint, which may have
	   any address. */
	struct push_resolver *resolver, *admin_resolver;
	struct push_sender *sender;
	struct push_attempt *attempts;
	struct timeout *to_wake, *to_wait, *to_expire, *to_tidy;
};

static const struct push_schedule_limits push_worker_limits = {
	.active_max = COI_PUSH_ACTIVE_MAX,
	.user_active_max = COI_PUSH_USER_ACTIVE_MAX,
	.origin_active_max = COI_PUSH_ORIGIN_CONNECTIONS_MAX,
	.origin_multiplexed_max = COI_PUSH_ORIGIN_ACTIVE_MAX,
	.origin_failures_max = COI_PUSH_ORIGIN_FAILURES_MAX,
	.pause_min_msecs = COI_PUSH_ORIGIN_PAUSE_MIN_SECS * 1000,
	.pause_max_msecs = COI_PUSH_ORIGIN_PAUSE_MAX_SECS * 1000,
};

/* The clock of the schedule, which does not know what time it is. */
static int64_t push_worker_now(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_MONOTONIC, &now) < 0)
		i_fatal("clock_gettime() failed: %m");
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* No job is to wait longer than that: who has written a time that is farther
   away had another clock. */
static int64_t push_worker_due(time_t when)
{
	int64_t secs = (int64_t)when - ioloop_time;

	secs = I_MAX(secs, 0);
	return push_worker_now() +
		I_MIN(secs, COI_PUSH_RETRY_AFTER_MAX_SECS) * 1000;
}

static uint64_t push_worker_user_key(const char *user)
{
	unsigned char digest[SHA256_RESULTLEN];
	uint64_t key;

	sha256_get_digest(user, strlen(user), digest);
	memcpy(&key, digest, sizeof(key));
	return key;
}

static void push_worker_dropped(const struct push_queue_job *job,
				const char *reason, void *context)
{
	struct push_worker *worker = context;

	push_event_dropped(worker->event, job, reason);
}

static void push_worker_know_lane(const struct push_queue_job *job,
				  void *context)
{
	struct push_worker *worker = context;

	push_schedule_add(worker->schedule, job->lane,
			  push_worker_user_key(job->user), job->origin,
			  push_worker_due(job->next_attempt));
}

static void push_worker_expire(struct push_worker *worker)
{
	unsigned int msecs = COI_PUSH_QUEUE_EXPIRE_MSECS;

	if (push_queue_expire(worker->queue, ioloop_time))
		msecs = COI_PUSH_QUEUE_EXPIRE_MORE_MSECS;
	push_worker_wake(worker);
	timeout_remove(&worker->to_expire);
	worker->to_expire = timeout_add_short(msecs, push_worker_expire,
					      worker);
}

static int
push_worker_open_queue(struct push_worker *worker,
		       const struct coi_push_settings *set, const char **error_r)
{
	uint64_t pages = PUSH_QUEUE_PAGES_MIN +
		(uint64_t)set->coi_push_queue_max * PUSH_QUEUE_PAGES_PER_JOB;
	const struct push_queue_settings queue_set = {
		.dir = set->coi_push_queue_dir,
		.jobs_max = set->coi_push_queue_max,
		.user_jobs_max = COI_PUSH_USER_JOBS_MAX,
		.pages_max = I_MIN(pages, UINT32_MAX - 1),
	};

	if (push_queue_open(&queue_set, worker->event, push_worker_dropped,
			    worker, &worker->queue, error_r) < 0)
		return -1;
	if (push_queue_list_lanes(worker->queue, push_worker_know_lane,
				  worker) < 0) {
		*error_r = "the queue cannot be read";
		return -1;
	}
	return 0;
}

/* Where device tokens go is decided here, by nothing that a client says. What is
   wrong with the setting is no harm to Web Push. */
static int
push_worker_open_admin(struct push_worker *worker,
		       const struct coi_push_settings *set, const char **error_r)
{
	const char *url = set->coi_deltachat_push_url, *error;

	if (*url == '\0')
		return 0;
	if (webpush_endpoint_parse_admin(url, worker->pool,
					 &worker->admin_endpoint, &error) < 0) {
		e_error(worker->event, "Delta Chat tokens are off: "
			"Invalid setting coi_deltachat_push_url=%s: %s",
			url, error);
		return 0;
	}
	worker->policy.admin = &worker->admin_endpoint;
	return push_resolver_init(set->coi_push_dns_servers, TRUE,
				  &worker->admin_resolver, error_r);
}

static int
push_worker_open(struct push_worker *worker,
		 const struct coi_push_settings *set, const char **error_r)
{
	const struct push_sender_settings sender_set = {
		.proxy_url = set->coi_push_proxy_url,
		.ca_file = set->coi_push_ca_file,
		.timeout_secs = set->coi_push_timeout,
		.insecure = set->coi_push_insecure,
	};

	if (push_resolver_init(set->coi_push_dns_servers,
			       set->coi_push_insecure, &worker->resolver,
			       error_r) < 0 ||
	    push_worker_open_admin(worker, set, error_r) < 0 ||
	    push_sender_init(&sender_set, worker->event, &worker->sender,
			     error_r) < 0)
		return -1;
	return push_worker_open_queue(worker, set, error_r);
}

int push_worker_init(const struct coi_push_settings *set, struct event *event,
		     push_worker_committed_t *committed, void *context,
		     struct push_worker **worker_r, const char **error_r)
{
	struct push_worker *worker = i_new(struct push_worker, 1);

	worker->event = event;
	worker->pool = pool_alloconly_create("push worker", 512);
	worker->policy.insecure = set->coi_push_insecure;
	worker->policy.ports = set->parsed_ports.ports;
	worker->policy.port_count = set->parsed_ports.count;
	worker->deadline_secs = set->coi_push_deadline;
	worker->committed = committed;
	worker->context = context;
	worker->schedule = push_schedule_init(&push_worker_limits);
	if (push_worker_open(worker, set, error_r) < 0) {
		push_worker_deinit(&worker);
		return -1;
	}
	push_worker_expire(worker);
	*worker_r = worker;
	return 0;
}

static void push_attempt_free(struct push_attempt *attempt)
{
	DLLIST_REMOVE(&attempt->worker->attempts, attempt);
	if (attempt->resolve != NULL)
		push_resolver_abort(&attempt->resolve);
	if (attempt->request != NULL)
		push_sender_abort(&attempt->request);
	event_unref(&attempt->event);
	pool_unref(&attempt->pool);
}

static void push_worker_commit(struct push_worker *worker)
{
	worker->committed(push_queue_commit(worker->queue) == 0,
			  worker->context);
}

void push_worker_deinit(struct push_worker **_worker)
{
	struct push_worker *worker = *_worker;

	*_worker = NULL;
	while (worker->attempts != NULL)
		push_attempt_free(worker->attempts);
	if (worker->queue != NULL) {
		push_worker_commit(worker);
		push_queue_close(&worker->queue);
	}
	if (worker->sender != NULL)
		push_sender_deinit(&worker->sender);
	if (worker->resolver != NULL)
		push_resolver_deinit(&worker->resolver);
	if (worker->admin_resolver != NULL)
		push_resolver_deinit(&worker->admin_resolver);
	push_schedule_deinit(&worker->schedule);
	timeout_remove(&worker->to_wake);
	timeout_remove(&worker->to_wait);
	timeout_remove(&worker->to_expire);
	timeout_remove(&worker->to_tidy);
	pool_unref(&worker->pool);
	i_free(worker);
}

struct push_queue *push_worker_get_queue(struct push_worker *worker)
{
	return worker->queue;
}

int push_worker_add(struct push_worker *worker, const char *line, uid_t uid,
		    const char **id_r, const char **error_r)
{
	struct push_job job;
	struct webpush_endpoint endpoint;
	time_t deadline = ioloop_time + worker->deadline_secs;

	if (push_job_parse(line, &worker->policy, pool_datastack_create(),
			   &job, &endpoint, error_r) < 0) {
		*id_r = push_command_find_job_id(line);
		return -1;
	}
	if (push_queue_count_added(worker->queue) >= COI_PUSH_QUEUE_BATCH_MAX)
		push_worker_commit(worker);
	*id_r = job.id;
	deadline = I_MIN(deadline, job.deadline);
	if (deadline <= ioloop_time) {
		*error_r = "its deadline has passed";
		return -1;
	}
	if (push_queue_add(worker->queue, &job, &endpoint, line, deadline, uid,
			   ioloop_time, error_r) <= 0)
		return -1;
	push_schedule_add(worker->schedule, push_queue_lane(&job),
			  push_worker_user_key(job.user), endpoint.origin,
			  push_worker_now());
	return 0;
}

/* The job is not sent now; `due' is when the lane is looked at again. */
static void push_attempt_end(struct push_attempt *attempt,
			     enum push_origin_result origin_result, int64_t due,
			     uint32_t random)
{
	struct push_worker *worker = attempt->worker;
	const char *origin = attempt->job.origin;

	if (push_schedule_finish(worker->schedule, &attempt->lane,
				 origin_result, push_worker_now(), due,
				 random)) {
		e_info(worker->event, "Push service %s fails: "
		       "nothing is sent to it for a while", origin);
	}
	push_attempt_free(attempt);
	push_worker_wake(worker);
}

static void push_attempt_drop(struct push_attempt *attempt, const char *reason)
{
	struct push_worker *worker = attempt->worker;

	push_event_dropped(worker->event, &attempt->job, reason);
	push_queue_done(worker->queue, &attempt->job, ioloop_time);
}

static const char *push_outcome_drop_reason(const struct push_outcome *outcome)
{
	unsigned int status = outcome->answer.status;

	if (outcome->hopeless)
		return outcome->error;
	if (status >= 300 && status < 500 && status != 429)
		return t_strdup_printf("the push service refuses it: status %u",
				       status);
	return "it cannot be sent again before its deadline";
}

static enum webpush_verdict
push_attempt_judge(struct push_attempt *attempt,
		   const struct push_outcome *outcome, uint32_t random)
{
	const struct webpush_attempt facts = {
		.number = attempt->job.attempts,
		.now = ioloop_time,
		.deadline = attempt->job.deadline,
		.can_shrink = !attempt->job.shrunk &&
			attempt->content.small_body_size > 0,
		.random = random,
	};

	if (outcome->hopeless)
		return WEBPUSH_VERDICT_DROP;
	if (attempt->content.kind == PUSH_JOB_KIND_TOKEN) {
		return webpush_verdict_token(&outcome->answer, &facts,
					     &attempt->job.next_attempt);
	}
	if (push_queue_has_failed_long(attempt->worker->queue, &attempt->job,
				       ioloop_time))
		return WEBPUSH_VERDICT_GONE;
	return webpush_verdict(&outcome->answer, &facts,
			       &attempt->job.next_attempt);
}

static void push_attempt_finish(struct push_attempt *attempt,
				const struct push_outcome *outcome)
{
	struct push_queue *queue = attempt->worker->queue;
	struct push_queue_job *job = &attempt->job;
	enum webpush_verdict verdict;
	uint32_t random = i_rand();

	job->attempts++;
	job->status = outcome->answer.status;
	job->next_attempt = ioloop_time;
	verdict = push_attempt_judge(attempt, outcome, random);
	push_event_finished(attempt->event, job, attempt->endpoint.host,
			    job->status, verdict, outcome->error);
	switch (verdict) {
	case WEBPUSH_VERDICT_DONE:
		push_queue_done(queue, job, ioloop_time);
		break;
	case WEBPUSH_VERDICT_SHRINK:
		job->shrunk = TRUE;
		/* fall through */
	case WEBPUSH_VERDICT_RETRY:
		push_queue_retry(queue, job, ioloop_time);
		break;
	case WEBPUSH_VERDICT_GONE:
		push_queue_set_gone(queue, job,
			webpush_endpoint_hash(&attempt->endpoint), ioloop_time);
		break;
	case WEBPUSH_VERDICT_DROP:
		push_attempt_drop(attempt, push_outcome_drop_reason(outcome));
		break;
	}
	push_attempt_end(attempt, outcome->origin_result,
			 push_worker_due(job->next_attempt), random);
}

static enum push_origin_result
push_answer_origin_result(const struct push_answer *answer)
{
	switch (answer->status) {
	case 0:
	case 502:
	case 503:
	case 504:
		return PUSH_ORIGIN_RESULT_FAILED;
	}
	/* it says nothing about other endpoints */
	if (answer->status == 429 || answer->status >= 500)
		return PUSH_ORIGIN_RESULT_NONE;
	return answer->multiplexed ? PUSH_ORIGIN_RESULT_OK_MULTIPLEXED :
		PUSH_ORIGIN_RESULT_OK;
}

static void
push_attempt_answered(const struct push_answer *answer, void *context)
{
	struct push_attempt *attempt = context;
	const struct push_outcome outcome = {
		.answer = {
			.status = answer->status,
			.retry_after = answer->retry_after,
		},
		.origin_result = push_answer_origin_result(answer),
		.error = answer->error,
	};

	attempt->request = NULL;
	push_attempt_finish(attempt, &outcome);
}

static void push_attempt_send(struct push_attempt *attempt,
			      const struct ip_addr *ips, unsigned int count)
{
	attempt->request = push_sender_send(attempt->worker->sender,
		&attempt->content, &attempt->endpoint, attempt->job.shrunk,
		ips, count, push_attempt_answered, attempt);
}

static void
push_attempt_use_addresses(struct push_attempt *attempt,
			   const struct push_addresses *addresses)
{
	const struct push_outcome outcome = {
		.origin_result = addresses->forbidden ?
			PUSH_ORIGIN_RESULT_NONE : PUSH_ORIGIN_RESULT_FAILED,
		.error = addresses->error,
		.hopeless = addresses->forbidden,
	};

	if (addresses->count > 0)
		push_attempt_send(attempt, addresses->ips, addresses->count);
	else
		push_attempt_finish(attempt, &outcome);
}

static void push_attempt_resolved(const struct push_addresses *addresses,
				  void *context)
{
	struct push_attempt *attempt = context;

	attempt->resolve = NULL;
	T_BEGIN {
		push_attempt_use_addresses(attempt, addresses);
	} T_END;
}

static void push_attempt_start(struct push_attempt *attempt)
{
	struct push_worker *worker = attempt->worker;
	struct push_resolver *resolver = attempt->endpoint.trusted ?
		worker->admin_resolver : worker->resolver;
	const struct push_addresses *addresses;

	if (attempt->endpoint.ip.family != 0 ||
	    !push_sender_needs_addresses(worker->sender, &attempt->endpoint)) {
		push_attempt_send(attempt, NULL, 0);
		return;
	}
	addresses = push_resolver_find(resolver, attempt->endpoint.host);
	if (addresses != NULL) {
		push_attempt_use_addresses(attempt, addresses);
		return;
	}
	attempt->resolve = push_resolver_lookup(resolver,
		attempt->endpoint.host, push_attempt_resolved, attempt);
}

/* Looks at the lane's first job, with the settings of now. */
static void push_attempt_begin(struct push_attempt *attempt, const char *line)
{
	struct push_worker *worker = attempt->worker;
	struct push_queue_job *job = &attempt->job;
	const char *error;

	if (job->deadline <= ioloop_time) {
		push_attempt_drop(attempt, "its deadline has passed");
		push_attempt_end(attempt, PUSH_ORIGIN_RESULT_NONE,
				 push_worker_now(), 0);
	} else if (job->next_attempt > ioloop_time) {
		push_attempt_end(attempt, PUSH_ORIGIN_RESULT_NONE,
				 push_worker_due(job->next_attempt), 0);
	} else if (push_job_parse(line, &worker->policy, attempt->pool,
				  &attempt->content, &attempt->endpoint,
				  &error) < 0) {
		push_attempt_drop(attempt, error);
		push_attempt_end(attempt, PUSH_ORIGIN_RESULT_NONE,
				 push_worker_now(), 0);
	} else {
		push_attempt_start(attempt);
	}
}

static void
push_worker_send_lane(struct push_worker *worker, struct push_lane *lane)
{
	struct push_attempt *attempt;
	struct push_queue_job job;
	const char *line;
	pool_t pool;
	int ret;

	pool = pool_alloconly_create(MEMPOOL_GROWING"push attempt", 8192);
	ret = push_queue_first(worker->queue, push_lane_get_key(lane), pool,
			       &job, &line);
	if (ret <= 0) {
		if (ret == 0) {
			push_schedule_remove(worker->schedule, &lane);
		} else {
			(void)push_schedule_finish(worker->schedule, &lane,
				PUSH_ORIGIN_RESULT_NONE, push_worker_now(),
				push_worker_now() +
				COI_PUSH_QUEUE_RETRY_SECS * 1000, 0);
		}
		pool_unref(&pool);
		return;
	}
	attempt = p_new(pool, struct push_attempt, 1);
	attempt->worker = worker;
	attempt->pool = pool;
	attempt->lane = lane;
	attempt->job = job;
	attempt->event = push_event_create(worker->event);
	DLLIST_PREPEND(&worker->attempts, attempt);
	push_attempt_begin(attempt, line);
}

static void push_worker_tidy(struct push_worker *worker)
{
	bool more = FALSE;

	timeout_remove(&worker->to_tidy);
	if (!push_queue_is_changed(worker->queue))
		more = push_queue_tidy(worker->queue);
	if (more) {
		worker->to_tidy = timeout_add(COI_PUSH_QUEUE_TIDY_MSECS,
					      push_worker_tidy, worker);
	}
}

static void push_worker_waited(struct push_worker *worker)
{
	timeout_remove(&worker->to_wait);
	push_worker_wake(worker);
}

static void push_worker_wait(struct push_worker *worker)
{
	int64_t wait;

	timeout_remove(&worker->to_wait);
	if (push_queue_is_changed(worker->queue) ||
	    push_queue_is_stalled(worker->queue))
		wait = COI_PUSH_QUEUE_RETRY_SECS * 1000;
	else
		wait = push_schedule_get_wait(worker->schedule,
					      push_worker_now());
	if (wait >= 0) {
		worker->to_wait = timeout_add_short(I_MIN(wait, INT_MAX),
						    push_worker_waited, worker);
	}
}

static void push_worker_turn(struct push_worker *worker)
{
	struct push_lane *lane;

	timeout_remove(&worker->to_wake);
	if (push_queue_is_changed(worker->queue)) {
		push_worker_commit(worker);
		timeout_remove(&worker->to_tidy);
		worker->to_tidy = timeout_add(COI_PUSH_QUEUE_TIDY_MSECS,
					      push_worker_tidy, worker);
	}
	if (!push_queue_is_stalled(worker->queue)) {
		/* after a long time all of the queue may have expired */
		while (push_queue_count_changes(worker->queue) <
		       COI_PUSH_QUEUE_BATCH_MAX &&
		       (lane = push_schedule_next(worker->schedule,
						  push_worker_now())) != NULL)
			T_BEGIN {
				push_worker_send_lane(worker, lane);
			} T_END;
	}
	push_worker_wait(worker);
}

void push_worker_wake(struct push_worker *worker)
{
	if (worker->to_wake == NULL) {
		worker->to_wake = timeout_add_short(0, push_worker_turn,
						    worker);
	}
}
