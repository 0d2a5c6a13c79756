/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "webpush-endpoint.h"

static const in_port_t fuzz_ports[] = { 443, 8443 };
static const struct webpush_endpoint_policy policy = {
	.ports = fuzz_ports, .port_count = N_ELEMENTS(fuzz_ports)
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What is allowed goes to a public host, and reads back the same. */
static void fuzz_url(const char *url)
{
	struct webpush_endpoint endpoint, again;
	pool_t pool = pool_datastack_create();
	const char *error;

	if (webpush_endpoint_parse(url, &policy, pool, &endpoint, &error) < 0)
		return;
	i_assert(strncmp(endpoint.url, "https://", 8) == 0);
	i_assert(endpoint.port == 443 || endpoint.port == 8443);
	i_assert(strchr(endpoint.host, '.') != NULL ||
		 endpoint.ip.family == AF_INET6);
	i_assert(strpbrk(endpoint.host, "@/?#[]% \\") == NULL);
	i_assert(endpoint.ip.family == 0 ||
		 webpush_address_is_allowed(&endpoint.ip, &error));
	/* A name that some other parser could take for an address. */
	if (endpoint.ip.family == 0) {
		struct ip_addr ip;

		i_assert(net_addr2ip(endpoint.host, &ip) < 0);
	}
	if (webpush_endpoint_parse(endpoint.url, &policy, pool, &again,
				   &error) < 0)
		i_panic("%s", error);
	i_assert(strcmp(again.url, endpoint.url) == 0);
	i_assert(strcmp(again.origin, endpoint.origin) == 0);
	i_assert(strcmp(again.host, endpoint.host) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		fuzz_url(t_strndup(data, size));
	} T_END;
	return 0;
}
