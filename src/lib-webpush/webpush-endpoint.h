#ifndef WEBPUSH_ENDPOINT_H
#define WEBPUSH_ENDPOINT_H

#include "net.h"

/* W36: an endpoint is a URL that a user, or who has the user's password, makes
   the server send to. So it is read by the strict rules here, and only what was
   read goes on: never the text as it came, which another parser may read in
   another way. A name is resolved by the worker, which asks for each address
   whether it is allowed. */

struct webpush_endpoint_policy {
	/* For tests only: http, any port, any name and any address as well. */
	bool insecure;
	/* The ports that are allowed. */
	const in_port_t *ports;
	unsigned int port_count;
	/* Where device tokens go (webpush_endpoint_parse_admin()); NULL:
	   nowhere. */
	const struct webpush_endpoint *admin;
};

struct webpush_endpoint {
	/* The URL, put together of the parts below. */
	const char *url;
	/* Scheme, host and a port that is not the scheme's own (RFC 6454 6.1).
	   */
	const char *origin;
	/* In lower case; an address without brackets. */
	const char *host;
	/* The host, if it is an address; family 0: it is a name. */
	struct ip_addr ip;
	in_port_t port;
	/* The administrator's own: no address of it is forbidden. And it is
	   nothing of the public Internet, to which a proxy would lead. */
	bool trusted, local;
	/* Of a device token: which time of setting it this is (coi-token.h).
	   NULL: there is but one. */
	const char *generation;
};

/* Returns 0, or -1 if the URL is not allowed; then *error_r (data stack) says
   why, without quoting it, and may be sent to the client. Strings of
   *endpoint_r are allocated from `pool'. */
int webpush_endpoint_parse(const char *url,
			   const struct webpush_endpoint_policy *policy,
			   pool_t pool, struct webpush_endpoint *endpoint_r,
			   const char **error_r);

/* The same for the URL of a setting: it may be http and have any port, and its
   host may be any. */
int webpush_endpoint_parse_admin(const char *url, pool_t pool,
				 struct webpush_endpoint *endpoint_r,
				 const char **error_r);

/* By which the worker tells which endpoint is gone, in the generation that it had
   then: 64 hexadecimal digits (data stack). */
const char *webpush_endpoint_hash(const struct webpush_endpoint *endpoint);

/* Whether a push may go to this address: only such as are of the public
   Internet. If not, *why_r tells what it is. */
bool webpush_address_is_allowed(const struct ip_addr *ip, const char **why_r);

#endif
