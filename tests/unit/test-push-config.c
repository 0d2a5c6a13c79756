/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-push-config.h"
#include "unit.h"

/* W30: the subject */
static const struct {
	const char *subject;
	bool valid;
} subject_tests[] = {
	{ "mailto:push@example.com", TRUE },
	{ "https://example.com/contact?x=1", TRUE },
	{ "", FALSE },
	{ "mailto:", FALSE },
	{ "https://", FALSE },
	{ "push@example.com", FALSE },
	{ "http://example.com/", FALSE },
	{ "MAILTO:push@example.com", FALSE },
	{ "mailto:<push@example.com>", FALSE },
	{ "mailto:push@example.com ", FALSE },
	{ "mailto: push@example.com", FALSE },
	{ "mailto:push@ex\xc3\xa4mple.com", FALSE },
	{ "mailto:push\"@example.com", FALSE },
	{ "mailto:push@example.com\n", FALSE },
	{ "mailto:%70ush@example.com", TRUE },
	{ "mailto:%7", FALSE },
	{ "mailto:push%zz@example.com", FALSE },
};

START_TEST(test_subject)
{
	ck_assert_msg(coi_push_subject_is_valid(
			subject_tests[_i].subject) == subject_tests[_i].valid,
		      "'%s'", subject_tests[_i].subject);
}
END_TEST

START_TEST(test_subject_size)
{
	string_t *str = t_str_new(300);

	str_append(str, "mailto:");
	while (str_len(str) < COI_PUSH_SUBJECT_MAX_BYTES)
		str_append_c(str, 'a');
	ck_assert(coi_push_subject_is_valid(str_c(str)));
	str_append_c(str, 'a');
	ck_assert(!coi_push_subject_is_valid(str_c(str)));
}
END_TEST

static const struct {
	const char *name;
	bool valid;
	enum coi_push_content content;
} content_tests[] = {
	{ "chat", TRUE, COI_PUSH_CONTENT_CHAT },
	{ "yes", TRUE, COI_PUSH_CONTENT_YES },
	{ "headers", TRUE, COI_PUSH_CONTENT_HEADERS },
	{ "no", TRUE, COI_PUSH_CONTENT_NO },
	{ "", FALSE, 0 },
	{ "Chat", FALSE, 0 },
	{ "chat yes", FALSE, 0 },
};

START_TEST(test_content)
{
	enum coi_push_content content;
	bool valid = coi_push_content_parse(content_tests[_i].name, &content);

	ck_assert_int_eq(valid, content_tests[_i].valid);
	if (valid)
		ck_assert_int_eq(content, content_tests[_i].content);
}
END_TEST

/* W36: the ports; the first one and how many there are, 0: refused */
static const struct {
	const char *str;
	unsigned int count;
	in_port_t first;
} ports_tests[] = {
	{ "443", 1, 443 },
	{ "443 8443", 2, 443 },
	{ " 1, 65535 ,2", 3, 1 },
	{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", 16, 1 },
	{ "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", 0, 0 },
	{ "", 0, 0 },
	{ " ", 0, 0 },
	{ "0", 0, 0 },
	{ "65536", 0, 0 },
	{ "4294967739", 0, 0 },
	{ "-1", 0, 0 },
	{ "443x", 0, 0 },
	{ "any", 0, 0 },
	{ "443;8443", 0, 0 },
};

START_TEST(test_ports)
{
	struct coi_push_ports ports;
	bool valid = coi_push_ports_parse(ports_tests[_i].str, &ports);

	ck_assert_int_eq(valid, ports_tests[_i].count > 0);
	if (valid) {
		ck_assert_uint_eq(ports.count, ports_tests[_i].count);
		ck_assert_uint_eq(ports.ports[0], ports_tests[_i].first);
	}
}
END_TEST

/* D5: where tokens go. */
static const struct {
	const char *url;
	bool valid;
} url_tests[] = {
	{ "https://notifications.example.net/notify", TRUE },
	{ "http://notifications.example.net", TRUE },
	{ "HTTP://push/", TRUE },
	{ "http://127.0.0.1:9000/notify", TRUE },
	{ "https://[::1]/", TRUE },
	{ "https://[2001:db8::1]:8443/x?y=z", TRUE },
	{ "https://push.example.net?x", TRUE },
	{ "https://push.example.net/a%20b", TRUE },
	{ "https://push.example.net:65535", TRUE },
	{ "", FALSE },
	{ "push.example.net", FALSE },
	{ "//push.example.net/", FALSE },
	{ "ftp://push.example.net/", FALSE },
	{ "mailto:push@example.net", FALSE },
	{ "https:/push.example.net", FALSE },
	{ "https://", FALSE },
	{ "https:///notify", FALSE },
	{ "https://:443/", FALSE },
	{ "https://push.example.net:/", FALSE },
	{ "https://push.example.net:0/", FALSE },
	{ "https://push.example.net:080/", FALSE },
	{ "https://push.example.net:65536/", FALSE },
	{ "https://push.example.net:x/", FALSE },
	{ "https://user@push.example.net/", FALSE },
	{ "https://user:secret@push.example.net/", FALSE },
	{ "https://push_1.example.net/", FALSE },
	{ "https://[::1/", FALSE },
	{ "https://[::1]x/", FALSE },
	{ "https://[::g]/", FALSE },
	{ "https://push.example.net/#x", FALSE },
	{ "https://push.example.net/a b", FALSE },
	{ "https://push.example.net/%zz", FALSE },
	{ "https://push.example.net/\n", FALSE },
	{ "https://p\xc3\xbcsh.example.net/", FALSE },
};

START_TEST(test_url)
{
	ck_assert_msg(coi_push_url_is_valid(url_tests[_i].url) ==
		      url_tests[_i].valid, "%s", url_tests[_i].url);
}
END_TEST

START_TEST(test_url_size)
{
	string_t *url = t_str_new(2048);

	str_append(url, "https://push.example.net/");
	while (str_len(url) < COI_PUSH_ENDPOINT_MAX_BYTES)
		str_append_c(url, 'x');
	ck_assert(coi_push_url_is_valid(str_c(url)));
	str_append_c(url, 'x');
	ck_assert(!coi_push_url_is_valid(str_c(url)));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-config");
	TCase *tcase = unit_tcase_add(suite, "W30 W36: settings of push");

	tcase_add_loop_test(tcase, test_subject, 0, N_ELEMENTS(subject_tests));
	tcase_add_test(tcase, test_subject_size);
	tcase_add_loop_test(tcase, test_content, 0, N_ELEMENTS(content_tests));
	tcase_add_loop_test(tcase, test_ports, 0, N_ELEMENTS(ports_tests));
	tcase_add_loop_test(tcase, test_url, 0, N_ELEMENTS(url_tests));
	tcase_add_test(tcase, test_url_size);
	return unit_run(suite);
}
