/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-user.h"
#include "webpush-encrypt.h"
#include "webpush-payload.h"
#include "webpush-text.h"
#include "webpush-vapid.h"
#include "coi-webpush-client.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-send.h"

#include <sodium.h>

/* Random bytes of a job's id. */
#define COI_WEBPUSH_JOB_ID_BYTES 16

void coi_webpush_get_policy(struct coi_user *cuser,
			    struct webpush_endpoint_policy *policy_r)
{
	i_zero(policy_r);
	policy_r->insecure = cuser->set->coi_push_insecure;
	policy_r->ports = cuser->set->parsed_push_ports.ports;
	policy_r->port_count = cuser->set->parsed_push_ports.count;
}

const char *coi_webpush_make_job_id(void)
{
	unsigned char bytes[COI_WEBPUSH_JOB_ID_BYTES];
	string_t *id = t_str_new(32);

	randombytes_buf(bytes, sizeof(bytes));
	webpush_base64url_append(id, bytes, sizeof(bytes));
	return str_c(id);
}

/* W29: key and salt are used for nothing else. */
static int
coi_webpush_encrypt(const struct webpush_subscription *subscription,
		    const string_t *payload, buffer_t *dest,
		    const char **error_r)
{
	unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES];
	unsigned char salt[WEBPUSH_SALT_BYTES];
	struct webpush_key key;
	int ret;

	do {
		randombytes_buf(private_key, sizeof(private_key));
		ret = webpush_key_init(private_key, &key, error_r);
	} while (ret == 0);
	sodium_memzero(private_key, sizeof(private_key));
	if (ret < 0)
		return -1;
	randombytes_buf(salt, sizeof(salt));
	ret = webpush_encrypt(&subscription->receiver, &key, salt,
			      payload->data, payload->used, dest, error_r);
	webpush_key_wipe(&key);
	return ret;
}

static int
coi_webpush_encrypt_bodies(const struct webpush_subscription *subscription,
			   const struct coi_webpush_push *push,
			   struct push_job *job, const char **error_r)
{
	buffer_t *body = t_buffer_create(WEBPUSH_BODY_MAX_BYTES);
	buffer_t *small = t_buffer_create(256);

	if (coi_webpush_encrypt(subscription, push->payload, body,
				error_r) < 0)
		return -1;
	if (push->small_payload != NULL &&
	    coi_webpush_encrypt(subscription, push->small_payload, small,
				error_r) < 0)
		return -1;
	job->body = body->data;
	job->body_size = body->used;
	job->small_body = small->data;
	job->small_body_size = small->used;
	return 0;
}

/* Services keep it for no longer than the client wants it, and take no token
   that is older than that. */
time_t coi_webpush_deadline(unsigned int ttl_secs)
{
	return ioloop_time + I_MAX(COI_PUSH_DEADLINE_MIN_SECS,
		I_MIN(ttl_secs, WEBPUSH_VAPID_LIFETIME_SECS));
}

/* Returns 0, or -1 with *error_r (data stack). */
static int
coi_webpush_make_job(struct coi_user *cuser, const struct webpush_key *key,
		     const struct webpush_subscription *subscription,
		     const struct coi_webpush_push *push, struct push_job *job,
		     const char **host_r, const char **error_r)
{
	string_t *authorization = t_str_new(512);
	struct webpush_endpoint_policy policy;
	struct webpush_endpoint endpoint;

	coi_webpush_get_policy(cuser, &policy);
	if (webpush_endpoint_parse(subscription->endpoint, &policy,
				   pool_datastack_create(), &endpoint,
				   error_r) < 0 ||
	    webpush_vapid_append(authorization, key, endpoint.origin,
				 cuser->set->coi_push_subject, ioloop_time,
				 error_r) < 0 ||
	    coi_webpush_encrypt_bodies(subscription, push, job, error_r) < 0)
		return -1;
	*host_r = endpoint.host;
	job->id = coi_webpush_make_job_id();
	job->user = cuser->user->username;
	job->endpoint = endpoint.url;
	job->authorization = str_c(authorization);
	job->ttl_secs = push->ttl_secs;
	job->deadline = coi_webpush_deadline(push->ttl_secs);
	job->urgency = push->urgency;
	job->validation = push->validation;
	if (push->chat != NULL) {
		job->topic = push_job_topic(subscription->receiver.auth,
			sizeof(subscription->receiver.auth), push->chat);
	}
	return 0;
}

/* W39: no endpoint, and what there is of it only for debugging. */
static void
coi_webpush_log_queued(struct coi_user *cuser, const struct push_job *job,
		       const char *host)
{
	struct event_passthrough *e =
		event_create_passthrough(coi_user_get_event(cuser))->
		set_name("coi_push_queued")->
		add_str("subscription_id", job->subscription_id)->
		add_str("endpoint_host", host)->
		add_str("job", job->id)->
		add_str("validation", job->validation ? "yes" : "no")->
		add_int("bytes", job->body_size);

	e_debug(e->event(), "Push %s for subscription %s goes to the worker",
		job->id, job->subscription_id);
}

int coi_webpush_hand_over(struct coi_user *cuser, const struct push_job *job,
			  const char *host, const char **error_r)
{
	string_t *line = t_str_new(COI_PUSH_JOB_LINE_MAX_BYTES);

	if (push_job_format(job, line, error_r) < 0)
		return -1;
	coi_webpush_log_queued(cuser, job, host);
	coi_webpush_client_job(cuser, job, str_c(line));
	return 0;
}

int coi_webpush_try_send(struct coi_user *cuser, const struct webpush_key *key,
			 const char *id,
			 const struct webpush_subscription *subscription,
			 const struct coi_webpush_push *push,
			 const char **job_id_r, const char **error_r)
{
	struct push_job job;
	const char *host;

	i_zero(&job);
	job.subscription_id = id;
	if (coi_webpush_make_job(cuser, key, subscription, push, &job, &host,
				 error_r) < 0 ||
	    coi_webpush_hand_over(cuser, &job, host, error_r) < 0)
		return -1;
	*job_id_r = job.id;
	return 0;
}

void coi_webpush_send(struct coi_user *cuser, const struct webpush_key *key,
		      const char *id,
		      const struct webpush_subscription *subscription,
		      const struct coi_webpush_push *push)
{
	const char *job_id, *error;

	if (coi_webpush_try_send(cuser, key, id, subscription, push, &job_id,
				 &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"No push for subscription %s: %s", id, error);
	}
}

void coi_webpush_send_validation(struct coi_user *cuser, const char *id,
	const struct webpush_subscription *subscription)
{
	string_t *payload = t_str_new(128);
	const struct coi_webpush_push push = {
		.payload = payload,
		.urgency = PUSH_JOB_URGENCY_HIGH,
		/* later nobody wants it */
		.ttl_secs = I_MIN(cuser->set->coi_push_validation_timeout,
				  COI_PUSH_TTL_MAX_SECS),
		.validation = TRUE,
	};
	struct webpush_key key;

	if (coi_webpush_keys_read(cuser, &key) <= 0)
		return;
	webpush_payload_format_validation(subscription->validation, payload);
	coi_webpush_send(cuser, &key, id, subscription, &push);
	webpush_key_wipe(&key);
}
