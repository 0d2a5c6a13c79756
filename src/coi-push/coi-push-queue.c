/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "sha2.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-push-queue-private.h"

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
	push_queue_expire_notes(queue, now);
	return ret == COI_PUSH_QUEUE_BATCH_MAX;
}

unsigned int push_queue_count(struct push_queue *queue)
{
	return queue->count;
}

unsigned int push_queue_count_added(struct push_queue *queue)
{
	return queue->added;
}

unsigned int push_queue_count_changes(struct push_queue *queue)
{
	return array_count(&queue->changes);
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
