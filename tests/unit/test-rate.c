/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unit.h"
#include "coi-rate.h"

#define NOW 1000000000ULL

/* W44 */
static const struct {
	uint64_t last, now;
	unsigned int window, wait;
} wait_tests[] = {
	/* never done */
	{ 0, NOW, 5000, 0 },
	{ 0, 0, 5000, 0 },
	/* the same moment */
	{ NOW, NOW, 5000, 5000 },
	/* within the window */
	{ NOW - 1, NOW, 5000, 4999 },
	{ NOW - 4999, NOW, 5000, 1 },
	/* after it */
	{ NOW - 5000, NOW, 5000, 0 },
	{ NOW - 5001, NOW, 5000, 0 },
	{ 1, NOW, 5000, 0 },
	{ 1, UINT64_MAX, UINT_MAX, 0 },
	/* another host's clock is ahead */
	{ NOW + 1, NOW, 5000, 5000 },
	{ NOW + 5000, NOW, 5000, 5000 },
	/* the clock was set back */
	{ NOW + 5001, NOW, 5000, 0 },
	{ UINT64_MAX, NOW, 5000, 0 },
	/* no limit */
	{ NOW, NOW, 0, 0 },
};

START_TEST(test_wait)
{
	ck_assert_uint_eq(coi_rate_wait(wait_tests[_i].last,
					wait_tests[_i].now,
					wait_tests[_i].window),
			  wait_tests[_i].wait);
}
END_TEST

#define STAMP(s) (s), sizeof(s) - 1
static const struct {
	const char *data;
	size_t size;
	uint64_t msecs;
} stamp_tests[] = {
	{ STAMP("00000001000000000000\n"), 1000000000000ULL },
	{ STAMP("00000000000000000000\n"), 0 },
	{ STAMP("18446744073709551615\n"), UINT64_MAX },
	/* not ours */
	{ STAMP(""), 0 },
	{ STAMP("\n"), 0 },
	{ STAMP("1000000000000\n"), 0 },
	{ STAMP("00000001000000000000"), 0 },
	{ STAMP("000000010000000000001"), 0 },
	{ STAMP("00000001000000000000\n\n"), 0 },
	{ STAMP("18446744073709551616\n"), 0 },
	{ STAMP("-0000001000000000000\n"), 0 },
	{ STAMP("0000000100000000000x\n"), 0 },
	{ STAMP("0000000100000\0000000\n"), 0 },
};

START_TEST(test_stamp_parse)
{
	const unsigned char *data = (const void *)stamp_tests[_i].data;

	ck_assert_uint_eq(coi_rate_parse_stamp(data, stamp_tests[_i].size),
			  stamp_tests[_i].msecs);
}
END_TEST

static const uint64_t format_tests[] = { 0, 1, NOW, UINT64_MAX };

START_TEST(test_stamp_format)
{
	string_t *str = t_str_new(64);

	coi_rate_format_stamp(format_tests[_i], str);
	ck_assert_uint_eq(str_len(str), COI_RATE_STAMP_BYTES);
	ck_assert_uint_eq(coi_rate_parse_stamp(str_data(str), str_len(str)),
			  format_tests[_i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-rate");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "rate");
	tcase_add_loop_test(tcase, test_wait, 0, N_ELEMENTS(wait_tests));
	tcase_add_loop_test(tcase, test_stamp_parse, 0,
			    N_ELEMENTS(stamp_tests));
	tcase_add_loop_test(tcase, test_stamp_format, 0,
			    N_ELEMENTS(format_tests));
	return unit_run(suite);
}
