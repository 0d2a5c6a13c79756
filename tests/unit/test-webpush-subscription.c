/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "webpush-endpoint.h"
#include "webpush-subscription.h"

#define ENTRY "/private/vendor/vendor.dovecot/webpush/subscriptions/0123456789"
#define NOW 1767225600
#define NOW_STR "2026-01-01T00:00:00Z"
#define TIMEOUT 300

#define URL "https://push.example.net/p/1"
/* RFC 8291 appendix A */
#define P256DH_BARE \
	"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyP" \
	"js7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH_BARE "BTBZMqHH6r4Tts7J_aSIgg"
#define P256DH "\"p256dh\":\"" P256DH_BARE "\""
#define AUTH "\"auth\":\"" AUTH_BARE "\""
#define KEYS "\"keys\":{" P256DH "," AUTH "}"
#define ENDPOINT "\"endpoint\":\"" URL "\""
#define RESOURCE "\"resource\":{" ENDPOINT "," KEYS "}"
#define MINIMAL "{\"msgtype\":\"chat\"," RESOURCE "}"
#define SERVER "\"created\":\"" NOW_STR "\",\"validated\":false"

static const in_port_t test_ports[] = { 443 };
static const struct webpush_endpoint_policy policy = {
	.ports = test_ports, .port_count = N_ELEMENTS(test_ports)
};

static const struct {
	const char *id;
	bool valid;
} id_tests[] = {
	{ "0123456789", TRUE },
	{ "31754ee7-d3ee-4226-b112-6895ed26fcf8", TRUE },
	{ "ABCdef_-09", TRUE },
	{ "012345678", FALSE },
	{ "31754ee7-d3ee-4226-b112-6895ed26fcf8a", FALSE },
	{ "0123456789/", FALSE },
	{ "0123456789/validate", FALSE },
	{ "../../../../", FALSE },
	{ "01234567.9", FALSE },
	{ "01234567 9", FALSE },
	{ "01234567\xc3\xa4", FALSE },
	{ "0123456789\n", FALSE },
	{ "", FALSE },
};

START_TEST(test_id)
{
	ck_assert_msg(webpush_subscription_id_is_valid(id_tests[_i].id) ==
		      id_tests[_i].valid, "%s", id_tests[_i].id);
}
END_TEST

static const struct {
	const char *name;
	const char *value;
	/* What clients get then. */
	const char *formatted;
} good_tests[] = {
	{ "as little as possible", MINIMAL,
	  "{" SERVER ",\"msgtype\":\"chat\"," RESOURCE "}" },
	{ "everything",
	  "\r\n{ \"client\" : \"My \\\"App\\\"\", \"device\":\"\xc3\xa4\", "
	  "\"msgtype\":\"all\",\"seen\":true," RESOURCE "}\n",
	  "{" SERVER ",\"client\":\"My \\\"App\\\"\",\"device\":\"\xc3\xa4\","
	  "\"msgtype\":\"all\",\"seen\":true," RESOURCE "}" },
	{ "null is as if missing",
	  "{\"client\":null,\"device\":null,\"seen\":null,"
	  "\"msgtype\":\"mail\"," RESOURCE "}",
	  "{" SERVER ",\"msgtype\":\"mail\"," RESOURCE "}" },
	/* W12 */
	{ "unknown members, at every level",
	  "{\"x\":1,\"msgtype\":\"chat\",\"resource\":{\"y\":[{}]," ENDPOINT
	  ",\"keys\":{\"z\":null," P256DH "," AUTH "}},\"expirationTime\":null}",
	  "{" SERVER ",\"msgtype\":\"chat\"," RESOURCE "}" },
	/* W13, W14 */
	{ "the server's members are the server's",
	  "{\"created\":7,\"validated\":true,\"validation\":\"x\",\"wrong\":[],"
	  "\"msgtype\":\"chat\"," RESOURCE "}",
	  "{" SERVER ",\"msgtype\":\"chat\"," RESOURCE "}" },
	{ "base64 with padding",
	  "{\"msgtype\":\"chat\",\"resource\":{" ENDPOINT ",\"keys\":{\"p256dh\":"
	  "\"BCVxsr7N/eNgVRqvHtD0zTZsEc6+VV+JvLexhqUzORcxaOzi6+AYWXvTBHm4bjyP"
	  "js7Vd8pZGH6SRpkNtoIAiw4=\","
	  "\"auth\":\"BTBZMqHH6r4Tts7J\\/aSIgg==\"}}}",
	  "{" SERVER ",\"msgtype\":\"chat\"," RESOURCE "}" },
	{ "the endpoint stays as it is",
	  "{\"msgtype\":\"chat\",\"resource\":{"
	  "\"endpoint\":\"HTTPS://Push.Example.NET:443\"," KEYS "}}",
	  "{" SERVER ",\"msgtype\":\"chat\",\"resource\":{"
	  "\"endpoint\":\"HTTPS://Push.Example.NET:443\"," KEYS "}}" },
};

START_TEST(test_good)
{
	const char *name = good_tests[_i].name, *error = NULL;
	struct webpush_subscription sub, again;
	pool_t pool = pool_datastack_create();
	string_t *str = t_str_new(512), *str2 = t_str_new(512);
	int ret;

	ret = webpush_subscription_validate(ENTRY, good_tests[_i].value,
					    &policy, NOW, pool, &sub, &error);
	ck_assert_msg(ret == 0, "%s: %s", name, error);
	webpush_subscription_format(&sub, str);
	ck_assert_str_eq(str_c(str), good_tests[_i].formatted);
	ck_assert(!sub.validated && sub.validation == NULL &&
		  sub.wrong_count == 0);

	/* What is stored reads back the same, and hides from clients. */
	sub.validation = "secret";
	sub.wrong_count = 3;
	str_truncate(str, 0);
	webpush_subscription_format_stored(&sub, str);
	ck_assert_int_eq(webpush_subscription_parse(str_c(str), pool, &again,
						    &error), 0);
	webpush_subscription_format_stored(&again, str2);
	ck_assert_str_eq(str_c(str), str_c(str2));
	ck_assert_str_eq(again.validation, "secret");
	ck_assert_uint_eq(again.wrong_count, 3);
	str_truncate(str2, 0);
	webpush_subscription_format(&again, str2);
	ck_assert_str_eq(str_c(str2), good_tests[_i].formatted);
}
END_TEST

#define LONG_129 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define WITH_RESOURCE(members) \
	"{\"msgtype\":\"chat\",\"resource\":{" members "}}"
#define WITH_KEYS(members) WITH_RESOURCE(ENDPOINT ",\"keys\":{" members "}")
#define WITH_URL(url) WITH_RESOURCE("\"endpoint\":\"" url "\"," KEYS)

static const struct {
	const char *name;
	const char *value;
	const char *reason;
} bad_tests[] = {
#define MSGTYPE "msgtype must be one of: chat, mail, all"
#define POINT "p256dh must be an uncompressed point on P-256"
#define CLIENT "client must be a string of at most 128 bytes"
	{ "empty", "", "not JSON (line 1, column 0)" },
	{ "binary", "\x01\x02\xff", "not JSON (line 1, column 1)" },
	{ "8-bit", "{\"client\":\"\xe4\"}", "not JSON (line 1, column 11)" },
	{ "truncated", "{\"msgtype\":\"chat\",\"resource\":{",
	  "not JSON (line 1, column 30)" },
	{ "array", "[" MINIMAL "]", "not a JSON object" },
	{ "a member twice", "{\"msgtype\":\"chat\",\"msgtype\":\"chat\","
	  RESOURCE "}", "a member stands twice" },
	{ "a member twice, inside", WITH_KEYS(P256DH "," AUTH "," AUTH),
	  "a member stands twice" },
	{ "deeply nested", "{\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]],\"msgtype\":"
	  "\"chat\"," RESOURCE "}", "more than 16 levels" },

	/* W10 */
	{ "long client", "{\"client\":\"" LONG_129 "\",\"msgtype\":\"chat\","
	  RESOURCE "}", CLIENT },
	{ "client is no string", "{\"client\":1,\"msgtype\":\"chat\"," RESOURCE
	  "}", CLIENT },
	{ "long device", "{\"device\":\"" LONG_129 "\",\"msgtype\":\"chat\","
	  RESOURCE "}", "device must be a string of at most 128 bytes" },
	{ "control character", "{\"device\":\"a\\u001b[2J\",\"msgtype\":\"chat\","
	  RESOURCE "}", "device must not have control characters" },
	{ "seen is a word", "{\"seen\":\"yes\",\"msgtype\":\"chat\"," RESOURCE
	  "}", "seen must be true or false" },

	/* W11 */
	{ "no msgtype", "{" RESOURCE "}", "msgtype is missing" },
	{ "msgtype null", "{\"msgtype\":null," RESOURCE "}",
	  "msgtype is missing" },
	{ "upper case", "{\"msgtype\":\"Chat\"," RESOURCE "}", MSGTYPE },
	{ "of the earlier plugin", "{\"msgtype\":\"email\"," RESOURCE "}",
	  MSGTYPE },
	{ "empty msgtype", "{\"msgtype\":\"\"," RESOURCE "}", MSGTYPE },

	{ "no resource", "{\"msgtype\":\"chat\"}",
	  "resource must be an object" },
	{ "resource is a string", "{\"msgtype\":\"chat\",\"resource\":\"" URL
	  "\"}", "resource must be an object" },
	{ "no endpoint", WITH_RESOURCE(KEYS), "endpoint is missing" },
	{ "endpoint is a number", WITH_RESOURCE("\"endpoint\":1," KEYS),
	  "endpoint must be a string of at most 1024 bytes" },
	/* W36 */
	{ "http", WITH_URL("http://push.example.net/"),
	  "endpoint is not allowed: it must begin with https://" },
	{ "loopback", WITH_URL("https://127.0.0.1/"),
	  "endpoint is not allowed: its host is a loopback address" },
	{ "no keys", WITH_RESOURCE(ENDPOINT), "keys must be an object" },
	{ "no p256dh", WITH_KEYS(AUTH), "p256dh is missing" },
	{ "no auth", WITH_KEYS(P256DH), "auth is missing" },
	{ "no base64", WITH_KEYS("\"p256dh\":\"!\"," AUTH),
	  "p256dh is not base64" },
	{ "short point", WITH_KEYS("\"p256dh\":\"BCVxsr7N\"," AUTH), POINT },
	{ "off the curve", WITH_KEYS("\"p256dh\":"
	  "\"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyP"
	  "js7Vd8pZGH6SRpkNtoIAiw8\"," AUTH), POINT },
	{ "compressed", WITH_KEYS("\"p256dh\":"
	  "\"AiVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcx\"," AUTH), POINT },
	{ "15 octets", WITH_KEYS(P256DH ",\"auth\":\"BTBZMqHH6r4Tts7J_aSI\""),
	  "auth must be 16 octets, not 15" },
	{ "17 octets",
	  WITH_KEYS(P256DH ",\"auth\":\"BTBZMqHH6r4Tts7J_aSIggA\""),
	  "auth must be 16 octets, not 17" },
	{ "empty auth", WITH_KEYS(P256DH ",\"auth\":\"\""),
	  "auth must be 16 octets, not 0" },
	{ "auth is bytes", WITH_KEYS(P256DH ",\"auth\":[1]"),
	  "auth must be a string of at most 256 bytes" },
};

START_TEST(test_bad)
{
	struct webpush_subscription sub;
	const char *error = NULL;
	int ret;

	ret = webpush_subscription_validate(ENTRY, bad_tests[_i].value, &policy,
					    NOW, pool_datastack_create(), &sub,
					    &error);
	ck_assert_msg(ret == -1, "%s", bad_tests[_i].name);
	ck_assert_str_eq(error, t_strconcat("invalid value for " ENTRY ": ",
					    bad_tests[_i].reason, NULL));
	ck_assert(sub.endpoint == NULL && sub.created == 0);
}
END_TEST

/* What only a stored value can get wrong. */
static const struct {
	const char *members;
	const char *reason;
} bad_stored_tests[] = {
	{ "\"x\":1", "created is missing" },
	{ "\"created\":1", "created must be a time such as "
	  "2026-12-31T23:59:59Z" },
	{ "\"validated\":1", "validated must be true or false" },
	{ "\"created\":\"" NOW_STR "\",\"wrong\":0",
	  "wrong is no number that we write" },
	{ "\"created\":\"" NOW_STR "\",\"wrong\":6",
	  "wrong is no number that we write" },
	{ "\"created\":\"" NOW_STR "\",\"wrong\":\"1\"",
	  "wrong is no number that we write" },
	{ "\"validation\":1", "validation must be a string of at most 1024 "
	  "bytes" },
};

START_TEST(test_bad_stored)
{
	const char *value = t_strconcat("{", bad_stored_tests[_i].members,
					",\"msgtype\":\"chat\"," RESOURCE "}",
					NULL);
	struct webpush_subscription sub;
	const char *error;

	ck_assert_int_eq(webpush_subscription_parse(value,
			 pool_datastack_create(), &sub, &error), -1);
	ck_assert_str_eq(error, bad_stored_tests[_i].reason);
	ck_assert_ptr_null(sub.endpoint);
}
END_TEST

static int test_validate_str(const string_t *value, const char **error_r)
{
	struct webpush_subscription sub;

	return webpush_subscription_validate(ENTRY, str_c((string_t *)value),
					     &policy, NOW,
					     pool_datastack_create(), &sub,
					     error_r);
}

START_TEST(test_size)
{
	string_t *value = t_str_new(1024*1024 + 1);
	const char *error;

	str_append(value, MINIMAL);
	while (str_len(value) < COI_PUSH_VALUE_MAX_BYTES)
		str_append_c(value, ' ');
	ck_assert_int_eq(test_validate_str(value, &error), 0);
	str_append_c(value, ' ');
	ck_assert_int_eq(test_validate_str(value, &error), -1);
	ck_assert_str_eq(error, "invalid value for " ENTRY
			 ": longer than 8192 bytes");
	while (str_len(value) < 1024*1024)
		str_append_c(value, '[');
	ck_assert_int_eq(test_validate_str(value, &error), -1);
}
END_TEST

/* The largest that is allowed can be stored. */
START_TEST(test_largest)
{
	string_t *url = t_str_new(1024), *text = t_str_new(1024);
	string_t *name = t_str_new(256), *str = t_str_new(8192);
	struct webpush_subscription sub, again;
	const char *error, *value;

	str_append(url, "https://push.example.net/");
	while (str_len(url) < COI_PUSH_ENDPOINT_MAX_BYTES)
		str_append_c(url, 'u');
	while (str_len(name) < 2 * COI_PUSH_CLIENT_MAX_BYTES)
		str_append(name, "\\\"");
	while (str_len(text) < COI_PUSH_VALIDATION_MAX_BYTES)
		str_append_c(text, 'v');
	value = t_strdup_printf("{\"client\":\"%s\",\"device\":\"%s\","
				"\"msgtype\":\"chat\",\"resource\":{"
				"\"endpoint\":\"%s\","KEYS"}}",
				str_c(name), str_c(name), str_c(url));
	ck_assert_int_eq(webpush_subscription_validate(ENTRY, value, &policy,
			 NOW, pool_datastack_create(), &sub, &error), 0);
	sub.validation = str_c(text);
	sub.wrong_count = 1;
	webpush_subscription_format_stored(&sub, str);
	ck_assert_uint_lt(str_len(str), 4000);
	ck_assert_int_eq(webpush_subscription_parse(str_c(str),
			 pool_datastack_create(), &again, &error), 0);

	str_append_c(url, 'u');
	value = t_strdup_printf(WITH_RESOURCE("\"endpoint\":\"%s\"," KEYS),
				str_c(url));
	ck_assert_int_eq(webpush_subscription_validate(ENTRY, value, &policy,
			 NOW, pool_datastack_create(), &sub, &error), -1);
	ck_assert_str_eq(error, "invalid value for " ENTRY
			 ": endpoint must be a string of at most 1024 bytes");
}
END_TEST

static const struct {
	enum webpush_msgtype msgtype;
	bool validated, chat, mail;
} wants_tests[] = {
	{ WEBPUSH_MSGTYPE_CHAT, TRUE, TRUE, FALSE },
	{ WEBPUSH_MSGTYPE_MAIL, TRUE, FALSE, TRUE },
	{ WEBPUSH_MSGTYPE_ALL, TRUE, TRUE, TRUE },
	{ WEBPUSH_MSGTYPE_CHAT, FALSE, FALSE, FALSE },
	{ WEBPUSH_MSGTYPE_MAIL, FALSE, FALSE, FALSE },
	{ WEBPUSH_MSGTYPE_ALL, FALSE, FALSE, FALSE },
};

START_TEST(test_wants)
{
	struct webpush_subscription sub = {
		.msgtype = wants_tests[_i].msgtype,
		.validated = wants_tests[_i].validated
	};

	ck_assert(webpush_subscription_wants(&sub, TRUE) ==
		  wants_tests[_i].chat);
	ck_assert(webpush_subscription_wants(&sub, FALSE) ==
		  wants_tests[_i].mail);
}
END_TEST

#define OK WEBPUSH_VALIDATION_OK
#define WRONG WEBPUSH_VALIDATION_WRONG
#define DISCARD WEBPUSH_VALIDATION_DISCARD

static const struct {
	const char *name;
	struct webpush_subscription sub;
	const char *text;
	int secs;
	enum webpush_validation verdict;
	unsigned int wrong_count;
} validation_tests[] = {
	{ "right", { .validation = "abc" }, "abc", 1, OK, 0 },
	{ "right after wrong ones", { .validation = "abc", .wrong_count = 4 },
	  "abc", 1, OK, 0 },
	{ "at the last moment", { .validation = "abc" }, "abc", TIMEOUT, OK,
	  0 },
	{ "too late", { .validation = "abc" }, "abc", TIMEOUT + 1, DISCARD, 0 },
	{ "wrong", { .validation = "abc" }, "abd", 1, WRONG, 1 },
	{ "shorter", { .validation = "abc" }, "ab", 1, WRONG, 1 },
	{ "longer", { .validation = "abc" }, "abcd", 1, WRONG, 1 },
	{ "empty", { .validation = "abc" }, "", 1, WRONG, 1 },
	{ "case", { .validation = "abc" }, "ABC", 1, WRONG, 1 },
	{ "fourth", { .validation = "abc", .wrong_count = 3 }, "x", 1, WRONG,
	  4 },
	{ "fifth", { .validation = "abc", .wrong_count = 4 }, "x", 1, DISCARD,
	  5 },
	{ "nothing was sent", { .validation = NULL }, "", 1, WRONG, 1 },
	{ "again, later", { .validation = "abc", .validated = TRUE }, "abc",
	  TIMEOUT + 1, OK, 0 },
	{ "wrong after it", { .validation = "abc", .validated = TRUE }, "x",
	  TIMEOUT + 1, WRONG, 0 },
};

START_TEST(test_validation)
{
	struct webpush_subscription sub = validation_tests[_i].sub;
	bool validated = sub.validated;
	enum webpush_validation verdict;

	sub.created = NOW;
	verdict = webpush_subscription_try_validation(&sub,
		validation_tests[_i].text, NOW + validation_tests[_i].secs,
		TIMEOUT);
	ck_assert_msg(verdict == validation_tests[_i].verdict &&
		      sub.wrong_count == validation_tests[_i].wrong_count &&
		      sub.validated == (validated || verdict == OK),
		      "%s: %d, %u", validation_tests[_i].name, verdict,
		      sub.wrong_count);
}
END_TEST

START_TEST(test_expired)
{
	struct webpush_subscription sub = { .created = NOW };

	ck_assert(!webpush_subscription_is_expired(&sub, NOW, TIMEOUT));
	ck_assert(!webpush_subscription_is_expired(&sub, NOW + TIMEOUT,
						   TIMEOUT));
	ck_assert(webpush_subscription_is_expired(&sub, NOW + TIMEOUT + 1,
						  TIMEOUT));
	sub.validated = TRUE;
	ck_assert(!webpush_subscription_is_expired(&sub, NOW + TIMEOUT + 1,
						   TIMEOUT));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-subscription");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "W9: ids");
	tcase_add_loop_test(tcase, test_id, 0, N_ELEMENTS(id_tests));
	tcase = unit_tcase_add(suite, "W10 W11 W12 W13 W14 W22: values");
	tcase_add_loop_test(tcase, test_good, 0, N_ELEMENTS(good_tests));
	tcase_add_loop_test(tcase, test_bad, 0, N_ELEMENTS(bad_tests));
	tcase_add_loop_test(tcase, test_bad_stored, 0,
			    N_ELEMENTS(bad_stored_tests));
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_largest);
	tcase = unit_tcase_add(suite, "W11: wants");
	tcase_add_loop_test(tcase, test_wants, 0, N_ELEMENTS(wants_tests));
	tcase = unit_tcase_add(suite, "W18 W19 W20: validation");
	tcase_add_loop_test(tcase, test_validation, 0,
			    N_ELEMENTS(validation_tests));
	tcase_add_test(tcase, test_expired);
	return unit_run(suite);
}
