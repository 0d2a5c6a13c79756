/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "lib-event.h"
#include "unit.h"
#include "coi-push-sender.h"

static const struct webpush_endpoint_policy policy = { .insecure = TRUE };
static bool connected;
static const char *result;

static void on_connect(void *context ATTR_UNUSED)
{
	connected = TRUE;
}

static void on_answer(const struct push_answer *answer,
		      void *context ATTR_UNUSED)
{
	result = t_strdup_printf("%u %s", answer->status, answer->error);
	io_loop_stop(current_ioloop);
}

/* W36: whoever has resolved the name, curl gets no socket to such an address. It
   is the second line, so here the first one is left out. */
START_TEST(test_forbidden)
{
	static const struct push_sender_settings set = {
		.proxy_url = "", .ca_file = "", .timeout_secs = 5,
	};
	struct push_job job = {
		.authorization = "vapid t=a, k=b", .body_size = 4,
		.body = (const unsigned char *)"body",
	};
	struct webpush_endpoint endpoint;
	struct push_sender *sender;
	struct ioloop *ioloop;
	struct event *event;
	struct ip_addr ip;
	struct io *io;
	in_port_t port = 0;
	const char *error;
	int fd;

	ioloop = io_loop_create();
	event = event_create(NULL);
	ck_assert_int_eq(net_addr2ip("127.0.0.1", &ip), 0);
	fd = net_listen(&ip, &port, 8);
	ck_assert_int_ge(fd, 0);
	io = io_add(fd, IO_READ, on_connect, NULL);
	job.endpoint = t_strdup_printf(_i == 0 ? "https://a.example.net:%u/" :
				       "https://127.0.0.1:%u/", port);
	ck_assert_int_eq(webpush_endpoint_parse(job.endpoint, &policy,
		pool_datastack_create(), &endpoint, &error), 0);
	ck_assert_int_eq(push_sender_init(&set, event, &sender, &error), 0);
	ck_assert(push_sender_needs_addresses(sender, &endpoint));
	(void)push_sender_send(sender, &job, &endpoint, FALSE, &ip,
			       _i == 0 ? 1 : 0, on_answer, NULL);
	io_loop_run(ioloop);
	ck_assert_str_eq(result, "0 its address is not allowed: "
			 "a loopback address");
	ck_assert(!connected);
	push_sender_deinit(&sender);
	io_remove(&io);
	i_close_fd(&fd);
	event_unref(&event);
	io_loop_destroy(&ioloop);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-sender");
	TCase *tcase = unit_tcase_add(suite, "W36: where nothing is sent to");

	tcase_add_loop_test(tcase, test_forbidden, 0, 2);
	return unit_run(suite);
}
