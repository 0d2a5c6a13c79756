/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-token.h"

#define NOW 1800000000

static const char *test_repeat(char c, size_t count)
{
	string_t *str = t_str_new(count + 1);

	while (count-- > 0)
		str_append_c(str, c);
	return str_c(str);
}

/* D2 */
static const struct {
	const char *token;
	/* NULL: it is valid */
	const char *problem;
} valid_tests[] = {
	{ "x", NULL },
	{ " ", NULL },
	{ "~!\"#\\", NULL },
	{ "openpgp:wV4D+/==", NULL },
	{ "", "a device token must not be empty" },
	{ "a\nb", "a device token must be printable ASCII" },
	{ "a\x1f", "a device token must be printable ASCII" },
	{ "\x7f", "a device token must be printable ASCII" },
	{ "\x80", "a device token must be printable ASCII" },
	{ "\xc3\xa4", "a device token must be printable ASCII" },
};

START_TEST(test_valid)
{
	const char *problem = NULL;
	bool valid = coi_token_is_valid(valid_tests[_i].token, &problem);

	ck_assert(valid == (valid_tests[_i].problem == NULL));
	if (!valid)
		ck_assert_str_eq(problem, valid_tests[_i].problem);
}
END_TEST

START_TEST(test_size)
{
	const char *problem;

	ck_assert(coi_token_is_valid(test_repeat('x', COI_TOKEN_MAX_BYTES),
				     &problem));
	ck_assert(!coi_token_is_valid(test_repeat('x', COI_TOKEN_MAX_BYTES + 1),
				      &problem));
	ck_assert_str_eq(problem, "a device token has at most 4096 bytes");
}
END_TEST

/* D3: the id is that of sha256sum(1), cut. */
START_TEST(test_id)
{
	ck_assert_str_eq(coi_token_id("abc"),
			 "dc-ba7816bf8f01cfea414140de5dae2223");
	ck_assert(coi_token_id_is_valid(coi_token_id("")));
	ck_assert_uint_le(strlen(coi_token_id("abc")), COI_PUSH_ID_MAX_LEN);
}
END_TEST

static const struct {
	const char *stored;
	/* NULL: none of ours */
	const char *token;
	time_t renewed;
	const char *generation;
} parse_tests[] = {
	{ "1800000000-000001 a b", "a b", NOW, "1800000000-000001" },
	{ "0-999999 x", "x", 0, "0-999999" },
	{ "1800000000 x", NULL, 0, NULL },
	{ "1800000000-00001 x", NULL, 0, NULL },
	{ "1800000000-0000001 x", NULL, 0, NULL },
	{ "1800000000-00000a x", NULL, 0, NULL },
	{ "1800000000-000000a x", NULL, 0, NULL },
	{ "1800000000-000001", NULL, 0, NULL },
	{ "1800000000-000001 ", NULL, 0, NULL },
	{ " x", NULL, 0, NULL },
	{ "-000001 y", NULL, 0, NULL },
	{ "x-000001 y", NULL, 0, NULL },
	{ "99999999999999999999-000001 y", NULL, 0, NULL },
	{ "00000000000000000000000000-000001 y", NULL, 0, NULL },
	{ "1-000001 a\n", NULL, 0, NULL },
	{ "", NULL, 0, NULL },
};

START_TEST(test_parse)
{
	struct coi_token token;
	const char *error = NULL;
	int ret = coi_token_parse(parse_tests[_i].stored, &token, &error);

	ck_assert_msg(ret == (parse_tests[_i].token == NULL ? -1 : 0), "%s",
		      parse_tests[_i].stored);
	if (ret < 0) {
		ck_assert_str_eq(error, "no device token of ours");
		return;
	}
	ck_assert_str_eq(token.token, parse_tests[_i].token);
	ck_assert_int_eq(token.renewed, parse_tests[_i].renewed);
	ck_assert_str_eq(token.generation, parse_tests[_i].generation);
}
END_TEST

START_TEST(test_format)
{
	const struct timeval now = { .tv_sec = NOW, .tv_usec = 42 };

	ck_assert_str_eq(coi_token_format("a b", &now),
			 "1800000000-000042 a b");
}
END_TEST

static const struct {
	int age;
	bool expired;
} age_tests[] = {
	{ 0, FALSE },
	{ 90*24*60*60 - 1, FALSE },
	{ 90*24*60*60, TRUE },
	{ NOW, TRUE },
	/* somebody has set the clock back */
	{ -1, FALSE },
};

START_TEST(test_age)
{
	const struct coi_token token = { .renewed = NOW - age_tests[_i].age };

	ck_assert(coi_token_is_expired(&token, NOW) == age_tests[_i].expired);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("token");
	TCase *tcase = unit_tcase_add(suite, "D2 D3: device tokens");

	tcase_add_loop_test(tcase, test_valid, 0, N_ELEMENTS(valid_tests));
	tcase_add_test(tcase, test_size);
	tcase_add_test(tcase, test_id);
	tcase_add_loop_test(tcase, test_parse, 0, N_ELEMENTS(parse_tests));
	tcase_add_test(tcase, test_format);
	tcase_add_loop_test(tcase, test_age, 0, N_ELEMENTS(age_tests));
	return unit_run(suite);
}
