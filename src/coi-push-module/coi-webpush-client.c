/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "connection.h"
#include "ioloop.h"
#include "llist.h"
#include "ostream.h"
#include "strescape.h"
#include "mail-storage-settings.h"
#include "coi-limits.h"
#include "coi-user.h"
#include "push-job.h"
#include "push-protocol.h"
#include "coi-webpush-client.h"

/* A command that the worker has not answered yet. */
struct coi_webpush_item {
	struct coi_webpush_item *prev, *next;

	/* What stands in the answer: a job's id, or the command's name. */
	char *tag;
	char *line;
	/* Of a job; 0: there is none. */
	time_t deadline;
};

struct coi_webpush_ask {
	struct coi_webpush_ask *prev, *next;

	char *user;
	coi_webpush_note_callback_t *callback;
	void *context;
	/* NULL: it has been answered */
	bool *waiting;
};

struct coi_webpush_client {
	struct connection_list *list;
	/* NULL: not connected */
	struct connection *conn;
	struct event *event;
	char *path;

	struct coi_webpush_item *items, *items_tail;
	unsigned int item_count;
	/* Since when the worker says nothing though it should. */
	time_t silent;
	/* The worker answers them in this order. An aborted one stays, without
	   a callback. */
	struct coi_webpush_ask *asks, *asks_tail;

	/* Reconnects, or disconnects when there has been nothing to do. */
	struct timeout *to;
	unsigned int retry_msecs;
	/* That it cannot be reached, or is too slow, was logged. */
	bool error_logged, dropping_logged;
	bool closing;

	/* Somebody waits until no item is left. */
	bool flushing;
	/* Why the last item was dropped that was; NULL: none since the last
	   flush. */
	char *drop_reason;
};

static struct coi_webpush_client *coi_webpush_client;

static void coi_webpush_client_connect(struct coi_webpush_client *client);

/*
 * Items
 */

static void
coi_webpush_item_free(struct coi_webpush_client *client,
		      struct coi_webpush_item *item)
{
	DLLIST2_REMOVE(&client->items, &client->items_tail, item);
	client->item_count--;
	i_free(item->tag);
	i_free(item->line);
	i_free(item);
}

static void
coi_webpush_log_dropped(struct coi_webpush_client *client,
			const struct coi_webpush_item *item, const char *reason)
{
	struct event_passthrough *e =
		event_create_passthrough(client->event)->
		set_name("coi_push_lost")->
		add_str("job", item->tag)->
		add_str("reason", reason);

	e_debug(e->event(), "Push %s is lost: %s", item->tag, reason);
}

static void
coi_webpush_item_drop(struct coi_webpush_client *client,
		      struct coi_webpush_item *item, const char *reason)
{
	if (item->deadline != 0)
		coi_webpush_log_dropped(client, item, reason);
	i_free(client->drop_reason);
	client->drop_reason = i_strdup(reason);
	coi_webpush_item_free(client, item);
}

static void
coi_webpush_client_make_room(struct coi_webpush_client *client)
{
	while (client->item_count >= COI_PUSH_UNANSWERED_MAX) {
		if (!client->dropping_logged) {
			client->dropping_logged = TRUE;
			e_error(client->event, "Pushes are lost: the worker "
				"has not answered the last %u commands",
				client->item_count);
		}
		coi_webpush_item_drop(client, client->items,
				      "too many are unanswered");
	}
}

static void
coi_webpush_client_drop_old(struct coi_webpush_client *client)
{
	struct coi_webpush_item *item, *next;

	for (item = client->items; item != NULL; item = next) {
		next = item->next;
		if (item->deadline != 0 && item->deadline < ioloop_time)
			coi_webpush_item_drop(client, item, "deadline");
	}
}

static struct coi_webpush_item *
coi_webpush_client_find(struct coi_webpush_client *client, const char *tag)
{
	struct coi_webpush_item *item;

	for (item = client->items; item != NULL; item = item->next) {
		if (strcmp(item->tag, tag) == 0)
			return item;
	}
	return NULL;
}

/*
 * The connection
 */

static bool
coi_webpush_client_has_work(const struct coi_webpush_client *client)
{
	return client->items != NULL || client->asks != NULL;
}

static void
coi_webpush_client_write(struct coi_webpush_client *client, const char *line)
{
	const struct const_iovec iov[] = {
		{ line, strlen(line) },
		{ "\n", 1 },
	};

	o_stream_nsendv(client->conn->output, iov, N_ELEMENTS(iov));
}

static void
coi_webpush_client_write_ask(struct coi_webpush_client *client,
			     const struct coi_webpush_ask *ask)
{
	coi_webpush_client_write(client, t_strdup_printf(
		PUSH_PROTOCOL_GONE"\t%s", str_tabescape(ask->user)));
}

static void coi_webpush_client_write_all(struct coi_webpush_client *client)
{
	const struct coi_webpush_item *item;
	const struct coi_webpush_ask *ask;

	coi_webpush_client_drop_old(client);
	o_stream_cork(client->conn->output);
	for (item = client->items; item != NULL; item = item->next)
		coi_webpush_client_write(client, item->line);
	for (ask = client->asks; ask != NULL; ask = ask->next) T_BEGIN {
		coi_webpush_client_write_ask(client, ask);
	} T_END;
	o_stream_uncork(client->conn->output);
}

static void coi_webpush_client_disconnect(struct coi_webpush_client *client)
{
	struct connection *conn = client->conn;

	timeout_remove(&client->to);
	client->conn = NULL;
	if (conn == NULL)
		return;
	connection_deinit(conn);
	i_free(conn);
}

static void coi_webpush_client_schedule(struct coi_webpush_client *client)
{
	timeout_remove(&client->to);
	if (!client->closing && coi_webpush_client_has_work(client)) {
		client->to = timeout_add_short(client->retry_msecs,
					 coi_webpush_client_connect, client);
	}
	client->retry_msecs = I_MIN(client->retry_msecs * 2,
				    COI_PUSH_RECONNECT_MAX_MSECS);
}

static void
coi_webpush_client_fail(struct coi_webpush_client *client, const char *error)
{
	if (!client->error_logged) {
		client->error_logged = TRUE;
		e_error(client->event, "Pushes have to wait: %s: %s",
			client->path, error);
	}
	if (client->closing && current_ioloop != NULL)
		io_loop_stop(current_ioloop);
	coi_webpush_client_schedule(client);
}

static void coi_webpush_client_idle(struct coi_webpush_client *client)
{
	timeout_remove(&client->to);
	if (client->closing)
		io_loop_stop(current_ioloop);
	else {
		client->to = timeout_add(COI_PUSH_IDLE_MSECS,
					 coi_webpush_client_disconnect, client);
	}
}

static void coi_webpush_client_destroyed(struct connection *conn)
{
	struct coi_webpush_client *client = coi_webpush_client;
	const char *reason = connection_disconnect_reason(conn);

	i_assert(client->conn == conn);

	coi_webpush_client_disconnect(client);
	if (coi_webpush_client_has_work(client))
		coi_webpush_client_fail(client, reason);
}

static void
coi_webpush_client_connected(struct connection *conn ATTR_UNUSED, bool success)
{
	if (success)
		coi_webpush_client_write_all(coi_webpush_client);
}

static void
coi_webpush_client_handshake_ready(struct connection *conn ATTR_UNUSED)
{
	struct coi_webpush_client *client = coi_webpush_client;

	client->retry_msecs = COI_PUSH_RECONNECT_MIN_MSECS;
	client->error_logged = FALSE;
	client->dropping_logged = FALSE;
}

/*
 * Answers
 */

static void
coi_webpush_ask_free(struct coi_webpush_client *client,
		     struct coi_webpush_ask *ask)
{
	DLLIST2_REMOVE(&client->asks, &client->asks_tail, ask);
	if (ask->waiting != NULL) {
		*ask->waiting = FALSE;
		io_loop_stop(current_ioloop);
	}
	i_free(ask->user);
	i_free(ask);
}

static void
coi_webpush_client_end_ask(struct coi_webpush_client *client, bool ok)
{
	struct coi_webpush_ask *ask = client->asks;
	coi_webpush_note_callback_t *callback;
	void *context;

	if (ask == NULL)
		return;
	callback = ask->callback;
	context = ask->context;
	coi_webpush_ask_free(client, ask);
	if (callback != NULL)
		callback(NULL, ok, context);
}

static void
coi_webpush_client_input_gone(struct coi_webpush_client *client,
			      const char *const *args)
{
	struct coi_webpush_note note;
	struct coi_webpush_ask *ask = client->asks;

	if (ask == NULL || ask->callback == NULL ||
	    str_array_length(args) < 4 || strcmp(args[1], ask->user) != 0)
		return;
	note.id = args[2];
	note.endpoint_hash = args[3];
	ask->callback(&note, TRUE, ask->context);
}

static void
coi_webpush_client_input_no(struct coi_webpush_client *client,
			    const char *tag, const char *reason)
{
	struct coi_webpush_item *item = coi_webpush_client_find(client, tag);

	if (strcmp(reason, PUSH_PROTOCOL_REASON_GONE) == 0) {
		e_debug(client->event, "The worker refuses %s: %s", tag,
			reason);
	} else {
		e_error(client->event, "The worker refuses %s: %s", tag,
			reason);
	}
	if (strcmp(tag, PUSH_PROTOCOL_GONE) == 0)
		coi_webpush_client_end_ask(client, FALSE);
	/* of a job of which it cannot even read the id nothing else is known */
	else if (item != NULL)
		coi_webpush_item_drop(client, item, reason);
}

static int
coi_webpush_client_input(struct connection *conn ATTR_UNUSED,
			 const char *const *args)
{
	struct coi_webpush_client *client = coi_webpush_client;
	struct coi_webpush_item *item;

	client->silent = ioloop_time;
	if (args[0] == NULL || args[1] == NULL) {
		e_error(client->event, "The worker answers in words unknown");
		return -1;
	}
	if (strcmp(args[0], PUSH_PROTOCOL_OK) == 0) {
		item = coi_webpush_client_find(client, args[1]);
		if (item != NULL)
			coi_webpush_item_free(client, item);
	} else if (strcmp(args[0], PUSH_PROTOCOL_NO) == 0) {
		coi_webpush_client_input_no(client, args[1],
			args[2] == NULL ? "" : args[2]);
	} else if (strcmp(args[0], PUSH_PROTOCOL_GONE) == 0)
		coi_webpush_client_input_gone(client, args);
	else if (strcmp(args[0], PUSH_PROTOCOL_END) == 0)
		coi_webpush_client_end_ask(client, TRUE);
	if (client->flushing && client->items == NULL)
		io_loop_stop(current_ioloop);
	if (!coi_webpush_client_has_work(client))
		coi_webpush_client_idle(client);
	return 1;
}

/*
 * Its life
 */

static const struct connection_settings coi_webpush_client_set = {
	.service_name_in = PUSH_PROTOCOL_NAME,
	.service_name_out = PUSH_PROTOCOL_NAME,
	.major_version = PUSH_PROTOCOL_MAJOR_VERSION,
	.minor_version = PUSH_PROTOCOL_MINOR_VERSION,
	.input_max_size = COI_PUSH_LINE_MAX_BYTES,
	/* bounded by what may be unanswered */
	.output_max_size = SIZE_MAX,
	.client = TRUE,
};

static const struct connection_vfuncs coi_webpush_client_vfuncs = {
	.destroy = coi_webpush_client_destroyed,
	.client_connected = coi_webpush_client_connected,
	.handshake_ready = coi_webpush_client_handshake_ready,
	.input_args = coi_webpush_client_input,
};

static struct coi_webpush_client *
coi_webpush_client_get(struct coi_user *cuser)
{
	struct coi_webpush_client *client = coi_webpush_client;

	if (client != NULL)
		return client;
	client = coi_webpush_client = i_new(struct coi_webpush_client, 1);
	client->path = i_strconcat(cuser->user->set->base_dir,
				   "/"PUSH_PROTOCOL_SOCKET, NULL);
	/* it outlives the user */
	client->event = event_create(NULL);
	event_set_append_log_prefix(client->event, "coi: ");
	client->list = connection_list_init(&coi_webpush_client_set,
					    &coi_webpush_client_vfuncs);
	client->retry_msecs = COI_PUSH_RECONNECT_MIN_MSECS;
	return client;
}

static void coi_webpush_client_connect(struct coi_webpush_client *client)
{
	timeout_remove(&client->to);
	coi_webpush_client_drop_old(client);
	if (!coi_webpush_client_has_work(client))
		return;
	client->conn = i_new(struct connection, 1);
	client->conn->event_parent = client->event;
	connection_init_client_unix(client->list, client->conn, client->path);
	if (connection_client_connect(client->conn) < 0) {
		const char *error = t_strdup_printf("connect() failed: %m");

		coi_webpush_client_disconnect(client);
		coi_webpush_client_fail(client, error);
	}
}

/* The items stay, and are written again. */
static void coi_webpush_client_end_hung(struct coi_webpush_client *client)
{
	if (client->items == NULL)
		client->silent = ioloop_time;
	if (client->conn == NULL ||
	    client->silent + COI_PUSH_HUNG_SECS > ioloop_time)
		return;
	client->silent = ioloop_time;
	coi_webpush_client_disconnect(client);
	coi_webpush_client_fail(client, "no answer");
}

/* There is something to say, which is in the list already. Returns FALSE if it
   will be said when the connection is there. */
static bool coi_webpush_client_start(struct coi_webpush_client *client)
{
	if (client->conn != NULL) {
		/* not idle any more */
		timeout_remove(&client->to);
		return TRUE;
	}
	/* who waits for a reconnect goes on waiting */
	if (client->to == NULL)
		coi_webpush_client_connect(client);
	return FALSE;
}

static void
coi_webpush_client_add(struct coi_webpush_client *client, const char *tag,
		       const char *line, time_t deadline)
{
	struct coi_webpush_item *item;

	coi_webpush_client_end_hung(client);
	coi_webpush_client_make_room(client);
	item = i_new(struct coi_webpush_item, 1);
	item->tag = i_strdup(tag);
	item->line = i_strdup(line);
	item->deadline = deadline;
	DLLIST2_APPEND(&client->items, &client->items_tail, item);
	client->item_count++;
	if (coi_webpush_client_start(client))
		coi_webpush_client_write(client, item->line);
}

void coi_webpush_client_job(struct coi_user *cuser, const struct push_job *job,
			    const char *line)
{
	coi_webpush_client_add(coi_webpush_client_get(cuser), job->id,
			       t_strconcat(PUSH_PROTOCOL_JOB"\t", line, NULL),
			       job->deadline);
}

void coi_webpush_client_cancel(struct coi_user *cuser, const char *id)
{
	const char *line = t_strdup_printf(PUSH_PROTOCOL_CANCEL"\t%s\t%s",
		str_tabescape(cuser->user->username), id);

	coi_webpush_client_add(coi_webpush_client_get(cuser),
			       PUSH_PROTOCOL_CANCEL, line, 0);
}

void coi_webpush_client_forget(struct coi_user *cuser,
			       const struct coi_webpush_note *note)
{
	const char *line = t_strdup_printf(PUSH_PROTOCOL_FORGET"\t%s\t%s\t%s",
		str_tabescape(cuser->user->username), str_tabescape(note->id),
		str_tabescape(note->endpoint_hash));

	coi_webpush_client_add(coi_webpush_client_get(cuser),
			       PUSH_PROTOCOL_FORGET, line, 0);
}

struct coi_webpush_ask *
coi_webpush_client_ask(struct coi_user *cuser,
		       coi_webpush_note_callback_t *callback, void *context)
{
	struct coi_webpush_client *client = coi_webpush_client_get(cuser);
	struct coi_webpush_ask *ask = i_new(struct coi_webpush_ask, 1);

	ask->user = i_strdup(cuser->user->username);
	ask->callback = callback;
	ask->context = context;
	DLLIST2_APPEND(&client->asks, &client->asks_tail, ask);
	if (coi_webpush_client_start(client))
		coi_webpush_client_write_ask(client, ask);
	return ask;
}

void coi_webpush_client_abort(struct coi_webpush_ask **_ask)
{
	struct coi_webpush_ask *ask = *_ask;

	*_ask = NULL;
	ask->callback = NULL;
}

/*
 * Waiting
 */

static void coi_webpush_client_stop(struct ioloop *ioloop)
{
	io_loop_stop(ioloop);
}

/* Runs an ioloop of its own with nothing in it but the connection. */
static void
coi_webpush_client_run(struct coi_webpush_client *client, unsigned int msecs)
{
	struct ioloop *old_ioloop = current_ioloop;
	struct ioloop *ioloop = io_loop_create();
	struct timeout *to;

	timeout_remove(&client->to);
	if (client->conn == NULL)
		coi_webpush_client_connect(client);
	else
		connection_switch_ioloop(client->conn);
	if (client->conn != NULL) {
		to = timeout_add_short(msecs, coi_webpush_client_stop, ioloop);
		io_loop_run(ioloop);
		timeout_remove(&to);
	}
	timeout_remove(&client->to);
	io_loop_set_current(old_ioloop);
	if (client->conn != NULL && old_ioloop != NULL)
		connection_switch_ioloop_to(client->conn, old_ioloop);
	io_loop_set_current(ioloop);
	if (client->conn != NULL && old_ioloop == NULL)
		coi_webpush_client_disconnect(client);
	io_loop_destroy(&ioloop);
	io_loop_set_current(old_ioloop);
	if (client->conn == NULL && old_ioloop != NULL)
		coi_webpush_client_schedule(client);
}

void coi_webpush_client_wait(struct coi_webpush_ask *ask)
{
	bool waiting = TRUE;

	/* whoever frees the question sets it; else it is taken back below */
	/* cppcheck-suppress autoVariables */
	ask->waiting = &waiting;
	coi_webpush_client_run(coi_webpush_client, COI_PUSH_WAIT_MSECS);
	if (waiting)
		ask->waiting = NULL;
}

int coi_webpush_client_flush(const char **error_r)
{
	struct coi_webpush_client *client = coi_webpush_client;

	if (client == NULL)
		return 0;
	if (client->items != NULL) {
		client->flushing = TRUE;
		coi_webpush_client_run(client, COI_PUSH_WAIT_MSECS);
		client->flushing = FALSE;
	}
	*error_r = client->items != NULL ? "it has not answered" :
		t_strdup(client->drop_reason);
	i_free(client->drop_reason);
	return *error_r == NULL ? 0 : -1;
}

void coi_webpush_client_deinit(void)
{
	struct coi_webpush_client *client = coi_webpush_client;
	struct coi_webpush_ask *ask;

	if (client == NULL)
		return;
	client->closing = TRUE;
	/* what was asked nobody wants to know any more */
	while ((ask = client->asks) != NULL)
		coi_webpush_ask_free(client, ask);
	if (client->items != NULL)
		coi_webpush_client_run(client, COI_PUSH_WAIT_MSECS);
	if (client->items != NULL) {
		e_error(client->event, "Pushes may be lost: the worker has "
			"not answered %u commands", client->item_count);
	}
	while (client->items != NULL)
		coi_webpush_item_drop(client, client->items, "process ended");
	coi_webpush_client_disconnect(client);
	connection_list_deinit(&client->list);
	event_unref(&client->event);
	i_free(client->drop_reason);
	i_free(client->path);
	i_free(client);
	coi_webpush_client = NULL;
}
