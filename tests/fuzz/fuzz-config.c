/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "coi-limits.h"
#include "coi-config.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What can be read can be written, and reads back the same. */
static void fuzz_state(const uint8_t *data, size_t size, pool_t pool)
{
	struct coi_config config, again;
	string_t *state = t_str_new(COI_STATE_MAX_BYTES);
	const char *error;

	if (coi_config_parse(data, size, pool, &config, &error) < 0)
		return;
	coi_config_format(&config, state);
	if (coi_config_parse(str_data(state), str_len(state), pool,
			     &again, &error) < 0)
		i_panic("%s", error);
	i_assert(null_strcmp(config.enabled, again.enabled) == 0);
	i_assert(null_strcmp(config.message_filter,
			     again.message_filter) == 0);
}

static void fuzz_value(const char *value)
{
	enum coi_config_key key;
	const char *error;
	const unsigned char *p;

	for (key = 0; key < COI_CONFIG_KEY_COUNT; key++) {
		if (coi_config_validate(key, "e", value, &error) == 0)
			continue;
		i_assert(strlen(error) <= strlen("invalid value for e: \"\"") +
			 COI_ERROR_VALUE_MAX_BYTES);
		for (p = (const void *)error; *p != '\0'; p++)
			i_assert(*p >= 0x20 && *p != 0x7f);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	pool_t pool = pool_alloconly_create("fuzz", 1024);

	T_BEGIN {
		fuzz_state(data, size, pool);
		fuzz_value(t_strndup(data, size));
	} T_END;
	pool_unref(&pool);
	return 0;
}
