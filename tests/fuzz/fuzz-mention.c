/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-notify.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What was found must still be found with something else around it. */
static void fuzz_check_around(const char *text, const char *const *addresses)
{
	if (coi_mention_in_plain(text, addresses)) {
		i_assert(strchr(text, '@') != NULL);
		i_assert(coi_mention_in_plain(
			t_strconcat("x ", text, " y", NULL), addresses));
	}
	if (coi_mention_in_html(text, addresses)) {
		i_assert(strchr(text, '<') != NULL);
		i_assert(coi_mention_in_html(
			t_strconcat("<p>", text, NULL), addresses));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const addresses[] = { "a@b.c", NULL };

	T_BEGIN {
		fuzz_check_around(t_strndup(data, size), addresses);
	} T_END;
	return 0;
}
