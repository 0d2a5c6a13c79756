/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "coi-deltachat.h"
#include "coi-entries.h"
#include "coi-limits.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "coi-webpush.h"

static bool coi_deltachat_error_logged;

bool coi_deltachat_is_on(struct coi_user *cuser)
{
	const char *url = cuser->set->coi_deltachat_push_url;

	if (*url == '\0')
		return FALSE;
	if (cuser->set->deltachat_push_url_is_valid)
		return TRUE;
	/* nothing else is the worse for it: for once no reason to be without
	   COI */
	if (!coi_deltachat_error_logged) {
		coi_deltachat_error_logged = TRUE;
		e_error(coi_user_get_event(cuser),
			"Delta Chat tokens are off: Invalid setting "
			"coi_deltachat_push_url=%s: must be an http: or https: "
			"URL of at most %u bytes", url,
			COI_PUSH_ENDPOINT_MAX_BYTES);
	}
	return FALSE;
}

bool coi_deltachat_is_available(struct coi_user *cuser)
{
	return coi_deltachat_is_on(cuser) && coi_webpush_is_installed(cuser);
}

/*
 * Reading
 */

int coi_deltachat_read(struct coi_user *cuser, const char *id,
		       struct coi_token *token_r, const char **error_r)
{
	const char *value, *error;
	int ret;

	ret = coi_entries_read(cuser->store, COI_ENTRY_TOKEN, id, &value,
			       error_r);
	if (ret > 0 && coi_token_parse(value, token_r, &error) < 0) {
		*error_r = t_strdup_printf("Token %s: %s", id, error);
		ret = -1;
	}
	return ret;
}

/* As coi_deltachat_each(), of those too that have expired. */
static int
coi_deltachat_each_stored(struct coi_user *cuser,
			  coi_deltachat_callback_t *callback, void *context)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(cuser->store, COI_ENTRY_TOKEN);
	struct coi_token token;
	const char *id, *error;
	int ret = 0, one;

	while ((id = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		one = coi_deltachat_read(cuser, id, &token, &error);
		if (one > 0)
			callback(cuser, id, &token, context);
		else if (one < 0) {
			e_error(coi_user_get_event(cuser), "%s", error);
			ret = -1;
		}
	} T_END;
	if (coi_entries_iter_deinit(&iter, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Listing device tokens failed: %s", error);
		ret = -1;
	}
	return ret;
}

struct coi_deltachat_each {
	coi_deltachat_callback_t *callback;
	void *context;
};

static void
coi_deltachat_call(struct coi_user *cuser, const char *id,
		   const struct coi_token *token, void *context)
{
	const struct coi_deltachat_each *each = context;

	if (!coi_token_is_expired(token, ioloop_time))
		each->callback(cuser, id, token, each->context);
}

int coi_deltachat_each(struct coi_user *cuser,
		       coi_deltachat_callback_t *callback, void *context)
{
	struct coi_deltachat_each each = {
		.callback = callback,
		.context = context,
	};

	return coi_deltachat_each_stored(cuser, coi_deltachat_call, &each);
}

/*
 * Removing
 */

static int
coi_deltachat_remove_ids(struct coi_user *cuser,
			 const ARRAY_TYPE(const_string) *ids,
			 const char *change)
{
	struct coi_metadata_update *update = coi_metadata_update_begin(cuser);
	const char *id;

	array_foreach_elem(ids, id)
		coi_metadata_update_entry(update, COI_ENTRY_TOKEN, id, NULL);
	if (coi_metadata_update_commit(&update) < 0)
		return -1;
	array_foreach_elem(ids, id)
		coi_subscriptions_log(cuser, id, change);
	return 0;
}

int coi_deltachat_list_ids(struct coi_user *cuser,
			   ARRAY_TYPE(const_string) *ids)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(cuser->store, COI_ENTRY_TOKEN);
	const char *id, *error;

	while ((id = coi_entries_iter_next(iter)) != NULL) {
		id = p_strdup(array_get_pool(ids), id);
		array_push_back(ids, &id);
	}
	if (coi_entries_iter_deinit(&iter, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Listing device tokens failed: %s", error);
		return -1;
	}
	return 0;
}

bool coi_deltachat_has_others(struct coi_user *cuser, const char *id)
{
	ARRAY_TYPE(const_string) ids;
	const char *other;
	bool found = FALSE;

	t_array_init(&ids, 8);
	(void)coi_deltachat_list_ids(cuser, &ids);
	array_foreach_elem(&ids, other) {
		if (strcmp(other, id) != 0)
			found = TRUE;
	}
	return found;
}

/* The names alone: what cannot be read can be removed too. */
static int
coi_deltachat_find(struct coi_user *cuser, const char *only_id,
		   ARRAY_TYPE(const_string) *ids)
{
	const char *id;
	bool found = FALSE;

	if (coi_deltachat_list_ids(cuser, ids) < 0)
		return -1;
	if (only_id == NULL)
		return 0;
	array_foreach_elem(ids, id) {
		if (strcmp(id, only_id) == 0)
			found = TRUE;
	}
	array_clear(ids);
	if (found)
		array_push_back(ids, &only_id);
	return 0;
}

int coi_deltachat_remove(struct coi_user *cuser, const char *id,
			 const char *change, unsigned int *count_r)
{
	ARRAY_TYPE(const_string) ids;
	pool_t pool = pool_alloconly_create("coi deltachat remove", 512);
	int ret;

	p_array_init(&ids, pool, 8);
	ret = coi_deltachat_find(cuser, id, &ids);
	*count_r = array_count(&ids);
	if (ret == 0 && *count_r > 0)
		ret = coi_deltachat_remove_ids(cuser, &ids, change);
	pool_unref(&pool);
	return ret;
}

static void
coi_deltachat_add_expired(struct coi_user *cuser ATTR_UNUSED, const char *id,
			  const struct coi_token *token, void *context)
{
	ARRAY_TYPE(const_string) *ids = context;

	if (coi_token_is_expired(token, ioloop_time)) {
		id = p_strdup(array_get_pool(ids), id);
		array_push_back(ids, &id);
	}
}

static void
coi_deltachat_tidy_locked(struct coi_user *cuser, ARRAY_TYPE(const_string) *ids)
{
	/* somebody may have just set one of them again */
	array_clear(ids);
	(void)coi_deltachat_each_stored(cuser, coi_deltachat_add_expired, ids);
	if (array_count(ids) > 0)
		(void)coi_deltachat_remove_ids(cuser, ids, "expired");
}

void coi_deltachat_tidy(struct coi_user *cuser)
{
	ARRAY_TYPE(const_string) ids;
	pool_t pool = pool_alloconly_create("coi deltachat tidy", 512);
	const char *error;

	p_array_init(&ids, pool, 8);
	(void)coi_deltachat_each_stored(cuser, coi_deltachat_add_expired,
					&ids);
	if (array_count(&ids) > 0) {
		if (coi_store_lock(cuser->store, &error) < 0) {
			e_error(coi_user_get_event(cuser),
				"Removing device tokens failed: %s", error);
		} else {
			coi_deltachat_tidy_locked(cuser, &ids);
			coi_store_unlock(cuser->store);
		}
	}
	pool_unref(&pool);
}

/*
 * Making room
 */

struct coi_deltachat_old {
	const char *id;
	time_t renewed;
};

struct coi_deltachat_surplus {
	const char *const *added;
	ARRAY(struct coi_deltachat_old) old;
};

static void
coi_deltachat_add_old(struct coi_user *cuser ATTR_UNUSED, const char *id,
		      const struct coi_token *token, void *context)
{
	struct coi_deltachat_surplus *surplus = context;
	struct coi_deltachat_old *old;

	if (str_array_find(surplus->added, id))
		return;
	old = array_append_space(&surplus->old);
	old->id = p_strdup(array_get_pool(&surplus->old), id);
	old->renewed = coi_token_is_expired(token, ioloop_time) ? 0 :
		token->renewed;
}

static int
coi_deltachat_old_cmp(const struct coi_deltachat_old *a,
		      const struct coi_deltachat_old *b)
{
	return a->renewed == b->renewed ? strcmp(a->id, b->id) :
		a->renewed < b->renewed ? -1 : 1;
}

static void
coi_deltachat_collect_surplus(struct coi_user *cuser,
			      struct coi_deltachat_surplus *surplus,
			      unsigned int room, ARRAY_TYPE(const_string) *ids)
{
	const struct coi_deltachat_old *old;
	unsigned int count;

	/* what cannot be read is no device's: `doveadm coi check' mends it */
	(void)coi_deltachat_each_stored(cuser, coi_deltachat_add_old, surplus);
	array_sort(&surplus->old, coi_deltachat_old_cmp);
	count = array_count(&surplus->old);
	array_foreach(&surplus->old, old) {
		const char *id = t_strdup(old->id);

		if (old->renewed != 0 && count <= room)
			break;
		coi_subscriptions_log(cuser, id, old->renewed == 0 ?
				      "expired" : "displaced");
		array_push_back(ids, &id);
		count--;
	}
}

int coi_deltachat_find_surplus(struct coi_user *cuser,
			       const char *const *added,
			       ARRAY_TYPE(const_string) *ids,
			       const char **error_r)
{
	struct coi_deltachat_surplus surplus = { .added = added };
	unsigned int limit = cuser->set->coi_push_subscription_limit;
	unsigned int count = str_array_length(added);
	pool_t pool;

	if (count > limit) {
		*error_r = t_strdup_printf(
			"Too many device tokens, limit is %u", limit);
		return -1;
	}
	pool = pool_alloconly_create("coi deltachat surplus", 1024);
	p_array_init(&surplus.old, pool, 16);
	coi_deltachat_collect_surplus(cuser, &surplus, limit - count, ids);
	pool_unref(&pool);
	return 0;
}
