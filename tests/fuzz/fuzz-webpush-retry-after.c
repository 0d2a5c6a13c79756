/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "webpush-verdict.h"

#define FUZZ_NOW 1800000000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* Whatever a push service says, a push is sent again in time or not at all. */
static void fuzz_value(const char *value)
{
	struct webpush_answer answer = { .status = 429, .retry_after = value };
	struct webpush_attempt attempt = {
		.number = strlen(value), .now = FUZZ_NOW,
		.deadline = FUZZ_NOW + 18000, .random = strlen(value)
	};
	time_t when;

	if (webpush_retry_after_parse(value, FUZZ_NOW, &when) == 0) {
		i_assert(when >= FUZZ_NOW);
		i_assert(when <= FUZZ_NOW + COI_PUSH_RETRY_AFTER_MAX_SECS);
	}
	if (webpush_verdict(&answer, &attempt, &when) ==
	    WEBPUSH_VERDICT_RETRY) {
		i_assert(when >= FUZZ_NOW + COI_PUSH_RETRY_MIN_SECS);
		i_assert(when <= attempt.deadline);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		fuzz_value(t_strndup(data, size));
	} T_END;
	return 0;
}
