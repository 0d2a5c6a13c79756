/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "llist.h"
#include "time-util.h"
#include "coi-limits.h"
#include "webpush-endpoint.h"
#include "coi-push-resolver.h"

#include <sys/socket.h>
#include <ares.h>

struct push_resolver_socket {
	struct push_resolver_socket *prev, *next;
	struct push_resolver *resolver;
	ares_socket_t fd;
	struct io *io_read, *io_write;
};

/* What is known about a name, or just being asked. */
struct push_name {
	struct push_resolver *resolver;
	char *name;
	time_t expires;
	bool asking;
	char *error;
	struct ip_addr ips[COI_PUSH_RESOLVE_ADDRESSES_MAX];
	struct push_addresses addresses;
	struct push_resolve *lookups;
};

struct push_resolve {
	struct push_resolve *prev, *next;
	struct push_name *name;
	push_resolver_callback_t *callback;
	void *context;
};

struct push_resolver {
	ares_channel channel;
	bool insecure, closing;
	HASH_TABLE(char *, struct push_name *) names;
	struct push_resolver_socket *sockets;
	/* of c-ares, and to call back */
	struct timeout *to, *to_answer;
};

static void push_resolver_answer(struct push_resolver *resolver);

static void push_resolver_set_timeout(struct push_resolver *resolver);

static void
push_resolver_process(struct push_resolver *resolver, ares_socket_t read_fd,
		      ares_socket_t write_fd)
{
	ares_process_fd(resolver->channel, read_fd, write_fd);
	push_resolver_set_timeout(resolver);
}

static void push_resolver_timeout(struct push_resolver *resolver)
{
	push_resolver_process(resolver, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void push_resolver_set_timeout(struct push_resolver *resolver)
{
	struct timeval tv, *next;

	timeout_remove(&resolver->to);
	next = ares_timeout(resolver->channel, NULL, &tv);
	if (next != NULL) {
		resolver->to = timeout_add_short(
			next->tv_sec * 1000 + next->tv_usec / 1000 + 1,
			push_resolver_timeout, resolver);
	}
}

static void push_resolver_readable(struct push_resolver_socket *sock)
{
	push_resolver_process(sock->resolver, sock->fd, ARES_SOCKET_BAD);
}

static void push_resolver_writable(struct push_resolver_socket *sock)
{
	push_resolver_process(sock->resolver, ARES_SOCKET_BAD, sock->fd);
}

static struct push_resolver_socket *
push_resolver_socket_get(struct push_resolver *resolver, ares_socket_t fd)
{
	struct push_resolver_socket *sock;

	for (sock = resolver->sockets; sock != NULL; sock = sock->next) {
		if (sock->fd == fd)
			return sock;
	}
	sock = i_new(struct push_resolver_socket, 1);
	sock->resolver = resolver;
	sock->fd = fd;
	DLLIST_PREPEND(&resolver->sockets, sock);
	return sock;
}

/* c-ares wants to be told of these, or is about to close the socket. */
static void
push_resolver_socket_state(void *context, ares_socket_t fd, int readable,
			   int writable)
{
	struct push_resolver *resolver = context;
	struct push_resolver_socket *sock =
		push_resolver_socket_get(resolver, fd);

	io_remove(&sock->io_read);
	io_remove(&sock->io_write);
	if (readable != 0) {
		sock->io_read = io_add(fd, IO_READ, push_resolver_readable,
				       sock);
	}
	if (writable != 0) {
		sock->io_write = io_add(fd, IO_WRITE, push_resolver_writable,
					sock);
	}
	if (readable == 0 && writable == 0) {
		DLLIST_REMOVE(&resolver->sockets, sock);
		i_free(sock);
	}
}

int push_resolver_init(const char *servers, bool insecure,
		       struct push_resolver **resolver_r, const char **error_r)
{
	struct push_resolver *resolver = i_new(struct push_resolver, 1);
	struct ares_options options = {
		/* of 1.18 ares_getaddrinfo() minds the domains only, of which
		   there are none, of 1.34 the flag */
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = COI_PUSH_RESOLVE_TIMEOUT_MSECS,
		.tries = COI_PUSH_RESOLVE_TRIES,
		.sock_state_cb = push_resolver_socket_state,
		.sock_state_cb_data = resolver,
	};
	int ret;

	resolver->insecure = insecure;
	hash_table_create(&resolver->names, default_pool, 0, str_hash, strcmp);
	ret = ares_library_init(ARES_LIB_INIT_ALL);
	if (ret == ARES_SUCCESS) {
		ret = ares_init_options(&resolver->channel, &options,
			ARES_OPT_FLAGS | ARES_OPT_DOMAINS | ARES_OPT_TIMEOUTMS |
			ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	}
	if (ret == ARES_SUCCESS && *servers != '\0') {
		ret = ares_set_servers_ports_csv(resolver->channel, servers);
	}
	if (ret != ARES_SUCCESS) {
		*error_r = t_strdup_printf("c-ares: %s", ares_strerror(ret));
		push_resolver_deinit(&resolver);
		return -1;
	}
	*resolver_r = resolver;
	return 0;
}

static void push_name_free(struct push_name *name)
{
	i_assert(name->lookups == NULL && !name->asking);

	hash_table_remove(name->resolver->names, name->name);
	i_free(name->name);
	i_free(name->error);
	i_free(name);
}

/* Frees the names that nobody waits for. */
static void push_resolver_forget(struct push_resolver *resolver)
{
	struct hash_iterate_context *iter;
	struct push_name *name;
	char *key;

	iter = hash_table_iterate_init(resolver->names);
	while (hash_table_iterate(iter, resolver->names, &key, &name)) {
		if (!name->asking && name->lookups == NULL)
			push_name_free(name);
	}
	hash_table_iterate_deinit(&iter);
}

void push_resolver_deinit(struct push_resolver **_resolver)
{
	struct push_resolver *resolver = *_resolver;

	*_resolver = NULL;
	resolver->closing = TRUE;
	if (resolver->channel != NULL)
		ares_destroy(resolver->channel);
	ares_library_cleanup();
	push_resolver_forget(resolver);
	i_assert(hash_table_count(resolver->names) == 0);
	hash_table_destroy(&resolver->names);
	timeout_remove(&resolver->to);
	timeout_remove(&resolver->to_answer);
	i_free(resolver);
}

const struct push_addresses *
push_resolver_find(struct push_resolver *resolver, const char *name)
{
	struct push_name *known = hash_table_lookup(resolver->names, name);

	if (known == NULL || known->asking || known->expires <= ioloop_time)
		return NULL;
	return &known->addresses;
}

static void push_name_fail(struct push_name *name, const char *error)
{
	name->error = i_strdup(error);
	name->addresses.error = name->error;
	name->addresses.count = 0;
}

static bool push_name_check(struct push_name *name, const struct ip_addr *ip)
{
	const char *why;

	if (name->resolver->insecure || webpush_address_is_allowed(ip, &why))
		return TRUE;
	push_name_fail(name, t_strdup_printf(
		"one of its addresses is not allowed: %s", why));
	name->addresses.forbidden = TRUE;
	return FALSE;
}

static bool push_name_add(struct push_name *name, const struct sockaddr *addr)
{
	struct push_addresses *addresses = &name->addresses;
	struct ip_addr ip;

	i_zero(&ip);
	ip.family = addr->sa_family;
	if (addr->sa_family == AF_INET)
		ip.u.ip4 = ((const struct sockaddr_in *)addr)->sin_addr;
	else if (addr->sa_family == AF_INET6)
		ip.u.ip6 = ((const struct sockaddr_in6 *)addr)->sin6_addr;
	else
		return TRUE;
	if (!push_name_check(name, &ip))
		return FALSE;
	/* all are looked at, the first are enough to connect to */
	if (addresses->count < COI_PUSH_RESOLVE_ADDRESSES_MAX)
		name->ips[addresses->count++] = ip;
	return TRUE;
}

/* Returns the seconds for which it may be believed. */
static unsigned int
push_name_set(struct push_name *name, const struct ares_addrinfo *info)
{
	const struct ares_addrinfo_node *node;
	int ttl = COI_PUSH_RESOLVE_MAX_SECS;

	for (node = info->nodes; node != NULL; node = node->ai_next) {
		if (!push_name_add(name, node->ai_addr))
			return COI_PUSH_RESOLVE_FAILED_SECS;
		ttl = I_MIN(ttl, node->ai_ttl);
	}
	if (name->addresses.count == 0) {
		push_name_fail(name, "it has no address");
		return COI_PUSH_RESOLVE_FAILED_SECS;
	}
	return I_MAX(ttl, COI_PUSH_RESOLVE_MIN_SECS);
}

static void push_name_answered(void *context, int status,
			       int timeouts ATTR_UNUSED,
			       struct ares_addrinfo *info)
{
	struct push_name *name = context;
	unsigned int secs = COI_PUSH_RESOLVE_FAILED_SECS;

	name->asking = FALSE;
	if (status != ARES_SUCCESS) {
		push_name_fail(name, ares_strerror(status));
	} else T_BEGIN {
		secs = push_name_set(name, info);
	} T_END;
	if (info != NULL)
		ares_freeaddrinfo(info);
	name->expires = ioloop_time + secs;
	/* c-ares does not expect to be called by who is called here */
	if (!name->resolver->closing && name->resolver->to_answer == NULL) {
		name->resolver->to_answer = timeout_add_short(0,
			push_resolver_answer, name->resolver);
	}
}

static void push_name_answer(struct push_name *name)
{
	struct push_resolve *lookup;

	while ((lookup = name->lookups) != NULL) {
		DLLIST_REMOVE(&name->lookups, lookup);
		lookup->callback(&name->addresses, lookup->context);
		i_free(lookup);
	}
}

static void push_resolver_answer(struct push_resolver *resolver)
{
	struct hash_iterate_context *iter;
	struct push_name *name;
	char *key;

	timeout_remove(&resolver->to_answer);
	iter = hash_table_iterate_init(resolver->names);
	while (hash_table_iterate(iter, resolver->names, &key, &name)) {
		if (!name->asking)
			push_name_answer(name);
	}
	hash_table_iterate_deinit(&iter);
}

static struct push_name *
push_resolver_get_name(struct push_resolver *resolver, const char *str)
{
	struct push_name *name = hash_table_lookup(resolver->names, str);

	if (name != NULL)
		return name;
	if (hash_table_count(resolver->names) >= COI_PUSH_RESOLVE_NAMES_MAX)
		push_resolver_forget(resolver);
	name = i_new(struct push_name, 1);
	name->resolver = resolver;
	name->name = i_strdup(str);
	hash_table_insert(resolver->names, name->name, name);
	return name;
}

static void push_name_ask(struct push_name *name)
{
	static const struct ares_addrinfo_hints hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};

	i_free(name->error);
	i_zero(&name->addresses);
	name->addresses.ips = name->ips;
	name->asking = TRUE;
	ares_getaddrinfo(name->resolver->channel, name->name, NULL, &hints,
			 push_name_answered, name);
	push_resolver_set_timeout(name->resolver);
}

struct push_resolve *
push_resolver_lookup(struct push_resolver *resolver, const char *str,
		     push_resolver_callback_t *callback, void *context)
{
	struct push_name *name = push_resolver_get_name(resolver, str);
	struct push_resolve *lookup = i_new(struct push_resolve, 1);

	lookup->name = name;
	lookup->callback = callback;
	lookup->context = context;
	/* others may wait for the same */
	if (!name->asking && name->lookups == NULL)
		push_name_ask(name);
	DLLIST_PREPEND(&name->lookups, lookup);
	return lookup;
}

void push_resolver_abort(struct push_resolve **_lookup)
{
	struct push_resolve *lookup = *_lookup;

	*_lookup = NULL;
	DLLIST_REMOVE(&lookup->name->lookups, lookup);
	i_free(lookup);
}
