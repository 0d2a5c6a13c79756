/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "coi-limits.h"
#include "coi-group.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

static void fuzz_check_group(const struct coi_group *group)
{
	struct coi_group again;
	string_t *str = t_str_new(1024), *str2 = t_str_new(1024);
	const char *error;

	i_assert(group->name == NULL ||
		 strlen(group->name) <= COI_GROUP_NAME_MAX_BYTES);
	i_assert(group->participant_count <= COI_GROUP_PARTICIPANTS_MAX);
	coi_group_format(group, str);
	if (coi_group_parse(str_c(str), pool_datastack_create(), &again,
			    &error) < 0)
		i_panic("%s", error);
	coi_group_format(&again, str2);
	i_assert(str_equals(str, str2));
}

static void fuzz_field(struct coi_fields *fields, enum coi_field field,
		       const char *value)
{
	if (value == NULL)
		return;
	fields->values[field].data = (const void *)value;
	fields->values[field].size = strlen(value);
}

/* State, From, To and Subject, each on a line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *const *lines, *error;
	struct coi_group old, group;
	struct coi_group_message message;
	struct coi_fields fields;
	pool_t pool = pool_alloconly_create("fuzz", 1024);
	bool have_old;

	if (size > 0) T_BEGIN {
		i_zero(&fields);
		lines = t_strsplit(t_strndup(data + 1, size - 1), "\n");
		have_old = lines[0] != NULL &&
			coi_group_parse(lines[0], pool, &old, &error) == 0;
		if (have_old)
			fuzz_check_group(&old);
		if (lines[0] != NULL && *++lines != NULL)
			fuzz_field(&fields, COI_FIELD_FROM, *lines++);
		if (*lines != NULL)
			fuzz_field(&fields, COI_FIELD_TO, *lines++);
		fuzz_field(&fields, COI_FIELD_SUBJECT, *lines);
		coi_group_message_read(&fields, (data[0] & 1) != 0, pool,
				       &message);
		if (coi_group_update(have_old ? &old : NULL, "4321dcba1234",
				     &message, 1767225600, pool,
				     &group) == COI_GROUP_CHANGED) {
			fuzz_check_group(&group);
			i_assert(coi_group_update(&group, "4321dcba1234",
				&message, 1767225600, pool,
				&old) == COI_GROUP_UNCHANGED);
		}
	} T_END;
	pool_unref(&pool);
	return 0;
}
