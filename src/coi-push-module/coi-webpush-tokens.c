/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "coi-deltachat.h"
#include "coi-limits.h"
#include "coi-user.h"
#include "push-job.h"
#include "coi-webpush-client.h"
#include "coi-webpush-send.h"
#include "coi-webpush-tokens.h"

static int
coi_webpush_tokens_get_endpoint(struct coi_user *cuser,
				struct webpush_endpoint *endpoint_r,
				const char **error_r)
{
	const char *error;

	if (webpush_endpoint_parse_admin(cuser->set->coi_deltachat_push_url,
					 pool_datastack_create(), endpoint_r,
					 &error) == 0)
		return 0;
	*error_r = t_strdup_printf("Invalid setting "
		"coi_deltachat_push_url=%s: %s",
		cuser->set->coi_deltachat_push_url, error);
	return -1;
}

/*
 * Ringing
 */

static void
coi_webpush_tokens_add(struct coi_user *cuser ATTR_UNUSED, const char *id,
		       const struct coi_token *token, void *context)
{
	ARRAY_TYPE(coi_webpush_token) *tokens = context;
	struct coi_webpush_token *dest = array_append_space(tokens);

	dest->id = p_strdup(array_get_pool(tokens), id);
	dest->token = p_strdup(array_get_pool(tokens), token->token);
	dest->generation = p_strdup(array_get_pool(tokens), token->generation);
}

void coi_webpush_tokens_find(struct coi_user *cuser,
			     ARRAY_TYPE(coi_webpush_token) *tokens)
{
	if (coi_deltachat_is_on(cuser)) {
		(void)coi_deltachat_each(cuser, coi_webpush_tokens_add,
					 tokens);
	}
}

/* Returns 0 and the job's id (data stack), or -1 with *error_r (data stack). */
static int
coi_webpush_tokens_send(struct coi_user *cuser,
			const struct webpush_endpoint *endpoint,
			const struct coi_webpush_token *token,
			const char **job_id_r, const char **error_r)
{
	const struct push_job job = {
		.kind = PUSH_JOB_KIND_TOKEN,
		.id = coi_webpush_make_job_id(),
		.user = cuser->user->username,
		.subscription_id = token->id,
		.endpoint = endpoint->url,
		.deadline = coi_webpush_deadline(cuser->set->coi_push_ttl),
		.topic = token->generation,
		.body = (const unsigned char *)token->token,
		.body_size = strlen(token->token),
	};

	*job_id_r = job.id;
	return coi_webpush_hand_over(cuser, &job, endpoint->host, error_r);
}

void coi_webpush_tokens_ring(struct coi_user *cuser,
			     const ARRAY_TYPE(coi_webpush_token) *tokens)
{
	const struct coi_webpush_token *token;
	struct webpush_endpoint endpoint;
	const char *job_id, *error;

	if (array_count(tokens) == 0)
		return;
	if (coi_webpush_tokens_get_endpoint(cuser, &endpoint, &error) < 0) {
		e_error(coi_user_get_event(cuser), "No push for tokens: %s",
			error);
		return;
	}
	array_foreach(tokens, token) T_BEGIN {
		if (coi_webpush_tokens_send(cuser, &endpoint, token, &job_id,
					    &error) < 0) {
			e_error(coi_user_get_event(cuser),
				"No push for token %s: %s", token->id, error);
		}
	} T_END;
}

/*
 * Notes of the worker
 */

bool coi_webpush_tokens_has_note(struct coi_user *cuser,
				 const struct coi_webpush_note *note)
{
	struct webpush_endpoint endpoint;
	struct coi_token token;
	const char *error;

	if (!coi_token_id_is_valid(note->id) || !coi_deltachat_is_on(cuser) ||
	    coi_deltachat_read(cuser, note->id, &token, &error) <= 0 ||
	    coi_webpush_tokens_get_endpoint(cuser, &endpoint, &error) < 0)
		return FALSE;
	endpoint.generation = token.generation;
	return strcmp(webpush_endpoint_hash(&endpoint),
		      note->endpoint_hash) == 0;
}

/*
 * For the administrator
 */

struct coi_webpush_tokens_list {
	coi_webpush_info_callback_t *callback;
	void *context;
	const char *host;
};

static void
coi_webpush_tokens_list_one(struct coi_user *cuser ATTR_UNUSED, const char *id,
			    const struct coi_token *token, void *context)
{
	const struct coi_webpush_tokens_list *list = context;
	const struct coi_webpush_info info = {
		.id = id,
		.client = "Delta Chat",
		.device = "",
		.msgtype = "all",
		.validated = TRUE,
		.created = token->renewed,
		.host = list->host,
		.endpoint = token->token,
	};

	list->callback(list->context, &info);
}

int coi_webpush_tokens_list(struct coi_user *cuser,
			    coi_webpush_info_callback_t *callback,
			    void *context)
{
	struct coi_webpush_tokens_list list = {
		.callback = callback,
		.context = context,
		.host = "",
	};
	struct webpush_endpoint endpoint;
	const char *error;

	if (coi_deltachat_is_on(cuser) &&
	    coi_webpush_tokens_get_endpoint(cuser, &endpoint, &error) == 0)
		list.host = endpoint.host;
	return coi_deltachat_each(cuser, coi_webpush_tokens_list_one, &list);
}

static int
coi_webpush_tokens_fail(struct coi_webpush_failure *failure_r,
			enum mail_error error, const char *text)
{
	failure_r->error = error;
	failure_r->text = text;
	return -1;
}

static int
coi_webpush_tokens_send_test(struct coi_user *cuser,
			     const struct coi_webpush_token *token,
			     const char **job_id_r,
			     struct coi_webpush_failure *failure_r)
{
	struct webpush_endpoint endpoint;
	const char *error;

	if (coi_webpush_tokens_get_endpoint(cuser, &endpoint, &error) < 0 ||
	    coi_webpush_tokens_send(cuser, &endpoint, token, job_id_r,
				    &error) < 0) {
		return coi_webpush_tokens_fail(failure_r,
			MAIL_ERROR_NOTPOSSIBLE, t_strdup_printf(
				"No push for token %s: %s", token->id, error));
	}
	if (coi_webpush_client_flush(&error) < 0) {
		return coi_webpush_tokens_fail(failure_r, MAIL_ERROR_TEMP,
			t_strdup_printf("The worker has not taken the push: %s",
					error));
	}
	return 0;
}

int coi_webpush_tokens_test(struct coi_user *cuser, const char *id,
			    bool *found_r, const char **job_id_r,
			    struct coi_webpush_failure *failure_r)
{
	struct coi_webpush_token token = { .id = id };
	struct coi_token stored;
	const char *error;
	int ret;

	*found_r = FALSE;
	if (!coi_token_id_is_valid(id))
		return 0;
	ret = coi_deltachat_read(cuser, id, &stored, &error);
	*found_r = ret != 0;
	if (ret < 0) {
		return coi_webpush_tokens_fail(failure_r, MAIL_ERROR_TEMP,
					       error);
	}
	if (ret == 0 || coi_token_is_expired(&stored, ioloop_time)) {
		*found_r = FALSE;
		return 0;
	}
	if (!coi_deltachat_is_on(cuser)) {
		return coi_webpush_tokens_fail(failure_r,
			MAIL_ERROR_NOTPOSSIBLE, "Delta Chat tokens are not set "
			"up: coi_deltachat_push_url is empty or wrong");
	}
	token.token = stored.token;
	token.generation = stored.generation;
	return coi_webpush_tokens_send_test(cuser, &token, job_id_r,
					    failure_r);
}
