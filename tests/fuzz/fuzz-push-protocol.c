/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strescape.h"
#include "strfuncs.h"
#include "coi-limits.h"
#include "push-job.h"
#include "push-protocol.h"
#include "webpush-text.h"
#include "coi-push-command.h"

static const in_port_t fuzz_ports[] = { 443, 8443 };
static const struct webpush_endpoint_policy policy = {
	.ports = fuzz_ports, .port_count = N_ELEMENTS(fuzz_ports)
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* A job has the id by which it would be refused. */
static void fuzz_job(const char *line)
{
	struct push_job job;
	struct webpush_endpoint endpoint;
	const char *error, *id = push_command_find_job_id(line);

	/* It stands in an answer. */
	i_assert(id == NULL ||
		 webpush_is_token(id, COI_PUSH_JOB_ID_MIN_LEN,
				  COI_PUSH_JOB_ID_MAX_LEN));
	if (push_job_parse(line, &policy, pool_datastack_create(), &job,
			   &endpoint, &error) < 0)
		return;
	i_assert(id != NULL && strcmp(id, job.id) == 0);
}

static void fuzz_append(string_t *line, const char *field)
{
	if (field != NULL) {
		str_append_c(line, '\t');
		str_append_tabescaped(line, field);
	}
}

/* Written again it is the same line, but for what need not have been escaped. */
static void fuzz_again(const struct push_command *command, const char *name)
{
	struct push_command again;
	string_t *line = t_str_new(256);

	str_append(line, name);
	fuzz_append(line, command->user);
	fuzz_append(line, command->subscription_id);
	fuzz_append(line, command->endpoint_hash);
	i_assert(strchr(str_c(line), '\n') == NULL);
	i_assert(push_command_parse(t_strsplit_tabescaped(str_c(line)),
				    &again) == 0);
	i_assert(again.type == command->type);
	i_assert(null_strcmp(again.user, command->user) == 0);
	i_assert(null_strcmp(again.subscription_id,
			     command->subscription_id) == 0);
	i_assert(null_strcmp(again.endpoint_hash,
			     command->endpoint_hash) == 0);
}

static void fuzz_line(const char *line)
{
	const char *const *args = t_strsplit_tabescaped(line);
	struct push_command command;

	if (push_command_parse(args, &command) < 0)
		return;
	if (command.type == PUSH_COMMAND_JOB) {
		fuzz_job(command.job_line);
		return;
	}
	i_assert(command.user != NULL);
	i_assert((command.subscription_id != NULL) ==
		 (command.type == PUSH_COMMAND_FORGET ||
		  command.type == PUSH_COMMAND_CANCEL));
	i_assert((command.endpoint_hash != NULL) ==
		 (command.type == PUSH_COMMAND_FORGET));
	fuzz_again(&command, args[0]);
}

static void fuzz_lines(const char *text)
{
	const char *const *lines = t_strsplit(text, "\n");

	for (; *lines != NULL; lines++)
		fuzz_line(*lines);
}

/* The first byte may say that the rest is the id of a job that is else good. */
static const char *fuzz_get_text(const uint8_t *data, size_t size)
{
	const char *rest = t_strndup(data + 1, size - 1);

	if (data[0] != 0)
		return rest;
	return t_strconcat(PUSH_PROTOCOL_JOB"\twebpush1\t", rest,
		"\tbob\t31754ee7-d3ee-4226-b112-6895ed26fcf8\t"
		"https://push.example.net/p\tvapid t=a.b.c, k=d\t1800000000\t"
		"86400\thigh\ttopic\t-\tAAEJCv8=\tAA==", NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0) T_BEGIN {
		fuzz_lines(fuzz_get_text(data, size));
	} T_END;
	return 0;
}
