/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "coi-push-queue-private.h"

int push_queue_check_gone(struct push_queue *queue, const struct push_job *job,
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

void push_queue_apply_gone(struct push_queue *queue,
			   const struct push_change *change)
{
	struct push_statement *stmt;

	stmt = push_database_query(queue->db, PUSH_QUERY_FORGET_FAILING);
	push_statement_bind_int(stmt, change->job.lane);
	if (push_statement_run(&stmt) < 0)
		return;
	if (push_queue_delete_lane(queue, change->job.lane) < 0)
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

void push_queue_look_for_failing(struct push_queue *queue)
{
	struct push_statement *stmt =
		push_database_query(queue->db, PUSH_QUERY_HAS_FAILING);

	queue->has_failing = push_statement_step(stmt) != 0;
	push_statement_end(&stmt);
}

/* Somebody who is there has answered, if only that it has enough for now. */
static bool push_queue_job_failed(const struct push_queue_job *job)
{
	return job->attempts > 0 && (job->status == 0 || job->status >= 500);
}

void push_queue_apply_status(struct push_queue *queue,
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

static void push_queue_limit(struct push_queue *queue, enum push_query query,
			     int64_t limit)
{
	struct push_statement *stmt = push_database_query(queue->db, query);

	push_statement_bind_int(stmt, limit);
	(void)push_statement_run(&stmt);
}

void push_queue_expire_notes(struct push_queue *queue, time_t now)
{
	push_queue_limit(queue, PUSH_QUERY_EXPIRE_GONE,
			 now - COI_PUSH_GONE_SECS);
	push_queue_limit(queue, PUSH_QUERY_LIMIT_GONE, COI_PUSH_GONE_MAX);
	push_queue_limit(queue, PUSH_QUERY_EXPIRE_FAILING,
			 now - COI_PUSH_FAILING_SECS);
	push_queue_limit(queue, PUSH_QUERY_LIMIT_FAILING, COI_PUSH_FAILING_MAX);
	push_queue_look_for_failing(queue);
}
