/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "buffer.h"
#include "str.h"
#include "mail-storage.h"
#include "coi-deltachat.h"
#include "coi-entries.h"
#include "coi-metadata.h"
#include "coi-state.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "coi-webpush-check.h"
#include "coi-webpush-gone.h"
#include "coi-webpush-keys.h"
#include "coi-webpush-subscriptions.h"

struct coi_webpush_check {
	struct coi_user *cuser;
	coi_contacts_problem_t *problem;
	void *context;

	unsigned int count, seen_count;
	/* Something could not be checked or mended; it is logged. */
	bool failed;
};

static void
coi_webpush_check_fail(struct coi_webpush_check *check, const char *error)
{
	e_error(coi_user_get_event(check->cuser), "Checking failed: %s", error);
	check->failed = TRUE;
}

/* Returns 1 if it is as it should be, or gone; 0 if we have not written it, -1
   if that cannot be told, both with *error_r (data stack). */
static int
coi_webpush_check_read(struct coi_webpush_check *check, const char *id,
		       const char **error_r)
{
	size_t size, max = coi_entry_value_max_bytes(COI_ENTRY_SUBSCRIPTION);
	buffer_t *buf = t_buffer_create(1024);
	struct webpush_subscription subscription;
	int ret;

	ret = coi_store_read_part(check->cuser->store,
				  coi_entry_store_key(COI_ENTRY_SUBSCRIPTION,
						      id),
				  max, buf, &size, error_r);
	if (ret <= 0)
		return ret < 0 ? -1 : 1;
	if (size > max)
		*error_r = t_strdup_printf("longer than %zu bytes", max);
	else if (memchr(buf->data, '\0', buf->used) != NULL)
		*error_r = "has a NUL byte";
	else if (webpush_subscription_parse(str_c(buf),
					    pool_datastack_create(),
					    &subscription, error_r) == 0) {
		if (subscription.seen)
			check->seen_count++;
		return 1;
	}
	return 0;
}

static void
coi_webpush_check_subscription(struct coi_webpush_check *check, const char *id,
			       struct coi_metadata_update *update)
{
	const char *error;
	int ret;

	ret = coi_webpush_check_read(check, id, &error);
	if (ret > 0) {
		check->count++;
		return;
	}
	if (ret == 0) {
		check->problem(t_strdup_printf("Entry "COI_ENTRY_SUBSCRIPTIONS
			"/%s is damaged: %s", id, error), check->context);
		/* here, since some of them no update could read as what it
		   replaces; and there, so that dsync hears of it */
		ret = coi_store_remove(check->cuser->store,
			coi_entry_store_key(COI_ENTRY_SUBSCRIPTION, id),
			&error);
	}
	if (ret < 0)
		coi_webpush_check_fail(check, error);
	else {
		coi_metadata_update_entry(update, COI_ENTRY_SUBSCRIPTION, id,
					  NULL);
	}
}

static void coi_webpush_check_subscriptions(struct coi_webpush_check *check)
{
	struct coi_metadata_update *update =
		coi_metadata_update_begin(check->cuser);
	struct coi_entries_iter *iter =
		coi_entries_iter_init(check->cuser->store,
				      COI_ENTRY_SUBSCRIPTION);
	const char *id, *error;

	while ((id = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		coi_webpush_check_subscription(check, id, update);
	} T_END;
	if (coi_entries_iter_deinit(&iter, &error) < 0)
		coi_webpush_check_fail(check, error);
	if (coi_metadata_update_commit(&update) < 0)
		check->failed = TRUE;
}

/* A token that is none is known by its number only: what it says is secret. */
static int
coi_webpush_check_token(struct coi_webpush_check *check, const char *id)
{
	struct coi_token token;
	const char *error, *key = coi_entry_store_key(COI_ENTRY_TOKEN, id);
	int ret;

	ret = coi_deltachat_read(check->cuser, id, &token, &error);
	if (ret > 0 && strcmp(coi_token_id(token.token), id) == 0) {
		check->count++;
		return 0;
	}
	if (ret == 0)
		return 0;
	check->problem(t_strdup_printf("Entry "COI_ENTRY_TOKENS"/%s is damaged",
				       id), check->context);
	return coi_store_remove(check->cuser->store, key, &error) < 0 ? -1 : 1;
}

static void coi_webpush_check_tokens(struct coi_webpush_check *check)
{
	ARRAY_TYPE(const_string) ids;
	struct coi_metadata_update *update;
	const char *id;
	int ret;

	coi_deltachat_tidy(check->cuser);
	t_array_init(&ids, 8);
	if (coi_deltachat_list_ids(check->cuser, &ids) < 0)
		check->failed = TRUE;
	update = coi_metadata_update_begin(check->cuser);
	array_foreach_elem(&ids, id) {
		ret = coi_webpush_check_token(check, id);
		if (ret < 0)
			coi_webpush_check_fail(check, "a token stays damaged");
		/* so that dsync hears of it */
		if (ret > 0) {
			coi_metadata_update_entry(update, COI_ENTRY_TOKEN, id,
						  NULL);
		}
	}
	if (coi_metadata_update_commit(&update) < 0)
		check->failed = TRUE;
}

static void coi_webpush_check_mark(struct coi_webpush_check *check)
{
	struct coi_store *store = check->cuser->store;
	struct coi_config config;
	const char *error;

	if (coi_state_read(store, pool_datastack_create(), &config,
			   &error) < 0) {
		coi_webpush_check_fail(check, error);
		return;
	}
	if (check->count > 0 && !config.has_subscriptions) {
		check->problem("There are subscriptions or tokens, but deliveries do "
			"not know that they have to look", check->context);
	}
	if (check->seen_count > 0 && !config.has_seen_subscriptions) {
		check->problem("There are subscriptions to what is read, but "
			"sessions do not know that they have to look",
			check->context);
	}
	if (coi_state_set_has_subscriptions(store, check->count > 0,
					    &error) < 0 ||
	    coi_state_set_has_seen_subscriptions(store, check->seen_count > 0,
						 &error) < 0)
		coi_webpush_check_fail(check, error);
}

static void
coi_webpush_check_count(struct coi_webpush_check *check,
			enum coi_entry_class class)
{
	const char *error;
	int ret;

	ret = coi_entries_recount(check->cuser->store, class, &error);
	if (ret < 0)
		coi_webpush_check_fail(check, error);
	else if (ret == 0) {
		check->problem(t_strdup_printf("The number of entries below "
			"%s is not the right one",
			coi_entry_class_name(class)), check->context);
	}
}

/* One that cannot be used is no harm to others: nothing is done to it. */
static void coi_webpush_check_key(struct coi_webpush_check *check)
{
	struct webpush_key key;
	int ret;

	ret = coi_webpush_keys_read(check->cuser, &key);
	if (ret > 0)
		webpush_key_wipe(&key);
	if (ret < 0)
		check->failed = TRUE;
}

static void coi_webpush_check_locked(struct coi_webpush_check *check)
{
	coi_webpush_check_key(check);
	coi_webpush_check_subscriptions(check);
	coi_webpush_subscriptions_expire(check->cuser);
	coi_webpush_check_tokens(check);
	coi_webpush_check_mark(check);
	coi_webpush_check_count(check, COI_ENTRY_SUBSCRIPTION);
	coi_webpush_check_count(check, COI_ENTRY_TOKEN);
}

int coi_webpush_check_user(struct coi_user *cuser,
			   coi_contacts_problem_t *problem, void *context)
{
	struct coi_webpush_check check = {
		.cuser = cuser,
		.problem = problem,
		.context = context,
	};
	const char *error;

	if (coi_store_lock(cuser->store, &error) < 0) {
		coi_webpush_check_fail(&check, error);
		return -1;
	}
	T_BEGIN {
		coi_webpush_check_locked(&check);
	} T_END;
	coi_store_unlock(cuser->store);
	/* the worker need not run for anything else here */
	if (check.count > 0 && !coi_webpush_gone_wait(cuser)) {
		coi_webpush_check_fail(&check, "the worker did not tell which "
				       "subscriptions are gone");
	}
	return check.failed ? -1 : 0;
}
