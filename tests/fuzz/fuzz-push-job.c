/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "push-job.h"

static const in_port_t fuzz_ports[] = { 443, 8443 };
static const struct webpush_endpoint admin_endpoint = {
	.url = "http://127.0.0.1:8080/notify", .trusted = TRUE
};
static const struct webpush_endpoint_policy policy = {
	.admin = &admin_endpoint,
	.ports = fuzz_ports, .port_count = N_ELEMENTS(fuzz_ports)
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What can be read can be written, and reads back the same. */
static void fuzz_line(const char *line)
{
	struct push_job job, again;
	struct webpush_endpoint endpoint;
	pool_t pool = pool_datastack_create();
	string_t *str = t_str_new(256), *str2 = t_str_new(256);
	const unsigned char *p;
	const char *error;

	if (push_job_parse(line, &policy, pool, &job, &endpoint, &error) < 0) {
		for (p = (const void *)error; *p != '\0'; p++)
			i_assert(*p >= 0x20 && *p < 0x7f);
		return;
	}
	/* They become headers. */
	i_assert(job.authorization == NULL ||
		 strpbrk(job.authorization, "\r\n") == NULL);
	i_assert(job.topic == NULL || strpbrk(job.topic, "\r\n") == NULL);
	if (push_job_format(&job, str, &error) < 0 ||
	    push_job_parse(str_c(str), &policy, pool, &again, &endpoint,
			   &error) < 0 ||
	    push_job_format(&again, str2, &error) < 0)
		i_panic("%s", error);
	i_assert(str_equals(str, str2));
}

/* The first byte says in the place of which field the rest stands; none: it is
   the whole line. */
static const char *fuzz_get_line(const uint8_t *data, size_t size)
{
	const char *fields[] = {
		"webpush1", "0123456789abcdef", "bob@example.com",
		"31754ee7-d3ee-4226-b112-6895ed26fcf8",
		"https://push.example.net/p", "vapid t=a.b.c, k=d",
		"1800000000", "86400", "high", "topic", "-", "AAEJCv8=",
		"AA==", NULL
	};
	const char *rest = t_strndup(data + 1, size - 1);

	if (data[0] >= N_ELEMENTS(fields) - 1)
		return rest;
	fields[data[0]] = rest;
	return t_strarray_join(fields, "\t");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0) T_BEGIN {
		fuzz_line(fuzz_get_line(data, size));
	} T_END;
	return 0;
}
