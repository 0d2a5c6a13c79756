/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "mail-storage.h"
#include "coi-limits.h"
#include "coi-user.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-message.h"
#include "coi-webpush-quiet.h"
#include "coi-webpush-ring.h"
#include "coi-webpush-send.h"
#include "coi-webpush-subscriptions.h"
#include "coi-webpush-tokens.h"
#include "coi-webpush-unseen.h"

struct coi_webpush_target {
	const char *id;
	struct webpush_subscription subscription;
};

/* One message on its way to several subscriptions. */
struct coi_webpush_ringing {
	struct coi_user *cuser;
	const struct coi_ring *ring;
	pool_t pool;

	ARRAY(struct coi_webpush_target) targets;
	ARRAY_TYPE(coi_webpush_token) tokens;
	struct coi_webpush_message message;
	struct webpush_payload payload;
};

static void
coi_webpush_ringing_add(struct coi_user *cuser ATTR_UNUSED, const char *id,
	const struct webpush_subscription *subscription, void *context)
{
	struct coi_webpush_ringing *ringing = context;
	struct coi_webpush_target *target;

	if (!webpush_subscription_wants(subscription, ringing->ring->chat))
		return;
	target = array_append_space(&ringing->targets);
	target->id = p_strdup(ringing->pool, id);
	target->subscription = *subscription;
	/* the only string that is needed */
	target->subscription.endpoint = p_strdup(ringing->pool,
						 subscription->endpoint);
}

static enum webpush_payload_detail
coi_webpush_ringing_detail(const struct coi_webpush_ringing *ringing)
{
	switch (ringing->cuser->set->parsed_push_content) {
	case COI_PUSH_CONTENT_CHAT:
		return ringing->ring->chat ? WEBPUSH_PAYLOAD_CONTENT :
			WEBPUSH_PAYLOAD_HEADERS;
	case COI_PUSH_CONTENT_YES:
		return WEBPUSH_PAYLOAD_CONTENT;
	case COI_PUSH_CONTENT_HEADERS:
		return WEBPUSH_PAYLOAD_HEADERS;
	case COI_PUSH_CONTENT_NO:
		return WEBPUSH_PAYLOAD_IDS;
	}
	i_unreached();
}

static void
coi_webpush_ringing_read(struct coi_webpush_ringing *ringing)
{
	enum webpush_payload_detail detail =
		coi_webpush_ringing_detail(ringing);
	const struct coi_ring *ring = ringing->ring;
	const char *error;

	coi_webpush_message_get_headers(&ringing->message, &ringing->payload);
	ringing->payload.uid = ring->uid;
	ringing->payload.uid_validity = ring->uid_validity;
	ringing->payload.folder = ring->folder;
	ringing->payload.group_id = ring->group_id;
	if (detail == WEBPUSH_PAYLOAD_CONTENT &&
	    coi_webpush_message_get_content(&ringing->message,
					    &ringing->payload, &error) < 0) {
		e_error(coi_user_get_event(ringing->cuser),
			"Pushing without the content of the message: %s",
			error);
	}
}

/* Pushes it to the targets that want to know what is read elsewhere, or to the
   others: they get different payloads. */
static void
coi_webpush_ringing_send(struct coi_webpush_ringing *ringing,
			 const struct webpush_key *key, bool seen)
{
	string_t *payload = str_new(ringing->pool, 1024);
	string_t *small_payload = str_new(ringing->pool, 256);
	const struct coi_webpush_target *target;
	struct coi_webpush_push push;

	i_zero(&push);
	(void)webpush_payload_format(&ringing->payload,
				     coi_webpush_ringing_detail(ringing),
				     payload);
	push.payload = payload;
	if (str_len(payload) > COI_PUSH_SMALL_MIN_BYTES) {
		/* the worker has no key to make one */
		(void)webpush_payload_format(&ringing->payload,
					     WEBPUSH_PAYLOAD_IDS,
					     small_payload);
		push.small_payload = small_payload;
	}
	push.chat = coi_webpush_message_get_chat(&ringing->message,
						 ringing->ring->chat,
						 ringing->ring->group_id);
	push.urgency = ringing->ring->chat ? PUSH_JOB_URGENCY_HIGH :
		PUSH_JOB_URGENCY_NORMAL;
	push.ttl_secs = ringing->cuser->set->coi_push_ttl;
	array_foreach(&ringing->targets, target) {
		if (target->subscription.seen == seen) T_BEGIN {
			coi_webpush_send(ringing->cuser, key, target->id,
					 &target->subscription, &push);
		} T_END;
	}
}

static bool
coi_webpush_ringing_has_target(const struct coi_webpush_ringing *ringing,
			       bool seen)
{
	const struct coi_webpush_target *target;

	array_foreach(&ringing->targets, target) {
		if (target->subscription.seen == seen)
			return TRUE;
	}
	return FALSE;
}

static void
coi_webpush_ringing_send_all(struct coi_webpush_ringing *ringing,
			     const struct webpush_key *key)
{
	struct webpush_payload *payload = &ringing->payload;

	coi_webpush_ringing_read(ringing);
	if (coi_webpush_ringing_has_target(ringing, FALSE))
		coi_webpush_ringing_send(ringing, key, FALSE);
	if (!coi_webpush_ringing_has_target(ringing, TRUE))
		return;
	payload->has_unseen = coi_webpush_unseen_count(ringing->cuser,
						       &payload->unseen);
	coi_webpush_ringing_send(ringing, key, TRUE);
}

static void coi_webpush_ringing_run(struct coi_webpush_ringing *ringing)
{
	struct coi_user *cuser = ringing->cuser;
	struct webpush_key key;
	const char *quiet, *error;

	/* what could not be read is logged, and does not ring */
	if (coi_webpush_is_on(cuser)) {
		(void)coi_webpush_subscriptions_each(cuser,
			coi_webpush_ringing_add, ringing);
	}
	coi_webpush_tokens_find(cuser, &ringing->tokens);
	if (array_count(&ringing->targets) == 0 &&
	    array_count(&ringing->tokens) == 0)
		return;
	if (coi_webpush_message_read(ringing->ring->mail, ringing->pool,
				     &ringing->message, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"No push: Reading the message's headers failed: %s",
			error);
		return;
	}
	quiet = coi_webpush_quiet(cuser, ringing->ring, &ringing->message);
	if (quiet != NULL) {
		e_debug(coi_user_get_event(cuser), "No push: %s", quiet);
		return;
	}
	coi_webpush_tokens_ring(cuser, &ringing->tokens);
	if (array_count(&ringing->targets) == 0 ||
	    coi_webpush_keys_read(cuser, &key) <= 0)
		return;
	coi_webpush_ringing_send_all(ringing, &key);
	webpush_key_wipe(&key);
}

void coi_webpush_ring(struct coi_user *cuser, const struct coi_ring *ring)
{
	struct coi_webpush_ringing ringing = {
		.cuser = cuser,
		.ring = ring,
		.pool = pool_alloconly_create("coi webpush ring", 8192),
	};

	p_array_init(&ringing.targets, ringing.pool, 4);
	p_array_init(&ringing.tokens, ringing.pool, 4);
	coi_webpush_ringing_run(&ringing);
	pool_unref(&ringing.pool);
}
