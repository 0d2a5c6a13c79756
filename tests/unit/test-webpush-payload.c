/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "unit.h"
#include "coi-limits.h"
#include "webpush-encrypt.h"
#include "webpush-payload.h"

#include <jansson.h>

#define IDS WEBPUSH_PAYLOAD_IDS
#define HEADERS WEBPUSH_PAYLOAD_HEADERS
#define CONTENT WEBPUSH_PAYLOAD_CONTENT

/* jansson refuses everything that is not JSON in UTF-8. */
static json_t *test_load(const string_t *str)
{
	json_error_t error;
	json_t *root = json_loadb((const char *)str_data(str), str_len(str),
				  JSON_REJECT_DUPLICATES, &error);

	ck_assert_msg(root != NULL, "%s at %d: %s", error.text, error.position,
		      str_c((string_t *)str));
	ck_assert_uint_le(str_len(str), WEBPUSH_PLAINTEXT_MAX_BYTES);
	return root;
}

#define BODY(text) \
	.content = (const unsigned char *)(text), \
	.content_size = sizeof(text) - 1

static const struct {
	const char *name;
	struct webpush_payload payload;
	enum webpush_payload_detail detail;
	const char *json;
} format_tests[] = {
	{ "nothing", { .uid = 0 }, CONTENT, "{}" },
	{ "all", {
		.from_email = "bob@example.com", .from_name = "Bob",
		.subject = "Chat: Hi", .date = 1577834450,
		.msg_id = "<chat$1@example.com>", .uid = 4294967295U,
		.uid_validity = 7, .folder = "COI/Chats",
		.group_id = "4321dcba1234",
		.content_type = "multipart/mixed; boundary=\"a b\"",
		.content_encoding = "Quoted-Printable",
		BODY("one\r\ntwo\t\"\\\x01"), .has_unseen = TRUE, .unseen = 3
	}, CONTENT,
	  "{\"from-email\":\"bob@example.com\",\"from-name\":\"Bob\","
	  "\"subject\":\"Chat: Hi\",\"date\":\"2019-12-31T23:20:50Z\","
	  "\"group-id\":\"4321dcba1234\",\"msg-id\":\"chat$1@example.com\","
	  "\"uid\":4294967295,\"uidvalidity\":7,\"folder\":\"COI/Chats\","
	  "\"unseen\":3,"
	  "\"content-type\":\"multipart/mixed; boundary=\\\"a b\\\"\","
	  "\"content-encoding\":\"quoted-printable\","
	  "\"content\":\"one\\r\\ntwo\\t\\\"\\\\\\u0001\"}" },
	{ "headers only", {
		.from_email = "bob@example.com", .subject = "Hi", .uid = 1,
		.content_type = "text/html", BODY("x")
	}, HEADERS,
	  "{\"from-email\":\"bob@example.com\",\"subject\":\"Hi\","
	  "\"uid\":1}" },
	{ "ids only", {
		.from_email = "bob@example.com", .from_name = "Bob",
		.subject = "Hi", .date = 1, .group_id = "4321dcba1234",
		.msg_id = "a@b", .uid = 1, .uid_validity = 2, .folder = "INBOX",
		BODY("x")
	}, IDS,
	  "{\"msg-id\":\"a@b\",\"uid\":1,\"uidvalidity\":2,"
	  "\"folder\":\"INBOX\"}" },
	{ "empty texts are left out", {
		.from_email = "", .from_name = "", .subject = "", .msg_id = "<>",
		.folder = "", .group_id = "", .content_type = "",
		.content_encoding = "", BODY("")
	}, CONTENT, "{\"content\":\"\"}" },
	{ "defaults are left out", {
		.content_type = "Text/Plain", .content_encoding = "8BIT",
		BODY("\xc3\xa4")
	}, CONTENT, "{\"content\":\"\xc3\xa4\"}" },
	{ "JSON's own charset", {
		.content_type = " text/plain; CHARSET=\"UTF-8\" (really)",
		.content_encoding = "7bit", BODY("x")
	}, CONTENT, "{\"content-encoding\":\"7bit\",\"content\":\"x\"}" },
	{ "another charset", {
		.content_type = "text/plain; charset=iso-8859-1",
		.content_encoding = "base64", BODY("5A==")
	}, CONTENT, "{\"content-type\":\"text/plain; charset=iso-8859-1\","
	  "\"content-encoding\":\"base64\",\"content\":\"5A==\"}" },
	{ "another parameter", {
		.content_type = "text/plain; charset=utf-8; format=flowed",
		BODY("x")
	}, CONTENT, "{\"content-type\":\"text/plain; charset=utf-8; "
	  "format=flowed\",\"content\":\"x\"}" },
	{ "a parameter that only looks like a charset", {
		.content_type = "text/plain; name=utf-8", BODY("x")
	}, CONTENT, "{\"content-type\":\"text/plain; name=utf-8\","
	  "\"content\":\"x\"}" },
	{ "another type", {
		.content_type = "text/plainer", BODY("x")
	}, CONTENT, "{\"content-type\":\"text/plainer\",\"content\":\"x\"}" },
	{ "unreadable type", {
		.content_type = "text", BODY("x")
	}, CONTENT, "{\"content-type\":\"text\",\"content\":\"x\"}" },
	{ "content with a NUL", {
		.content_type = "text/html", BODY("a\0b")
	}, CONTENT, "{}" },
	{ "content in Latin-1", {
		.content_type = "text/html", BODY("\xe4")
	}, CONTENT, "{}" },
	{ "content with a surrogate", { BODY("\xed\xa0\x80") }, CONTENT, "{}" },
	{ "content with half a character", { BODY("a\xe2\x82") }, CONTENT,
	  "{}" },
	{ "content with an overlong slash", { BODY("\xc0\xaf") }, CONTENT,
	  "{}" },
	{ "broken texts are mended", {
		.from_name = "a\xff" "b", .subject = "\xc3", .folder = "\x80x"
	}, HEADERS, "{\"from-name\":\"a\xef\xbf\xbd" "b\","
	  "\"subject\":\"\xef\xbf\xbd\",\"folder\":\"\xef\xbf\xbdx\"}" },
	{ "control characters", { .subject = "\x01\x1f\x7f\b\f" }, HEADERS,
	  "{\"subject\":\"\\u0001\\u001f\x7f\\b\\f\"}" },
	{ "half a pair of brackets", { .msg_id = "<a@b" }, IDS,
	  "{\"msg-id\":\"a@b\"}" },
	{ "no brackets", { .msg_id = "a@b>" }, IDS, "{\"msg-id\":\"a@b>\"}" },
	{ "date before 1970", { .date = -1 }, HEADERS, "{}" },
	{ "date after 9999", { .date = 253402300800 }, HEADERS, "{}" },
	{ "no unseen", { .has_unseen = TRUE, .unseen = 0 }, IDS,
	  "{\"unseen\":0}" },
};

START_TEST(test_format)
{
	string_t *str = t_str_new(256);
	bool has_content;

	has_content = webpush_payload_format(&format_tests[_i].payload,
					     format_tests[_i].detail, str);
	ck_assert_msg(strcmp(str_c(str), format_tests[_i].json) == 0,
		      "%s: %s", format_tests[_i].name, str_c(str));
	json_decref(test_load(str));
	ck_assert(has_content == (strstr(str_c(str), "\"content\":") != NULL));
}
END_TEST

/* One character each, plain and escaped. */
static const char *const cut_tests[] = {
	"a", "\"", "\\", "\n", "\x01", "\x7f", "\xc3\xa4", "\xe2\x82\xac",
	"\xf0\x9f\x98\x80", "\xff"
};

/* The length of a member's JSON string, without the quotes. */
static size_t test_raw_length(const string_t *str, const char *name)
{
	const char *prefix = t_strdup_printf("\"%s\":\"", name);
	const char *p = strstr(str_c((string_t *)str), prefix);
	const char *start;

	ck_assert_ptr_nonnull(p);
	start = p += strlen(prefix);
	for (; *p != '"'; p++) {
		if (*p == '\\')
			p++;
	}
	return p - start;
}

static void test_cut_member(const string_t *str, const json_t *root,
			    const char *name, const char *text,
			    size_t min_bytes)
{
	const char *value = json_string_value(json_object_get(root, name));
	size_t len = strlen(value), raw = test_raw_length(str, name);

	if (len > 3 && strcmp(value + len - 3, "\xe2\x80\xa6") == 0) {
		raw -= 3;
		ck_assert_uint_ge(raw, min_bytes);
		/* nothing but whole characters of the text */
		if (uni_utf8_str_is_valid(text))
			ck_assert(strncmp(value, text, len - 3) == 0);
	} else if (uni_utf8_str_is_valid(text)) {
		ck_assert_str_eq(value, text);
	}
	ck_assert_uint_le(raw, 206);
}

/* A character of each kind at every offset around the cut (W25, W26). */
START_TEST(test_cut)
{
	struct webpush_payload payload;
	string_t *text = t_str_new(512), *str = t_str_new(2048);
	unsigned int fill;
	json_t *root;

	for (fill = 0; fill <= COI_PUSH_TEXT_MAX_BYTES + 8; fill++) {
		i_zero(&payload);
		str_truncate(text, 0);
		str_truncate(str, 0);
		while (str_len(text) < fill)
			str_append_c(text, 'a');
		while (str_len(text) < fill + 20)
			str_append(text, cut_tests[_i]);
		payload.from_email = payload.from_name = payload.subject =
			payload.msg_id = payload.content_type =
			str_c(text);
		payload.content = (const unsigned char *)"";
		ck_assert(webpush_payload_format(&payload, CONTENT, str));
		root = test_load(str);
		test_cut_member(str, root, "from-email", str_c(text), 100);
		test_cut_member(str, root, "from-name", str_c(text), 100);
		test_cut_member(str, root, "subject", str_c(text), 100);
		test_cut_member(str, root, "msg-id", str_c(text), 100);
		test_cut_member(str, root, "content-type", str_c(text), 200);
		json_decref(root);
	}
}
END_TEST

/* Left out if they are too long: what is cut names nothing. */
START_TEST(test_whole)
{
	struct webpush_payload payload;
	string_t *folder = t_str_new(256), *group = t_str_new(256);
	string_t *str = t_str_new(1024);

	i_zero(&payload);
	while (str_len(folder) < 198)
		str_append_c(folder, 'f');
	str_append_c(folder, '"');	/* two bytes */
	while (str_len(group) < 128)
		str_append_c(group, 'g');
	payload.folder = str_c(folder);
	payload.group_id = str_c(group);
	webpush_payload_format(&payload, HEADERS, str);
	ck_assert_uint_eq(test_raw_length(str, "folder"), 200);
	ck_assert_uint_eq(test_raw_length(str, "group-id"), 128);

	str_insert(folder, 0, "f");
	str_append_c(group, 'g');
	payload.folder = str_c(folder);
	payload.group_id = str_c(group);
	str_truncate(str, 0);
	webpush_payload_format(&payload, HEADERS, str);
	ck_assert_str_eq(str_c(str), "{}");
}
END_TEST

/* W28: the whole body or nothing of it. */
START_TEST(test_content_size)
{
	static const char rest[] = "{\"uid\":1,\"content\":\"\"}";
	size_t max = WEBPUSH_PLAINTEXT_MAX_BYTES - strlen(rest);
	struct webpush_payload payload;
	string_t *content = t_str_new(4096), *str = t_str_new(4096);

	i_zero(&payload);
	payload.uid = 1;
	while (str_len(content) < max)
		str_append_c(content, 'c');
	payload.content = str_data(content);
	payload.content_size = str_len(content);
	ck_assert(webpush_payload_format(&payload, CONTENT, str));
	ck_assert_uint_eq(str_len(str), 3993);
	json_decref(test_load(str));

	str_append_c(content, 'c');
	payload.content = str_data(content);
	payload.content_size = str_len(content);
	str_truncate(str, 0);
	ck_assert(!webpush_payload_format(&payload, CONTENT, str));
	ck_assert_str_eq(str_c(str), "{\"uid\":1}");

	/* As long as before, but not when it is escaped. */
	str_truncate(content, max - 1);
	str_append_c(content, '"');
	payload.content = str_data(content);
	payload.content_size = str_len(content);
	str_truncate(str, 0);
	ck_assert(!webpush_payload_format(&payload, CONTENT, str));
	ck_assert_str_eq(str_c(str), "{\"uid\":1}");
}
END_TEST

/* What is longest, fits. It stands behind something else. */
START_TEST(test_largest)
{
	struct webpush_payload payload;
	string_t *text = t_str_new(8192), *str = t_str_new(4096);

	i_zero(&payload);
	while (str_len(text) < 8000)
		str_append_c(text, '\x01');
	payload.from_email = payload.from_name = payload.subject =
		payload.msg_id = payload.content_type =
		payload.content_encoding = str_c(text);
	payload.folder = t_strdup_until(str_c(text), str_c(text) + 33);
	payload.group_id = t_strdup_until(str_c(text), str_c(text) + 21);
	payload.uid = payload.uid_validity = payload.unseen = UINT32_MAX;
	payload.has_unseen = TRUE;
	payload.date = 253402300799;
	payload.content = str_data(text);
	payload.content_size = 300;
	str_append_c(str, '{');
	ck_assert(webpush_payload_format(&payload, CONTENT, str));
	str_delete(str, 0, 1);
	json_decref(test_load(str));
	/* Room for a body remains. */
	ck_assert_uint_lt(str_len(str), 1800 + 300 * 6);
}
END_TEST

/* W43, W44 */
START_TEST(test_seen)
{
	struct webpush_payload payload = {
		.subject = "Hi", .uid = 5, .uid_validity = 6, .folder = "INBOX",
		.has_unseen = TRUE, .unseen = 0
	};
	string_t *str = t_str_new(128);

	webpush_payload_format_seen(&payload, str);
	ck_assert_str_eq(str_c(str), "{\"seen\":true,\"uid\":5,"
			 "\"uidvalidity\":6,\"folder\":\"INBOX\",\"unseen\":0}");
}
END_TEST

START_TEST(test_validation)
{
	string_t *str = t_str_new(128);

	webpush_payload_format_validation("abc$123$\"", str);
	ck_assert_str_eq(str_c(str), "{\"validation\":\"abc$123$\\\"\"}");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-payload");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "W24 W26 W27: members");
	tcase_add_loop_test(tcase, test_format, 0, N_ELEMENTS(format_tests));
	tcase_add_test(tcase, test_whole);
	tcase_add_test(tcase, test_seen);
	tcase = unit_tcase_add(suite, "W25 W26: cuts");
	tcase_add_loop_test(tcase, test_cut, 0, N_ELEMENTS(cut_tests));
	tcase = unit_tcase_add(suite, "W28: content");
	tcase_add_test(tcase, test_content_size);
	tcase_add_test(tcase, test_largest);
	tcase = unit_tcase_add(suite, "W17: validation");
	tcase_add_test(tcase, test_validation);
	return unit_run(suite);
}
