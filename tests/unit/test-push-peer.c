/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-push-peer.h"

#define DOVECOT 103
#define VMAIL 5000

static const struct {
	uid_t uid;
	unsigned int count, max;
	bool allowed;
} connect_tests[] = {
	{ VMAIL, 0, 1000, TRUE },
	{ VMAIL, 749, 1000, TRUE },
	{ VMAIL, 750, 1000, FALSE },
	{ VMAIL, 1000, 1000, FALSE },
	/* where everything is Dovecot's own, its user is one like others */
	{ DOVECOT, 749, 1000, TRUE },
	{ DOVECOT, 750, 1000, FALSE },
	{ 0, 750, 1000, TRUE },
	{ 0, 1000, 1000, TRUE },
	/* a quarter of less than four is none */
	{ VMAIL, 0, 1, TRUE },
	{ VMAIL, 2, 3, TRUE },
	{ VMAIL, 3, 3, FALSE },
	{ VMAIL, 2, 4, TRUE },
	{ VMAIL, 3, 4, FALSE },
	/* no overflow */
	{ VMAIL, 3221225471, UINT_MAX, TRUE },
	{ VMAIL, 3221225472, UINT_MAX, FALSE },
	{ (uid_t)-1, 750, 1000, FALSE },
};

START_TEST(test_connect)
{
	ck_assert(push_peer_may_connect(connect_tests[_i].uid,
					connect_tests[_i].count,
					connect_tests[_i].max) ==
		  connect_tests[_i].allowed);
}
END_TEST

static const struct {
	uid_t uid, own_uid;
	bool allowed;
} list_tests[] = {
	{ 0, DOVECOT, TRUE },
	{ DOVECOT, DOVECOT, TRUE },
	{ VMAIL, DOVECOT, FALSE },
	{ (uid_t)-1, DOVECOT, FALSE },
	/* a worker that runs as root trusts nobody else */
	{ 0, 0, TRUE },
	{ DOVECOT, 0, FALSE },
};

START_TEST(test_list_all)
{
	ck_assert(push_peer_may_list_all(list_tests[_i].uid,
					 list_tests[_i].own_uid) ==
		  list_tests[_i].allowed);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("push-peer");
	TCase *tcase = unit_tcase_add(suite, "who may do what");

	tcase_add_loop_test(tcase, test_connect, 0, N_ELEMENTS(connect_tests));
	tcase_add_loop_test(tcase, test_list_all, 0, N_ELEMENTS(list_tests));
	return unit_run(suite);
}
