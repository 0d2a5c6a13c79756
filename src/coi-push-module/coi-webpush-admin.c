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
#include "webpush-payload.h"
#include "webpush-text.h"
#include "coi-webpush-admin.h"
#include "coi-webpush-client.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-send.h"
#include "coi-webpush-subscriptions.h"
#include "coi-webpush-tokens.h"

/* What a test says of itself, where a message has its sender and subject. */
#define COI_WEBPUSH_TEST_NAME "Mail server"
#define COI_WEBPUSH_TEST_SUBJECT "Test of push notifications"

static int
coi_webpush_admin_fail(struct coi_webpush_failure *failure_r,
		       enum mail_error error, const char *text)
{
	failure_r->error = error;
	failure_r->text = text;
	return -1;
}

/*
 * list
 */

struct coi_webpush_admin_list {
	coi_webpush_info_callback_t *callback;
	void *context;
};

static const char *
coi_webpush_admin_host(struct coi_user *cuser, const char *url)
{
	struct webpush_endpoint_policy policy;
	struct webpush_endpoint endpoint;
	const char *error;

	coi_webpush_get_policy(cuser, &policy);
	return webpush_endpoint_parse(url, &policy, pool_datastack_create(),
				      &endpoint, &error) < 0 ?
		"" : endpoint.host;
}

static const char *
coi_webpush_admin_base64(const unsigned char *data, size_t size)
{
	string_t *str = t_str_new(128);

	webpush_base64url_append(str, data, size);
	return str_c(str);
}

static void
coi_webpush_admin_list_one(struct coi_user *cuser, const char *id,
	const struct webpush_subscription *subscription, void *context)
{
	const struct coi_webpush_admin_list *list = context;
	const struct webpush_receiver *receiver = &subscription->receiver;
	struct coi_webpush_info info;

	/* for clients it is gone */
	if (webpush_subscription_is_expired(subscription, ioloop_time,
			cuser->set->coi_push_validation_timeout))
		return;
	i_zero(&info);
	info.id = id;
	info.client = subscription->client == NULL ? "" : subscription->client;
	info.device = subscription->device == NULL ? "" : subscription->device;
	info.msgtype = webpush_msgtype_name(subscription->msgtype);
	info.validated = subscription->validated;
	info.created = subscription->created;
	info.host = coi_webpush_admin_host(cuser, subscription->endpoint);
	info.endpoint = subscription->endpoint;
	info.p256dh = coi_webpush_admin_base64(receiver->point,
					       sizeof(receiver->point));
	info.auth = coi_webpush_admin_base64(receiver->auth,
					     sizeof(receiver->auth));
	list->callback(list->context, &info);
}

int coi_webpush_admin_list(struct coi_user *cuser,
			   coi_webpush_info_callback_t *callback, void *context)
{
	struct coi_webpush_admin_list list = {
		.callback = callback,
		.context = context,
	};

	if (coi_webpush_subscriptions_each(cuser, coi_webpush_admin_list_one,
					   &list) < 0)
		return -1;
	return coi_webpush_tokens_list(cuser, callback, context);
}

/*
 * test
 */

/* Nothing of it is the user's, so it does not ask coi_push_content. */
static void coi_webpush_admin_format_test(string_t *dest)
{
	const struct webpush_payload payload = {
		.from_name = COI_WEBPUSH_TEST_NAME,
		.subject = COI_WEBPUSH_TEST_SUBJECT,
		.date = ioloop_time,
	};

	(void)webpush_payload_format(&payload, WEBPUSH_PAYLOAD_HEADERS, dest);
}

static int
coi_webpush_admin_read(struct coi_user *cuser, const char *id,
		       struct webpush_subscription *subscription_r,
		       struct coi_webpush_failure *failure_r)
{
	const char *error;
	int ret;

	ret = coi_webpush_subscriptions_read(cuser, id, pool_datastack_create(),
					     subscription_r, &error);
	if (ret < 0) {
		return coi_webpush_admin_fail(failure_r, MAIL_ERROR_TEMP,
					      error);
	}
	if (ret == 0) {
		return coi_webpush_admin_fail(failure_r, MAIL_ERROR_NOTFOUND,
			t_strdup_printf("There is no subscription %s", id));
	}
	if (!subscription_r->validated) {
		return coi_webpush_admin_fail(failure_r,
			MAIL_ERROR_NOTPOSSIBLE, t_strdup_printf(
				"Subscription %s is not validated", id));
	}
	return 0;
}

static int
coi_webpush_admin_send_test(struct coi_user *cuser,
			    const struct webpush_key *key, const char *id,
			    const struct webpush_subscription *subscription,
			    const char **job_id_r,
			    struct coi_webpush_failure *failure_r)
{
	string_t *payload = t_str_new(256);
	const struct coi_webpush_push push = {
		.payload = payload,
		.urgency = PUSH_JOB_URGENCY_HIGH,
		.ttl_secs = cuser->set->coi_push_ttl,
	};
	const char *error;

	coi_webpush_admin_format_test(payload);
	if (coi_webpush_try_send(cuser, key, id, subscription, &push, job_id_r,
				 &error) < 0) {
		return coi_webpush_admin_fail(failure_r,
			MAIL_ERROR_NOTPOSSIBLE, t_strdup_printf(
				"No push for subscription %s: %s", id, error));
	}
	if (coi_webpush_client_flush(&error) < 0) {
		return coi_webpush_admin_fail(failure_r, MAIL_ERROR_TEMP,
			t_strdup_printf("The worker has not taken the push: %s",
					error));
	}
	return 0;
}

int coi_webpush_admin_test(struct coi_user *cuser, const char *id,
			   const char **job_id_r,
			   struct coi_webpush_failure *failure_r)
{
	struct webpush_subscription subscription;
	struct webpush_key key;
	bool found;
	int ret;

	ret = coi_webpush_tokens_test(cuser, id, &found, job_id_r, failure_r);
	if (found)
		return ret;
	if (!coi_webpush_is_on(cuser)) {
		return coi_webpush_admin_fail(failure_r,
			MAIL_ERROR_NOTPOSSIBLE,
			"Web Push is not set up: coi_push_subject is empty");
	}
	if (coi_webpush_admin_read(cuser, id, &subscription, failure_r) < 0)
		return -1;
	ret = coi_webpush_keys_read(cuser, &key);
	if (ret <= 0) {
		return coi_webpush_admin_fail(failure_r, MAIL_ERROR_TEMP,
			ret == 0 ? "There is no VAPID key" :
			"The VAPID key cannot be used");
	}
	ret = coi_webpush_admin_send_test(cuser, &key, id, &subscription,
					  job_id_r, failure_r);
	webpush_key_wipe(&key);
	return ret;
}

/*
 * rekey
 */

struct coi_webpush_rekey {
	struct coi_user *cuser;
	pool_t pool;
	ARRAY_TYPE(const_string) ids;
	bool has_key;
};

static int
coi_webpush_rekey_list(struct coi_webpush_rekey *rekey, const char **error_r)
{
	struct coi_entries_iter *iter = coi_entries_iter_init(
		rekey->cuser->store, COI_ENTRY_SUBSCRIPTION);
	const char *id;

	while ((id = coi_entries_iter_next(iter)) != NULL) {
		id = p_strdup(rekey->pool, id);
		array_push_back(&rekey->ids, &id);
	}
	return coi_entries_iter_deinit(&iter, error_r);
}

/* No update could read what is damaged as what it replaces, so it goes before.
   Returns 1 if there is an entry, 0 if not (any more), -1 on error. */
static int
coi_webpush_rekey_clear(struct coi_user *cuser, enum coi_entry_class class,
			const char *id, const char **error_r)
{
	const char *value;
	int ret;

	ret = coi_entries_read(cuser->store, class, id, &value, error_r);
	if (ret >= 0)
		return ret;
	ret = coi_store_remove(cuser->store, coi_entry_store_key(class, id),
			       error_r);
	return ret < 0 ? -1 : 1;
}

static int
coi_webpush_rekey_clear_all(struct coi_webpush_rekey *rekey,
			    const char **error_r)
{
	const char *id;
	int ret;

	array_foreach_elem(&rekey->ids, id) {
		T_BEGIN {
			ret = coi_webpush_rekey_clear(rekey->cuser,
				COI_ENTRY_SUBSCRIPTION, id, error_r);
		} T_END_PASS_STR_IF(ret < 0, error_r);
		if (ret < 0)
			return -1;
	}
	ret = coi_webpush_rekey_clear(rekey->cuser, COI_ENTRY_VAPID,
				      COI_ENTRY_VAPID_ID, error_r);
	rekey->has_key = ret > 0;
	return ret < 0 ? -1 : 0;
}

/* The key comes last: who is killed before that has the old one, and can rekey
   again. */
static int
coi_webpush_rekey_write(struct coi_webpush_rekey *rekey, const char **error_r)
{
	struct coi_metadata_update *update;
	struct webpush_key key;
	const char *id;

	if (coi_webpush_keys_make(&key, error_r) < 0)
		return -1;
	update = coi_metadata_update_begin(rekey->cuser);
	array_foreach_elem(&rekey->ids, id) {
		coi_metadata_update_entry(update, COI_ENTRY_SUBSCRIPTION, id,
					  NULL);
	}
	T_BEGIN {
		coi_webpush_keys_add(rekey->cuser, &key, update);
	} T_END;
	webpush_key_wipe(&key);
	if (coi_metadata_update_commit(&update) < 0) {
		*error_r = "The entries could not be changed";
		return -1;
	}
	rekey->cuser->push_key_error_logged = FALSE;
	return 0;
}

/* What was damaged is counted by nobody else, nor is the worker told of it. */
static int
coi_webpush_rekey_finish(struct coi_webpush_rekey *rekey, const char **error_r)
{
	struct coi_user *cuser = rekey->cuser;
	const char *id;

	array_foreach_elem(&rekey->ids, id)
		coi_subscriptions_log(cuser, id, "rekeyed");
	coi_webpush_client_cancel(cuser, "");
	return coi_entries_recount(cuser->store, COI_ENTRY_SUBSCRIPTION,
				   error_r) < 0 ? -1 :
		coi_subscriptions_recount(cuser->store, error_r);
}

/* Returns 1, 0 if there was nothing to reset, -1 on error. */
static int
coi_webpush_rekey_locked(struct coi_webpush_rekey *rekey, const char **error_r)
{
	if (coi_webpush_rekey_list(rekey, error_r) < 0 ||
	    coi_webpush_rekey_clear_all(rekey, error_r) < 0)
		return -1;
	if (!rekey->has_key && array_count(&rekey->ids) == 0)
		return 0;
	if (coi_webpush_rekey_write(rekey, error_r) < 0 ||
	    coi_webpush_rekey_finish(rekey, error_r) < 0)
		return -1;
	return 1;
}

static int
coi_webpush_rekey_lock(struct coi_webpush_rekey *rekey, const char **error_r)
{
	struct coi_store *store = rekey->cuser->store;
	int ret;

	/* to lock it would create it */
	ret = coi_store_exists(store, error_r);
	if (ret <= 0)
		return ret;
	if (coi_store_lock(store, error_r) < 0)
		return -1;
	ret = coi_webpush_rekey_locked(rekey, error_r);
	coi_store_unlock(store);
	return ret;
}

int coi_webpush_admin_rekey(struct coi_user *cuser, unsigned int *removed_r,
			    struct coi_webpush_failure *failure_r)
{
	struct coi_webpush_rekey rekey = {
		.cuser = cuser,
		.pool = pool_alloconly_create("coi webpush rekey", 512),
	};
	const char *error;
	int ret;

	p_array_init(&rekey.ids, rekey.pool, 8);
	ret = coi_webpush_rekey_lock(&rekey, &error);
	*removed_r = array_count(&rekey.ids);
	pool_unref(&rekey.pool);
	if (ret < 0) {
		return coi_webpush_admin_fail(failure_r, MAIL_ERROR_TEMP,
					      error);
	}
	return ret;
}
