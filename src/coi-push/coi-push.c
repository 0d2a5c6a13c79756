/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "lib-signals.h"
#include "master-service.h"
#include "restrict-access.h"
#include "compat-service.h"
#include "coi-push-client.h"
#include "coi-push-events.h"
#include "coi-push-queue.h"
#include "coi-push-settings.h"
#include "coi-push-worker.h"

#include <sys/stat.h>

static struct push_worker *worker = NULL;

/* Jobs wait for their time: then there has to be somebody who sends them. */
static bool coi_push_may_die(void)
{
	return push_queue_count(push_worker_get_queue(worker)) == 0;
}

static void coi_push_connected(struct master_service_connection *conn)
{
	master_service_client_connection_accept(conn);
	push_client_create(worker, conn->fd);
}

int main(int argc, char *argv[])
{
	const struct coi_push_settings *set;
	const void *set_p;
	const char *error;
	struct event *event;

	master_service = master_service_init("coi-push", 0, &argc, &argv, "");
	if (master_getopt(master_service) > 0)
		return FATAL_DEFAULT;
	if (compat_service_settings_read(master_service,
					 &coi_push_setting_parser_info,
					 &set_p, &error) < 0)
		i_fatal("coi-push: %s", error);
	set = set_p;
	master_service_init_log(master_service);
	restrict_access_by_env(RESTRICT_ACCESS_FLAG_ALLOW_ROOT, NULL);
	restrict_access_allow_coredumps(TRUE);
	master_service_set_idle_die_callback(master_service, coi_push_may_die);
	/* The next one, after a reload, needs the queue; clients come back. */
	master_service_set_die_with_master(master_service, TRUE);
	/* a limit of the file's size is an error of the queue */
	lib_signals_ignore(SIGXFSZ, TRUE);
	umask(0077);

	event = push_event_create(NULL);
	push_clients_init(event);
	if (push_worker_init(set, event, push_clients_committed, NULL,
			     &worker, &error) < 0)
		i_fatal("coi-push: %s", error);
	master_service_init_finish(master_service);
	master_service_run(master_service, coi_push_connected);

	push_worker_deinit(&worker);
	push_clients_deinit();
	event_unref(&event);
	compat_service_settings_free(&coi_push_setting_parser_info, &set_p);
	master_service_deinit(&master_service);
	return 0;
}
