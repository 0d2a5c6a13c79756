#ifndef COI_PUSH_QUEUE_PRIVATE_H
#define COI_PUSH_QUEUE_PRIVATE_H

/* What the files of coi-push-queue share. They work on one transaction, which
   coi-push-queue.c begins and ends; -1 is an error of the database, which has
   remembered it. */

#include "coi-push-database.h"
#include "coi-push-queue.h"

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

/*
 * coi-push-queue-list
 */

/* Calls back for each row. Returns the number of rows, or -1. */
int push_queue_each_job(struct push_statement **stmt,
			push_queue_job_t *callback, void *context,
			int64_t *seq);
/* Ends the statement. Returns 1 if it has a row, 0 if not, or -1. */
int push_queue_exists(struct push_statement **stmt);

/*
 * coi-push-queue-drop
 */

/* Return the number of jobs, or -1. */
int push_queue_delete_job(struct push_queue *queue, int64_t seq);
int push_queue_delete_lane(struct push_queue *queue, uint64_t lane);
/* Drops the jobs that a statement finds. Returns how many, or -1. */
int push_queue_drop(struct push_queue *queue, const char *reason,
		    struct push_statement **stmt);
/* For one more of the user's. Drops so many that it has not to be done for each
   new job. Returns as the above. */
int push_queue_make_room(struct push_queue *queue, const char *user);

/*
 * coi-push-queue-gone
 */

/* Returns 1 if there is a note about the job's subscription, 0 if not, or -1. A
   validation is for a new subscription: what was noted is about another. */
int push_queue_check_gone(struct push_queue *queue, const struct push_job *job,
			  const struct webpush_endpoint *endpoint);
void push_queue_apply_gone(struct push_queue *queue,
			   const struct push_change *change);
/* W34: since when does the lane fail? */
void push_queue_apply_status(struct push_queue *queue,
			     const struct push_change *change);
void push_queue_look_for_failing(struct push_queue *queue);
/* Forgets what is old, or too much. */
void push_queue_expire_notes(struct push_queue *queue, time_t now);

#endif
