#ifndef UNIT_H
#define UNIT_H

#include <check.h>

/* Adds a test case whose tests run in a data stack frame each. */
TCase *unit_tcase_add(Suite *suite, const char *name);
/* Runs the suite between lib_init() and lib_deinit(). Returns main()'s exit
   status. */
int unit_run(Suite *suite);

#endif
