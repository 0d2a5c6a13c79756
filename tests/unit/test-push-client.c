/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "lib-event.h"
#include "ioloop.h"
#include "master-service.h"
#include "net.h"
#include "strfuncs.h"
#include "unlink-directory.h"
#include "unit.h"
#include "push-protocol.h"
#include "coi-push-client.h"
#include "coi-push-settings.h"
#include "coi-push-worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLIENT_LIMIT 8
#define VMAIL 4242
#define OTHER 4243
#define HELLO "VERSION\t"PUSH_PROTOCOL_NAME"\t1\t0\n"

static struct ioloop *ioloop;
static struct event *event;
static struct push_worker *worker;
static char dir[PATH_MAX];
static uid_t peer_uid;
static unsigned int ended;

/*
 * In place of what the program would get of libdovecot: tests run as one user,
 * and without a master.
 */

int net_getunixcred(int fd ATTR_UNUSED, struct net_unix_cred *cred_r)
{
	i_zero(cred_r);
	cred_r->uid = peer_uid;
	return 0;
}

unsigned int
master_service_get_client_limit(struct master_service *service ATTR_UNUSED)
{
	return CLIENT_LIMIT;
}

void master_service_client_connection_destroyed(
	struct master_service *service ATTR_UNUSED)
{
	ended++;
	io_loop_stop(current_ioloop);
}

static void client_setup(void)
{
	static struct coi_push_settings set;
	const char *error, *tmp = getenv("TMPDIR");

	i_snprintf(dir, sizeof(dir), "%s/coi-client-XXXXXX",
		   tmp == NULL ? "/tmp" : tmp);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	i_zero(&set);
	set.coi_push_queue_dir = dir;
	set.coi_push_queue_max = 1000;
	set.coi_push_deadline = 3600;
	set.coi_push_timeout = 1;
	set.coi_push_proxy_url = set.coi_push_ca_file = "";
	set.coi_push_dns_servers = "127.0.0.1:1";
	set.coi_deltachat_push_url = "";
	ended = 0;
	ioloop = io_loop_create();
	event = event_create(NULL);
	event_set_min_log_level(event, LOG_TYPE_PANIC);
	push_clients_init(event);
	if (push_worker_init(&set, event, push_clients_committed, NULL,
			     &worker, &error) < 0)
		ck_abort_msg("%s", error);
}

static void client_teardown(void)
{
	const char *error;

	push_worker_deinit(&worker);
	push_clients_deinit();
	event_unref(&event);
	io_loop_destroy(&ioloop);
	if (unlink_directory(dir, UNLINK_DIRECTORY_FLAG_RMDIR, &error) < 0)
		ck_abort_msg("%s", error);
}

/* Returns the other end of a new connection of a user. */
static int client_connect(uid_t uid)
{
	int fd[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	net_set_nonblock(fd[1], TRUE);
	peer_uid = uid;
	push_client_create(worker, fd[1]);
	return fd[0];
}

static void client_readable(void *context ATTR_UNUSED)
{
	io_loop_stop(current_ioloop);
}

static void client_late(void *context ATTR_UNUSED)
{
	ck_abort_msg("no answer");
}

/* Reads until the text has come, or all if the connection ends before. */
static const char *client_read(int fd, const char *until)
{
	struct timeout *to = timeout_add(15000, client_late, NULL);
	struct io *io = io_add(fd, IO_READ, client_readable, NULL);
	const char *text = "";
	char buf[1024];
	ssize_t ret;

	do {
		io_loop_run(current_ioloop);
		ret = read(fd, buf, sizeof(buf));
		ck_assert_int_ge(ret, 0);
		text = t_strconcat(text, t_strndup(buf, ret), NULL);
	} while (ret > 0 && strstr(text, until) == NULL);
	io_remove(&io);
	timeout_remove(&to);
	return text;
}

static const char *client_ask(int fd, const char *line)
{
	ck_assert_int_eq(write(fd, line, strlen(line)), strlen(line));
	return client_read(fd, PUSH_PROTOCOL_QUEUE);
}

static const struct {
	uid_t uid;
	const char *command, *answer;
} list_tests[] = {
	{ VMAIL, "QUEUE\t\n", "NO\tQUEUE\tnot allowed to this user\n" },
	/* to ask for one's own is everybody's right */
	{ VMAIL, "QUEUE\tbob\n", "END\tQUEUE\n" },
	{ 0, "QUEUE\t\n", "END\tQUEUE\n" },
};

START_TEST(test_list)
{
	int fd = client_connect(list_tests[_i].uid);

	ck_assert_str_eq(client_ask(fd, t_strconcat(HELLO,
						    list_tests[_i].command, NULL)),
			 t_strconcat(HELLO, list_tests[_i].answer, NULL));
	i_close_fd(&fd);
}
END_TEST

START_TEST(test_list_own)
{
	int fd = client_connect(geteuid());

	ck_assert_str_eq(client_ask(fd, HELLO"QUEUE\t\n"),
			 HELLO"END\tQUEUE\n");
	i_close_fd(&fd);
}
END_TEST

/* One user gets three quarters of the connections, and others the rest. */
START_TEST(test_connections)
{
	int fds[CLIENT_LIMIT - CLIENT_LIMIT / 4], refused, other, root;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(fds); i++)
		fds[i] = client_connect(VMAIL);
	ck_assert_uint_eq(ended, 0);
	refused = client_connect(VMAIL);
	ck_assert_uint_eq(ended, 1);
	ck_assert_str_eq(client_read(refused, "\n"), "");
	other = client_connect(OTHER);
	root = client_connect(0);
	ck_assert_uint_eq(ended, 1);
	ck_assert_str_eq(client_ask(other, HELLO"QUEUE\tbob\n"),
			 HELLO"END\tQUEUE\n");
	ck_assert_str_eq(client_ask(root, HELLO"QUEUE\t\n"),
			 HELLO"END\tQUEUE\n");
	/* who goes makes room */
	i_close_fd(&fds[0]);
	i_close_fd(&refused);
	io_loop_run(ioloop);
	ck_assert_uint_eq(ended, 2);
	refused = client_connect(VMAIL);
	ck_assert_uint_eq(ended, 2);
	i_close_fd(&refused);
	for (i = 1; i < N_ELEMENTS(fds); i++)
		i_close_fd(&fds[i]);
	i_close_fd(&other);
	i_close_fd(&root);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-client");
	TCase *tcase = unit_tcase_add(suite, "other users of the system");

	tcase_add_checked_fixture(tcase, client_setup, client_teardown);
	tcase_add_loop_test(tcase, test_list, 0, N_ELEMENTS(list_tests));
	tcase_add_test(tcase, test_list_own);
	tcase_add_test(tcase, test_connections);
	return unit_run(suite);
}
