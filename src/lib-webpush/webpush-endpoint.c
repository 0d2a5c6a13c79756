/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hex-binary.h"
#include "sha2.h"
#include "str.h"
#include "strnum.h"
#include "coi-limits.h"
#include "webpush-text.h"
#include "webpush-endpoint.h"

/* RFC 1035 2.3.4, as text */
#define WEBPUSH_HOST_MAX_LEN 253
#define WEBPUSH_LABEL_MAX_LEN 63

#define WEBPUSH_IP4_BYTES 4
#define WEBPUSH_IP6_BYTES 16

struct webpush_network {
	unsigned char bytes[WEBPUSH_IP6_BYTES];
	unsigned int bits;
	const char *name;
};

struct webpush_scheme {
	const char *prefix;
	in_port_t port;
	bool insecure;
};

static const struct webpush_scheme webpush_schemes[] = {
	{ "https://", 443, FALSE },
	{ "http://", 80, TRUE },
};

/* The IANA IPv4 Special-Purpose Address Registry, and what else is no service
   of the public Internet. The metadata services of clouds lie in link-local and
   shared addresses, but for one. */
static const struct webpush_network webpush_forbidden_ip4[] = {
	{ { 0 }, 8, "an address of this network" },
	{ { 10 }, 8, "a private address" },
	{ { 100, 64 }, 10, "a shared address" },
	{ { 127 }, 8, "a loopback address" },
	{ { 168, 63, 129, 16 }, 32, "a metadata service" },
	{ { 169, 254 }, 16, "a link-local address" },
	{ { 172, 16 }, 12, "a private address" },
	{ { 192, 0, 0 }, 24, "an address for protocols" },
	{ { 192, 0, 2 }, 24, "an address for documentation" },
	{ { 192, 31, 196 }, 24, "an AS112 address" },
	{ { 192, 52, 193 }, 24, "an AMT address" },
	{ { 192, 88, 99 }, 24, "a 6to4 relay" },
	{ { 192, 168 }, 16, "a private address" },
	{ { 192, 175, 48 }, 24, "an AS112 address" },
	{ { 198, 18 }, 15, "an address for benchmarks" },
	{ { 198, 51, 100 }, 24, "an address for documentation" },
	{ { 203, 0, 113 }, 24, "an address for documentation" },
	{ { 224 }, 4, "a multicast address" },
	{ { 240 }, 4, "a reserved address" },
};

/* The first that contains an address names it. */
static const struct webpush_network webpush_forbidden_ip6[] = {
	{ { 0x20, 0x01, 0x0d, 0xb8 }, 32, "an address for documentation" },
	{ { 0x20, 0x01, 0x00, 0x00 }, 32, "a Teredo address" },
	{ { 0x20, 0x01, 0x00 }, 23, "an address for protocols" },
	{ { 0x20, 0x02 }, 16, "a 6to4 address" },
	{ { 0x26, 0x20, 0x00, 0x4f, 0x80, 0x00 }, 48, "an AS112 address" },
	{ { 0x3f, 0xff, 0x00 }, 20, "an address for documentation" },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff }, 96,
	  "an IPv4-mapped address" },
	{ { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 }, 128,
	  "a loopback address" },
	{ { 0x00, 0x64, 0xff, 0x9b }, 32, "a NAT64 address" },
	{ { 0xfc }, 7, "a private address" },
	{ { 0xfe, 0x80 }, 10, "a link-local address" },
	{ { 0xfe, 0xc0 }, 10, "a site-local address" },
	{ { 0xff }, 8, "a multicast address" },
};

/* All that IANA has given away so far (RFC 4291 2.4). */
static const struct webpush_network webpush_global_ip6 =
	{ { 0x20 }, 3, "" };

/* Names that never are a public service: RFC 6761, RFC 6762, RFC 8375 and
   ICANN's reservation of .internal. */
static const char *const webpush_forbidden_suffixes[] = {
	"localhost", "local", "internal", "home.arpa",
};

static const char *webpush_endpoint_too_long(void)
{
	return t_strdup_printf("it is longer than %u bytes",
			       COI_PUSH_ENDPOINT_MAX_BYTES);
}

static bool webpush_network_has(const struct webpush_network *network,
				const unsigned char *bytes)
{
	unsigned int full = network->bits / 8, rest = network->bits % 8;

	if (memcmp(network->bytes, bytes, full) != 0)
		return FALSE;
	return rest == 0 ||
		((network->bytes[full] ^ bytes[full]) >> (8 - rest)) == 0;
}

static const char *
webpush_networks_find(const struct webpush_network *networks,
		      unsigned int count, const unsigned char *bytes)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (webpush_network_has(&networks[i], bytes))
			return networks[i].name;
	}
	return NULL;
}

static const char *webpush_ip6_get_reason(const unsigned char *bytes)
{
	const char *reason;

	reason = webpush_networks_find(webpush_forbidden_ip6,
				       N_ELEMENTS(webpush_forbidden_ip6),
				       bytes);
	if (reason != NULL)
		return reason;
	if (!webpush_network_has(&webpush_global_ip6, bytes))
		return "no public address";
	/* RFC 5214 6.1: the tunnel's end is an IPv4 address of anyone's choice;
	   it may have any prefix. */
	if ((bytes[8] & 0xfd) == 0 && bytes[9] == 0 &&
	    bytes[10] == 0x5e && bytes[11] == 0xfe)
		return "an ISATAP address";
	return NULL;
}

bool webpush_address_is_allowed(const struct ip_addr *ip, const char **why_r)
{
	const char *reason;

	if (IPADDR_IS_V4(ip)) {
		reason = webpush_networks_find(webpush_forbidden_ip4,
			N_ELEMENTS(webpush_forbidden_ip4),
			(const void *)&ip->u.ip4);
	} else if (IPADDR_IS_V6(ip)) {
		reason = webpush_ip6_get_reason((const void *)&ip->u.ip6);
	} else {
		reason = "no address";
	}
	*why_r = reason;
	return reason == NULL;
}

/* Four decimal numbers: everything else that inet_aton() takes for an address
   is nothing that a client has to write. */
static bool webpush_host_is_ip4(const char *host)
{
	const char *const *parts = t_strsplit(host, ".");
	unsigned int i, num;

	if (str_array_length(parts) != WEBPUSH_IP4_BYTES)
		return FALSE;
	for (i = 0; i < WEBPUSH_IP4_BYTES; i++) {
		if (str_to_uint(parts[i], &num) < 0 || num > 255 ||
		    (parts[i][0] == '0' && parts[i][1] != '\0'))
			return FALSE;
	}
	return TRUE;
}

/* As browsers have it: such a name would be an address to somebody. */
static bool webpush_label_is_number(const char *label)
{
	if (label[0] == '0' && label[1] == 'x')
		return strspn(label + 2, "0123456789abcdef") ==
			strlen(label + 2);
	return label[strspn(label, "0123456789")] == '\0';
}

static bool webpush_label_is_valid(const char *label)
{
	size_t i, len = strlen(label);

	if (len == 0 || len > WEBPUSH_LABEL_MAX_LEN ||
	    label[0] == '-' || label[len - 1] == '-')
		return FALSE;
	for (i = 0; i < len; i++) {
		if (!webpush_is_alnum(label[i]) && label[i] != '-')
			return FALSE;
	}
	return TRUE;
}

static bool webpush_host_is_name(const char *host)
{
	const char *const *labels = t_strsplit(host, ".");
	unsigned int i;

	if (strlen(host) > WEBPUSH_HOST_MAX_LEN)
		return FALSE;
	for (i = 0; labels[i] != NULL; i++) {
		if (!webpush_label_is_valid(labels[i]))
			return FALSE;
	}
	return i > 0 && !webpush_label_is_number(labels[i - 1]);
}

static bool webpush_host_is_forbidden(const char *host)
{
	size_t len = strlen(host), suffix_len;
	unsigned int i;

	/* It would be looked for in the provider's own domain. */
	if (strchr(host, '.') == NULL)
		return TRUE;
	for (i = 0; i < N_ELEMENTS(webpush_forbidden_suffixes); i++) {
		suffix_len = strlen(webpush_forbidden_suffixes[i]);
		if (len > suffix_len && host[len - suffix_len - 1] == '.' &&
		    strcmp(host + len - suffix_len,
			   webpush_forbidden_suffixes[i]) == 0)
			return TRUE;
	}
	return strcmp(host, "home.arpa") == 0;
}

static int
webpush_endpoint_check_ip(const struct ip_addr *ip,
			  const struct webpush_endpoint_policy *policy,
			  const char **error_r)
{
	const char *why;

	if (policy->insecure || webpush_address_is_allowed(ip, &why))
		return 0;
	*error_r = t_strdup_printf("its host is %s", why);
	return -1;
}

static int
webpush_endpoint_set_host(const char *host, bool bracketed,
			  const struct webpush_endpoint_policy *policy,
			  pool_t pool, struct webpush_endpoint *endpoint,
			  const char **error_r)
{
	host = t_str_lcase(host);
	if (bracketed || webpush_host_is_ip4(host)) {
		/* A zone (RFC 6874) is local by itself. */
		if ((bracketed && strchr(host, ':') == NULL) ||
		    strpbrk(host, "%[]") != NULL ||
		    net_addr2ip(host, &endpoint->ip) < 0) {
			*error_r = "its host is no valid address";
			return -1;
		}
		endpoint->host = p_strdup(pool, net_ip2addr(&endpoint->ip));
		return webpush_endpoint_check_ip(&endpoint->ip, policy,
						 error_r);
	}
	if (!webpush_host_is_name(host)) {
		*error_r = "its host is neither a name nor an address";
		return -1;
	}
	if (!policy->insecure && webpush_host_is_forbidden(host)) {
		*error_r = "its host is no public name";
		return -1;
	}
	endpoint->host = p_strdup(pool, host);
	return 0;
}

static int
webpush_endpoint_set_port(const char *port,
			  const struct webpush_endpoint_policy *policy,
			  struct webpush_endpoint *endpoint,
			  const char **error_r)
{
	unsigned int i;

	if (port != NULL &&
	    (port[0] == '0' || net_str2port(port, &endpoint->port) < 0)) {
		*error_r = "its port is no number from 1 to 65535";
		return -1;
	}
	for (i = 0; i < policy->port_count; i++) {
		if (policy->ports[i] == endpoint->port)
			return 0;
	}
	if (policy->insecure)
		return 0;
	*error_r = "its port is not allowed";
	return -1;
}

static int
webpush_endpoint_set_authority(const char *authority,
			       const struct webpush_endpoint_policy *policy,
			       pool_t pool, struct webpush_endpoint *endpoint,
			       const char **error_r)
{
	bool bracketed = authority[0] == '[';
	const char *host, *end;

	if (strchr(authority, '@') != NULL) {
		*error_r = "it must not have a user name";
		return -1;
	}
	end = strchr(authority, bracketed ? ']' : ':');
	if (end == NULL)
		end = authority + strlen(authority);
	host = t_strdup_until(bracketed ? authority + 1 : authority, end);
	if (bracketed && *end++ != ']') {
		*error_r = "its host is no valid address";
		return -1;
	}
	if (*end != '\0' && *end != ':') {
		*error_r = "its host is no valid address";
		return -1;
	}
	if (webpush_endpoint_set_host(host, bracketed, policy, pool, endpoint,
				      error_r) < 0)
		return -1;
	return webpush_endpoint_set_port(*end == ':' ? end + 1 : NULL, policy,
					 endpoint, error_r);
}

static int webpush_endpoint_set_url(struct webpush_endpoint *endpoint,
				    const struct webpush_scheme *scheme,
				    const char *target, pool_t pool,
				    const char **error_r)
{
	string_t *str = t_str_new(256);
	bool bracketed = IPADDR_IS_V6(&endpoint->ip);

	str_printfa(str, "%s%s%s%s", scheme->prefix, bracketed ? "[" : "",
		    endpoint->host, bracketed ? "]" : "");
	if (endpoint->port != scheme->port)
		str_printfa(str, ":%u", endpoint->port);
	endpoint->origin = p_strdup(pool, str_c(str));
	if (*target != '/')
		str_append_c(str, '/');
	str_append(str, target);
	/* What has been read must not be refused when it is read again. */
	if (str_len(str) > COI_PUSH_ENDPOINT_MAX_BYTES) {
		*error_r = webpush_endpoint_too_long();
		return -1;
	}
	endpoint->url = p_strdup(pool, str_c(str));
	return 0;
}

/* Returns NULL if it begins with none that is allowed. */
static const struct webpush_scheme *
webpush_endpoint_cut_scheme(const char **url,
			    const struct webpush_endpoint_policy *policy)
{
	const struct webpush_scheme *scheme;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(webpush_schemes); i++) {
		scheme = &webpush_schemes[i];
		if (strncasecmp(*url, scheme->prefix,
				strlen(scheme->prefix)) == 0 &&
		    (!scheme->insecure || policy->insecure)) {
			*url += strlen(scheme->prefix);
			return scheme;
		}
	}
	return NULL;
}

/* Looks at all that is not the authority. Returns NULL if it is right. */
static const char *webpush_endpoint_find_error(const char *rest,
					       const char *target)
{
	if (!webpush_is_uri_text(rest) || strpbrk(target, "[]") != NULL)
		return "it has characters that must not stand there";
	if (strchr(rest, '#') != NULL)
		return "it must not have a fragment";
	return NULL;
}

int webpush_endpoint_parse(const char *url,
			   const struct webpush_endpoint_policy *policy,
			   pool_t pool, struct webpush_endpoint *endpoint_r,
			   const char **error_r)
{
	const struct webpush_scheme *scheme;
	const char *rest = url, *target, *error;

	i_zero(endpoint_r);
	if (strlen(url) > COI_PUSH_ENDPOINT_MAX_BYTES) {
		*error_r = webpush_endpoint_too_long();
		return -1;
	}
	scheme = webpush_endpoint_cut_scheme(&rest, policy);
	if (scheme == NULL) {
		*error_r = policy->insecure ?
			"it must begin with https:// or http://" :
			"it must begin with https://";
		return -1;
	}
	endpoint_r->port = scheme->port;
	target = rest + strcspn(rest, "/?");
	error = webpush_endpoint_find_error(rest, target);
	if (error != NULL) {
		*error_r = error;
		return -1;
	}
	if (webpush_endpoint_set_authority(t_strdup_until(rest, target), policy,
					   pool, endpoint_r, error_r) < 0)
		return -1;
	return webpush_endpoint_set_url(endpoint_r, scheme, target, pool,
					error_r);
}

int webpush_endpoint_parse_admin(const char *url, pool_t pool,
				 struct webpush_endpoint *endpoint_r,
				 const char **error_r)
{
	static const struct webpush_endpoint_policy policy = {
		.insecure = TRUE,
	};
	const char *why;

	if (webpush_endpoint_parse(url, &policy, pool, endpoint_r,
				   error_r) < 0)
		return -1;
	endpoint_r->trusted = TRUE;
	endpoint_r->local = endpoint_r->ip.family != 0 ?
		!webpush_address_is_allowed(&endpoint_r->ip, &why) :
		webpush_host_is_forbidden(endpoint_r->host);
	return 0;
}

const char *webpush_endpoint_hash(const struct webpush_endpoint *endpoint)
{
	unsigned char digest[SHA256_RESULTLEN];
	const char *text = endpoint->url;

	/* no URL has a space */
	if (endpoint->generation != NULL)
		text = t_strconcat(text, " ", endpoint->generation, NULL);
	sha256_get_digest(text, strlen(text), digest);
	return binary_to_hex(digest, sizeof(digest));
}
