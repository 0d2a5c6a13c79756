#ifndef COI_PUSH_WORKER_H
#define COI_PUSH_WORKER_H

/* Takes jobs from the queue in the order of the schedule, has them sent, and
   does as the verdict says. All that comes in one turn of the ioloop, from
   clients and from push services, is one transaction: at the end of the turn it
   is committed, clients are told, and the next jobs are sent. */

struct coi_push_settings;
struct push_queue;
struct push_worker;

/* Called at each commit. FALSE: what was added since the last one is lost. */
typedef void push_worker_committed_t(bool success, void *context);

/* Returns 0, or -1 with *error_r (data stack). */
int push_worker_init(const struct coi_push_settings *set, struct event *event,
		     push_worker_committed_t *committed, void *context,
		     struct push_worker **worker_r, const char **error_r);
/* Jobs on their way are sent again by the next process. */
void push_worker_deinit(struct push_worker **worker);

/* Adds a job. *id_r (data stack) is its id, or NULL if it has none that is
   valid. Returns 0 if the client will be told at the next commit, or -1 if it is
   refused, with *error_r (data stack). */
int push_worker_add(struct push_worker *worker, const char *line, uid_t uid,
		    const char **id_r, const char **error_r);
/* After anything has been changed in the queue. */
void push_worker_wake(struct push_worker *worker);
struct push_queue *push_worker_get_queue(struct push_worker *worker);

#endif
