/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "coi-push-queue-private.h"

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

int push_queue_delete_job(struct push_queue *queue, int64_t seq)
{
	return push_queue_delete_key(queue, PUSH_QUERY_DELETE_CONTENT,
				     PUSH_QUERY_DELETE_JOB, seq);
}

int push_queue_delete_lane(struct push_queue *queue, uint64_t lane)
{
	return push_queue_delete_key(queue, PUSH_QUERY_DELETE_LANE_CONTENT,
				     PUSH_QUERY_DELETE_LANE, lane);
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

int push_queue_drop(struct push_queue *queue, const char *reason,
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

/* Returns 1 if the user has as many jobs as may be, 0 if not, -1 on error. */
static int push_queue_user_is_full(struct push_queue *queue, const char *user)
{
	struct push_statement *stmt =
		push_database_query(queue->db, PUSH_QUERY_COUNT_USER);
	int ret;

	push_statement_bind_text(stmt, user);
	push_statement_bind_int(stmt, queue->set.user_jobs_max);
	ret = push_statement_step(stmt);
	if (ret > 0) {
		ret = push_statement_int(stmt, 0) < queue->set.user_jobs_max ?
			0 : 1;
	}
	push_statement_end(&stmt);
	return ret;
}

/* Of the device that takes the fewest: the user's others are not to suffer. */
static int push_queue_make_user_room(struct push_queue *queue, const char *user)
{
	struct push_statement *stmt;
	int64_t lane = 0;
	int ret = push_queue_user_is_full(queue, user);

	if (ret <= 0)
		return ret;
	stmt = push_database_query(queue->db, PUSH_QUERY_LONGEST_LANE);
	push_statement_bind_text(stmt, user);
	if (push_statement_step(stmt) > 0)
		lane = push_statement_int(stmt, 0);
	push_statement_end(&stmt);
	stmt = push_database_query(queue->db, PUSH_QUERY_OLDEST_OF_LANE);
	push_statement_bind_int(stmt, lane);
	push_statement_bind_int(stmt, 1 + queue->set.user_jobs_max / 100);
	return push_queue_drop(queue, "the user has too many jobs", &stmt);
}

static int push_queue_make_room_for_all(struct push_queue *queue)
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

int push_queue_make_room(struct push_queue *queue, const char *user)
{
	return push_queue_make_user_room(queue, user) < 0 ? -1 :
		push_queue_make_room_for_all(queue);
}
