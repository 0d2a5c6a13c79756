#ifndef COI_PUSH_QUEUE_H
#define COI_PUSH_QUEUE_H

#include "push-job.h"

/* The jobs on the disk (W38), and the notes about subscriptions that are gone.
   An SQLite database in a directory that nobody else can read.

   Changes are collected in one transaction and last from push_queue_commit()
   on. If it fails, jobs that were added are not there, and it is up to the
   caller to say so; what has become of the others is remembered, and written
   again at the next commit, so that nothing is sent twice because of it.

   A database that is damaged is moved aside, and a new one begun: jobs can be
   lost by that, which is better than to send none any more. */

struct push_queue;

struct push_queue_settings {
	const char *dir;
	/* If there are more, the oldest are dropped, of the peer that has the
	   most. */
	unsigned int jobs_max;
	/* If there are more, the oldest are dropped, of the lane that has the
	   most. */
	unsigned int user_jobs_max;
	/* Pages of 4096 bytes that the file may have. 0: any number. */
	unsigned int pages_max;
};

/* A job that waits. */
struct push_queue_job {
	/* In the order of their arrival, and never the same again as long as
	   the process lives. */
	int64_t seq;
	/* The jobs of one subscription at one endpoint have the same. */
	uint64_t lane;
	const char *id, *user, *subscription_id, *origin;
	time_t queued, deadline, next_attempt;
	unsigned int attempts;
	/* of the last attempt; 0: none, or an error of the network */
	unsigned int status;
	/* The service wants the small body (W31). */
	bool shrunk;
};

/* These are called in a data stack frame of their own. */

/* Told of each job that is dropped by the queue itself. */
typedef void push_queue_dropped_t(const struct push_queue_job *job,
				  const char *reason, void *context);
typedef void push_queue_job_t(const struct push_queue_job *job, void *context);
typedef void push_queue_gone_t(const char *subscription_id, const char *hash,
			       void *context);

/* Opens it, makes it if there is none, and its directory too. Returns 0, or -1
   with *error_r (data stack). */
int push_queue_open(const struct push_queue_settings *set, struct event *event,
		    push_queue_dropped_t *dropped, void *context,
		    struct push_queue **queue_r, const char **error_r);
/* Commits, if it can. */
void push_queue_close(struct push_queue **queue);

/* Which lane a job belongs to. */
uint64_t push_queue_lane(const struct push_job *job);

/* `line' is what the job was parsed from. Returns 1 if it is in the queue, which
   it may have been already; 0 if it is refused, -1 if the queue cannot be
   written; then *error_r (data stack) says why. */
int push_queue_add(struct push_queue *queue, const struct push_job *job,
		   const struct webpush_endpoint *endpoint, const char *line,
		   time_t deadline, uid_t uid, time_t now,
		   const char **error_r);

/* The first job of a lane, and its line, from `pool'. Returns 1, 0 if the lane
   is empty, -1 if the queue cannot be read. */
int push_queue_first(struct push_queue *queue, uint64_t lane, pool_t pool,
		     struct push_queue_job *job_r, const char **line_r);

/* What has become of a job: it is done or dropped; it is to be sent again, with
   attempts, next_attempt, status and shrunk of *job. The status tells whether
   the lane works. */
void push_queue_done(struct push_queue *queue, const struct push_queue_job *job,
		     time_t now);
void push_queue_retry(struct push_queue *queue,
		      const struct push_queue_job *job, time_t now);
/* Whether there has been nothing but failure in the job's lane, now too, for so
   long that its subscription counts as gone (W34). */
bool push_queue_has_failed_long(struct push_queue *queue,
				const struct push_queue_job *job, time_t now);
/* Its subscription is gone: notes it, and drops all jobs of its lane. */
void push_queue_set_gone(struct push_queue *queue,
			 const struct push_queue_job *job, const char *hash,
			 time_t now);

/* Drops the jobs of a subscription, or with "" those of all of the user's.
   Returns 0, or -1 if the queue cannot be written. */
int push_queue_cancel(struct push_queue *queue, const char *user,
		      const char *subscription_id);
/* Drops jobs whose time is over, and notes that are old. Returns TRUE if there
   may be more of them. */
bool push_queue_expire(struct push_queue *queue, time_t now);

/* Notes about subscriptions that are gone. Return 0, or -1. */
int push_queue_list_gone(struct push_queue *queue, const char *user,
			 push_queue_gone_t *callback, void *context);
int push_queue_forget(struct push_queue *queue, const char *user,
		      const char *subscription_id, const char *hash);

/* Jobs in the order of their arrival, of a user or, with "", of all; at most
   `count', after the one with *seq, which is set to the last one's. Returns 1, 0
   if there are no more, -1 if the queue cannot be read. */
int push_queue_list(struct push_queue *queue, const char *user,
		    unsigned int count, int64_t *seq,
		    push_queue_job_t *callback, void *context);
/* The first job of each lane. */
int push_queue_list_lanes(struct push_queue *queue,
			  push_queue_job_t *callback, void *context);
unsigned int push_queue_count(struct push_queue *queue);

/* Jobs that were added since the last commit. */
unsigned int push_queue_count_added(struct push_queue *queue);
/* There is something to commit. */
/* What has become of so many jobs is not committed yet. */
unsigned int push_queue_count_changes(struct push_queue *queue);
bool push_queue_is_changed(struct push_queue *queue);
/* Returns 0, or -1 if jobs that were added since the last time are lost. */
int push_queue_commit(struct push_queue *queue);
/* What has become of jobs could not be written yet: none should be sent, and
   push_queue_commit() be called again. */
bool push_queue_is_stalled(struct push_queue *queue);
/* There is nothing to do: gives memory and disk back. Returns TRUE if there is
   more to give back. */
bool push_queue_tidy(struct push_queue *queue);

#endif
