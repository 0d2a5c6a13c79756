/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strnum.h"
#include "coi-entries.h"
#include "coi-limits.h"
#include "coi-state.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"

/* The times of the last attempts, one on each line. */
#define COI_STORE_KEY_ATTEMPTS "subscriptions.attempts"

ARRAY_DEFINE_TYPE(coi_attempts, time_t);

/* Those of the last hour. What we have not written is none: neither are times
   to come, since somebody has set the clock back. */
static int
coi_subscriptions_read_attempts(struct coi_store *store, time_t now,
				ARRAY_TYPE(coi_attempts) *attempts,
				const char **error_r)
{
	buffer_t *buf = t_buffer_create(COI_PUSH_ATTEMPTS_MAX_BYTES + 1);
	const char *const *lines;
	size_t size;
	time_t when;

	if (coi_store_read_part(store, COI_STORE_KEY_ATTEMPTS,
				COI_PUSH_ATTEMPTS_MAX_BYTES, buf, &size,
				error_r) < 0)
		return -1;
	lines = (const char *const *)t_strsplit(str_c(buf), "\n");
	for (; *lines != NULL; lines++) {
		if (str_to_time(*lines, &when) == 0 && when <= now &&
		    when > now - COI_PUSH_ATTEMPTS_SECS)
			array_push_back(attempts, &when);
	}
	return 0;
}

int coi_subscriptions_try(struct coi_store *store, unsigned int count,
			  time_t now, const char **error_r)
{
	ARRAY_TYPE(coi_attempts) attempts;
	string_t *str = t_str_new(COI_PUSH_ATTEMPTS_MAX_BYTES);
	time_t when;
	unsigned int i;

	t_array_init(&attempts, COI_PUSH_ATTEMPTS_MAX);
	if (coi_subscriptions_read_attempts(store, now, &attempts,
					    error_r) < 0)
		return -1;
	if (array_count(&attempts) + count > COI_PUSH_ATTEMPTS_MAX)
		return 0;
	for (i = 0; i < count; i++)
		array_push_back(&attempts, &now);
	array_foreach_elem(&attempts, when)
		str_printfa(str, "%lld\n", (long long)when);
	return coi_store_write(store, COI_STORE_KEY_ATTEMPTS, str_data(str),
			       str_len(str), error_r) < 0 ? -1 : 1;
}

/* With device tokens of Delta Chat. */
static int
coi_subscriptions_count_all(struct coi_store *store, unsigned int *count_r,
			    const char **error_r)
{
	unsigned int tokens;

	if (coi_entries_count(store, COI_ENTRY_SUBSCRIPTION, count_r,
			      error_r) < 0 ||
	    coi_entries_count(store, COI_ENTRY_TOKEN, &tokens, error_r) < 0)
		return -1;
	*count_r += tokens;
	return 0;
}

int coi_subscriptions_count(struct coi_store *store, unsigned int *count_r,
			    const char **error_r)
{
	struct coi_config config;

	*count_r = 0;
	if (coi_state_read(store, pool_datastack_create(), &config,
			   error_r) < 0)
		return -1;
	return !config.has_subscriptions ? 0 :
		coi_subscriptions_count_all(store, count_r, error_r);
}

/* The member's name stands in no other place: in a text its quotes would be
   escaped. What dsync brings may have spaces around it. */
bool coi_subscriptions_may_want_seen(const char *value)
{
	return strstr(value, "\"seen\"") != NULL;
}

static int
coi_subscriptions_count_seen(struct coi_store *store, unsigned int *count_r,
			     const char **error_r)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(store, COI_ENTRY_SUBSCRIPTION);
	const char *id, *value, *error;
	int ret;

	*count_r = 0;
	while ((id = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		ret = coi_entries_read(store, COI_ENTRY_SUBSCRIPTION, id,
				       &value, &error);
		/* in doubt it does */
		if (ret < 0 ||
		    (ret > 0 && coi_subscriptions_may_want_seen(value)))
			(*count_r)++;
	} T_END;
	return coi_entries_iter_deinit(&iter, error_r);
}

int coi_subscriptions_recount(struct coi_store *store, const char **error_r)
{
	unsigned int count, seen;

	if (coi_subscriptions_count_all(store, &count, error_r) < 0 ||
	    coi_subscriptions_count_seen(store, &seen, error_r) < 0 ||
	    (seen == 0 &&
	     coi_state_set_has_seen_subscriptions(store, FALSE, error_r) < 0))
		return -1;
	return count > 0 ? 0 :
		coi_state_set_has_subscriptions(store, FALSE, error_r);
}

void coi_subscriptions_log(struct coi_user *cuser, const char *id,
			   const char *change)
{
	struct event_passthrough *e =
		event_create_passthrough(coi_user_get_event(cuser))->
		set_name("coi_subscription_changed")->
		add_str("id", id)->
		add_str("change", change);

	e_debug(e->event(), "Subscription %s %s", id, change);
}
