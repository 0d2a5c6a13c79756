/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "push-protocol.h"
#include "coi-push-queue-private.h"

static int push_queue_has_id(struct push_queue *queue, const char *id)
{
	struct push_statement *stmt;

	if (hash_table_lookup(queue->found, id) != NULL)
		return 1;
	stmt = push_database_query(queue->db, PUSH_QUERY_HAS_ID);
	push_statement_bind_text(stmt, id);
	return push_queue_exists(&stmt);
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
	if (ret > 0)
		*error_r = PUSH_PROTOCOL_REASON_GONE;
	return ret < 0 ? -1 : (ret > 0 ? 0 : 1);
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
			ret = push_queue_make_room(queue, job->user);
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
