/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "unit.h"
#include "coi-limits.h"
#include "webpush-endpoint.h"

#define VECTORS_FILE VECTORS_DIR"/webpush-endpoints"

static const in_port_t test_ports[] = { 443, 8443 };

static const struct webpush_endpoint_policy policy = {
	.ports = test_ports, .port_count = N_ELEMENTS(test_ports)
};
static const struct webpush_endpoint_policy insecure_policy = {
	.insecure = TRUE,
	.ports = test_ports, .port_count = N_ELEMENTS(test_ports)
};

static const struct {
	const char *url;
	/* NULL: the same */
	const char *normalized;
	const char *origin, *host;
	in_port_t port;
	bool insecure;
} good_tests[] = {
	{ "https://push.example.net/p/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV", NULL,
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "https://push.example.net/", NULL,
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "https://push.example.net", "https://push.example.net/",
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "HTTPS://Push.EXAMPLE.net/P", "https://push.example.net/P",
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "https://push.example.net:443/p", "https://push.example.net/p",
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "https://push.example.net:8443/p", NULL,
	  "https://push.example.net:8443", "push.example.net", 8443, FALSE },
	{ "https://push.example.net?token=a&b=c",
	  "https://push.example.net/?token=a&b=c",
	  "https://push.example.net", "push.example.net", 443, FALSE },
	/* A user name ends at the first slash. */
	{ "https://push.example.net/@127.0.0.1/;p=!$&'()*+,~%2F/..//?/?", NULL,
	  "https://push.example.net", "push.example.net", 443, FALSE },
	{ "https://xn--bcher-kva.example/", NULL,
	  "https://xn--bcher-kva.example", "xn--bcher-kva.example", 443,
	  FALSE },
	{ "https://1.example.net/", NULL,
	  "https://1.example.net", "1.example.net", 443, FALSE },
	{ "https://mylocalhost.example/", NULL,
	  "https://mylocalhost.example", "mylocalhost.example", 443, FALSE },
	{ "https://notlocal.xlocal/", NULL,
	  "https://notlocal.xlocal", "notlocal.xlocal", 443, FALSE },
	{ "https://8.8.8.8/p", NULL, "https://8.8.8.8", "8.8.8.8", 443, FALSE },
	{ "https://[2606:4700::1111]/p", NULL,
	  "https://[2606:4700::1111]", "2606:4700::1111", 443, FALSE },
	{ "https://[2606:4700:0:0::1111]:8443/p",
	  "https://[2606:4700::1111]:8443/p",
	  "https://[2606:4700::1111]:8443", "2606:4700::1111", 8443, FALSE },
	{ "https://[2606:4700:0:0:0:0:0:ABCD]/",
	  "https://[2606:4700::abcd]/",
	  "https://[2606:4700::abcd]", "2606:4700::abcd", 443, FALSE },

	{ "http://localhost:8080/p", NULL,
	  "http://localhost:8080", "localhost", 8080, TRUE },
	{ "http://127.0.0.1:80/p", "http://127.0.0.1/p",
	  "http://127.0.0.1", "127.0.0.1", 80, TRUE },
	{ "https://[::1]:1/", NULL, "https://[::1]:1", "::1", 1, TRUE },
};

START_TEST(test_good)
{
	const char *url = good_tests[_i].url, *error = NULL;
	const char *normalized = good_tests[_i].normalized == NULL ? url :
		good_tests[_i].normalized;
	const struct webpush_endpoint_policy *test_policy =
		good_tests[_i].insecure ? &insecure_policy : &policy;
	pool_t pool = pool_datastack_create();
	struct webpush_endpoint endpoint;
	int ret;

	ret = webpush_endpoint_parse(url, test_policy, pool, &endpoint, &error);
	ck_assert_msg(ret == 0, "%s: %s", url, error);
	ck_assert_str_eq(endpoint.url, normalized);
	ck_assert_str_eq(endpoint.origin, good_tests[_i].origin);
	ck_assert_str_eq(endpoint.host, good_tests[_i].host);
	ck_assert_uint_eq(endpoint.port, good_tests[_i].port);
	ck_assert_int_eq(endpoint.ip.family != 0,
			 strspn(endpoint.host, "0123456789abcdef:.") ==
			 strlen(endpoint.host));
	if (good_tests[_i].insecure) {
		ck_assert_int_eq(webpush_endpoint_parse(url, &policy, pool,
							&endpoint, &error), -1);
		return;
	}
	/* What is good remains good, and is the same for tests. */
	ck_assert_int_eq(webpush_endpoint_parse(normalized, &insecure_policy,
						pool, &endpoint, &error), 0);
	ck_assert_str_eq(endpoint.url, normalized);
}
END_TEST

static const struct {
	const char *url;
	const char *error;
} error_tests[] = {
	{ "http://push.example.net/", "it must begin with https://" },
	{ "https://a b/", "it has characters that must not stand there" },
	{ "https://push.example.net/[", "it has characters that must not stand "
	  "there" },
	{ "https://push.example.net/#", "it must not have a fragment" },
	{ "https://u@push.example.net/", "it must not have a user name" },
	{ "https://push.example.net:80/", "its port is not allowed" },
	{ "https://push.example.net:x/", "its port is no number from 1 to 65535" },
	{ "https://0x7f.1/", "its host is neither a name nor an address" },
	{ "https://[::g]/", "its host is no valid address" },
	{ "https://[::1]x/", "its host is no valid address" },
	{ "https://localhost/", "its host is no public name" },
	{ "https://127.0.0.1/", "its host is a loopback address" },
	{ "https://[64:ff9b::1]/", "its host is a NAT64 address" },
	{ "https://[::ffff:8.8.8.8]/", "its host is an IPv4-mapped address" },
	{ "https://[4000::]/", "its host is no public address" },
};

START_TEST(test_error)
{
	struct webpush_endpoint endpoint;
	const char *error;

	ck_assert_int_eq(webpush_endpoint_parse(error_tests[_i].url, &policy,
						pool_datastack_create(),
						&endpoint, &error), -1);
	ck_assert_str_eq(error, error_tests[_i].error);
}
END_TEST

START_TEST(test_size)
{
	string_t *url = t_str_new(COI_PUSH_ENDPOINT_MAX_BYTES + 1);
	pool_t pool = pool_datastack_create();
	struct webpush_endpoint endpoint;
	const char *error;

	str_append(url, "https://push.example.net?");
	while (str_len(url) < COI_PUSH_ENDPOINT_MAX_BYTES - 1)
		str_append_c(url, 'a');
	ck_assert_int_eq(webpush_endpoint_parse(str_c(url), &policy, pool,
						&endpoint, &error), 0);
	ck_assert_uint_eq(strlen(endpoint.url), COI_PUSH_ENDPOINT_MAX_BYTES);
	/* The slash would not fit. */
	str_append_c(url, 'a');
	ck_assert_int_eq(webpush_endpoint_parse(str_c(url), &policy, pool,
						&endpoint, &error), -1);
	ck_assert_str_eq(error, "it is longer than 1024 bytes");
	str_insert(url, strlen("https://push.example.net"), "/");
	ck_assert_int_eq(webpush_endpoint_parse(str_c(url), &policy, pool,
						&endpoint, &error), -1);
	str_delete(url, 100, 1);
	ck_assert_int_eq(webpush_endpoint_parse(str_c(url), &policy, pool,
						&endpoint, &error), 0);
}
END_TEST

static const char *const words[] = {
	"address", "public", "name", "alias", NULL
};

static void test_url_vector(const char *url)
{
	struct webpush_endpoint endpoint;
	const char *error = NULL;

	ck_assert_msg(webpush_endpoint_parse(url, &policy,
			pool_datastack_create(), &endpoint, &error) < 0,
		      "%s is allowed", url);
	ck_assert_ptr_nonnull(error);
}

/* Whether all of them are allowed. */
static bool test_addresses_vector(const char *addresses)
{
	const char *const *address = t_strsplit(addresses, " "), *error;
	struct ip_addr ip;
	bool allowed, all = TRUE;

	for (; *address != NULL; address++) {
		ck_assert_msg(net_addr2ip(*address, &ip) == 0, "%s", addresses);
		allowed = webpush_address_is_allowed(&ip, &error);
		ck_assert((error == NULL) == allowed);
		all = all && allowed;
	}
	return all;
}

static void test_vector(const char *line)
{
	const char *value = strchr(line, ' '), *word, *second;

	ck_assert_ptr_nonnull(value);
	word = t_strdup_until(line, value++);
	if (strcmp(word, "url") == 0) {
		test_url_vector(value);
	} else if (strcmp(word, "rebind") == 0) {
		second = strstr(value, " | ");
		ck_assert_msg(second != NULL &&
			      test_addresses_vector(t_strdup_until(value,
								   second)) &&
			      !test_addresses_vector(second + 3), "%s", line);
	} else if (strcmp(word, "redirect") != 0) {
		ck_assert_msg(str_array_find(words, word), "%s", line);
		ck_assert_msg(test_addresses_vector(value) ==
			      (strcmp(word, "public") == 0), "%s", line);
	}
}

START_TEST(test_vectors)
{
	struct istream *input = i_stream_create_file(VECTORS_FILE, 4096);
	unsigned int count = 0;
	const char *line;

	while ((line = i_stream_read_next_line(input)) != NULL) T_BEGIN {
		if (*line != '#' && *line != '\0') {
			test_vector(line);
			count++;
		}
	} T_END;
	ck_assert_msg(input->stream_errno == 0, "%s",
		      i_stream_get_error(input));
	ck_assert_uint_gt(count, 200);
	i_stream_unref(&input);
}
END_TEST

START_TEST(test_no_address)
{
	struct ip_addr ip;
	const char *why;

	i_zero(&ip);
	ck_assert(!webpush_address_is_allowed(&ip, &why));
	ck_assert_str_eq(why, "no address");
}
END_TEST

START_TEST(test_hash)
{
	struct webpush_endpoint endpoint, same, other;
	pool_t pool = pool_datastack_create();
	const char *error;

	ck_assert_int_eq(webpush_endpoint_parse("https://push.example.net/p",
						&policy, pool, &endpoint,
						&error), 0);
	ck_assert_int_eq(webpush_endpoint_parse("HTTPS://Push.example.net:443/p",
						&policy, pool, &same,
						&error), 0);
	ck_assert_int_eq(webpush_endpoint_parse("https://push.example.net/P",
						&policy, pool, &other,
						&error), 0);
	/* computed with sha256sum(1) */
	ck_assert_str_eq(webpush_endpoint_hash(&endpoint),
			 "f2e0fbf164b1389ce45e3c1c45896edc"
			 "acc156e5c85a347df3e474bda742d3ab");
	ck_assert_str_eq(webpush_endpoint_hash(&same),
			 webpush_endpoint_hash(&endpoint));
	ck_assert_str_ne(webpush_endpoint_hash(&other),
			 webpush_endpoint_hash(&endpoint));
	/* D7 */
	same.generation = "1-000000";
	ck_assert_str_ne(webpush_endpoint_hash(&same),
			 webpush_endpoint_hash(&endpoint));
}
END_TEST

/* D5: the administrator may name any service. NULL: none. */
static const struct {
	const char *url, *made;
	bool local;
} admin_tests[] = {
	{ "https://push.example.net/notify", "https://push.example.net/notify",
	  FALSE },
	{ "http://push.example.net:8080", "http://push.example.net:8080/",
	  FALSE },
	{ "http://127.0.0.1:9000/notify", "http://127.0.0.1:9000/notify",
	  TRUE },
	{ "https://10.1.2.3/a?b=c", "https://10.1.2.3/a?b=c", TRUE },
	{ "http://[::1]:80/", "http://[::1]/", TRUE },
	{ "http://93.184.216.34/", "http://93.184.216.34/", FALSE },
	{ "http://localhost/x", "http://localhost/x", TRUE },
	{ "http://push.internal/x", "http://push.internal/x", TRUE },
	{ "ftp://push.example.net/", NULL, FALSE },
	{ "push.example.net/notify", NULL, FALSE },
	{ "https://", NULL, FALSE },
	{ "https:///notify", NULL, FALSE },
	{ "https://a@push.example.net/", NULL, FALSE },
	{ "https://push.example.net:0/", NULL, FALSE },
	{ "https://push.example.net/#a", NULL, FALSE },
	{ "https://push.example.net/a b", NULL, FALSE },
};

START_TEST(test_admin)
{
	const char *url = admin_tests[_i].url, *made = admin_tests[_i].made;
	struct webpush_endpoint endpoint;
	const char *error = NULL;
	int ret;

	ret = webpush_endpoint_parse_admin(url, pool_datastack_create(),
					   &endpoint, &error);
	ck_assert_msg(ret == (made == NULL ? -1 : 0), "%s: %s", url, error);
	if (made == NULL)
		return;
	ck_assert_str_eq(endpoint.url, made);
	ck_assert(endpoint.trusted);
	ck_assert_msg(endpoint.local == admin_tests[_i].local, "%s", url);
	/* nobody else's is */
	if (webpush_endpoint_parse(url, &policy, pool_datastack_create(),
				   &endpoint, &error) == 0)
		ck_assert(!endpoint.trusted && !endpoint.local);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-endpoint");
	TCase *tcase = unit_tcase_add(suite, "W36: endpoints and addresses");

	tcase_add_loop_test(tcase, test_good, 0, N_ELEMENTS(good_tests));
	tcase_add_loop_test(tcase, test_error, 0, N_ELEMENTS(error_tests));
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_vectors);
	tcase_add_test(tcase, test_no_address);
	tcase_add_test(tcase, test_hash);
	tcase_add_loop_test(tcase, test_admin, 0, N_ELEMENTS(admin_tests));
	return unit_run(suite);
}
