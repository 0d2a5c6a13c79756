/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage.h"
#include "coi-entries.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "webpush-text.h"
#include "coi-webpush-client.h"
#include "coi-webpush-gone.h"
#include "coi-webpush-send.h"
#include "coi-webpush-subscriptions.h"

#include <sodium.h>

/* Random bytes of the text that validates (W17). */
#define COI_WEBPUSH_VALIDATION_BYTES 24

static const char *coi_webpush_make_text(void)
{
	unsigned char bytes[COI_WEBPUSH_VALIDATION_BYTES];
	string_t *text = t_str_new(64);

	randombytes_buf(bytes, sizeof(bytes));
	webpush_base64url_append(text, bytes, sizeof(bytes));
	return str_c(text);
}

static const char *
coi_webpush_format_stored(const struct webpush_subscription *subscription)
{
	string_t *str = t_str_new(1024);

	webpush_subscription_format_stored(subscription, str);
	return str_c(str);
}

int coi_webpush_subscriptions_judge(struct coi_user *cuser, const char *entry,
				    const char *value, time_t now,
				    const char **stored_r,
				    const char **client_error_r)
{
	struct webpush_endpoint_policy policy;
	struct webpush_subscription subscription;

	coi_webpush_get_policy(cuser, &policy);
	if (webpush_subscription_validate(entry, value, &policy, now,
					  pool_datastack_create(),
					  &subscription, client_error_r) < 0)
		return -1;
	subscription.validation = coi_webpush_make_text();
	*stored_r = coi_webpush_format_stored(&subscription);
	return 0;
}

enum coi_webpush_validation
coi_webpush_subscriptions_validate(struct coi_user *cuser, const char *stored,
				   const char *text, time_t now,
				   const char **stored_r)
{
	struct webpush_subscription subscription;
	enum webpush_validation validation;
	const char *error;

	*stored_r = NULL;
	if (webpush_subscription_parse(stored, pool_datastack_create(),
				       &subscription, &error) < 0)
		return COI_WEBPUSH_VALIDATION_DISCARD;
	validation = webpush_subscription_try_validation(&subscription, text,
		now, cuser->set->coi_push_validation_timeout);
	*stored_r = coi_webpush_format_stored(&subscription);
	switch (validation) {
	case WEBPUSH_VALIDATION_OK:
		return COI_WEBPUSH_VALIDATION_OK;
	case WEBPUSH_VALIDATION_WRONG:
		return COI_WEBPUSH_VALIDATION_WRONG;
	case WEBPUSH_VALIDATION_DISCARD:
		return COI_WEBPUSH_VALIDATION_DISCARD;
	}
	i_unreached();
}

static bool
coi_webpush_is_expired(struct coi_user *cuser,
		       const struct webpush_subscription *subscription,
		       time_t now)
{
	return webpush_subscription_is_expired(subscription, now,
		cuser->set->coi_push_validation_timeout);
}

const char *
coi_webpush_subscriptions_show(struct coi_user *cuser, const char *stored,
			       time_t now)
{
	struct webpush_subscription subscription;
	string_t *str = t_str_new(1024);
	const char *error;

	/* what is not ours `doveadm coi check' removes */
	if (webpush_subscription_parse(stored, pool_datastack_create(),
				       &subscription, &error) < 0 ||
	    coi_webpush_is_expired(cuser, &subscription, now))
		return NULL;
	webpush_subscription_format(&subscription, str);
	return str_c(str);
}

/*
 * All of them
 */

int coi_webpush_subscriptions_read(struct coi_user *cuser, const char *id,
				   pool_t pool,
				   struct webpush_subscription *subscription_r,
				   const char **error_r)
{
	const char *value, *error;
	int ret;

	ret = coi_entries_read(cuser->store, COI_ENTRY_SUBSCRIPTION, id,
			       &value, error_r);
	if (ret <= 0)
		return ret;
	if (webpush_subscription_parse(value, pool, subscription_r,
				       &error) < 0) {
		*error_r = t_strdup_printf("Subscription %s: %s", id, error);
		return -1;
	}
	return 1;
}

static int
coi_webpush_subscriptions_call(struct coi_user *cuser, const char *id,
			       coi_webpush_subscription_callback_t *callback,
			       void *context)
{
	struct webpush_subscription subscription;
	const char *error;
	int ret;

	ret = coi_webpush_subscriptions_read(cuser, id,
					     pool_datastack_create(),
					     &subscription, &error);
	if (ret < 0)
		e_error(coi_user_get_event(cuser), "%s", error);
	if (ret > 0)
		callback(cuser, id, &subscription, context);
	return ret < 0 ? -1 : 0;
}

int coi_webpush_subscriptions_each(struct coi_user *cuser,
	coi_webpush_subscription_callback_t *callback, void *context)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(cuser->store, COI_ENTRY_SUBSCRIPTION);
	const char *id, *error;
	int ret = 0;

	while ((id = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		if (coi_webpush_subscriptions_call(cuser, id, callback,
						   context) < 0)
			ret = -1;
	} T_END;
	if (coi_entries_iter_deinit(&iter, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Listing subscriptions failed: %s", error);
		ret = -1;
	}
	return ret;
}

/*
 * Removing
 */

int coi_webpush_subscriptions_remove(struct coi_user *cuser, const char *id,
				     const char *change)
{
	struct coi_metadata_update *update = coi_metadata_update_begin(cuser);

	coi_metadata_update_entry(update, COI_ENTRY_SUBSCRIPTION, id, NULL);
	if (coi_metadata_update_commit(&update) < 0)
		return -1;
	coi_subscriptions_log(cuser, id, change);
	return 0;
}

static void
coi_webpush_subscriptions_add_expired(struct coi_user *cuser, const char *id,
	const struct webpush_subscription *subscription, void *context)
{
	ARRAY_TYPE(const_string) *ids = context;

	if (coi_webpush_is_expired(cuser, subscription, ioloop_time)) {
		id = p_strdup(array_get_pool(ids), id);
		array_push_back(ids, &id);
	}
}

/* Finds those that are to be discarded. */
static void
coi_webpush_subscriptions_find_expired(struct coi_user *cuser, pool_t pool,
				       ARRAY_TYPE(const_string) *ids)
{
	p_array_init(ids, pool, 4);
	/* errors are logged where they happen */
	(void)coi_webpush_subscriptions_each(cuser,
		coi_webpush_subscriptions_add_expired, ids);
}

void coi_webpush_subscriptions_expire(struct coi_user *cuser)
{
	ARRAY_TYPE(const_string) ids;
	pool_t pool = pool_alloconly_create("coi webpush expire", 512);
	const char *id;

	coi_webpush_subscriptions_find_expired(cuser, pool, &ids);
	array_foreach_elem(&ids, id)
		(void)coi_webpush_subscriptions_remove(cuser, id, "expired");
	pool_unref(&pool);
}

static bool coi_webpush_subscriptions_have_expired(struct coi_user *cuser)
{
	ARRAY_TYPE(const_string) ids;
	pool_t pool = pool_alloconly_create("coi webpush expired", 512);
	bool have;

	coi_webpush_subscriptions_find_expired(cuser, pool, &ids);
	have = array_count(&ids) > 0;
	pool_unref(&pool);
	return have;
}

void coi_webpush_subscriptions_tidy(struct coi_user *cuser)
{
	const char *error;

	coi_webpush_gone_ask(cuser);
	/* most times there is nothing, and no lock is taken */
	if (!coi_webpush_subscriptions_have_expired(cuser))
		return;
	if (coi_store_lock(cuser->store, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Discarding subscriptions failed: %s", error);
		return;
	}
	coi_webpush_subscriptions_expire(cuser);
	coi_store_unlock(cuser->store);
}

/*
 * The worker
 */

void coi_webpush_subscriptions_cancel(struct coi_user *cuser, const char *id)
{
	coi_webpush_client_cancel(cuser, id);
}

void coi_webpush_subscriptions_subscribed(struct coi_user *cuser,
					  const char *id, const char *stored)
{
	struct webpush_subscription subscription;
	const char *error;

	if (webpush_subscription_parse(stored, pool_datastack_create(),
				       &subscription, &error) < 0) {
		e_error(coi_user_get_event(cuser), "Subscription %s: %s",
			id, error);
		return;
	}
	coi_webpush_send_validation(cuser, id, &subscription);
}
