/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-push-sender.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <curl/curl.h>

/* curl's own buffer for what it reads: answers are short. */
#define PUSH_SENDER_BUFFER_BYTES 4096L
/* config.h has Dovecot's name */
#define PUSH_SENDER_USER_AGENT "dovecot-coi"
/* Handles that are kept for the next request. */
#define PUSH_SENDER_IDLE_MAX 32
/* Seconds after which even a good connection is made anew, since addresses
   change. */
#define PUSH_SENDER_CONNECTION_SECS 600L

/* A socket of curl's. */
struct push_socket {
	struct push_socket *prev, *next;
	struct push_sender *sender;
	curl_socket_t fd;
	int what;
	struct io *io_read, *io_write;
};

struct push_request {
	struct push_request *prev, *next;
	struct push_sender *sender;
	CURL *curl;
	const char *origin;
	/* it has answered another one since this one began */
	bool origin_answers;
	struct curl_slist *headers, *resolve;
	size_t answer_bytes;
	bool answer_too_long;
	/* of the endpoint */
	bool trusted, local;
	char *retry_after;
	const char *refused;
	push_sender_callback_t *callback;
	void *context;
	char error[CURL_ERROR_SIZE];
};

struct push_sender {
	struct push_sender_settings set;
	struct event *event;
	CURLM *multi;
	struct timeout *to;
	struct push_socket *sockets;
	struct push_request *requests;
	ARRAY(CURL *) idle;
};

static void push_sender_perform(struct push_sender *sender, curl_socket_t fd,
				int what);

static void push_socket_readable(struct push_socket *sock)
{
	push_sender_perform(sock->sender, sock->fd, CURL_CSELECT_IN);
}

static void push_socket_writable(struct push_socket *sock)
{
	push_sender_perform(sock->sender, sock->fd, CURL_CSELECT_OUT);
}

/* curl 7.88 closes sockets that did not get connected without a word, and may
   have another one with the same number by now. Dovecot panics if it has to
   unwatch one that is not there any more. */
static void push_socket_unwatch(struct push_socket *sock, bool closed)
{
	if (closed) {
		io_remove_closed(&sock->io_read);
		io_remove_closed(&sock->io_write);
	} else {
		io_remove(&sock->io_read);
		io_remove(&sock->io_write);
	}
}

static void push_socket_watch(struct push_socket *sock)
{
	if ((sock->what & CURL_POLL_IN) == 0) {
		io_remove(&sock->io_read);
	} else if (sock->io_read == NULL) {
		sock->io_read = io_add(sock->fd, IO_READ, push_socket_readable,
				       sock);
	}
	if ((sock->what & CURL_POLL_OUT) == 0) {
		io_remove(&sock->io_write);
	} else if (sock->io_write == NULL) {
		sock->io_write = io_add(sock->fd, IO_WRITE,
					push_socket_writable, sock);
	}
}

static void push_socket_free(struct push_socket *sock)
{
	push_socket_unwatch(sock, fcntl(sock->fd, F_GETFD) < 0);
	DLLIST_REMOVE(&sock->sender->sockets, sock);
	i_free(sock);
}

static struct push_socket *
push_sender_find_socket(struct push_sender *sender, curl_socket_t fd)
{
	struct push_socket *sock = sender->sockets;

	while (sock != NULL && sock->fd != fd)
		sock = sock->next;
	return sock;
}

static struct push_socket *
push_socket_create(struct push_sender *sender, curl_socket_t fd)
{
	struct push_socket *sock = i_new(struct push_socket, 1);

	sock->sender = sender;
	sock->fd = fd;
	DLLIST_PREPEND(&sender->sockets, sock);
	(void)curl_multi_assign(sender->multi, fd, sock);
	return sock;
}

static int push_sender_socket(CURL *curl ATTR_UNUSED, curl_socket_t fd,
			      int what, void *context, void *socket_context)
{
	struct push_sender *sender = context;
	struct push_socket *sock = socket_context;

	if (what == CURL_POLL_REMOVE) {
		if (sock != NULL)
			push_socket_free(sock);
		return 0;
	}
	if (sock == NULL)
		sock = push_socket_create(sender, fd);
	sock->what = what;
	push_socket_watch(sock);
	return 0;
}

/* It may come before curl says that the socket is not to be watched any more. */
static int push_sender_close_socket(void *context, curl_socket_t fd)
{
	struct push_sender *sender = context;
	struct push_socket *sock = push_sender_find_socket(sender, fd);

	if (sock != NULL) {
		(void)curl_multi_assign(sender->multi, fd, NULL);
		push_socket_free(sock);
	}
	return close(fd);
}

static void push_sender_timeout(struct push_sender *sender)
{
	timeout_remove(&sender->to);
	push_sender_perform(sender, CURL_SOCKET_TIMEOUT, 0);
}

static int push_sender_timer(CURLM *multi ATTR_UNUSED, long msecs,
			     void *context)
{
	struct push_sender *sender = context;

	timeout_remove(&sender->to);
	if (msecs >= 0) {
		sender->to = timeout_add_short(msecs, push_sender_timeout,
					       sender);
	}
	return 0;
}

static int
push_sender_set_multi(struct push_sender *sender, const char **error_r)
{
	CURLM *multi = sender->multi;

	if (curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION,
			      push_sender_socket) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, sender) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION,
			      push_sender_timer) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, sender) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_PIPELINING,
			      CURLPIPE_MULTIPLEX) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
			      (long)COI_PUSH_ORIGIN_ACTIVE_MAX) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS,
			      (long)COI_PUSH_CONNECTIONS_MAX) != CURLM_OK ||
	    curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			      (long)COI_PUSH_ORIGIN_CONNECTIONS_MAX) !=
	    CURLM_OK) {
		*error_r = "libcurl does not know its options";
		return -1;
	}
	return 0;
}

int push_sender_init(const struct push_sender_settings *set,
		     struct event *event, struct push_sender **sender_r,
		     const char **error_r)
{
	struct push_sender *sender;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		*error_r = "libcurl cannot be initialized";
		return -1;
	}
	sender = i_new(struct push_sender, 1);
	sender->set = *set;
	sender->event = event;
	sender->multi = curl_multi_init();
	i_array_init(&sender->idle, PUSH_SENDER_IDLE_MAX);
	if (sender->multi == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "curl_multi_init() failed");
	if (push_sender_set_multi(sender, error_r) < 0) {
		push_sender_deinit(&sender);
		return -1;
	}
	*sender_r = sender;
	return 0;
}

void push_sender_deinit(struct push_sender **_sender)
{
	struct push_sender *sender = *_sender;
	CURL *curl;

	*_sender = NULL;
	i_assert(sender->requests == NULL);
	array_foreach_elem(&sender->idle, curl)
		curl_easy_cleanup(curl);
	array_free(&sender->idle);
	(void)curl_multi_cleanup(sender->multi);
	while (sender->sockets != NULL)
		push_socket_free(sender->sockets);
	timeout_remove(&sender->to);
	i_free(sender);
	curl_global_cleanup();
}

bool push_sender_needs_addresses(const struct push_sender *sender,
				 const struct webpush_endpoint *endpoint)
{
	return *sender->set.proxy_url == '\0' || endpoint->local;
}

static size_t push_request_count(struct push_request *request, size_t size)
{
	request->answer_bytes += size;
	if (request->answer_bytes <= COI_PUSH_ANSWER_MAX_BYTES)
		return size;
	request->answer_too_long = TRUE;
	/* ends the transfer */
	return 0;
}

static size_t push_request_body(char *data ATTR_UNUSED, size_t size,
				size_t count, void *context)
{
	return push_request_count(context, size * count);
}

static size_t push_request_header(char *data, size_t size, size_t count,
				  void *context)
{
	static const char name[] = "retry-after:";
	struct push_request *request = context;
	size_t len = size * count, skip = sizeof(name) - 1;

	if (len > skip && strncasecmp(data, name, skip) == 0) T_BEGIN {
		i_free(request->retry_after);
		request->retry_after = i_strdup(
			t_str_trim(t_strndup(data + skip, len - skip),
				   " \t\r\n"));
	} T_END;
	return push_request_count(request, len);
}

static int push_sender_read_address(const struct curl_sockaddr *address,
				    struct ip_addr *ip_r)
{
	const void *addr = &address->addr;

	i_zero(ip_r);
	ip_r->family = address->family;
	switch (address->family) {
	case AF_INET:
		ip_r->u.ip4 = ((const struct sockaddr_in *)addr)->sin_addr;
		return 0;
	case AF_INET6:
		ip_r->u.ip6 = ((const struct sockaddr_in6 *)addr)->sin6_addr;
		return 0;
	}
	return -1;
}

/* If a socket of this number is still watched, it was closed without a word. To
   curl this one takes its place. */
static curl_socket_t
push_sender_open_socket(struct push_sender *sender,
			const struct curl_sockaddr *address)
{
	struct push_socket *sock;
	int fd;

	fd = socket(address->family, address->socktype | SOCK_CLOEXEC,
		    address->protocol);
	if (fd == -1)
		return CURL_SOCKET_BAD;
	sock = push_sender_find_socket(sender, fd);
	if (sock != NULL) {
		push_socket_unwatch(sock, TRUE);
		push_socket_watch(sock);
	}
	return fd;
}

/* The second line: whatever curl has resolved by itself, or the addresses that
   it was given have become, it gets no socket to a forbidden one (W36). */
static curl_socket_t
push_request_open_socket(void *context, curlsocktype purpose ATTR_UNUSED,
			 struct curl_sockaddr *address)
{
	struct push_request *request = context;
	const struct push_sender_settings *set = &request->sender->set;
	struct ip_addr ip;

	if (push_sender_read_address(address, &ip) < 0)
		return CURL_SOCKET_BAD;
	if (*set->proxy_url == '\0' && !set->insecure && !request->trusted &&
	    !webpush_address_is_allowed(&ip, &request->refused))
		return CURL_SOCKET_BAD;
	return push_sender_open_socket(request->sender, address);
}

static struct curl_slist *
push_headers_add(struct curl_slist *headers, const char *line)
{
	headers = curl_slist_append(headers, line);
	if (headers == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "curl_slist_append() failed");
	return headers;
}

/* RFC 8030 5, RFC 8291 4, RFC 8292 3 */
static struct curl_slist *
push_request_webpush_headers(struct curl_slist *headers,
			     const struct push_job *job)
{
	headers = push_headers_add(headers, t_strdup_printf(
		"Authorization: %s", job->authorization));
	headers = push_headers_add(headers, "Content-Encoding: aes128gcm");
	headers = push_headers_add(headers,
		"Content-Type: application/octet-stream");
	headers = push_headers_add(headers,
		t_strdup_printf("TTL: %u", job->ttl_secs));
	headers = push_headers_add(headers, t_strdup_printf("Urgency: %s",
		job->urgency == PUSH_JOB_URGENCY_HIGH ? "high" : "normal"));
	if (job->topic != NULL) {
		headers = push_headers_add(headers,
			t_strdup_printf("Topic: %s", job->topic));
	}
	/* W17: a header without a value */
	if (job->validation)
		headers = push_headers_add(headers, "WebPush-Validation;");
	return headers;
}

static struct curl_slist *push_request_headers(const struct push_job *job)
{
	struct curl_slist *headers = NULL;

	headers = job->kind == PUSH_JOB_KIND_WEBPUSH ?
		push_request_webpush_headers(headers, job) :
		push_headers_add(headers, "Content-Type: text/plain");
	/* not what curl adds by itself */
	headers = push_headers_add(headers, "Expect:");
	return push_headers_add(headers, "Accept:");
}

/* "+": the entry is forgotten in time, as any that curl has resolved. */
static struct curl_slist *
push_request_addresses(const struct webpush_endpoint *endpoint,
		       const struct ip_addr *ips, unsigned int count)
{
	string_t *str = t_str_new(128);
	unsigned int i;

	str_printfa(str, "+%s:%u:", endpoint->host, endpoint->port);
	for (i = 0; i < count; i++) {
		if (i > 0)
			str_append_c(str, ',');
		str_printfa(str, IPADDR_IS_V6(&ips[i]) ? "[%s]" : "%s",
			    net_ip2addr(&ips[i]));
	}
	return push_headers_add(NULL, str_c(str));
}

/* The administrator's endpoint may be http, and no proxy leads into the own
   network. A handle that is used again forgets it. */
static void push_sender_set_reach(struct push_sender *sender, CURL *curl,
				  bool trusted, bool local)
{
	const struct push_sender_settings *set = &sender->set;

	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR,
			 set->insecure || trusted ? "http,https" : "https");
	/* "" does not look into the environment */
	curl_easy_setopt(curl, CURLOPT_PROXY, local ? "" : set->proxy_url);
}

/* What is the same for all requests; a handle that is used again keeps it. */
static void push_sender_set_common(struct push_sender *sender, CURL *curl)
{
	const struct push_sender_settings *set = &sender->set;

	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	push_sender_set_reach(sender, curl, FALSE, FALSE);
	curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION,
			 (long)CURL_HTTP_VERSION_2TLS);
	/* to share a connection that is just being made */
	curl_easy_setopt(curl, CURLOPT_PIPEWAIT, 1L);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, PUSH_SENDER_BUFFER_BYTES);
	curl_easy_setopt(curl, CURLOPT_USERAGENT, PUSH_SENDER_USER_AGENT);
	curl_easy_setopt(curl, CURLOPT_NOPROXY, "");
	if (*set->ca_file != '\0')
		curl_easy_setopt(curl, CURLOPT_CAINFO, set->ca_file);
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT,
			 (long)I_MIN(COI_PUSH_CONNECT_TIMEOUT_SECS,
				     set->timeout_secs));
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)set->timeout_secs);
	curl_easy_setopt(curl, CURLOPT_MAXLIFETIME_CONN,
			 PUSH_SENDER_CONNECTION_SECS);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, push_request_body);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, push_request_header);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION,
			 push_request_open_socket);
	curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION,
			 push_sender_close_socket);
	curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, sender);
}

static CURL *push_sender_get_handle(struct push_sender *sender)
{
	unsigned int count = array_count(&sender->idle);
	CURL *curl;

	if (count > 0) {
		curl = array_idx_elem(&sender->idle, count - 1);
		array_delete(&sender->idle, count - 1, 1);
		return curl;
	}
	curl = curl_easy_init();
	if (curl == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "curl_easy_init() failed");
	push_sender_set_common(sender, curl);
	return curl;
}

static void push_request_set(struct push_request *request,
			     const struct push_job *job, bool small)
{
	CURL *curl = request->curl;

	if (request->trusted) {
		push_sender_set_reach(request->sender, curl, TRUE,
				      request->local);
	}
	curl_easy_setopt(curl, CURLOPT_PRIVATE, request);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, request->error);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, request);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, request);
	curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, request);
	curl_easy_setopt(curl, CURLOPT_URL, job->endpoint);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, request->headers);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, request->resolve);
	curl_easy_setopt(curl, CURLOPT_POST, 1L);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE,
			 (long)(small ? job->small_body_size : job->body_size));
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
			 small ? job->small_body : job->body);
}

struct push_request *
push_sender_send(struct push_sender *sender, const struct push_job *job,
		 const struct webpush_endpoint *endpoint, bool small,
		 const struct ip_addr *ips, unsigned int ip_count,
		 push_sender_callback_t *callback, void *context)
{
	struct push_request *request = i_new(struct push_request, 1);
	CURLMcode code;

	request->sender = sender;
	request->origin = endpoint->origin;
	request->trusted = endpoint->trusted;
	request->local = endpoint->local;
	request->callback = callback;
	request->context = context;
	request->curl = push_sender_get_handle(sender);
	DLLIST_PREPEND(&sender->requests, request);
	T_BEGIN {
		request->headers = push_request_headers(job);
		if (ip_count > 0) {
			request->resolve = push_request_addresses(endpoint, ips,
								  ip_count);
		}
	} T_END;
	push_request_set(request, job, small);
	/* only asks for a timer */
	code = curl_multi_add_handle(sender->multi, request->curl);
	if (code != CURLM_OK) {
		i_fatal_status(FATAL_OUTOFMEM,
			       "curl_multi_add_handle() failed: %s",
			       curl_multi_strerror(code));
	}
	return request;
}

/* Nothing of a request may stay with a handle. */
static void push_sender_put_handle(struct push_sender *sender, CURL *curl)
{
	if (array_count(&sender->idle) == PUSH_SENDER_IDLE_MAX) {
		curl_easy_cleanup(curl);
		return;
	}
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(curl, CURLOPT_RESOLVE, NULL);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
	array_push_back(&sender->idle, &curl);
}

static void push_request_free(struct push_request *request)
{
	struct push_sender *sender = request->sender;

	(void)curl_multi_remove_handle(sender->multi, request->curl);
	DLLIST_REMOVE(&sender->requests, request);
	if (request->trusted)
		push_sender_set_reach(sender, request->curl, FALSE, FALSE);
	push_sender_put_handle(sender, request->curl);
	curl_slist_free_all(request->headers);
	curl_slist_free_all(request->resolve);
	i_free(request->retry_after);
	i_free(request);
}

void push_sender_abort(struct push_request **_request)
{
	struct push_request *request = *_request;

	*_request = NULL;
	push_request_free(request);
}

static const char *
push_request_error(const struct push_request *request, CURLcode code)
{
	if (request->answer_too_long)
		return "the answer is too long";
	if (request->refused != NULL) {
		return t_strdup_printf("its address is not allowed: %s",
				       request->refused);
	}
	if (code == CURLE_OK)
		return NULL;
	return *request->error != '\0' ? t_strdup(request->error) :
		curl_easy_strerror(code);
}

static void
push_sender_origin_answers(struct push_sender *sender, const char *origin)
{
	struct push_request *request;

	for (request = sender->requests; request != NULL;
	     request = request->next) {
		if (strcmp(request->origin, origin) == 0)
			request->origin_answers = TRUE;
	}
}

/* curl goes on using a connection that requests time out on, since others may
   get their answers there. If none has, nobody is at its other end: all would
   time out until curl thinks it too old. While others are on their way there curl
   does not tell which connection it was: then one of them is the last one, if
   only because the origin pauses. */
static void push_request_end_connection(struct push_request *request)
{
	curl_socket_t fd;

	if (!request->origin_answers &&
	    curl_easy_getinfo(request->curl, CURLINFO_ACTIVESOCKET,
			      &fd) == CURLE_OK && fd != CURL_SOCKET_BAD)
		(void)shutdown(fd, SHUT_RDWR);
}

static void push_request_finish(struct push_request *request, CURLcode code)
{
	struct push_answer answer;
	push_sender_callback_t *callback = request->callback;
	void *context = request->context;
	long status = 0, version = 0;

	i_zero(&answer);
	/* However the rest of the answer fails to come, its status is there. A
	   1xx is none. */
	(void)curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(request->curl, CURLINFO_HTTP_VERSION, &version);
	if (status >= 200)
		answer.status = status;
	answer.multiplexed = version == CURL_HTTP_VERSION_2_0;
	answer.retry_after = t_strdup(request->retry_after);
	answer.error = push_request_error(request, code);
	if (answer.status != 0)
		push_sender_origin_answers(request->sender, request->origin);
	else if (code == CURLE_OPERATION_TIMEDOUT)
		push_request_end_connection(request);
	push_request_free(request);
	callback(&answer, context);
}

static void push_sender_perform(struct push_sender *sender, curl_socket_t fd,
				int what)
{
	struct push_request *request;
	CURLMsg *message;
	int running, left;

	(void)curl_multi_socket_action(sender->multi, fd, what, &running);
	while ((message = curl_multi_info_read(sender->multi, &left)) != NULL) {
		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE,
					&request);
		T_BEGIN {
			push_request_finish(request, message->data.result);
		} T_END;
	}
}
