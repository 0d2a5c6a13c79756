#ifndef COI_PUSH_SENDER_H
#define COI_PUSH_SENDER_H

#include "push-job.h"

/* Sends jobs to push services: libcurl in Dovecot's ioloop. HTTP/2 where the
   service knows it, else HTTP/1.1; connections are kept. Redirects are not
   followed, answers are cut, and every step has a time limit (W36, W37).

   It connects to the addresses that it is given, and even so to none that is
   forbidden, unless the endpoint is the administrator's. Through a proxy neither
   can be done. */

struct push_sender;
struct push_request;

struct push_sender_settings {
	/* "": none */
	const char *proxy_url;
	/* "": that of libcurl */
	const char *ca_file;
	unsigned int timeout_secs;
	/* For tests only: http, and any address as well. */
	bool insecure;
};

struct push_answer {
	/* 0: none, but an error of the network */
	unsigned int status;
	/* NULL: none */
	const char *retry_after;
	/* The service takes many requests over one connection. */
	bool multiplexed;
	/* What went wrong, if something did; it may name the endpoint's host,
	   but not its URL. */
	const char *error;
};

/* The strings of the answer are lost when it returns. */
typedef void push_sender_callback_t(const struct push_answer *answer,
				    void *context);

/* Returns 0, or -1 with *error_r (data stack). */
int push_sender_init(const struct push_sender_settings *set,
		     struct event *event, struct push_sender **sender_r,
		     const char **error_r);
/* All requests have to be gone. */
void push_sender_deinit(struct push_sender **sender);

/* Connects only where push_sender_send() is told to, so who sends has to find
   the addresses of a name. */
bool push_sender_needs_addresses(const struct push_sender *sender,
				 const struct webpush_endpoint *endpoint);

/* Sends a job, with its small body if `small'. `ips' are the addresses of the
   host, if that is a name. The callback is not called before it returns. The
   job has to stay until then. */
struct push_request *
push_sender_send(struct push_sender *sender, const struct push_job *job,
		 const struct webpush_endpoint *endpoint, bool small,
		 const struct ip_addr *ips, unsigned int ip_count,
		 push_sender_callback_t *callback, void *context);
/* The callback is not called. */
void push_sender_abort(struct push_request **request);

#endif
