/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unit.h"
#include "coi-time.h"

/* Computed with date(1). */
static const struct {
	time_t value;
	const char *rfc3339, *rfc5322;
} time_tests[] = {
	{ 0, "1970-01-01T00:00:00Z", "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ 86399, "1970-01-01T23:59:59Z", "Thu, 01 Jan 1970 23:59:59 +0000" },
	{ 86400, "1970-01-02T00:00:00Z", "Fri, 02 Jan 1970 00:00:00 +0000" },
	{ 951782400, "2000-02-29T00:00:00Z",
	  "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ 1709251199, "2024-02-29T23:59:59Z",
	  "Thu, 29 Feb 2024 23:59:59 +0000" },
	{ 1709251200, "2024-03-01T00:00:00Z",
	  "Fri, 01 Mar 2024 00:00:00 +0000" },
	{ 1767225599, "2025-12-31T23:59:59Z",
	  "Wed, 31 Dec 2025 23:59:59 +0000" },
	{ 1767225600, "2026-01-01T00:00:00Z",
	  "Thu, 01 Jan 2026 00:00:00 +0000" },
	/* 2100 is no leap year. */
	{ 4107542400, "2100-03-01T00:00:00Z",
	  "Mon, 01 Mar 2100 00:00:00 +0000" },
	{ COI_TIME_MAX, "9999-12-31T23:59:59Z",
	  "Fri, 31 Dec 9999 23:59:59 +0000" },
};

START_TEST(test_format)
{
	string_t *str = t_str_new(64);
	time_t value;

	coi_time_append_rfc3339(str, time_tests[_i].value);
	ck_assert_str_eq(str_c(str), time_tests[_i].rfc3339);
	ck_assert_int_eq(coi_time_parse_rfc3339(str_c(str), &value), 0);
	ck_assert_int_eq(value, time_tests[_i].value);
	str_truncate(str, 0);
	coi_time_append_rfc5322(str, time_tests[_i].value);
	ck_assert_str_eq(str_c(str), time_tests[_i].rfc5322);
}
END_TEST

/* -1: it is none. */
static const struct {
	const char *str;
	time_t value;
} parse_tests[] = {
	{ "2026-01-01T01:30:00+01:30", 1767225600 },
	{ "2025-12-31T16:00:00-08:00", 1767225600 },
	{ "2026-01-01T00:00:00.999Z", 1767225600 },
	{ "2026-01-01t00:00:00z", 1767225600 },
	{ "1969-12-31T23:59:59Z", -1 },
	{ "1969-12-31T23:59:58Z", -1 },
	{ "9999-12-31T23:59:59-01:00", -1 },
	{ "2025-02-29T00:00:00Z", -1 },
	{ "2026-13-01T00:00:00Z", -1 },
	{ "2026-00-01T00:00:00Z", -1 },
	{ "2026-01-32T00:00:00Z", -1 },
	{ "2026-01-01T24:00:00Z", -1 },
	{ "2026-01-01T00:60:00Z", -1 },
	{ "2026-01-01T00:00:00", -1 },
	{ "2026-01-01 00:00:00Z", -1 },
	{ "2026-01-01", -1 },
	{ "2026-01-01T00:00:00Z ", -1 },
	{ "1767225600", -1 },
	{ "", -1 },
};

START_TEST(test_parse)
{
	time_t value = -1;
	int ret = coi_time_parse_rfc3339(parse_tests[_i].str, &value);

	ck_assert_msg(ret == (parse_tests[_i].value == -1 ? -1 : 0) &&
		      value == parse_tests[_i].value, "%s: %d, %ld",
		      parse_tests[_i].str, ret, (long)value);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-time");
	TCase *tcase = unit_tcase_add(suite, "points of time");

	tcase_add_loop_test(tcase, test_format, 0, N_ELEMENTS(time_tests));
	tcase_add_loop_test(tcase, test_parse, 0, N_ELEMENTS(parse_tests));
	return unit_run(suite);
}
