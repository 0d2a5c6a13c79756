/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-contact.h"

#define ENTRY "/private/vendor/vendor.dovecot/coi/contacts/74b3"
#define NOW 1767225600
#define NOW_STR "2026-01-01T00:00:00Z"
#define LATER 1798761599
#define LATER_STR "2026-12-31T23:59:59Z"

static const struct {
	const char *name;
	const char *value;
	struct coi_contact contact;
	/* What is stored then; NULL: nothing, since it is the default. */
	const char *formatted;
} good_tests[] = {
	{ "empty object", "{}", { FALSE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  NULL },
	{ "defaults", "{\"blocked\": false, \"notify\": \"all\"}",
	  { FALSE, COI_CONTACT_NOTIFY_ALL, 0, NOW }, NULL },
	{ "null is as if missing",
	  "{\"blocked\":null,\"notify\":null,\"muted-until\":null}",
	  { FALSE, COI_CONTACT_NOTIFY_ALL, 0, NOW }, NULL },
	{ "blocked", "{\"blocked\": true}",
	  { TRUE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  "{\"blocked\":true,\"modified\":\"" NOW_STR "\"}" },
	{ "notify none", " {\"notify\":\"none\"}\r\n",
	  { FALSE, COI_CONTACT_NOTIFY_NONE, 0, NOW },
	  "{\"notify\":\"none\",\"modified\":\"" NOW_STR "\"}" },
	{ "muted, other time zone",
	  "{\"muted-until\":\"2027-01-01T00:59:59.5+01:00\"}",
	  { FALSE, COI_CONTACT_NOTIFY_ALL, LATER, NOW },
	  "{\"muted-until\":\"" LATER_STR "\",\"modified\":\"" NOW_STR "\"}" },
	{ "all", "{\"muted-until\":\"" LATER_STR "\",\"notify\":\"none\","
	  "\"blocked\":true}", { TRUE, COI_CONTACT_NOTIFY_NONE, LATER, NOW },
	  "{\"blocked\":true,\"notify\":\"none\",\"muted-until\":\"" LATER_STR
	  "\",\"modified\":\"" NOW_STR "\"}" },
	{ "unknown members are ignored, at every level",
	  "{\"x\":{\"blocked\":1,\"y\":[[]]},\"blocked\":true,\"Notify\":7}",
	  { TRUE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  "{\"blocked\":true,\"modified\":\"" NOW_STR "\"}" },
	{ "the server's member is ignored, whatever it is",
	  "{\"modified\":[1],\"blocked\":true}",
	  { TRUE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  "{\"blocked\":true,\"modified\":\"" NOW_STR "\"}" },
	{ "escaped names and values",
	  "{\"bl\\u006fcked\":true,\"notify\":\"\\u006eone\"}",
	  { TRUE, COI_CONTACT_NOTIFY_NONE, 0, NOW },
	  "{\"blocked\":true,\"notify\":\"none\",\"modified\":\"" NOW_STR
	  "\"}" },
	{ "brackets in strings are no levels",
	  "{\"x\":\"[[[[[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[[[[[[[["
	  "\",\"blocked\":true}",
	  { TRUE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  "{\"blocked\":true,\"modified\":\"" NOW_STR "\"}" },
	{ "as deep as is allowed",
	  "{\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]],\"blocked\":true}",
	  { TRUE, COI_CONTACT_NOTIFY_ALL, 0, NOW },
	  "{\"blocked\":true,\"modified\":\"" NOW_STR "\"}" },
};

static void test_equal(const char *name, const struct coi_contact *contact,
		       const struct coi_contact *expected)
{
	ck_assert_msg(contact->blocked == expected->blocked &&
		      contact->notify == expected->notify &&
		      contact->muted_until == expected->muted_until &&
		      contact->modified == expected->modified, "%s: differs",
		      name);
}

START_TEST(test_good)
{
	const char *name = good_tests[_i].name;
	struct coi_contact contact, again;
	string_t *str = t_str_new(256);
	const char *error = NULL;
	int ret;

	memset(&contact, 0xff, sizeof(contact));
	ret = coi_contact_validate(ENTRY, good_tests[_i].value, NOW, &contact,
				   &error);
	ck_assert_msg(ret == 0, "%s: %s", name, error);
	test_equal(name, &contact, &good_tests[_i].contact);
	ck_assert_msg(coi_contact_is_default(&contact) ==
		      (good_tests[_i].formatted == NULL), "%s", name);
	if (good_tests[_i].formatted == NULL)
		return;
	coi_contact_format(&contact, str);
	ck_assert_str_eq(str_c(str), good_tests[_i].formatted);
	/* It reads back the same. */
	memset(&again, 0xff, sizeof(again));
	ck_assert_int_eq(coi_contact_parse(str_c(str), &again, &error), 0);
	test_equal(name, &again, &contact);
}
END_TEST

static const struct {
	const char *name;
	const char *value;
	const char *reason;
} bad_tests[] = {
#define BLOCKED "blocked must be true or false"
#define NOTIFY "notify must be one of: all, none"
#define MUTED "muted-until must be a time such as 2026-12-31T23:59:59Z"
	{ "blocked as a number", "{\"blocked\":1}", BLOCKED },
	{ "blocked as a string", "{\"blocked\":\"true\"}", BLOCKED },
	{ "unknown notify", "{\"notify\":\"mentions\"}", NOTIFY },
	{ "notify in upper case", "{\"notify\":\"None\"}", NOTIFY },
	{ "notify as a boolean",
	  "{\"blocked\":true,\"notify\":false}", NOTIFY },
	{ "no time", "{\"muted-until\":\"tomorrow\"}", MUTED },
	{ "time as a number", "{\"muted-until\":1767225600}", MUTED },
	{ "time without zone", "{\"muted-until\":\"2026-01-01T00:00:00\"}",
	  MUTED },
	{ "before 1970", "{\"muted-until\":\"1969-01-01T00:00:00Z\"}", MUTED },
	{ "the beginning of 1970", "{\"muted-until\":\"1970-01-01T00:00:00Z\"}",
	  MUTED },
	{ "a member twice", "{\"blocked\":true,\"blocked\":true}",
	  "a member stands twice" },
	{ "an unknown member twice", "{\"x\":1,\"x\":1}",
	  "a member stands twice" },
	{ "the same name, once escaped", "{\"blocked\":true,"
	  "\"bl\\u006fcked\":false}", "a member stands twice" },
	{ "array", "[]", "not a JSON object" },
	{ "empty", "", "not JSON (line 1, column 0)" },
	{ "word", "yes", "not JSON (line 1, column 3)" },
	{ "no end", "{\"blocked\":true", "not JSON (line 1, column 15)" },
	{ "two", "{}{}", "not JSON (line 1, column 3)" },
	{ "not UTF-8", "{\"x\":\"\xff\"}", "not JSON (line 1, column 6)" },
	{ "control character", "{\"x\":\"\x1b[2J\"}",
	  "not JSON (line 1, column 6)" },
	{ "NUL", "{\"notify\":\"all\\u0000\"}",
	  "not JSON (line 1, column 21)" },
	{ "too deep", "{\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}",
	  "more than 16 levels" },
	{ "too deep and no end", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
	  "more than 16 levels" },
#undef BLOCKED
#undef NOTIFY
#undef MUTED
};

START_TEST(test_bad)
{
	struct coi_contact contact;
	const char *error = NULL;
	int ret;

	ret = coi_contact_validate(ENTRY, bad_tests[_i].value, NOW, &contact,
				   &error);
	ck_assert_msg(ret == -1, "%s", bad_tests[_i].name);
	ck_assert_str_eq(error, t_strconcat("invalid value for " ENTRY ": ",
					    bad_tests[_i].reason, NULL));
	ck_assert(coi_contact_is_default(&contact) && contact.modified == 0);

	ck_assert_int_eq(coi_contact_parse(bad_tests[_i].value, &contact,
					   &error), -1);
	ck_assert_str_eq(error, bad_tests[_i].reason);
	ck_assert(coi_contact_is_default(&contact) && contact.modified == 0);
}
END_TEST

/* What only a stored value can get wrong. */
START_TEST(test_bad_modified)
{
	struct coi_contact contact;
	const char *error;

	ck_assert_int_eq(coi_contact_parse("{\"blocked\":true,\"modified\":1}",
					   &contact, &error), -1);
	ck_assert_str_eq(error, "modified must be a time such as "
			 "2026-12-31T23:59:59Z");
	ck_assert(!contact.blocked);
}
END_TEST

START_TEST(test_size)
{
	string_t *value = t_str_new(COI_CONTACT_VALUE_MAX_BYTES + 16);
	struct coi_contact contact;
	const char *error;

	str_append(value, "{\"blocked\":true}");
	while (str_len(value) < COI_CONTACT_VALUE_MAX_BYTES)
		str_append_c(value, ' ');
	ck_assert_int_eq(coi_contact_validate(ENTRY, str_c(value), NOW,
					      &contact, &error), 0);
	str_append_c(value, ' ');
	ck_assert_int_eq(coi_contact_validate(ENTRY, str_c(value), NOW,
					      &contact, &error), -1);
	ck_assert_str_eq(error, "invalid value for " ENTRY
			 ": longer than 4096 bytes");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-contact");
	TCase *tcase = unit_tcase_add(suite, "C4: contact state");

	tcase_add_loop_test(tcase, test_good, 0, N_ELEMENTS(good_tests));
	tcase_add_loop_test(tcase, test_bad, 0, N_ELEMENTS(bad_tests));
	tcase_add_test(tcase, test_bad_modified);
	tcase_add_test(tcase, test_size);
	return unit_run(suite);
}
