#ifndef COI_PUSH_RESOLVER_H
#define COI_PUSH_RESOLVER_H

#include "net.h"

/* Finds the addresses of names: c-ares in Dovecot's ioloop. Only what a name
   itself has, never what a search domain makes of it. A name of which any address
   is forbidden has none (W36), since who has such a name wants nothing good. */

struct push_resolver;
struct push_resolve;

struct push_addresses {
	/* 0: error says why */
	unsigned int count;
	const struct ip_addr *ips;
	const char *error;
	/* The error is that an address is forbidden: it will not help to try
	   again. */
	bool forbidden;
};

typedef void push_resolver_callback_t(const struct push_addresses *addresses,
				      void *context);

/* `servers' are addresses with commas between them, which may have ports as in
   127.0.0.1:53; "": those of the system. Returns 0, or -1 with *error_r (data
   stack). */
int push_resolver_init(const char *servers, bool insecure,
		       struct push_resolver **resolver_r, const char **error_r);
/* All lookups have to be gone. */
void push_resolver_deinit(struct push_resolver **resolver);

/* Returns what is known about the name, or NULL: look it up. It is valid until
   the resolver is used again. */
const struct push_addresses *
push_resolver_find(struct push_resolver *resolver, const char *name);
/* The callback is not called before it returns; it must not use the resolver. */
struct push_resolve *
push_resolver_lookup(struct push_resolver *resolver, const char *name,
		     push_resolver_callback_t *callback, void *context);
/* The callback is not called. */
void push_resolver_abort(struct push_resolve **resolve);

#endif
