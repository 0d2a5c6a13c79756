/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "connection.h"
#include "ioloop.h"
#include "ostream.h"
#include "strescape.h"
#include "doveadm.h"
#include "doveadm-print.h"
#include "doveadm-settings.h"
#include "coi-limits.h"
#include "push-protocol.h"
#include "doveadm-coi.h"
#include "doveadm-coi-entries.h"

/* The queue is the worker's and not a user's, and may hold jobs of users who are
   gone. So this is no mail command: nobody is looked up, and no plugin is
   needed. */

struct doveadm_coi_queue {
	struct connection conn;
	struct timeout *to;
	/* "": all */
	const char *user;
	/* NULL: none */
	char *error;
	/* All has come, or there is an error. */
	bool ended;
};

/* What stands in a line after JOB, in this order. */
static const struct {
	const char *name;
	enum {
		DOVEADM_COI_QUEUE_TEXT,
		DOVEADM_COI_QUEUE_NUMBER,
		DOVEADM_COI_QUEUE_TIME,
	} type;
} doveadm_coi_queue_fields[] = {
	{ "job", DOVEADM_COI_QUEUE_TEXT },
	{ "user", DOVEADM_COI_QUEUE_TEXT },
	{ "subscription", DOVEADM_COI_QUEUE_TEXT },
	{ "host", DOVEADM_COI_QUEUE_TEXT },
	{ "queued", DOVEADM_COI_QUEUE_TIME },
	{ "next_attempt", DOVEADM_COI_QUEUE_TIME },
	{ "attempts", DOVEADM_COI_QUEUE_NUMBER },
	{ "deadline", DOVEADM_COI_QUEUE_TIME },
	{ "last_status", DOVEADM_COI_QUEUE_NUMBER },
};

static void doveadm_coi_queue_print_headers(void)
{
	enum doveadm_print_header_flags flags;
	unsigned int i;

	doveadm_print_init(DOVEADM_PRINT_TYPE_TABLE);
	for (i = 0; i < N_ELEMENTS(doveadm_coi_queue_fields); i++) {
		flags = doveadm_coi_queue_fields[i].type ==
			DOVEADM_COI_QUEUE_NUMBER ?
			DOVEADM_PRINT_HEADER_FLAG_NUMBER : 0;
		doveadm_print_header(doveadm_coi_queue_fields[i].name,
				     doveadm_coi_queue_fields[i].name, flags);
	}
}

static void
doveadm_coi_queue_end(struct doveadm_coi_queue *queue, const char *error)
{
	if (!queue->ended)
		queue->error = i_strdup(error);
	queue->ended = TRUE;
	io_loop_stop(current_ioloop);
}

/* Returns 0, or -1 if the line is not as it has to be. */
static int doveadm_coi_queue_print(const char *const *args)
{
	const unsigned int count = N_ELEMENTS(doveadm_coi_queue_fields);
	uintmax_t numbers[N_ELEMENTS(doveadm_coi_queue_fields)];
	unsigned int i;

	if (str_array_length(args) < count)
		return -1;
	for (i = 0; i < count; i++) {
		if (doveadm_coi_queue_fields[i].type !=
		    DOVEADM_COI_QUEUE_TEXT &&
		    str_to_uintmax(args[i], &numbers[i]) < 0)
			return -1;
	}
	for (i = 0; i < count; i++) {
		switch (doveadm_coi_queue_fields[i].type) {
		case DOVEADM_COI_QUEUE_TEXT:
			doveadm_print(args[i]);
			break;
		case DOVEADM_COI_QUEUE_NUMBER:
			doveadm_print_num(numbers[i]);
			break;
		case DOVEADM_COI_QUEUE_TIME:
			doveadm_print(doveadm_coi_time_str(numbers[i]));
			break;
		}
	}
	return 0;
}

static int
doveadm_coi_queue_input(struct connection *conn, const char *const *args)
{
	struct doveadm_coi_queue *queue =
		container_of(conn, struct doveadm_coi_queue, conn);
	bool ours = args[0] != NULL && args[1] != NULL &&
		strcmp(args[1], PUSH_PROTOCOL_QUEUE) == 0;

	timeout_reset(queue->to);
	if (ours && strcmp(args[0], PUSH_PROTOCOL_END) == 0)
		doveadm_coi_queue_end(queue, NULL);
	else if (ours && strcmp(args[0], PUSH_PROTOCOL_NO) == 0) {
		doveadm_coi_queue_end(queue, t_strdup_printf(
			"The worker refuses: %s",
			args[2] == NULL ? "" : args[2]));
	} else if (null_strcmp(args[0], PUSH_PROTOCOL_JOB) != 0 ||
		   doveadm_coi_queue_print(args + 1) < 0) {
		doveadm_coi_queue_end(queue,
				      "The worker answers in words unknown");
	}
	return queue->ended ? 0 : 1;
}

static void doveadm_coi_queue_connected(struct connection *conn, bool success)
{
	struct doveadm_coi_queue *queue =
		container_of(conn, struct doveadm_coi_queue, conn);

	if (success) {
		o_stream_nsend_str(conn->output, t_strdup_printf(
			PUSH_PROTOCOL_QUEUE"\t%s\n",
			str_tabescape(queue->user)));
	}
}

static void doveadm_coi_queue_destroy(struct connection *conn)
{
	struct doveadm_coi_queue *queue =
		container_of(conn, struct doveadm_coi_queue, conn);

	if (!queue->ended) {
		doveadm_coi_queue_end(queue,
				      connection_disconnect_reason(conn));
	}
	connection_deinit(conn);
}

static void doveadm_coi_queue_timeout(struct doveadm_coi_queue *queue)
{
	doveadm_coi_queue_end(queue, "The worker does not answer");
}

static const struct connection_settings doveadm_coi_queue_set = {
	.service_name_in = PUSH_PROTOCOL_NAME,
	.service_name_out = PUSH_PROTOCOL_NAME,
	.major_version = PUSH_PROTOCOL_MAJOR_VERSION,
	.minor_version = PUSH_PROTOCOL_MINOR_VERSION,
	.input_max_size = COI_PUSH_LINE_MAX_BYTES,
	.output_max_size = SIZE_MAX,
	.client = TRUE,
};

static const struct connection_vfuncs doveadm_coi_queue_vfuncs = {
	.destroy = doveadm_coi_queue_destroy,
	.client_connected = doveadm_coi_queue_connected,
	.input_args = doveadm_coi_queue_input,
};

static void
doveadm_coi_queue_ask(struct doveadm_coi_queue *queue, const char *path)
{
	struct ioloop *ioloop = io_loop_create();
	struct connection_list *list =
		connection_list_init(&doveadm_coi_queue_set,
				     &doveadm_coi_queue_vfuncs);

	connection_init_client_unix(list, &queue->conn, path);
	queue->to = timeout_add(COI_PUSH_QUEUE_WAIT_MSECS,
				doveadm_coi_queue_timeout, queue);
	if (connection_client_connect(&queue->conn) < 0) {
		doveadm_coi_queue_end(queue, t_strdup_printf(
			"Is the worker running? connect() failed: %m"));
	} else if (!queue->ended) {
		io_loop_run(ioloop);
	}
	timeout_remove(&queue->to);
	connection_list_deinit(&list);
	io_loop_destroy(&ioloop);
}

static void doveadm_coi_push_queue_run(struct doveadm_cmd_context *cctx)
{
	const char *path = t_strconcat(doveadm_settings->base_dir,
				       "/"PUSH_PROTOCOL_SOCKET, NULL);
	struct doveadm_coi_queue queue;

	i_zero(&queue);
	if (!doveadm_cmd_param_str(cctx, "user", &queue.user))
		queue.user = "";
	doveadm_coi_queue_print_headers();
	doveadm_coi_queue_ask(&queue, path);
	if (queue.error != NULL) {
		i_error("%s: %s: %s", cctx->cmd->name, path, queue.error);
		doveadm_exit_code = EX_TEMPFAIL;
	}
	i_free(queue.error);
}

struct doveadm_cmd_ver2 doveadm_coi_push_queue = {
	.name = "coi push queue",
	.usage = "[-u <user>]",
	.cmd = doveadm_coi_push_queue_run,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_PARAM('u', "user", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};
