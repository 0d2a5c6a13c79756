/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-wake.h"

/* S40, flow E. Changes come at these times after the one before was told. */
static const struct {
	unsigned int first_delay_msecs;
	unsigned int quiet_msecs;
	/* of the first ten wake-ups */
	unsigned int delays[10];
} wake_tests[] = {
	/* without a pause: up to Dovecot's own delay */
	{ 5, 0, { 5, 10, 20, 40, 80, 160, 320, 500, 500, 500 } },
	{ 0, 0, { 0, 10, 20, 40, 80, 160, 320, 500, 500, 500 } },
	{ 1, 0, { 1, 10, 20, 40, 80, 160, 320, 500, 500, 500 } },
	{ 100, 0, { 100, 200, 400, 500, 500, 500, 500, 500, 500, 500 } },
	{ 499, 0, { 499, 500, 500, 500, 500, 500, 500, 500, 500, 500 } },
	/* almost calm is not calm */
	{ 5, COI_WAKE_CALM_MSECS - 1,
	  { 5, 10, 20, 40, 80, 160, 320, 500, 500, 500 } },
	/* people who chat */
	{ 5, COI_WAKE_CALM_MSECS, { 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 } },
	{ 5, 300, { 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 } },
	{ 5, 1000, { 5, 5, 5, 5, 5, 5, 5, 5, 5, 5 } },
};

START_TEST(test_delays)
{
	struct coi_wake wake;
	uint64_t now = 1000000;
	unsigned int i, delay;

	coi_wake_init(&wake, wake_tests[_i].first_delay_msecs);
	for (i = 0; i < N_ELEMENTS(wake_tests[_i].delays); i++) {
		delay = coi_wake_next(&wake, now);
		ck_assert_uint_eq(delay, wake_tests[_i].delays[i]);
		now += delay + wake_tests[_i].quiet_msecs;
	}
}
END_TEST

static uint64_t test_burst(struct coi_wake *wake, uint64_t now)
{
	unsigned int i;

	for (i = 0; i < 20; i++)
		now += coi_wake_next(wake, now);
	return now;
}

START_TEST(test_quiet_undoes_all)
{
	struct coi_wake wake;
	uint64_t now;

	coi_wake_init(&wake, 5);
	now = test_burst(&wake, 1000000);
	/* a part of it: of seven doublings three are undone, one is new */
	now += 3 * COI_WAKE_CALM_MSECS;
	ck_assert_uint_eq(coi_wake_next(&wake, now), 160);
	now = test_burst(&wake, now + 160);
	now += COI_WAKE_QUIET_MSECS;
	ck_assert_uint_eq(coi_wake_next(&wake, now), 5);
}
END_TEST

START_TEST(test_clock_set_back)
{
	struct coi_wake wake;
	uint64_t now;

	coi_wake_init(&wake, 5);
	now = test_burst(&wake, 1000000000);
	/* a timer that is early by a millisecond is no clock set back */
	ck_assert_uint_eq(coi_wake_next(&wake, now - 1), 500);
	ck_assert_uint_eq(coi_wake_next(&wake, now - 3600 * 1000), 5);
}
END_TEST

/* How often changes after random pauses wake a client in the second that begins
   with the first of them. */
static unsigned int
test_count_wakes(unsigned int first_delay_msecs, uint32_t *seed)
{
	struct coi_wake wake;
	const uint64_t start = 1000000;
	uint64_t now = start;
	unsigned int count = 0, max_pause;

	*seed = *seed * 1664525 + 1013904223;
	max_pause = 1 + (*seed >> 8) % 400;
	coi_wake_init(&wake, first_delay_msecs);
	for (;;) {
		now += coi_wake_next(&wake, now);
		if (now >= start + 1000)
			return count;
		count++;
		*seed = *seed * 1664525 + 1013904223;
		/* every other change follows at once */
		if ((*seed & 0x80000000) != 0)
			now += (*seed >> 8) % max_pause;
	}
}

START_TEST(test_at_most_ten_in_a_second)
{
	static const unsigned int delays[] = { 0, 1, 5, 20, 100 };
	uint32_t seed = 1;
	unsigned int i, n;

	for (i = 0; i < N_ELEMENTS(delays); i++) {
		for (n = 0; n < 20000; n++)
			ck_assert_uint_le(test_count_wakes(delays[i], &seed), 10);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-wake");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "delays");
	tcase_add_loop_test(tcase, test_delays, 0, N_ELEMENTS(wake_tests));
	tcase_add_test(tcase, test_quiet_undoes_all);
	tcase_add_test(tcase, test_clock_set_back);
	tcase_add_test(tcase, test_at_most_ten_in_a_second);
	return unit_run(suite);
}
