/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "push-protocol.h"
#include "webpush-text.h"
#include "coi-push-command.h"

/* The first field of a job that is not what it is: see push-job.c. */
#define PUSH_JOB_ID_FIELD 1

/* user, subscription id, endpoint's hash */
#define PUSH_COMMAND_FIELDS_MAX 3

struct push_command_syntax {
	const char *name;
	/* how many of the above it has */
	unsigned int field_count;
};

static const struct push_command_syntax push_commands[] = {
	[PUSH_COMMAND_GONE] = { PUSH_PROTOCOL_GONE, 1 },
	[PUSH_COMMAND_FORGET] = { PUSH_PROTOCOL_FORGET, 3 },
	[PUSH_COMMAND_CANCEL] = { PUSH_PROTOCOL_CANCEL, 2 },
	[PUSH_COMMAND_QUEUE] = { PUSH_PROTOCOL_QUEUE, 1 },
};

static int push_command_read_fields(const char *const *fields,
				    const struct push_command_syntax *syntax,
				    struct push_command *command)
{
	const char **const to[PUSH_COMMAND_FIELDS_MAX] = {
		&command->user, &command->subscription_id,
		&command->endpoint_hash
	};
	unsigned int i;

	if (str_array_length(fields) != syntax->field_count)
		return -1;
	for (i = 0; i < syntax->field_count; i++)
		*to[i] = fields[i];
	return 0;
}

int push_command_parse(const char *const *args, struct push_command *command_r)
{
	unsigned int i;

	i_zero(command_r);
	if (args[0] == NULL)
		return -1;
	if (strcmp(args[0], PUSH_PROTOCOL_JOB) == 0) {
		command_r->type = PUSH_COMMAND_JOB;
		command_r->job_line = t_strarray_join(args + 1, "\t");
		return 0;
	}
	for (i = PUSH_COMMAND_JOB + 1; i < N_ELEMENTS(push_commands); i++) {
		if (strcmp(args[0], push_commands[i].name) == 0) {
			command_r->type = i;
			return push_command_read_fields(args + 1,
				&push_commands[i], command_r);
		}
	}
	return -1;
}

const char *push_command_find_job_id(const char *job_line)
{
	const char *const *fields = t_strsplit(job_line, "\t");

	if (str_array_length(fields) <= PUSH_JOB_ID_FIELD ||
	    !webpush_is_token(fields[PUSH_JOB_ID_FIELD],
			      COI_PUSH_JOB_ID_MIN_LEN, COI_PUSH_JOB_ID_MAX_LEN))
		return NULL;
	return fields[PUSH_JOB_ID_FIELD];
}
