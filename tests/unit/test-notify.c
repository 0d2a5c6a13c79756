/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unit.h"
#include "coi-contact.h"
#include "coi-group.h"
#include "coi-limits.h"
#include "coi-notify.h"

#define NOW 1800000000

static const struct {
	enum coi_contact_notify notify;
	time_t muted_until;
	enum coi_notify result;
} contact_tests[] = {
	{ COI_CONTACT_NOTIFY_ALL, 0, COI_NOTIFY_YES },
	{ COI_CONTACT_NOTIFY_ALL, NOW + 1, COI_NOTIFY_NO },
	{ COI_CONTACT_NOTIFY_ALL, NOW, COI_NOTIFY_YES },
	{ COI_CONTACT_NOTIFY_ALL, 1, COI_NOTIFY_YES },
	{ COI_CONTACT_NOTIFY_NONE, 0, COI_NOTIFY_NO },
	{ COI_CONTACT_NOTIFY_NONE, 1, COI_NOTIFY_NO },
};

START_TEST(test_contact)
{
	const struct coi_contact contact = {
		.notify = contact_tests[_i].notify,
		.muted_until = contact_tests[_i].muted_until,
	};

	ck_assert_int_eq(coi_notify_contact(&contact, NOW),
			 contact_tests[_i].result);
}
END_TEST

static const struct {
	enum coi_group_notify notify;
	time_t muted_until;
	enum coi_notify result;
} group_tests[] = {
	{ COI_GROUP_NOTIFY_ALL, 0, COI_NOTIFY_YES },
	{ COI_GROUP_NOTIFY_ALL, NOW, COI_NOTIFY_YES },
	/* C10: muted for a while, not for good */
	{ COI_GROUP_NOTIFY_ALL, NOW + 1, COI_NOTIFY_MENTION },
	{ COI_GROUP_NOTIFY_MENTIONS, 0, COI_NOTIFY_MENTION },
	{ COI_GROUP_NOTIFY_MENTIONS, NOW + 1, COI_NOTIFY_MENTION },
	{ COI_GROUP_NOTIFY_NONE, 0, COI_NOTIFY_NO },
	{ COI_GROUP_NOTIFY_NONE, NOW + 1, COI_NOTIFY_NO },
};

START_TEST(test_group)
{
	const struct coi_group group = {
		.notify = group_tests[_i].notify,
		.muted_until = group_tests[_i].muted_until,
	};

	ck_assert_int_eq(coi_notify_group(&group, NOW),
			 group_tests[_i].result);
}
END_TEST

static const char *const own[] = {
	"bob@example.org", "b\xc3\xbc" "b@b\xc3\xbc" "cher.example", NULL
};

static const struct {
	const char *text;
	bool found;
} plain_tests[] = {
	{ "@Bob:bob@example.org", TRUE },
	{ "Hello @Bob:bob@example.org, are you there?", TRUE },
	{ "(@Bob:bob@example.org)", TRUE },
	{ "\n@Bob:bob@example.org.", TRUE },
	{ "@Bob:bob@example.org: yes", TRUE },
	{ "@Bob:bob@example.org!?", TRUE },
	{ "@Bob:BOB@Example.ORG", TRUE },
	{ "@\"Bob the Builder\":bob@example.org", TRUE },
	{ "@\"\":bob@example.org", TRUE },
	{ "@B\xc3\xbc" "b:B\xc3\x9c" "B@xn--bcher-kva.example", TRUE },
	{ "@Al:al@example.org @Bob:bob@example.org", TRUE },
	{ "a@b.c and @Bob:bob@example.org", TRUE },
	{ "@ @@Bob:bob@example.org", TRUE },
	{ "@all", TRUE },
	{ "@all: hello", TRUE },
	{ "hello @all!", TRUE },
	{ "(@all)", TRUE },
	{ "@all:bob@example.org", TRUE },
	{ "", FALSE },
	{ "@", FALSE },
	{ "@:bob@example.org", FALSE },
	{ "@Bob", FALSE },
	{ "@Bob:", FALSE },
	{ "@Bob bob@example.org", FALSE },
	{ "@Bob: bob@example.org", FALSE },
	{ "@Bob:bob", FALSE },
	{ "@Bob:bob@example.organic", FALSE },
	{ "@Bob:rob@example.org", FALSE },
	{ "bob@example.org", FALSE },
	{ "me@Bob:bob@example.org", FALSE },
	{ "@\"Bob:bob@example.org", FALSE },
	{ "@\"Bob\nby\":bob@example.org", FALSE },
	{ "@allright", FALSE },
	{ "@all-hands", FALSE },
	{ "@all@example.org", FALSE },
	{ "@all:al@example.org", FALSE },
	{ "mail@all", FALSE },
	{ "@ALL", FALSE },
	{ "\xc3\xa9@all", FALSE },
};

START_TEST(test_plain)
{
	ck_assert_msg(coi_mention_in_plain(plain_tests[_i].text, own) ==
		      plain_tests[_i].found, "%s", plain_tests[_i].text);
}
END_TEST

static const struct {
	const char *text;
	bool found;
} html_tests[] = {
	{ "<a class=\"mention\" href=\"mailto:bob@example.org\">Bob</a>", TRUE },
	{ "<A HREF='MAILTO:Bob@Example.org' CLASS='mention'>", TRUE },
	{ "<a href=mailto:bob@example.org class=mention>", TRUE },
	{ "<p><a\n class = \"x Mention y\"\thref = \"mailto:bob@example.org\"/>",
	  TRUE },
	{ "<a class=\"mention\" href=\"mailto:bob%40example.org?subject=x\">",
	  TRUE },
	{ "<a class=\"mention\" href=\" mailto:bob@example.org\">", TRUE },
	{ "<a href=\"x\"><a class=mention href=mailto:bob@example.org>", TRUE },
	{ "<a title=\"a > b\" class=mention href=mailto:bob@example.org>", TRUE },
	{ "<a x class=mention href=mailto:bob@example.org", TRUE },
	{ "", FALSE },
	{ "<", FALSE },
	{ "<a", FALSE },
	{ "<a ", FALSE },
	{ "<a =", FALSE },
	{ "<a ==>", FALSE },
	{ "<a class=", FALSE },
	{ "<a class=\"mention", FALSE },
	{ "<a href=\"mailto:bob@example.org\">", FALSE },
	{ "<a class=\"mentions\" href=\"mailto:bob@example.org\">", FALSE },
	{ "<a class=\"mention\" href=\"mailto:al@example.org\">", FALSE },
	{ "<a class=\"mention\" href=\"https:bob@example.org\">", FALSE },
	{ "<a class=\"mention\" href=\"mailto:\">", FALSE },
	{ "<a class=\"mention\" href=\"mailto:bob%00@example.org\">", FALSE },
	{ "<b class=\"mention\" href=\"mailto:bob@example.org\">", FALSE },
	{ "<abbr class=\"mention\" href=\"mailto:bob@example.org\">", FALSE },
	{ "<a class=\"mention\"><b href=\"mailto:bob@example.org\">", FALSE },
	{ "@Bob:bob@example.org @all", FALSE },
};

START_TEST(test_html)
{
	ck_assert_msg(coi_mention_in_html(html_tests[_i].text, own) ==
		      html_tests[_i].found, "%s", html_tests[_i].text);
}
END_TEST

/* A stranger chooses how long a delivery takes: with all of them looked at this
   would take minutes. */
START_TEST(test_many)
{
	string_t *str = t_str_new(COI_MENTION_TEXT_MAX_BYTES);

	while (str_len(str) < COI_MENTION_TEXT_MAX_BYTES)
		str_append(str, "@a:");
	ck_assert(!coi_mention_in_plain(str_c(str), own));
	str_truncate(str, 0);
	while (str_len(str) < COI_MENTION_TEXT_MAX_BYTES)
		str_append(str, "@\" ");
	ck_assert(!coi_mention_in_plain(str_c(str), own));
	str_truncate(str, 0);
	while (str_len(str) < COI_MENTION_TEXT_MAX_BYTES)
		str_append(str, "<a ");
	ck_assert(!coi_mention_in_html(str_c(str), own));
}
END_TEST

static bool test_after(unsigned int count)
{
	string_t *str = t_str_new(count * 3 + 4);

	while (count-- > 0)
		str_append(str, "@a ");
	str_append(str, "@all");
	return coi_mention_in_plain(str_c(str), own);
}

START_TEST(test_limit)
{
	ck_assert(test_after(COI_MENTIONS_MAX - 1));
	ck_assert(!test_after(COI_MENTIONS_MAX));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-notify");
	TCase *tcase = unit_tcase_add(suite, "W23b C10: who is notified");

	tcase_add_loop_test(tcase, test_contact, 0, N_ELEMENTS(contact_tests));
	tcase_add_loop_test(tcase, test_group, 0, N_ELEMENTS(group_tests));
	tcase = unit_tcase_add(suite, "C10: mentions");
	tcase_add_loop_test(tcase, test_plain, 0, N_ELEMENTS(plain_tests));
	tcase_add_loop_test(tcase, test_html, 0, N_ELEMENTS(html_tests));
	tcase_add_test(tcase, test_many);
	tcase_add_test(tcase, test_limit);
	return unit_run(suite);
}
