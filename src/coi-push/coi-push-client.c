/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "connection.h"
#include "llist.h"
#include "master-service.h"
#include "ostream.h"
#include "str.h"
#include "strescape.h"
#include "coi-limits.h"
#include "push-protocol.h"
#include "coi-push-command.h"
#include "coi-push-peer.h"
#include "coi-push-queue.h"
#include "coi-push-worker.h"
#include "coi-push-client.h"

#include <unistd.h>

#define PUSH_CLIENT_NOT_WRITTEN "the queue cannot be written"

struct push_client {
	struct connection conn;
	struct push_worker *worker;
	uid_t uid;

	/* Commands that wait for the commit, as what is answered after "OK",
	   one a line. In the list as long as there are any. */
	string_t *waiting;
	struct push_client *prev, *next;

	/* QUEUE: NULL, or whose jobs are listed. Nothing else is read
	   meanwhile. */
	char *list_user;
	int64_t list_seq;
};

static struct connection_list *push_clients = NULL;
static struct push_client *push_clients_waiting = NULL;
static struct event *push_clients_event = NULL;

static void push_client_send(struct push_client *client, const char *line)
{
	o_stream_nsend_str(client->conn.output, line);
}

/* The fields come escaped. */
static void push_client_refuse(struct push_client *client, const char *what,
			       const char *why)
{
	push_client_send(client, t_strdup_printf(PUSH_PROTOCOL_NO"\t%s\t%s\n",
						 what, str_tabescape(why)));
}

static void push_client_wait(struct push_client *client, const char *what)
{
	if (str_len(client->waiting) == 0)
		DLLIST_PREPEND(&push_clients_waiting, client);
	str_append(client->waiting, what);
	str_append_c(client->waiting, '\n');
}

static void push_client_job(struct push_client *client, const char *line)
{
	const char *id, *error;

	if (push_worker_add(client->worker, line, client->uid,
			    &id, &error) == 0) {
		push_client_wait(client, id);
	} else {
		e_info(client->conn.event, "Job %s refused: %s",
		       id == NULL ? PUSH_PROTOCOL_NONE : id, error);
		push_client_refuse(client, id == NULL ? PUSH_PROTOCOL_NONE : id,
				   error);
	}
}

struct push_client_gone_context {
	string_t *reply;
	const char *user;
};

static void push_client_gone_one(const char *subscription_id, const char *hash,
				 void *context)
{
	struct push_client_gone_context *ctx = context;

	str_append(ctx->reply, PUSH_PROTOCOL_GONE"\t");
	str_append_tabescaped(ctx->reply, ctx->user);
	str_printfa(ctx->reply, "\t%s\t%s\n", subscription_id, hash);
}

static void push_client_gone(struct push_client *client, const char *user)
{
	struct push_client_gone_context ctx = {
		.reply = str_new(default_pool, 256), .user = user
	};

	if (push_queue_list_gone(push_worker_get_queue(client->worker), user,
				 push_client_gone_one, &ctx) < 0) {
		push_client_refuse(client, PUSH_PROTOCOL_GONE,
				   "the queue cannot be read");
	} else {
		str_append(ctx.reply,
			   PUSH_PROTOCOL_END"\t"PUSH_PROTOCOL_GONE"\n");
		push_client_send(client, str_c(ctx.reply));
	}
	str_free(&ctx.reply);
}

/* `ret' is what the queue has said. */
static void push_client_change(struct push_client *client, const char *name,
			       int ret)
{
	if (ret < 0)
		push_client_refuse(client, name, PUSH_CLIENT_NOT_WRITTEN);
	else
		push_client_wait(client, name);
}

/* What the log and doveadm show of an endpoint. */
static const char *push_origin_get_host(const char *origin)
{
	const char *host = strstr(origin, "://");

	return host == NULL ? origin : host + 3;
}

static void push_client_list_one(const struct push_queue_job *job,
				 void *context)
{
	string_t *str = context;

	str_printfa(str, PUSH_PROTOCOL_JOB"\t%s\t", job->id);
	str_append_tabescaped(str, job->user);
	str_printfa(str, "\t%s\t%s\t%lld\t%lld\t%u\t%lld\t%u\n",
		    job->subscription_id, push_origin_get_host(job->origin),
		    (long long)job->queued, (long long)job->next_attempt,
		    job->attempts, (long long)job->deadline, job->status);
}

/* Returns 1 if there is more, 0 if it was all, -1 if it cannot be read. */
static int push_client_list_page(struct push_client *client)
{
	string_t *str = str_new(default_pool, COI_PUSH_LIST_PAGE_BYTES);
	int ret;

	ret = push_queue_list(push_worker_get_queue(client->worker),
			      client->list_user, COI_PUSH_LIST_PAGE_JOBS,
			      &client->list_seq, push_client_list_one, str);
	o_stream_nsend(client->conn.output, str_data(str), str_len(str));
	str_free(&str);
	return ret;
}

/* As much as the client takes. */
static void push_client_list(struct push_client *client)
{
	int ret = 1;

	while (ret > 0 && o_stream_get_buffer_used_size(client->conn.output) <
	       COI_PUSH_LIST_PAGE_BYTES)
		ret = push_client_list_page(client);
	if (ret > 0) {
		o_stream_set_flush_pending(client->conn.output, TRUE);
		return;
	}
	if (ret < 0) {
		push_client_refuse(client, PUSH_PROTOCOL_QUEUE,
				   "the queue cannot be read");
	} else {
		push_client_send(client,
			PUSH_PROTOCOL_END"\t"PUSH_PROTOCOL_QUEUE"\n");
	}
	i_free(client->list_user);
	connection_input_resume(&client->conn);
}

static int push_client_flush(struct push_client *client)
{
	int ret = o_stream_flush(client->conn.output);

	if (client->list_user == NULL)
		return ret;
	if (ret < 0) {
		/* nobody reads the rest of the list: who reads on sees that */
		i_free(client->list_user);
		connection_input_resume(&client->conn);
	} else {
		push_client_list(client);
	}
	return ret;
}

/* Returns 0 if there is more of the list than the client takes at once. */
static int push_client_queue(struct push_client *client, const char *user)
{
	if (*user == '\0' && !push_peer_may_list_all(client->uid, geteuid())) {
		push_client_refuse(client, PUSH_PROTOCOL_QUEUE,
				   "not allowed to this user");
		return 1;
	}
	client->list_user = i_strdup(user);
	client->list_seq = 0;
	connection_input_halt(&client->conn);
	push_client_list(client);
	return client->list_user == NULL ? 1 : 0;
}

/* Returns as connection's input_args. */
static int push_client_run(struct push_client *client,
			   const struct push_command *command)
{
	struct push_queue *queue = push_worker_get_queue(client->worker);

	switch (command->type) {
	case PUSH_COMMAND_JOB:
		push_client_job(client, command->job_line);
		break;
	case PUSH_COMMAND_GONE:
		push_client_gone(client, command->user);
		break;
	case PUSH_COMMAND_FORGET:
		push_client_change(client, PUSH_PROTOCOL_FORGET,
			push_queue_forget(queue, command->user,
					  command->subscription_id,
					  command->endpoint_hash));
		break;
	case PUSH_COMMAND_CANCEL:
		push_client_change(client, PUSH_PROTOCOL_CANCEL,
			push_queue_cancel(queue, command->user,
					  command->subscription_id));
		break;
	case PUSH_COMMAND_QUEUE:
		return push_client_queue(client, command->user);
	}
	return 1;
}

static int
push_client_input_args(struct connection *conn, const char *const *args)
{
	struct push_client *client = (struct push_client *)conn;
	struct push_command command;
	int ret;

	if (push_command_parse(args, &command) < 0) {
		e_error(conn->event, "Unknown command");
		return -1;
	}
	ret = push_client_run(client, &command);
	/* whatever has failed is to be mended too */
	push_worker_wake(client->worker);
	if (ret >= 0 && client->list_user == NULL &&
	    o_stream_get_buffer_used_size(conn->output) +
	    str_len(client->waiting) > COI_PUSH_CLIENT_OUTPUT_MAX_BYTES) {
		e_error(conn->event, "It does not read our answers");
		return -1;
	}
	return ret;
}

static void push_client_destroy(struct connection *conn)
{
	struct push_client *client = (struct push_client *)conn;

	if (conn->disconnect_reason == CONNECTION_DISCONNECT_BUFFER_FULL)
		e_error(conn->event, "A line that is too long");
	if (str_len(client->waiting) > 0)
		DLLIST_REMOVE(&push_clients_waiting, client);
	str_free(&client->waiting);
	i_free(client->list_user);
	connection_deinit(conn);
	i_free(client);
	master_service_client_connection_destroyed(master_service);
}

static const struct connection_settings push_client_set = {
	.service_name_in = PUSH_PROTOCOL_NAME,
	.service_name_out = PUSH_PROTOCOL_NAME,
	.major_version = PUSH_PROTOCOL_MAJOR_VERSION,
	.minor_version = PUSH_PROTOCOL_MINOR_VERSION,
	.input_max_size = COI_PUSH_CLIENT_INPUT_MAX_BYTES,
	.output_max_size = SIZE_MAX,
};

static const struct connection_vfuncs push_client_vfuncs = {
	.destroy = push_client_destroy,
	.input_args = push_client_input_args,
};

void push_clients_init(struct event *event)
{
	push_clients_event = event;
	push_clients = connection_list_init(&push_client_set,
					    &push_client_vfuncs);
}

void push_clients_deinit(void)
{
	connection_list_deinit(&push_clients);
}

static unsigned int push_clients_count(uid_t uid)
{
	const struct connection *conn;
	unsigned int count = 0;

	for (conn = push_clients->connections; conn != NULL; conn = conn->next) {
		if (((const struct push_client *)conn)->uid == uid)
			count++;
	}
	return count;
}

static void push_client_refuse_fd(int fd, const char *why)
{
	e_error(push_clients_event, "Connection refused: %s", why);
	net_disconnect(fd);
	master_service_client_connection_destroyed(master_service);
}

void push_client_create(struct push_worker *worker, int fd)
{
	struct push_client *client;
	struct net_unix_cred cred;

	if (net_getunixcred(fd, &cred) < 0) {
		push_client_refuse_fd(fd, t_strdup_printf(
			"its user is not known: %m"));
		return;
	}
	if (!push_peer_may_connect(cred.uid, push_clients_count(cred.uid),
			master_service_get_client_limit(master_service))) {
		push_client_refuse_fd(fd, t_strdup_printf(
			"too many of uid %s", dec2str(cred.uid)));
		return;
	}
	client = i_new(struct push_client, 1);
	client->worker = worker;
	client->uid = cred.uid;
	client->waiting = str_new(default_pool, 64);
	client->conn.event_parent = push_clients_event;
	connection_init_server(push_clients, &client->conn,
		t_strdup_printf("client (pid=%s, uid=%s)", dec2str(cred.pid),
				dec2str(cred.uid)), fd, fd);
	o_stream_set_flush_callback(client->conn.output, push_client_flush,
				    client);
}

static void push_client_committed(struct push_client *client, bool success)
{
	const char *const *names;

	o_stream_cork(client->conn.output);
	names = t_strsplit(str_c(client->waiting), "\n");
	/* the last LF ends a name too */
	for (; names[0] != NULL && names[1] != NULL; names++) {
		if (success) {
			push_client_send(client, t_strdup_printf(
				PUSH_PROTOCOL_OK"\t%s\n", names[0]));
		} else {
			push_client_refuse(client, names[0],
					   PUSH_CLIENT_NOT_WRITTEN);
		}
	}
	str_truncate(client->waiting, 0);
	o_stream_uncork(client->conn.output);
}

void push_clients_committed(bool success, void *context ATTR_UNUSED)
{
	struct push_client *client;

	while ((client = push_clients_waiting) != NULL) T_BEGIN {
		DLLIST_REMOVE(&push_clients_waiting, client);
		push_client_committed(client, success);
	} T_END;
}
