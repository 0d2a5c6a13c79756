/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "sha2.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-push-database.h"
#include "coi-push-queue.h"

/* The order of the columns of PUSH_JOB_COLUMNS. */
enum push_job_column {
	PUSH_JOB_COLUMN_SEQ,
	PUSH_JOB_COLUMN_LANE,
	PUSH_JOB_COLUMN_ID,
	PUSH_JOB_COLUMN_USER,
	PUSH_JOB_COLUMN_SUBSCRIPTION,
	PUSH_JOB_COLUMN_ORIGIN,
	PUSH_JOB_COLUMN_QUEUED,
	PUSH_JOB_COLUMN_DEADLINE,
	PUSH_JOB_COLUMN_NEXT_ATTEMPT,
	PUSH_JOB_COLUMN_ATTEMPTS,
	PUSH_JOB_COLUMN_STATUS,
	PUSH_JOB_COLUMN_SHRUNK,

	PUSH_JOB_COLUMN_COUNT
};

enum push_change_type {
	PUSH_CHANGE_DONE,
	PUSH_CHANGE_RETRY,
	PUSH_CHANGE_GONE,
};

/* What has become of a job. Remembered until it is committed. */
struct push_change {
	enum push_change_type type;
	struct push_queue_job job;
	const char *hash;
	time_t when;
};

struct push_queue {
	struct push_queue_settings set;
	struct event *event;
	struct push_database *db;
	push_queue_dropped_t *dropped;
	void *context;

	int64_t last_seq, opened_seq;
	/* There may be lanes that fail. */
	bool has_failing;
	unsigned int count, added;
	/* Jobs that this process has found in the queue, and that are done. */
	pool_t found_pool;
	HASH_TABLE(const char *, const char *) found;

	/* strings of `changes' */
	pool_t pool;
	ARRAY(struct push_change) changes;
	bool stalled;
};

static uint64_t push_queue_digest(const void *data, size_t size)
{
	unsigned char digest[SHA256_RESULTLEN];
	uint64_t value;

	sha256_get_digest(data, size, digest);
	memcpy(&value, digest, sizeof(value));
	return value;
}

uint64_t push_queue_lane(const struct push_job *job)
{
	uint64_t lane;

	T_BEGIN {
		string_t *str = t_str_new(256);

		str_append(str, job->user);
		str_append_c(str, '\n');
		str_append(str, job->subscription_id);
		str_append_c(str, '\n');
		str_append(str, job->endpoint);
		lane = push_queue_digest(str_data(str), str_len(str));
	} T_END;
	return lane;
}

static void push_queue_count_jobs(struct push_queue *queue)
{
	struct push_statement *stmt;

	queue->count = 0;
	stmt = push_database_query(queue->db, PUSH_QUERY_COUNT);
	if (push_statement_step(stmt) > 0)
		queue->count = push_statement_int(stmt, 0);
	push_statement_end(&stmt);
}

static void push_queue_find_last(struct push_queue *queue)
{
	struct push_statement *stmt;

	stmt = push_database_query(queue->db, PUSH_QUERY_LAST);
	if (push_statement_step(stmt) > 0) {
		queue->last_seq = I_MAX(queue->last_seq,
					push_statement_int(stmt, 0));
	}
	push_statement_end(&stmt);
}

static void push_queue_look_for_failing(struct push_queue *queue)
{
	struct push_statement *stmt =
		push_database_query(queue->db, PUSH_QUERY_HAS_FAILING);

	queue->has_failing = push_statement_step(stmt) != 0;
	push_statement_end(&stmt);
}

int push_queue_open(const struct push_queue_settings *set, struct event *event,
		    push_queue_dropped_t *dropped, void *context,
		    struct push_queue **queue_r, const char **error_r)
{
	struct push_queue *queue;
	struct push_database *db;

	if (push_database_open(set->dir, set->pages_max, event,
			       &db, error_r) < 0)
		return -1;
	queue = i_new(struct push_queue, 1);
	queue->set = *set;
	queue->event = event;
	queue->db = db;
	queue->dropped = dropped;
	queue->context = context;
	queue->pool = pool_alloconly_create(MEMPOOL_GROWING"push changes", 1024);
	i_array_init(&queue->changes, 32);
	queue->found_pool =
		pool_alloconly_create(MEMPOOL_GROWING"push jobs found", 1024);
	hash_table_create(&queue->found, default_pool, 0, str_hash, strcmp);
	push_queue_count_jobs(queue);
	push_queue_find_last(queue);
	queue->opened_seq = queue->last_seq;
	push_queue_look_for_failing(queue);
	*queue_r = queue;
	return 0;
}

void push_queue_close(struct push_queue **_queue)
{
	struct push_queue *queue = *_queue;

	*_queue = NULL;
	(void)push_queue_commit(queue);
	push_database_close(&queue->db);
	array_free(&queue->changes);
	pool_unref(&queue->pool);
	hash_table_destroy(&queue->found);
	pool_unref(&queue->found_pool);
	i_free(queue);
}

static void push_queue_read_job(struct push_statement *stmt, pool_t pool,
				struct push_queue_job *job_r)
{
	i_zero(job_r);
	job_r->seq = push_statement_int(stmt, PUSH_JOB_COLUMN_SEQ);
	job_r->lane = push_statement_int(stmt, PUSH_JOB_COLUMN_LANE);
	job_r->id = push_statement_text(stmt, PUSH_JOB_COLUMN_ID, pool);
	job_r->user = push_statement_text(stmt, PUSH_JOB_COLUMN_USER, pool);
	job_r->subscription_id =
		push_statement_text(stmt, PUSH_JOB_COLUMN_SUBSCRIPTION, pool);
	job_r->origin = push_statement_text(stmt, PUSH_JOB_COLUMN_ORIGIN, pool);
	job_r->queued = push_statement_int(stmt, PUSH_JOB_COLUMN_QUEUED);
	job_r->deadline = push_statement_int(stmt, PUSH_JOB_COLUMN_DEADLINE);
	job_r->next_attempt =
		push_statement_int(stmt, PUSH_JOB_COLUMN_NEXT_ATTEMPT);
	job_r->attempts = push_statement_int(stmt, PUSH_JOB_COLUMN_ATTEMPTS);
	job_r->status = push_statement_int(stmt, PUSH_JOB_COLUMN_STATUS);
	job_r->shrunk = push_statement_int(stmt, PUSH_JOB_COLUMN_SHRUNK) != 0;
}

/* Calls back for each row. Returns the number of rows, or -1. */
static int push_queue_each_job(struct push_statement **stmt,
			       push_queue_job_t *callback, void *context,
			       int64_t *seq)
{
	struct push_queue_job job;
	int ret, count = 0;

	while ((ret = push_statement_step(*stmt)) > 0) T_BEGIN {
		push_queue_read_job(*stmt, pool_datastack_create(), &job);
		*seq = job.seq;
		callback(&job, context);
		count++;
	} T_END;
	push_statement_end(stmt);
	return ret < 0 ? -1 : count;
}

/* What a statement has returned that deletes jobs. */
static int push_queue_uncount(struct push_queue *queue, int ret)
{
	if (ret > 0)
		queue->count -= I_MIN((unsigned int)ret, queue->count);
	return ret;
}

static int
push_queue_delete(struct push_queue *queue, enum push_query content,
		  enum push_query jobs, const char *user,
		  const char *subscription_id)
{
	struct push_statement *stmt;
	const enum push_query queries[] = { content, jobs };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < N_ELEMENTS(queries) && ret >= 0; i++) {
		stmt = push_database_query(queue->db, queries[i]);
		push_statement_bind_text(stmt, user);
		if (subscription_id != NULL)
			push_statement_bind_text(stmt, subscription_id);
		ret = push_statement_run(&stmt);
	}
	return push_queue_uncount(queue, ret);
}

/* As push_queue_delete(), of one job or of one lane. */
static int
push_queue_delete_key(struct push_queue *queue, enum push_query content,
		      enum push_query jobs, int64_t key)
{
	struct push_statement *stmt;
	const enum push_query queries[] = { content, jobs };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < N_ELEMENTS(queries) && ret >= 0; i++) {
		stmt = push_database_query(queue->db, queries[i]);
		push_statement_bind_int(stmt, key);
		ret = push_statement_run(&stmt);
	}
	return push_queue_uncount(queue, ret);
}

static int push_queue_delete_job(struct push_queue *queue, int64_t seq)
{
	return push_queue_delete_key(queue, PUSH_QUERY_DELETE_CONTENT,
				     PUSH_QUERY_DELETE_JOB, seq);
}

struct push_queue_drop_context {
	struct push_queue *queue;
	const char *reason;
	ARRAY(int64_t) seqs;
};

static void push_queue_drop_one(const struct push_queue_job *job, void *context)
{
	struct push_queue_drop_context *ctx = context;

	ctx->queue->dropped(job, ctx->reason, ctx->queue->context);
	array_push_back(&ctx->seqs, &job->seq);
}

/* Drops the jobs that a statement finds. Returns how many, or -1. */
static int push_queue_drop(struct push_queue *queue, const char *reason,
			   struct push_statement **stmt)
{
	struct push_queue_drop_context ctx = {
		.queue = queue, .reason = reason
	};
	int64_t seq;
	int ret;

	i_array_init(&ctx.seqs, 16);
	ret = push_queue_each_job(stmt, push_queue_drop_one, &ctx, &seq);
	array_foreach_elem(&ctx.seqs, seq) {
		if (ret >= 0 && push_queue_delete_job(queue, seq) < 0)
			ret = -1;
	}
	array_free(&ctx.seqs);
	return ret;
}

/* Drops so many that it has not to be done for each new job. */
static int push_queue_make_room(struct push_queue *queue)
{
	struct push_statement *stmt;
	unsigned int spare = queue->set.jobs_max / 100;
	int64_t uid = -1;

	if (queue->count < queue->set.jobs_max)
		return 0;
	stmt = push_database_query(queue->db, PUSH_QUERY_LARGEST_UID);
	if (push_statement_step(stmt) > 0)
		uid = push_statement_int(stmt, 0);
	push_statement_end(&stmt);
	stmt = push_database_query(queue->db, PUSH_QUERY_OLDEST_OF_UID);
	push_statement_bind_int(stmt, uid);
	push_statement_bind_int(stmt, queue->count - queue->set.jobs_max +
				1 + spare);
	return push_queue_drop(queue, "the queue is full", &stmt);
}

static int push_queue_exists(struct push_statement **stmt)
{
	int ret = push_statement_step(*stmt);

	push_statement_end(stmt);
	return ret;
}

static int push_queue_has_id(struct push_queue *queue, const char *id)
{
	struct push_statement *stmt;

	if (hash_table_lookup(queue->found, id) != NULL)
		return 1;
	stmt = push_database_query(queue->db, PUSH_QUERY_HAS_ID);
	push_statement_bind_text(stmt, id);
	return push_queue_exists(&stmt);
}

/* A validation is for a new subscription: what was noted is about another. */
static int push_queue_check_gone(struct push_queue *queue,
				 const struct push_job *job,
				 const struct webpush_endpoint *endpoint)
{
	struct push_statement *stmt;
	const char *hash = webpush_endpoint_hash(endpoint);

	if (job->validation) {
		return push_queue_forget(queue, job->user, job->subscription_id,
					 hash);
	}
	stmt = push_database_query(queue->db, PUSH_QUERY_IS_GONE);
	push_statement_bind_text(stmt, job->user);
	push_statement_bind_text(stmt, job->subscription_id);
	push_statement_bind_text(stmt, hash);
	return push_queue_exists(&stmt);
}

/* Returns 1 if the user has room for one more. */
static int
push_queue_check_user(struct push_queue *queue, const struct push_job *job)
{
	struct push_statement *stmt =
		push_database_query(queue->db, PUSH_QUERY_COUNT_USER);
	int ret;

	push_statement_bind_text(stmt, job->user);
	push_statement_bind_int(stmt, queue->set.user_jobs_max);
	ret = push_statement_step(stmt);
	if (ret > 0) {
		ret = push_statement_int(stmt, 0) < queue->set.user_jobs_max ?
			1 : 0;
	}
	push_statement_end(&stmt);
	return ret;
}

static int
push_queue_insert(struct push_queue *queue, const struct push_job *job,
		  const struct webpush_endpoint *endpoint, const char *line,
		  time_t deadline, uid_t uid, time_t now)
{
	struct push_statement *stmt;
	int64_t seq = ++queue->last_seq;

	stmt = push_database_query(queue->db, PUSH_QUERY_INSERT_JOB);
	push_statement_bind_int(stmt, seq);
	push_statement_bind_int(stmt, push_queue_lane(job));
	push_statement_bind_text(stmt, job->id);
	push_statement_bind_text(stmt, job->user);
	push_statement_bind_text(stmt, job->subscription_id);
	push_statement_bind_text(stmt, endpoint->origin);
	push_statement_bind_int(stmt, now);
	push_statement_bind_int(stmt, deadline);
	push_statement_bind_int(stmt, uid);
	if (push_statement_run(&stmt) < 0)
		return -1;
	stmt = push_database_query(queue->db, PUSH_QUERY_INSERT_CONTENT);
	push_statement_bind_int(stmt, seq);
	push_statement_bind_text(stmt, line);
	if (push_statement_run(&stmt) < 0)
		return -1;
	queue->count++;
	queue->added++;
	return 1;
}

/* Returns 1 if the job may be added, 0 if not, -1 if the queue cannot be read.
   With *known_r it is there already. */
static int push_queue_judge(struct push_queue *queue, const struct push_job *job,
			    const struct webpush_endpoint *endpoint,
			    bool *known_r, const char **error_r)
{
	int ret = push_queue_has_id(queue, job->id);

	*known_r = ret > 0;
	if (ret != 0)
		return ret;
	ret = push_queue_check_gone(queue, job, endpoint);
	if (ret > 0) {
		*error_r = "the subscription is gone";
		return 0;
	}
	if (ret == 0)
		ret = push_queue_check_user(queue, job);
	if (ret == 0)
		*error_r = "the user has too many jobs";
	return ret;
}

int push_queue_add(struct push_queue *queue, const struct push_job *job,
		   const struct webpush_endpoint *endpoint, const char *line,
		   time_t deadline, uid_t uid, time_t now,
		   const char **error_r)
{
	bool known;
	int ret = -1;

	if (push_database_begin(queue->db) == 0) {
		ret = push_queue_judge(queue, job, endpoint, &known, error_r);
		if (ret > 0 && !known) {
			ret = push_queue_make_room(queue);
			if (ret >= 0) {
				ret = push_queue_insert(queue, job, endpoint,
					line, deadline, uid, now);
			}
		}
	}
	if (ret < 0)
		*error_r = "the queue cannot be written";
	return ret;
}

int push_queue_first(struct push_queue *queue, uint64_t lane, pool_t pool,
		     struct push_queue_job *job_r, const char **line_r)
{
	struct push_statement *stmt;
	int ret;

	stmt = push_database_query(queue->db, PUSH_QUERY_FIRST);
	push_statement_bind_int(stmt, lane);
	ret = push_statement_step(stmt);
	if (ret > 0) {
		push_queue_read_job(stmt, pool, job_r);
		*line_r = push_statement_text(stmt, PUSH_JOB_COLUMN_COUNT,
					      pool);
	}
	push_statement_end(&stmt);
	return ret;
}

/* Somebody who is there has answered, if only that it has enough for now. */
static bool push_queue_job_failed(const struct push_queue_job *job)
{
	return job->attempts > 0 && (job->status == 0 || job->status >= 500);
}

/* W34: since when does the lane fail? */
static void push_queue_apply_status(struct push_queue *queue,
				    const struct push_change *change)
{
	const struct push_queue_job *job = &change->job;
	struct push_statement *stmt;

	if (push_queue_job_failed(job)) {
		stmt = push_database_query(queue->db, PUSH_QUERY_NOTE_FAILING);
		push_statement_bind_int(stmt, job->lane);
		push_statement_bind_int(stmt, change->when);
		queue->has_failing = TRUE;
	} else if (queue->has_failing && job->attempts > 0) {
		stmt = push_database_query(queue->db,
					   PUSH_QUERY_FORGET_FAILING);
		push_statement_bind_int(stmt, job->lane);
	} else {
		return;
	}
	(void)push_statement_run(&stmt);
}

bool push_queue_has_failed_long(struct push_queue *queue,
				const struct push_queue_job *job, time_t now)
{
	struct push_statement *stmt;
	bool ret = FALSE;

	if (!queue->has_failing || !push_queue_job_failed(job))
		return FALSE;
	stmt = push_database_query(queue->db, PUSH_QUERY_FAILING_SINCE);
	push_statement_bind_int(stmt, job->lane);
	if (push_statement_step(stmt) > 0) {
		ret = push_statement_int(stmt, 0) + COI_PUSH_FAILING_SECS <=
			now;
	}
	push_statement_end(&stmt);
	return ret;
}

static void push_queue_apply_retry(struct push_queue *queue,
				   const struct push_queue_job *job)
{
	struct push_statement *stmt;

	stmt = push_database_query(queue->db, PUSH_QUERY_RETRY);
	push_statement_bind_int(stmt, job->attempts);
	push_statement_bind_int(stmt, job->next_attempt);
	push_statement_bind_int(stmt, job->status);
	push_statement_bind_int(stmt, job->shrunk ? 1 : 0);
	push_statement_bind_int(stmt, job->seq);
	(void)push_statement_run(&stmt);
}

static void push_queue_apply_gone(struct push_queue *queue,
				  const struct push_change *change)
{
	struct push_statement *stmt;

	stmt = push_database_query(queue->db, PUSH_QUERY_FORGET_FAILING);
	push_statement_bind_int(stmt, change->job.lane);
	if (push_statement_run(&stmt) < 0)
		return;
	if (push_queue_delete_key(queue, PUSH_QUERY_DELETE_LANE_CONTENT,
				  PUSH_QUERY_DELETE_LANE,
				  change->job.lane) < 0)
		return;
	stmt = push_database_query(queue->db, PUSH_QUERY_NOTE_GONE);
	push_statement_bind_text(stmt, change->job.user);
	push_statement_bind_text(stmt, change->job.subscription_id);
	push_statement_bind_text(stmt, change->hash);
	push_statement_bind_int(stmt, change->when);
	if (push_statement_run(&stmt) < 0)
		return;
	stmt = push_database_query(queue->db, PUSH_QUERY_LIMIT_USER_GONE);
	push_statement_bind_text(stmt, change->job.user);
	push_statement_bind_int(stmt, COI_PUSH_USER_GONE_MAX);
	(void)push_statement_run(&stmt);
}

static void
push_queue_apply(struct push_queue *queue, const struct push_change *change)
{
	switch (change->type) {
	case PUSH_CHANGE_DONE:
		(void)push_queue_delete_job(queue, change->job.seq);
		push_queue_apply_status(queue, change);
		break;
	case PUSH_CHANGE_RETRY:
		push_queue_apply_retry(queue, &change->job);
		push_queue_apply_status(queue, change);
		break;
	case PUSH_CHANGE_GONE:
		push_queue_apply_gone(queue, change);
		break;
	}
}

static void push_queue_change(struct push_queue *queue,
			      enum push_change_type type,
			      const struct push_queue_job *job,
			      const char *hash, time_t when)
{
	struct push_change *change = array_append_space(&queue->changes);

	change->type = type;
	change->job = *job;
	change->job.id = change->job.origin = NULL;
	/* the names of other changes are not needed */
	change->job.user = hash == NULL ? NULL :
		p_strdup(queue->pool, job->user);
	change->job.subscription_id = hash == NULL ? NULL :
		p_strdup(queue->pool, job->subscription_id);
	change->hash = p_strdup(queue->pool, hash);
	change->when = when;
	if (push_database_begin(queue->db) == 0)
		push_queue_apply(queue, change);
}

/* The process before may have died before it could say that it has the job;
   then it was one of the last. */
static void push_queue_remember(struct push_queue *queue,
				const struct push_queue_job *job)
{
	const char *id;

	if (job->seq > queue->opened_seq ||
	    job->seq <= queue->opened_seq - COI_PUSH_QUEUE_BATCH_MAX)
		return;
	id = p_strdup(queue->found_pool, job->id);
	hash_table_update(queue->found, id, id);
}

void push_queue_done(struct push_queue *queue, const struct push_queue_job *job,
		     time_t now)
{
	push_queue_remember(queue, job);
	push_queue_change(queue, PUSH_CHANGE_DONE, job, NULL, now);
}

void push_queue_retry(struct push_queue *queue,
		      const struct push_queue_job *job, time_t now)
{
	push_queue_change(queue, PUSH_CHANGE_RETRY, job, NULL, now);
}

void push_queue_set_gone(struct push_queue *queue,
			 const struct push_queue_job *job, const char *hash,
			 time_t now)
{
	push_queue_change(queue, PUSH_CHANGE_GONE, job, hash, now);
}

int push_queue_cancel(struct push_queue *queue, const char *user,
		      const char *subscription_id)
{
	int ret;

	if (push_database_begin(queue->db) < 0)
		return -1;
	if (*subscription_id == '\0') {
		ret = push_queue_delete(queue, PUSH_QUERY_DELETE_USER_CONTENT,
					PUSH_QUERY_DELETE_USER, user, NULL);
	} else {
		ret = push_queue_delete(queue,
			PUSH_QUERY_DELETE_SUBSCRIPTION_CONTENT,
			PUSH_QUERY_DELETE_SUBSCRIPTION, user, subscription_id);
	}
	return ret < 0 ? -1 : 0;
}

static void push_queue_limit(struct push_queue *queue, enum push_query query,
			     int64_t limit)
{
	struct push_statement *stmt = push_database_query(queue->db, query);

	push_statement_bind_int(stmt, limit);
	(void)push_statement_run(&stmt);
}

bool push_queue_expire(struct push_queue *queue, time_t now)
{
	struct push_statement *stmt;
	int ret;

	if (push_database_begin(queue->db) < 0)
		return FALSE;
	stmt = push_database_query(queue->db, PUSH_QUERY_EXPIRED);
	push_statement_bind_int(stmt, now);
	push_statement_bind_int(stmt, COI_PUSH_QUEUE_BATCH_MAX);
	ret = push_queue_drop(queue, "its deadline has passed", &stmt);
	if (ret < 0)
		return FALSE;
	push_queue_limit(queue, PUSH_QUERY_EXPIRE_GONE,
			 now - COI_PUSH_GONE_SECS);
	push_queue_limit(queue, PUSH_QUERY_LIMIT_GONE, COI_PUSH_GONE_MAX);
	push_queue_limit(queue, PUSH_QUERY_EXPIRE_FAILING,
			 now - COI_PUSH_FAILING_SECS);
	push_queue_limit(queue, PUSH_QUERY_LIMIT_FAILING, COI_PUSH_FAILING_MAX);
	push_queue_look_for_failing(queue);
	return ret == COI_PUSH_QUEUE_BATCH_MAX;
}

int push_queue_list_gone(struct push_queue *queue, const char *user,
			 push_queue_gone_t *callback, void *context)
{
	struct push_statement *stmt;
	int ret;

	stmt = push_database_query(queue->db, PUSH_QUERY_LIST_GONE);
	push_statement_bind_text(stmt, user);
	while ((ret = push_statement_step(stmt)) > 0) T_BEGIN {
		pool_t pool = pool_datastack_create();

		callback(push_statement_text(stmt, 0, pool),
			 push_statement_text(stmt, 1, pool), context);
	} T_END;
	push_statement_end(&stmt);
	return ret;
}

int push_queue_forget(struct push_queue *queue, const char *user,
		      const char *subscription_id, const char *hash)
{
	struct push_statement *stmt;

	if (push_database_begin(queue->db) < 0)
		return -1;
	stmt = push_database_query(queue->db, PUSH_QUERY_FORGET);
	push_statement_bind_text(stmt, user);
	push_statement_bind_text(stmt, subscription_id);
	push_statement_bind_text(stmt, hash);
	return push_statement_run(&stmt) < 0 ? -1 : 0;
}

int push_queue_list(struct push_queue *queue, const char *user,
		    unsigned int count, int64_t *seq,
		    push_queue_job_t *callback, void *context)
{
	struct push_statement *stmt;
	int ret;

	stmt = push_database_query(queue->db, *user == '\0' ? PUSH_QUERY_LIST :
				   PUSH_QUERY_LIST_USER);
	push_statement_bind_int(stmt, *seq);
	push_statement_bind_int(stmt, count);
	if (*user != '\0')
		push_statement_bind_text(stmt, user);
	ret = push_queue_each_job(&stmt, callback, context, seq);
	if (ret < 0)
		return -1;
	return (unsigned int)ret == count ? 1 : 0;
}

int push_queue_list_lanes(struct push_queue *queue,
			  push_queue_job_t *callback, void *context)
{
	struct push_statement *stmt;
	int64_t seq;

	stmt = push_database_query(queue->db, PUSH_QUERY_LIST_LANES);
	return push_queue_each_job(&stmt, callback, context, &seq) < 0 ? -1 : 0;
}

unsigned int push_queue_count(struct push_queue *queue)
{
	return queue->count;
}

unsigned int push_queue_count_added(struct push_queue *queue)
{
	return queue->added;
}

bool push_queue_is_changed(struct push_queue *queue)
{
	return push_database_has_failed(queue->db) ||
		array_count(&queue->changes) > 0 ||
		push_database_has_begun(queue->db);
}

bool push_queue_is_stalled(struct push_queue *queue)
{
	return queue->stalled;
}

/* After a failure: what has become of jobs has to be written nevertheless. */
static int push_queue_commit_again(struct push_queue *queue)
{
	const struct push_change *change;

	push_database_rollback(queue->db);
	if (array_count(&queue->changes) == 0)
		return 0;
	if (push_database_begin(queue->db) == 0) {
		array_foreach(&queue->changes, change)
			push_queue_apply(queue, change);
		if (push_database_commit(queue->db) == 0)
			return 0;
	}
	push_database_rollback(queue->db);
	return -1;
}

int push_queue_commit(struct push_queue *queue)
{
	int ret = 0;

	queue->added = 0;
	if (queue->stalled || push_database_commit(queue->db) < 0) {
		queue->stalled = push_queue_commit_again(queue) < 0;
		push_queue_count_jobs(queue);
		ret = -1;
	}
	if (!queue->stalled) {
		array_clear(&queue->changes);
		p_clear(queue->pool);
	}
	return ret;
}

bool push_queue_tidy(struct push_queue *queue)
{
	return push_database_tidy(queue->db);
}
