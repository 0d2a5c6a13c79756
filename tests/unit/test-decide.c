/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-decide.h"

/* The whole domain: S20 and S26 (off), S33 (not chat), S35 (the filters),
   S37 (the keyword). */
static const struct {
	bool enabled;
	enum coi_filter filter;
	bool seen;
	enum coi_mark mark;

	enum coi_target target;
	bool keyword;
	enum coi_reason reason;
} decide_tests[] = {
#define ROW(enabled, filter, seen, mark, target, keyword, reason) \
	{ enabled, COI_FILTER_##filter, seen, COI_MARK_##mark, \
	  COI_TARGET_##target, keyword, COI_REASON_##reason }
	/* S26: off is as if there were no COI, whatever the rest says. */
	ROW(FALSE, NONE, FALSE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, NONE, FALSE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, NONE, TRUE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, NONE, TRUE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, ACTIVE, FALSE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, ACTIVE, FALSE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, ACTIVE, TRUE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, ACTIVE, TRUE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, SEEN, FALSE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, SEEN, FALSE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, SEEN, TRUE, NONE, DEFAULT, FALSE, DISABLED),
	ROW(FALSE, SEEN, TRUE, CHAT_VERSION, DEFAULT, FALSE, DISABLED),
	/* S33: ordinary mail is left alone. */
	ROW(TRUE, NONE, FALSE, NONE, DEFAULT, FALSE, NOT_CHAT),
	ROW(TRUE, NONE, TRUE, NONE, DEFAULT, FALSE, NOT_CHAT),
	ROW(TRUE, ACTIVE, FALSE, NONE, DEFAULT, FALSE, NOT_CHAT),
	ROW(TRUE, ACTIVE, TRUE, NONE, DEFAULT, FALSE, NOT_CHAT),
	ROW(TRUE, SEEN, FALSE, NONE, DEFAULT, FALSE, NOT_CHAT),
	ROW(TRUE, SEEN, TRUE, NONE, DEFAULT, FALSE, NOT_CHAT),
	/* S25, S35, S37: chat */
	ROW(TRUE, NONE, FALSE, CHAT_VERSION, DEFAULT, TRUE, FILTER_NONE),
	ROW(TRUE, NONE, TRUE, CHAT_VERSION, DEFAULT, TRUE, FILTER_NONE),
	ROW(TRUE, ACTIVE, FALSE, CHAT_VERSION, CHATS, TRUE, FILTER_ACTIVE),
	ROW(TRUE, ACTIVE, TRUE, CHAT_VERSION, CHATS, TRUE, FILTER_ACTIVE),
	ROW(TRUE, SEEN, FALSE, CHAT_VERSION, DEFAULT, TRUE, FILTER_SEEN),
	ROW(TRUE, SEEN, TRUE, CHAT_VERSION, CHATS, TRUE, ALREADY_SEEN),
	/* S33, C17: every mark makes a message chat. */
	ROW(TRUE, ACTIVE, FALSE, MESSAGE_ID, CHATS, TRUE, FILTER_ACTIVE),
	ROW(TRUE, ACTIVE, FALSE, REFERENCES, CHATS, TRUE, FILTER_ACTIVE),
#undef ROW
};

START_TEST(test_decide)
{
	struct coi_decide_input input;
	struct coi_decision decision;

	i_zero(&input);
	input.enabled = decide_tests[_i].enabled;
	input.filter = decide_tests[_i].filter;
	input.seen = decide_tests[_i].seen;
	input.class.mark = decide_tests[_i].mark;
	/* Every member is set. */
	memset(&decision, 0xff, sizeof(decision));

	coi_decide(&input, &decision);
	ck_assert_int_eq(decision.target, decide_tests[_i].target);
	ck_assert_int_eq(decision.chat_keyword, decide_tests[_i].keyword);
	ck_assert_int_eq(decision.reason, decide_tests[_i].reason);
}
END_TEST

/* C4, C5: a blocked sender counts more than any filter, chat or not; with COI
   off nobody is blocked. */
START_TEST(test_decide_blocked)
{
	struct coi_decide_input input;
	struct coi_decision decision;

	i_zero(&input);
	input.enabled = decide_tests[_i].enabled;
	input.filter = decide_tests[_i].filter;
	input.seen = decide_tests[_i].seen;
	input.class.mark = decide_tests[_i].mark;
	input.blocked = TRUE;
	memset(&decision, 0xff, sizeof(decision));

	coi_decide(&input, &decision);
	if (!decide_tests[_i].enabled) {
		ck_assert_int_eq(decision.target, COI_TARGET_DEFAULT);
		ck_assert_int_eq(decision.reason, COI_REASON_DISABLED);
	} else {
		ck_assert_int_eq(decision.target, COI_TARGET_BLOCKED);
		ck_assert_int_eq(decision.reason, COI_REASON_BLOCKED);
	}
	/* S37: chat is tagged wherever it goes. */
	ck_assert_int_eq(decision.chat_keyword, decide_tests[_i].keyword);
}
END_TEST

static const struct {
	enum coi_reason reason;
	const char *name;
} reason_tests[] = {
	{ COI_REASON_DISABLED, "disabled" },
	{ COI_REASON_NOT_CHAT, "not-chat" },
	{ COI_REASON_FILTER_NONE, "filter-none" },
	{ COI_REASON_FILTER_ACTIVE, "filter-active" },
	{ COI_REASON_FILTER_SEEN, "filter-seen" },
	{ COI_REASON_ALREADY_SEEN, "already-seen" },
	{ COI_REASON_BLOCKED, "blocked" },
};

START_TEST(test_reason_name)
{
	ck_assert_str_eq(coi_reason_name(reason_tests[_i].reason),
			 reason_tests[_i].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-decide");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "S20 S25 S26 S27 S33 S35 S37: decide");
	tcase_add_loop_test(tcase, test_decide, 0, N_ELEMENTS(decide_tests));
	tcase = unit_tcase_add(suite, "C4 C5: blocked");
	tcase_add_loop_test(tcase, test_decide_blocked, 0,
			    N_ELEMENTS(decide_tests));
	tcase = unit_tcase_add(suite, "reason names");
	tcase_add_loop_test(tcase, test_reason_name, 0,
			    N_ELEMENTS(reason_tests));
	return unit_run(suite);
}
