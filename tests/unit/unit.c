/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"

static data_stack_frame_t unit_frame;

static void unit_setup(void)
{
	unit_frame = t_push("unit test");
}

static void unit_teardown(void)
{
	if (!t_pop(&unit_frame))
		i_panic("Leaked t_pop() call");
}

TCase *unit_tcase_add(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, unit_setup, unit_teardown);
	suite_add_tcase(suite, tcase);
	return tcase;
}

int unit_run(Suite *suite)
{
	SRunner *runner;
	int failed;

	lib_init();
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	lib_deinit();
	return failed == 0 ? 0 : 1;
}
