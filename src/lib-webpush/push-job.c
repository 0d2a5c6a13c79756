/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "base64.h"
#include "buffer.h"
#include "hmac.h"
#include "sha2.h"
#include "str.h"
#include "strnum.h"
#include "coi-limits.h"
#include "webpush-encrypt.h"
#include "webpush-text.h"
#include "push-job.h"

#define PUSH_JOB_NONE "-"
#define PUSH_JOB_VALIDATION "validation"

enum push_job_field {
	PUSH_JOB_FIELD_MAGIC,
	PUSH_JOB_FIELD_ID,
	PUSH_JOB_FIELD_USER,
	PUSH_JOB_FIELD_SUBSCRIPTION,
	PUSH_JOB_FIELD_ENDPOINT,
	PUSH_JOB_FIELD_AUTHORIZATION,
	PUSH_JOB_FIELD_DEADLINE,
	PUSH_JOB_FIELD_TTL,
	PUSH_JOB_FIELD_URGENCY,
	PUSH_JOB_FIELD_TOPIC,
	PUSH_JOB_FIELD_VALIDATION,
	PUSH_JOB_FIELD_BODY,
	PUSH_JOB_FIELD_SMALL_BODY,

	PUSH_JOB_FIELD_COUNT
};

/* What it is, and the version of its form. */
static const char *const push_job_magics[] = {
	[PUSH_JOB_KIND_WEBPUSH] = "webpush1",
	[PUSH_JOB_KIND_TOKEN] = "token1",
};

static const char *const push_job_urgency_names[] = {
	[PUSH_JOB_URGENCY_NORMAL] = "normal",
	[PUSH_JOB_URGENCY_HIGH] = "high",
};

static bool push_job_user_is_valid(const char *user)
{
	const unsigned char *p;

	for (p = (const void *)user; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return FALSE;
	}
	return *user != '\0' && strlen(user) <= COI_PUSH_USER_MAX_BYTES;
}

/* It becomes a header: what is in it must not end that. */
static bool push_job_authorization_is_valid(const char *value)
{
	const char *p;

	if (value == NULL)
		return FALSE;
	if (strncmp(value, "vapid ", strlen("vapid ")) != 0 ||
	    strlen(value) > COI_PUSH_AUTHORIZATION_MAX_BYTES)
		return FALSE;
	for (p = value; *p != '\0'; p++) {
		if (!webpush_is_alnum(*p) && strchr(" .,=_-", *p) == NULL)
			return FALSE;
	}
	return TRUE;
}

/* A token has nothing that its receiver would not understand. */
static const char *push_job_find_token_error(const struct push_job *job)
{
	if (job->authorization != NULL)
		return "authorization";
	if (job->validation)
		return "validation";
	return job->small_body_size > 0 ? "small body" : NULL;
}

/* The fields in which the kinds differ. */
static const char *push_job_find_kind_error(const struct push_job *job)
{
	if (job->kind == PUSH_JOB_KIND_TOKEN)
		return push_job_find_token_error(job);
	return push_job_authorization_is_valid(job->authorization) ? NULL :
		"authorization";
}

/* All but the endpoint. Returns the field that is wrong, or NULL. */
static const char *push_job_find_error(const struct push_job *job)
{
	const char *field;

	if (!webpush_is_token(job->id, COI_PUSH_JOB_ID_MIN_LEN,
			      COI_PUSH_JOB_ID_MAX_LEN))
		return "id";
	if (!push_job_user_is_valid(job->user))
		return "user";
	if (!webpush_is_token(job->subscription_id, COI_PUSH_ID_MIN_LEN,
			      COI_PUSH_ID_MAX_LEN))
		return "subscription";
	field = push_job_find_kind_error(job);
	if (field != NULL)
		return field;
	if (job->deadline <= 0)
		return "deadline";
	if (job->ttl_secs > COI_PUSH_TTL_MAX_SECS)
		return "ttl";
	/* "-" alone stands for none. */
	if (job->topic != NULL &&
	    (!webpush_is_token(job->topic, 1, COI_PUSH_TOPIC_MAX_LEN) ||
	     strcmp(job->topic, PUSH_JOB_NONE) == 0))
		return "topic";
	if (job->body_size == 0 || job->body_size > WEBPUSH_BODY_MAX_BYTES)
		return "body";
	if (job->small_body_size > WEBPUSH_BODY_MAX_BYTES)
		return "small body";
	return NULL;
}

static void push_job_append_body(string_t *dest, const unsigned char *body,
				 size_t size)
{
	str_append_c(dest, '\t');
	if (size == 0)
		str_append(dest, PUSH_JOB_NONE);
	else
		base64_scheme_encode(&base64_scheme, 0, 0, body, size, dest);
}

int push_job_format(const struct push_job *job, string_t *dest,
		    const char **error_r)
{
	const char *field = push_job_find_error(job);

	/* Where it may go, the worker knows. */
	if (field == NULL && !webpush_is_uri_text(job->endpoint))
		field = "endpoint";
	if (field != NULL) {
		*error_r = t_strdup_printf("invalid %s", field);
		return -1;
	}
	str_printfa(dest, "%s\t%s\t%s\t%s\t%s\t%s\t%lld\t%u",
		    push_job_magics[job->kind], job->id, job->user,
		    job->subscription_id, job->endpoint,
		    job->authorization == NULL ? PUSH_JOB_NONE :
		    job->authorization, (long long)job->deadline,
		    job->ttl_secs);
	str_printfa(dest, "\t%s\t%s\t%s",
		    push_job_urgency_names[job->urgency],
		    job->topic == NULL ? PUSH_JOB_NONE : job->topic,
		    job->validation ? PUSH_JOB_VALIDATION : PUSH_JOB_NONE);
	push_job_append_body(dest, job->body, job->body_size);
	push_job_append_body(dest, job->small_body, job->small_body_size);
	return 0;
}

static bool push_job_read_urgency(const char *field,
				  enum push_job_urgency *urgency_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(push_job_urgency_names); i++) {
		if (strcmp(field, push_job_urgency_names[i]) == 0) {
			*urgency_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

static bool push_job_read_body(const char *field, pool_t pool,
			       const unsigned char **body_r, size_t *size_r)
{
	buffer_t *body;
	size_t size;

	if (strcmp(field, PUSH_JOB_NONE) == 0)
		return TRUE;
	size = strlen(field);
	body = buffer_create_dynamic(pool, MAX_BASE64_DECODED_SIZE(size));
	if (base64_scheme_decode(&base64_scheme,
				 BASE64_DECODE_FLAG_NO_WHITESPACE,
				 field, size, body) < 0)
		return FALSE;
	*body_r = body->data;
	*size_r = body->used;
	return TRUE;
}

/* Returns the field that is wrong, or NULL. */
static const char *push_job_read_fields(const char *const *fields, pool_t pool,
					struct push_job *job)
{
	const char *authorization = fields[PUSH_JOB_FIELD_AUTHORIZATION];
	const char *topic = fields[PUSH_JOB_FIELD_TOPIC];
	const char *validation = fields[PUSH_JOB_FIELD_VALIDATION];

	job->id = fields[PUSH_JOB_FIELD_ID];
	job->user = fields[PUSH_JOB_FIELD_USER];
	job->subscription_id = fields[PUSH_JOB_FIELD_SUBSCRIPTION];
	job->authorization = strcmp(authorization, PUSH_JOB_NONE) == 0 ?
		NULL : authorization;
	job->topic = strcmp(topic, PUSH_JOB_NONE) == 0 ? NULL : topic;
	job->validation = strcmp(validation, PUSH_JOB_VALIDATION) == 0;
	if (!job->validation && strcmp(validation, PUSH_JOB_NONE) != 0)
		return "validation";
	if (str_to_time(fields[PUSH_JOB_FIELD_DEADLINE], &job->deadline) < 0)
		return "deadline";
	if (str_to_uint(fields[PUSH_JOB_FIELD_TTL], &job->ttl_secs) < 0)
		return "ttl";
	if (!push_job_read_urgency(fields[PUSH_JOB_FIELD_URGENCY],
				   &job->urgency))
		return "urgency";
	if (!push_job_read_body(fields[PUSH_JOB_FIELD_BODY], pool,
				&job->body, &job->body_size))
		return "body";
	if (!push_job_read_body(fields[PUSH_JOB_FIELD_SMALL_BODY], pool,
				&job->small_body, &job->small_body_size))
		return "small body";
	return push_job_find_error(job);
}

static bool push_job_read_magic(const char *field, enum push_job_kind *kind_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(push_job_magics); i++) {
		if (strcmp(field, push_job_magics[i]) == 0) {
			*kind_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

static int push_job_read_endpoint(enum push_job_kind kind, const char *url,
				  const struct webpush_endpoint_policy *policy,
				  pool_t pool,
				  struct webpush_endpoint *endpoint_r,
				  const char **error_r)
{
	if (kind == PUSH_JOB_KIND_WEBPUSH)
		return webpush_endpoint_parse(url, policy, pool, endpoint_r,
					      error_r);
	if (policy->admin == NULL || strcmp(url, policy->admin->url) != 0) {
		*error_r = "it is not coi_deltachat_push_url";
		return -1;
	}
	*endpoint_r = *policy->admin;
	return 0;
}

static int push_job_read(const char *line,
			 const struct webpush_endpoint_policy *policy,
			 pool_t pool, struct push_job *job,
			 struct webpush_endpoint *endpoint_r,
			 const char **error_r)
{
	const char *const *fields;
	const char *field, *error;

	if (strlen(line) > COI_PUSH_JOB_LINE_MAX_BYTES) {
		*error_r = t_strdup_printf("longer than %u bytes",
					   COI_PUSH_JOB_LINE_MAX_BYTES);
		return -1;
	}
	fields = (const char *const *)p_strsplit(pool, line, "\t");
	if (str_array_length(fields) != PUSH_JOB_FIELD_COUNT ||
	    !push_job_read_magic(fields[PUSH_JOB_FIELD_MAGIC], &job->kind)) {
		*error_r = "not a job of this version";
		return -1;
	}
	field = push_job_read_fields(fields, pool, job);
	if (field != NULL) {
		*error_r = t_strdup_printf("invalid %s", field);
		return -1;
	}
	if (push_job_read_endpoint(job->kind, fields[PUSH_JOB_FIELD_ENDPOINT],
				   policy, pool, endpoint_r, &error) < 0) {
		*error_r = t_strdup_printf("endpoint is not allowed: %s",
					   error);
		return -1;
	}
	job->endpoint = endpoint_r->url;
	if (job->kind == PUSH_JOB_KIND_TOKEN)
		endpoint_r->generation = job->topic;
	return 0;
}

int push_job_parse(const char *line,
		   const struct webpush_endpoint_policy *policy, pool_t pool,
		   struct push_job *job_r,
		   struct webpush_endpoint *endpoint_r, const char **error_r)
{
	i_zero(job_r);
	i_zero(endpoint_r);
	if (push_job_read(line, policy, pool, job_r, endpoint_r, error_r) < 0) {
		i_zero(job_r);
		i_zero(endpoint_r);
		return -1;
	}
	return 0;
}

const char *push_job_topic(const unsigned char *secret, size_t secret_size,
			   const char *chat)
{
	string_t *topic = t_str_new(64);
	const buffer_t *digest = t_hmac_data(&hash_method_sha256, secret,
					     secret_size, chat, strlen(chat));

	webpush_base64url_append(topic, digest->data, digest->used);
	str_truncate(topic, COI_PUSH_TOPIC_MAX_LEN);
	return str_c(topic);
}
