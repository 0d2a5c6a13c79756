/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-json.h"
#include "webpush-endpoint.h"
#include "webpush-text.h"
#include "webpush-subscription.h"

#define WEBPUSH_MEMBER_CLIENT "client"
#define WEBPUSH_MEMBER_DEVICE "device"
#define WEBPUSH_MEMBER_MSGTYPE "msgtype"
#define WEBPUSH_MEMBER_RESOURCE "resource"
#define WEBPUSH_MEMBER_ENDPOINT "endpoint"
#define WEBPUSH_MEMBER_KEYS "keys"
#define WEBPUSH_MEMBER_P256DH "p256dh"
#define WEBPUSH_MEMBER_AUTH "auth"
#define WEBPUSH_MEMBER_SEEN "seen"
#define WEBPUSH_MEMBER_CREATED "created"
#define WEBPUSH_MEMBER_VALIDATED "validated"
#define WEBPUSH_MEMBER_VALIDATION "validation"
#define WEBPUSH_MEMBER_WRONG "wrong"

static const char *const webpush_msgtype_names[] = {
	[WEBPUSH_MSGTYPE_CHAT] = "chat",
	[WEBPUSH_MSGTYPE_MAIL] = "mail",
	[WEBPUSH_MSGTYPE_ALL] = "all",
	NULL
};

const char *webpush_msgtype_name(enum webpush_msgtype msgtype)
{
	return webpush_msgtype_names[msgtype];
}

bool webpush_subscription_id_is_valid(const char *id)
{
	return webpush_is_token(id, COI_PUSH_ID_MIN_LEN, COI_PUSH_ID_MAX_LEN);
}

/* Leaves *value_r as it is if the member is missing. */
static int webpush_read_text(const json_t *root, const char *name,
			     size_t max_bytes, pool_t pool,
			     const char **value_r, const char **reason_r)
{
	const char *value = NULL;

	if (coi_json_get_string(root, name, max_bytes, &value, reason_r) < 0)
		return -1;
	if (value != NULL)
		*value_r = p_strdup(pool, value);
	return 0;
}

/* Returns NULL if it is not there, and no object. */
static const json_t *webpush_get_object(const json_t *root, const char *name,
					const char **reason_r)
{
	const json_t *json = json_object_get(root, name);

	if (!json_is_object(json)) {
		*reason_r = t_strdup_printf("%s must be an object", name);
		return NULL;
	}
	return json;
}

static int webpush_read_msgtype(const json_t *root,
				struct webpush_subscription *subscription,
				const char **reason_r)
{
	unsigned int msgtype = UINT_MAX;

	if (coi_json_get_word(root, WEBPUSH_MEMBER_MSGTYPE,
			      webpush_msgtype_names, &msgtype, reason_r) < 0)
		return -1;
	if (msgtype == UINT_MAX) {
		*reason_r = WEBPUSH_MEMBER_MSGTYPE" is missing";
		return -1;
	}
	subscription->msgtype = msgtype;
	return 0;
}

/* Reads a key in base64. Returns the bytes (data stack), or NULL. */
static const buffer_t *webpush_read_key(const json_t *keys, const char *name,
					const char **reason_r)
{
	buffer_t *bytes = t_buffer_create(COI_PUSH_KEY_MAX_BYTES);
	const char *value = NULL;

	if (coi_json_get_string(keys, name, COI_PUSH_KEY_MAX_BYTES, &value,
				reason_r) < 0)
		return NULL;
	if (value == NULL) {
		*reason_r = t_strdup_printf("%s is missing", name);
		return NULL;
	}
	if (webpush_base64_decode(value, bytes) < 0) {
		*reason_r = t_strdup_printf("%s is not base64", name);
		return NULL;
	}
	return bytes;
}

static int webpush_read_keys(const json_t *resource,
			     struct webpush_receiver *receiver,
			     const char **reason_r)
{
	const json_t *keys = webpush_get_object(resource, WEBPUSH_MEMBER_KEYS,
						reason_r);
	const buffer_t *bytes;

	if (keys == NULL)
		return -1;
	bytes = webpush_read_key(keys, WEBPUSH_MEMBER_P256DH, reason_r);
	if (bytes == NULL)
		return -1;
	if (!webpush_point_is_valid(bytes->data, bytes->used)) {
		*reason_r = WEBPUSH_MEMBER_P256DH" must be an uncompressed "
			"point on P-256";
		return -1;
	}
	memcpy(receiver->point, bytes->data, sizeof(receiver->point));

	bytes = webpush_read_key(keys, WEBPUSH_MEMBER_AUTH, reason_r);
	if (bytes == NULL)
		return -1;
	if (bytes->used != sizeof(receiver->auth)) {
		*reason_r = t_strdup_printf(
			WEBPUSH_MEMBER_AUTH" must be %zu octets, not %zu",
			sizeof(receiver->auth), bytes->used);
		return -1;
	}
	memcpy(receiver->auth, bytes->data, sizeof(receiver->auth));
	return 0;
}

static int webpush_read_resource(const json_t *root, pool_t pool,
				 struct webpush_subscription *subscription,
				 const char **reason_r)
{
	const json_t *resource =
		webpush_get_object(root, WEBPUSH_MEMBER_RESOURCE, reason_r);

	if (resource == NULL ||
	    webpush_read_text(resource, WEBPUSH_MEMBER_ENDPOINT,
			      COI_PUSH_ENDPOINT_MAX_BYTES, pool,
			      &subscription->endpoint, reason_r) < 0)
		return -1;
	if (subscription->endpoint == NULL) {
		*reason_r = WEBPUSH_MEMBER_ENDPOINT" is missing";
		return -1;
	}
	return webpush_read_keys(resource, &subscription->receiver, reason_r);
}

static int webpush_read_members(const json_t *root, pool_t pool,
				struct webpush_subscription *subscription,
				const char **reason_r)
{
	if (webpush_read_text(root, WEBPUSH_MEMBER_CLIENT,
			      COI_PUSH_CLIENT_MAX_BYTES, pool,
			      &subscription->client, reason_r) < 0 ||
	    webpush_read_text(root, WEBPUSH_MEMBER_DEVICE,
			      COI_PUSH_CLIENT_MAX_BYTES, pool,
			      &subscription->device, reason_r) < 0 ||
	    webpush_read_msgtype(root, subscription, reason_r) < 0 ||
	    coi_json_get_bool(root, WEBPUSH_MEMBER_SEEN, &subscription->seen,
			      reason_r) < 0)
		return -1;
	return webpush_read_resource(root, pool, subscription, reason_r);
}

static int webpush_check_endpoint(const char *url,
				  const struct webpush_endpoint_policy *policy,
				  const char **reason_r)
{
	struct webpush_endpoint endpoint;
	const char *error;

	if (webpush_endpoint_parse(url, policy, pool_datastack_create(),
				   &endpoint, &error) < 0) {
		*reason_r = t_strdup_printf(
			WEBPUSH_MEMBER_ENDPOINT" is not allowed: %s", error);
		return -1;
	}
	return 0;
}

int webpush_subscription_validate(const char *entry, const char *value,
				  const struct webpush_endpoint_policy *policy,
				  time_t now, pool_t pool,
				  struct webpush_subscription *subscription_r,
				  const char **client_error_r)
{
	const char *reason;
	json_t *root;
	int ret;

	i_zero(subscription_r);
	ret = coi_json_parse(value, strlen(value), COI_PUSH_VALUE_MAX_BYTES,
			     &root, &reason);
	if (ret == 0) {
		ret = webpush_read_members(root, pool, subscription_r, &reason);
		json_decref(root);
	}
	if (ret == 0) {
		ret = webpush_check_endpoint(subscription_r->endpoint, policy,
					     &reason);
	}
	if (ret < 0) {
		i_zero(subscription_r);
		*client_error_r = t_strdup_printf("invalid value for %s: %s",
						  entry, reason);
		return -1;
	}
	subscription_r->created = now;
	return 0;
}

static int webpush_read_wrong_count(const json_t *root,
				    unsigned int *count_r,
				    const char **reason_r)
{
	const json_t *json = json_object_get(root, WEBPUSH_MEMBER_WRONG);
	json_int_t count;

	if (json == NULL)
		return 0;
	/* 0 for what is no number, too */
	count = json_integer_value(json);
	if (count <= 0 || count > COI_PUSH_VALIDATION_TRIES_MAX) {
		*reason_r = WEBPUSH_MEMBER_WRONG" is no number that we write";
		return -1;
	}
	*count_r = count;
	return 0;
}

static int webpush_read_state(const json_t *root, pool_t pool,
			      struct webpush_subscription *subscription,
			      const char **error_r)
{
	if (coi_json_get_time(root, WEBPUSH_MEMBER_CREATED,
			      &subscription->created, error_r) < 0 ||
	    coi_json_get_bool(root, WEBPUSH_MEMBER_VALIDATED,
			      &subscription->validated, error_r) < 0 ||
	    webpush_read_text(root, WEBPUSH_MEMBER_VALIDATION,
			      COI_PUSH_VALIDATION_MAX_BYTES, pool,
			      &subscription->validation, error_r) < 0)
		return -1;
	if (subscription->created == 0) {
		*error_r = WEBPUSH_MEMBER_CREATED" is missing";
		return -1;
	}
	return webpush_read_wrong_count(root, &subscription->wrong_count,
					error_r);
}

int webpush_subscription_parse(const char *value, pool_t pool,
			       struct webpush_subscription *subscription_r,
			       const char **error_r)
{
	json_t *root;
	int ret;

	i_zero(subscription_r);
	if (coi_json_parse(value, strlen(value), COI_PUSH_VALUE_MAX_BYTES,
			   &root, error_r) < 0)
		return -1;
	ret = webpush_read_members(root, pool, subscription_r, error_r);
	if (ret == 0)
		ret = webpush_read_state(root, pool, subscription_r, error_r);
	json_decref(root);
	if (ret < 0)
		i_zero(subscription_r);
	return ret;
}

static void
webpush_append_member(string_t *dest, const char *name, const char *value)
{
	if (value == NULL)
		return;
	coi_json_append_name(dest, name);
	coi_json_append_string(dest, value);
}

static void webpush_append_key(string_t *dest, const char *name,
			       const unsigned char *data, size_t size)
{
	coi_json_append_name(dest, name);
	str_append_c(dest, '"');
	webpush_base64url_append(dest, data, size);
	str_append_c(dest, '"');
}

static void
webpush_append_resource(string_t *dest,
			const struct webpush_subscription *subscription)
{
	const struct webpush_receiver *receiver = &subscription->receiver;

	coi_json_append_name(dest, WEBPUSH_MEMBER_RESOURCE);
	str_append_c(dest, '{');
	webpush_append_member(dest, WEBPUSH_MEMBER_ENDPOINT,
			      subscription->endpoint);
	coi_json_append_name(dest, WEBPUSH_MEMBER_KEYS);
	str_append_c(dest, '{');
	webpush_append_key(dest, WEBPUSH_MEMBER_P256DH, receiver->point,
			   sizeof(receiver->point));
	webpush_append_key(dest, WEBPUSH_MEMBER_AUTH, receiver->auth,
			   sizeof(receiver->auth));
	str_append(dest, "}}");
}

static void
webpush_append_members(string_t *dest,
		       const struct webpush_subscription *subscription)
{
	coi_json_append_name(dest, WEBPUSH_MEMBER_CREATED);
	coi_json_append_time(dest, subscription->created);
	coi_json_append_name(dest, WEBPUSH_MEMBER_VALIDATED);
	str_append(dest, subscription->validated ? "true" : "false");
	webpush_append_member(dest, WEBPUSH_MEMBER_CLIENT,
			      subscription->client);
	webpush_append_member(dest, WEBPUSH_MEMBER_DEVICE,
			      subscription->device);
	webpush_append_member(dest, WEBPUSH_MEMBER_MSGTYPE,
			      webpush_msgtype_name(subscription->msgtype));
	if (subscription->seen) {
		coi_json_append_name(dest, WEBPUSH_MEMBER_SEEN);
		str_append(dest, "true");
	}
	webpush_append_resource(dest, subscription);
}

void
webpush_subscription_format(const struct webpush_subscription *subscription,
			    string_t *dest)
{
	str_append_c(dest, '{');
	webpush_append_members(dest, subscription);
	str_append_c(dest, '}');
}

void webpush_subscription_format_stored(
	const struct webpush_subscription *subscription, string_t *dest)
{
	str_append_c(dest, '{');
	webpush_append_members(dest, subscription);
	webpush_append_member(dest, WEBPUSH_MEMBER_VALIDATION,
			      subscription->validation);
	if (subscription->wrong_count > 0) {
		coi_json_append_name(dest, WEBPUSH_MEMBER_WRONG);
		str_printfa(dest, "%u", subscription->wrong_count);
	}
	str_append_c(dest, '}');
}

bool
webpush_subscription_wants(const struct webpush_subscription *subscription,
			   bool is_chat)
{
	if (!subscription->validated)
		return FALSE;
	switch (subscription->msgtype) {
	case WEBPUSH_MSGTYPE_CHAT:
		return is_chat;
	case WEBPUSH_MSGTYPE_MAIL:
		return !is_chat;
	case WEBPUSH_MSGTYPE_ALL:
		return TRUE;
	}
	i_unreached();
}

bool
webpush_subscription_is_expired(const struct webpush_subscription *subscription,
				time_t now, unsigned int timeout_secs)
{
	return !subscription->validated &&
		now > subscription->created + (time_t)timeout_secs;
}

static bool webpush_text_equals(const char *text1, const char *text2)
{
	size_t len = strlen(text1);

	/* How long it is, is no secret. */
	return strlen(text2) == len &&
		mem_equals_timing_safe(text1, text2, len);
}

enum webpush_validation
webpush_subscription_try_validation(struct webpush_subscription *subscription,
				    const char *text, time_t now,
				    unsigned int timeout_secs)
{
	if (webpush_subscription_is_expired(subscription, now, timeout_secs))
		return WEBPUSH_VALIDATION_DISCARD;
	if (subscription->validation != NULL &&
	    webpush_text_equals(subscription->validation, text)) {
		subscription->validated = TRUE;
		subscription->wrong_count = 0;
		return WEBPUSH_VALIDATION_OK;
	}
	/* What is validated is not lost by a wrong text. */
	if (subscription->validated)
		return WEBPUSH_VALIDATION_WRONG;
	subscription->wrong_count++;
	return subscription->wrong_count >= COI_PUSH_VALIDATION_TRIES_MAX ?
		WEBPUSH_VALIDATION_DISCARD : WEBPUSH_VALIDATION_WRONG;
}
