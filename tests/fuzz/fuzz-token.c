/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "coi-limits.h"
#include "coi-token.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What can be read could have been set, and reads back the same. */
static void fuzz_stored(const char *stored)
{
	struct coi_token token, again;
	const char *error;

	if (coi_token_parse(stored, &token, &error) < 0)
		return;
	i_assert(coi_token_is_valid(token.token, &error));
	i_assert(coi_token_id_is_valid(coi_token_id(token.token)));
	i_assert(strlen(token.generation) <= COI_PUSH_TOPIC_MAX_LEN);
	if (coi_token_parse(t_strconcat(token.generation, " ", token.token,
					NULL), &again, &error) < 0)
		i_panic("%s", error);
	i_assert(strcmp(token.token, again.token) == 0);
	i_assert(token.renewed == again.renewed);
}

static void fuzz_value(const char *value)
{
	const struct timeval now = { .tv_sec = 1 };
	struct coi_token token;
	const char *problem;

	if (coi_token_is_valid(value, &problem) &&
	    coi_token_parse(coi_token_format(value, &now), &token,
			    &problem) < 0)
		i_panic("%s", problem);
	(void)coi_token_id_is_valid(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		fuzz_stored(t_strndup(data, size));
		fuzz_value(t_strndup(data, size));
	} T_END;
	return 0;
}
