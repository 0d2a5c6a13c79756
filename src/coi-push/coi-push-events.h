#ifndef COI_PUSH_EVENTS_H
#define COI_PUSH_EVENTS_H

#include "webpush-verdict.h"

struct push_queue_job;

/* A new event, child of `parent'. The caller unrefs it. */
struct event *push_event_create(struct event *parent);

/* An attempt has come to its end. `attempt' was created when it began. `error'
   may be NULL. The line is for debugging (W39: the host only). */
void push_event_finished(struct event *attempt, const struct push_queue_job *job,
			 const char *host, unsigned int status,
			 enum webpush_verdict verdict, const char *error);
/* A job will not be sent any more (W38). */
void push_event_dropped(struct event *parent, const struct push_queue_job *job,
			const char *reason);

#endif
