/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-contact.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What a client may set can be stored, and reads back the same. */
static void fuzz_value(const char *value)
{
	struct coi_contact contact, again;
	string_t *str = t_str_new(256), *str2 = t_str_new(256);
	const unsigned char *p;
	const char *error;

	if (coi_contact_parse(value, &contact, &error) == 0)
		coi_contact_format(&contact, str);
	if (coi_contact_validate("e", value, 1767225600, &contact,
				 &error) < 0) {
		for (p = (const void *)error; *p != '\0'; p++)
			i_assert(*p >= 0x20 && *p < 0x7f);
		return;
	}
	str_truncate(str, 0);
	coi_contact_format(&contact, str);
	if (coi_contact_parse(str_c(str), &again, &error) < 0)
		i_panic("%s", error);
	coi_contact_format(&again, str2);
	i_assert(str_equals(str, str2));
}

/* C6: adding and taking away again leaves what was there. */
static void fuzz_rewrite(const uint8_t *data, size_t size)
{
	string_t *blocked = t_str_new(size + 32);
	string_t *unblocked = t_str_new(size + 32), *same = t_str_new(size);

	if (!coi_contact_rewrite(data, size, TRUE, blocked))
		i_assert(str_len(blocked) == size);
	i_assert(!coi_contact_rewrite(str_data(blocked), str_len(blocked), TRUE,
				      same));
	i_assert(str_equals(same, blocked));
	if (coi_contact_rewrite(data, size, FALSE, unblocked))
		return;
	str_truncate(unblocked, 0);
	i_assert(coi_contact_rewrite(str_data(blocked), str_len(blocked), FALSE,
				     unblocked));
	i_assert(memcmp(str_data(unblocked), data, size) == 0);
	/* A line feed where there was none. */
	i_assert(str_len(unblocked) == size ||
		 (str_len(unblocked) <= size + 2 && data[size - 1] != '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		fuzz_value(t_strndup(data, size));
		fuzz_rewrite(data, size);
	} T_END;
	return 0;
}
