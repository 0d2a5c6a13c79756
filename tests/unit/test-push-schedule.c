/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-push-schedule.h"

#define A "https://a.example.net"
#define B "https://b.example.net"

static const struct push_schedule_limits limits = {
	.active_max = 6,
	.user_active_max = 2,
	.origin_active_max = 3,
	.origin_multiplexed_max = 5,
	.origin_failures_max = 3,
	.pause_min_msecs = 1000,
	.pause_max_msecs = 3000,
};

static struct push_schedule *schedule;

static void schedule_setup(void)
{
	schedule = push_schedule_init(&limits);
}

static void schedule_teardown(void)
{
	push_schedule_deinit(&schedule);
}

/* Each lane with a user of its own. */
static void add(uint64_t key, const char *origin, int64_t due)
{
	push_schedule_add(schedule, key, key, origin, due);
}

static struct push_lane *expect(uint64_t key, int64_t now)
{
	struct push_lane *lane = push_schedule_next(schedule, now);

	ck_assert_ptr_nonnull(lane);
	ck_assert_uint_eq(push_lane_get_key(lane), key);
	return lane;
}

static void expect_none(int64_t now)
{
	ck_assert_ptr_null(push_schedule_next(schedule, now));
}

static bool finish(struct push_lane *lane, enum push_origin_result result,
		   int64_t now, int64_t due)
{
	return push_schedule_finish(schedule, &lane, result, now, due, 0);
}

START_TEST(test_due)
{
	struct push_lane *lane;

	ck_assert_int_eq(push_schedule_get_wait(schedule, 0), -1);
	add(1, A, 100);
	add(2, A, 50);
	expect_none(49);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 20), 30);
	lane = expect(2, 50);
	expect_none(99);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 99), 1);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 200), 0);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, 99, 150));
	(void)expect(1, 150);
	(void)expect(2, 150);
	expect_none(1000);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 1000), -1);
	ck_assert_uint_eq(push_schedule_count_active(schedule), 2);
}
END_TEST

/* A lane sends one job at a time, however many it has. */
START_TEST(test_lane)
{
	struct push_lane *lane;

	add(1, A, 0);
	add(1, A, 0);
	lane = expect(1, 0);
	add(1, A, 0);
	expect_none(10);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, 10, 10));
	/* and a new job does not make it forget what it waits for */
	lane = expect(1, 10);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_NONE, 10, 500));
	add(1, A, 10);
	expect_none(499);
	lane = expect(1, 500);
	push_schedule_remove(schedule, &lane);
	ck_assert_ptr_null(lane);
	ck_assert_uint_eq(push_schedule_count_lanes(schedule), 0);
	add(1, A, 600);
	(void)expect(1, 600);
}
END_TEST

/* Lanes of one origin take turns. */
START_TEST(test_turns)
{
	struct push_lane *lane;
	uint64_t key;

	for (key = 1; key <= 5; key++)
		add(key, A, 0);
	for (key = 0; key < 100; key++) {
		lane = expect(key % 5 + 1, key);
		ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, key, key));
	}
}
END_TEST

/* However many lanes an origin has, others get their turn. */
START_TEST(test_origins)
{
	uint64_t key;

	for (key = 1; key <= 100; key++)
		add(key, A, 0);
	add(1000, B, 1);
	add(1001, B, 2);
	(void)expect(1, 5);
	(void)expect(1000, 5);
	(void)expect(2, 5);
	(void)expect(1001, 5);
	(void)expect(3, 5);
	/* A has three */
	expect_none(5);
}
END_TEST

START_TEST(test_multiplexed)
{
	struct push_lane *lane;
	uint64_t key;

	for (key = 1; key <= 10; key++)
		add(key, A, 0);
	lane = expect(1, 0);
	(void)expect(2, 0);
	(void)expect(3, 0);
	expect_none(0);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK_MULTIPLEXED, 0, 1000));
	(void)expect(4, 0);
	(void)expect(5, 0);
	(void)expect(6, 0);
	expect_none(0);
}
END_TEST

START_TEST(test_all)
{
	struct push_lane *lane = NULL;
	uint64_t key;

	for (key = 1; key <= 10; key++)
		add(key, t_strdup_printf("https://%d.example.net", (int)key), 0);
	for (key = 1; key <= 6; key++)
		lane = expect(key, 0);
	expect_none(0);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 0), -1);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, 0, 0));
	(void)expect(7, 0);
	expect_none(0);
}
END_TEST

/* A user with many lanes waits for himself. */
START_TEST(test_user)
{
	struct push_lane *lane;
	uint64_t key;

	for (key = 1; key <= 5; key++)
		push_schedule_add(schedule, key, 77, key < 4 ? A : B, 0);
	push_schedule_add(schedule, 6, 78, A, 1);
	lane = expect(1, 1);
	(void)expect(4, 1);
	(void)expect(6, 1);
	expect_none(1);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, 1, 1000));
	(void)expect(2, 1);
	expect_none(1);
}
END_TEST

/* What is held because of others of its user goes on when these stop. */
START_TEST(test_user_held)
{
	struct push_lane *lane1, *lane2;
	uint64_t key;

	for (key = 1; key <= 6; key++)
		push_schedule_add(schedule, key, 77, key < 3 ? A : B, key);
	lane1 = expect(1, 10);
	lane2 = expect(3, 10);
	expect_none(10);
	push_schedule_remove(schedule, &lane1);
	push_schedule_remove(schedule, &lane2);
	(void)push_schedule_next(schedule, 10);
	(void)push_schedule_next(schedule, 10);
	ck_assert_uint_eq(push_schedule_count_active(schedule), 2);
	expect_none(10);
}
END_TEST

static void fail_until_pause(int64_t now)
{
	unsigned int i;
	struct push_lane *lane;

	for (i = 1; i <= limits.origin_failures_max; i++) {
		lane = push_schedule_next(schedule, now);
		ck_assert_ptr_nonnull(lane);
		ck_assert(finish(lane, PUSH_ORIGIN_RESULT_FAILED, now, now) ==
			  (i == limits.origin_failures_max));
	}
}

START_TEST(test_pause)
{
	struct push_lane *lane;
	uint64_t key;

	for (key = 1; key <= 5; key++)
		add(key, A, 0);
	fail_until_pause(0);
	add(10, B, 0);
	(void)expect(10, 0);
	expect_none(999);
	ck_assert_int_eq(push_schedule_get_wait(schedule, 900), 100);
	/* one probes it */
	lane = expect(4, 1000);
	expect_none(1000);
	ck_assert(finish(lane, PUSH_ORIGIN_RESULT_FAILED, 1000, 1000));
	/* twice as long, and no longer than the maximum */
	expect_none(2999);
	lane = expect(5, 3000);
	ck_assert(finish(lane, PUSH_ORIGIN_RESULT_FAILED, 3000, 3000));
	expect_none(5999);
	lane = expect(1, 6000);
	/* nothing is known: another one probes it */
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_NONE, 6000, 6000));
	lane = expect(2, 6000);
	expect_none(6000);
	ck_assert(!finish(lane, PUSH_ORIGIN_RESULT_OK, 6000, 6000));
	(void)expect(3, 6000);
	(void)expect(4, 6000);
	(void)expect(5, 6000);
	expect_none(6000);
}
END_TEST

/* A success in between, and the count begins anew; the pause too. */
START_TEST(test_failures_in_a_row)
{
	static const enum push_origin_result results[] = {
		PUSH_ORIGIN_RESULT_FAILED, PUSH_ORIGIN_RESULT_FAILED,
		PUSH_ORIGIN_RESULT_OK, PUSH_ORIGIN_RESULT_FAILED,
		PUSH_ORIGIN_RESULT_NONE, PUSH_ORIGIN_RESULT_NONE,
		PUSH_ORIGIN_RESULT_FAILED,
	};
	unsigned int i;

	add(1, A, 0);
	add(2, A, 0);
	for (i = 0; i < N_ELEMENTS(results); i++)
		ck_assert(!finish(expect(1 + i % 2, 0), results[i], 0, 0));
	ck_assert(finish(expect(2, 0), PUSH_ORIGIN_RESULT_FAILED, 0, 0));
	expect_none(999);
	ck_assert(!finish(expect(1, 1000), PUSH_ORIGIN_RESULT_OK, 1000, 1000));
	fail_until_pause(1000);
	expect_none(1999);
	(void)expect(1, 2000);
}
END_TEST

/* However many endpoints a user has that fail, others do not wait for that. */
START_TEST(test_failures_of_one_user)
{
	uint64_t key;
	unsigned int i;

	for (key = 1; key <= 3; key++)
		push_schedule_add(schedule, key, 7, A, 0);
	for (i = 0; i < 30; i++) {
		ck_assert(!finish(expect(1 + i % 3, 0),
				  PUSH_ORIGIN_RESULT_FAILED, 0, 0));
	}
	add(4, A, 0);
	(void)expect(1, 0);
	(void)expect(2, 0);
	(void)expect(4, 0);
}
END_TEST

/* Nor when all of them have waited: another one probes at once. */
START_TEST(test_probe_of_one_user)
{
	add(1, A, 0);
	add(2, A, 0);
	fail_until_pause(0);
	ck_assert(!finish(expect(2, 1000), PUSH_ORIGIN_RESULT_NONE, 1000,
			  1001));
	ck_assert(!finish(expect(1, 1000), PUSH_ORIGIN_RESULT_FAILED, 1000,
			  2000));
	ck_assert(!finish(expect(2, 1001), PUSH_ORIGIN_RESULT_OK, 1001, 1001));
	(void)expect(2, 1001);
}
END_TEST

/* What was sent before the pause may end it. */
START_TEST(test_pause_ended)
{
	struct push_lane *lanes[3];
	unsigned int i;

	for (i = 0; i < 3; i++)
		add(i, A, 0);
	for (i = 0; i < 3; i++)
		lanes[i] = expect(i, 0);
	ck_assert(!finish(lanes[0], PUSH_ORIGIN_RESULT_FAILED, 0, 0));
	lanes[0] = expect(0, 0);
	ck_assert(!finish(lanes[2], PUSH_ORIGIN_RESULT_FAILED, 0, 0));
	lanes[2] = expect(2, 0);
	ck_assert(finish(lanes[0], PUSH_ORIGIN_RESULT_FAILED, 0, 0));
	expect_none(0);
	ck_assert(!finish(lanes[1], PUSH_ORIGIN_RESULT_OK, 0, 0));
	(void)expect(0, 0);
	(void)expect(1, 0);
	expect_none(5000);
}
END_TEST

/* Pauses of many do not end together. */
START_TEST(test_pause_random)
{
	struct push_lane *lane;
	unsigned int i;

	add(1, A, 0);
	add(2, A, 0);
	for (i = 0; i < limits.origin_failures_max; i++) {
		lane = expect(1 + i % 2, 0);
		(void)push_schedule_finish(schedule, &lane,
					   PUSH_ORIGIN_RESULT_FAILED, 0, 0,
					   400);
	}
	expect_none(1399);
	(void)expect(2, 1400);
}
END_TEST

static unsigned int random_state;

static unsigned int random_below(unsigned int max)
{
	random_state = random_state * 1103515245 + 12345;
	return (random_state >> 16) % max;
}

/* Whatever happens, no limit is passed and no lane is forgotten. */
START_TEST(test_storm)
{
	struct push_lane *active[6], *lane;
	unsigned int i, count = 0, sent[60];
	int64_t now;

	random_state = _i;
	i_zero(&sent);
	for (i = 0; i < N_ELEMENTS(sent); i++) {
		push_schedule_add(schedule, i, i % 7,
			t_strdup_printf("https://%u", i % 5), 0);
	}
	for (now = 0; now < 200000; now += random_below(20)) {
		while ((lane = push_schedule_next(schedule, now)) != NULL) {
			ck_assert_uint_lt(count, N_ELEMENTS(active));
			active[count++] = lane;
			sent[push_lane_get_key(lane)]++;
		}
		ck_assert_uint_eq(push_schedule_count_active(schedule), count);
		if (count == 0)
			continue;
		i = random_below(count);
		(void)push_schedule_finish(schedule, &active[i],
			random_below(4), now, now + random_below(100),
			random_below(1000));
		active[i] = active[--count];
	}
	for (i = 0; i < N_ELEMENTS(sent); i++)
		ck_assert_msg(sent[i] > 10, "lane %u: %u", i, sent[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-schedule");
	TCase *tcase = unit_tcase_add(suite, "W37: who is next");

	tcase_add_checked_fixture(tcase, schedule_setup, schedule_teardown);
	tcase_add_test(tcase, test_due);
	tcase_add_test(tcase, test_lane);
	tcase_add_test(tcase, test_turns);
	tcase_add_test(tcase, test_origins);
	tcase_add_test(tcase, test_multiplexed);
	tcase_add_test(tcase, test_all);
	tcase_add_test(tcase, test_user);
	tcase_add_test(tcase, test_user_held);
	tcase_add_test(tcase, test_pause);
	tcase_add_test(tcase, test_failures_in_a_row);
	tcase_add_test(tcase, test_failures_of_one_user);
	tcase_add_test(tcase, test_probe_of_one_user);
	tcase_add_test(tcase, test_pause_ended);
	tcase_add_test(tcase, test_pause_random);
	tcase_add_loop_test(tcase, test_storm, 0, 20);
	return unit_run(suite);
}
