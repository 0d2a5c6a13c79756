/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "strescape.h"
#include "unit.h"
#include "coi-push-command.h"

#define ID "0123456789abcdef"

static const struct {
	const char *line;
	struct push_command command;
} good_tests[] = {
	{ "JOB\twebpush1\t"ID, { .type = PUSH_COMMAND_JOB,
				 .job_line = "webpush1\t"ID } },
	/* what is wrong with it, push_job_parse() says */
	{ "JOB", { .type = PUSH_COMMAND_JOB, .job_line = "" } },
	{ "JOB\t\tx\001n", { .type = PUSH_COMMAND_JOB,
			      .job_line = "\tx\n" } },
	{ "GONE\tbob", { .type = PUSH_COMMAND_GONE, .user = "bob" } },
	{ "GONE\tb\001tb", { .type = PUSH_COMMAND_GONE, .user = "b\tb" } },
	{ "FORGET\tbob\tsub\thash", {
		.type = PUSH_COMMAND_FORGET, .user = "bob",
		.subscription_id = "sub", .endpoint_hash = "hash" } },
	{ "CANCEL\tbob\tsub", { .type = PUSH_COMMAND_CANCEL, .user = "bob",
				.subscription_id = "sub" } },
	/* all of the user's */
	{ "CANCEL\tbob\t", { .type = PUSH_COMMAND_CANCEL, .user = "bob",
			     .subscription_id = "" } },
	{ "QUEUE\tbob", { .type = PUSH_COMMAND_QUEUE, .user = "bob" } },
	/* those of all users */
	{ "QUEUE\t", { .type = PUSH_COMMAND_QUEUE, .user = "" } },
};

START_TEST(test_good)
{
	const struct push_command *wanted = &good_tests[_i].command;
	struct push_command command;

	ck_assert_int_eq(push_command_parse(
		t_strsplit_tabescaped(good_tests[_i].line), &command), 0);
	ck_assert_int_eq(command.type, wanted->type);
	ck_assert_pstr_eq(command.job_line, wanted->job_line);
	ck_assert_pstr_eq(command.user, wanted->user);
	ck_assert_pstr_eq(command.subscription_id, wanted->subscription_id);
	ck_assert_pstr_eq(command.endpoint_hash, wanted->endpoint_hash);
}
END_TEST

static const char *const bad_tests[] = {
	"", "\t", "\tGONE", "HELLO", "JOBS\tx", "job\tx", "J\tx",
	"VERSION\tcoi-push\t1\t0", "OK\tGONE", "END\tGONE",
	"GONE", "GONE\ta\tb", "GONE ", "gone\ta", "GONEX\ta",
	"FORGET", "FORGET\ta", "FORGET\ta\tb", "FORGET\ta\tb\tc\td",
	"CANCEL", "CANCEL\ta", "CANCEL\ta\tb\tc",
	"QUEUE", "QUEUE\ta\tb",
};

START_TEST(test_bad)
{
	struct push_command command;

	ck_assert_int_eq(push_command_parse(
		t_strsplit_tabescaped(bad_tests[_i]), &command), -1);
}
END_TEST

static const struct {
	const char *line, *id;
} id_tests[] = {
	{ "webpush1\t"ID"\tbob", ID },
	{ "\t"ID, ID },
	{ "other\t"ID, ID },
	{ "", NULL },
	{ "webpush1", NULL },
	{ "webpush1\t", NULL },
	{ ID"\tx", NULL },
	/* too short, too long */
	{ "webpush1\t0123456789abcde", NULL },
	{ "webpush1\t"ID ID ID ID, ID ID ID ID },
	{ "webpush1\t"ID ID ID ID"x", NULL },
	/* it stands in an answer and in the log */
	{ "webpush1\t"ID"\n", NULL },
	{ "webpush1\t"ID" x", NULL },
};

START_TEST(test_job_id)
{
	ck_assert_pstr_eq(push_command_find_job_id(id_tests[_i].line),
			  id_tests[_i].id);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-command");
	TCase *tcase = unit_tcase_add(suite, "lines of clients");

	tcase_add_loop_test(tcase, test_good, 0, N_ELEMENTS(good_tests));
	tcase_add_loop_test(tcase, test_bad, 0, N_ELEMENTS(bad_tests));
	tcase_add_loop_test(tcase, test_job_id, 0, N_ELEMENTS(id_tests));
	return unit_run(suite);
}
