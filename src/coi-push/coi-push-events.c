/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "lib-event.h"
#include "coi-push-queue.h"
#include "coi-push-events.h"

static struct event_category push_event_category = {
	.name = "coi",
};

struct event *push_event_create(struct event *parent)
{
	struct event *event = event_create(parent);

	event_add_category(event, &push_event_category);
	return event;
}

void push_event_finished(struct event *attempt, const struct push_queue_job *job,
			 const char *host, unsigned int status,
			 enum webpush_verdict verdict, const char *error)
{
	struct event_passthrough *e = event_create_passthrough(attempt)->
		set_name("coi_push_finished")->
		add_int("status_code", status)->
		add_str("verdict", webpush_verdict_name(verdict))->
		add_int("attempts", job->attempts)->
		add_str("endpoint_host", host)->
		add_str("subscription_id", job->subscription_id);

	if (error != NULL)
		e->add_str("error", error);
	e_debug(e->event(), "Job %s of user %s, subscription %s: "
		"attempt %u at %s: status %u, %s%s%s", job->id, job->user,
		job->subscription_id, job->attempts, host, status,
		webpush_verdict_name(verdict), error == NULL ? "" : ": ",
		error == NULL ? "" : error);
}

void push_event_dropped(struct event *parent, const struct push_queue_job *job,
			const char *reason)
{
	struct event_passthrough *e = event_create_passthrough(parent)->
		set_name("coi_push_dropped")->
		add_str("reason", reason)->
		add_str("subscription_id", job->subscription_id);

	e_info(e->event(), "Job %s of user %s, subscription %s: "
	       "dropped after %u attempts: %s", job->id, job->user,
	       job->subscription_id, job->attempts, reason);
}
