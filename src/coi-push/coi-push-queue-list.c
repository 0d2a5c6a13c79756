/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-push-queue-private.h"

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

int push_queue_each_job(struct push_statement **stmt,
			push_queue_job_t *callback, void *context, int64_t *seq)
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

int push_queue_exists(struct push_statement **stmt)
{
	int ret = push_statement_step(*stmt);

	push_statement_end(stmt);
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
