/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "coi-state.h"

#define COI_STORE_KEY_STATE "state"

int coi_state_read(struct coi_store *store, pool_t pool,
		   struct coi_config *config_r, const char **error_r)
{
	buffer_t *buf = t_buffer_create(256);
	const char *error;
	int ret;

	i_zero(config_r);
	ret = coi_store_read(store, COI_STORE_KEY_STATE, COI_STATE_MAX_BYTES,
			     buf, error_r);
	if (ret <= 0)
		return ret;
	if (coi_config_parse(buf->data, buf->used, pool, config_r, &error) < 0) {
		*error_r = t_strdup_printf("%s: %s",
			coi_store_key_path(store, COI_STORE_KEY_STATE), error);
		i_zero(config_r);
		return -1;
	}
	return 1;
}

static const char **
coi_state_value(struct coi_config *config, enum coi_config_key key)
{
	switch (key) {
	case COI_CONFIG_ENABLED:
		return &config->enabled;
	case COI_CONFIG_MESSAGE_FILTER:
		return &config->message_filter;
	case COI_CONFIG_MAILBOX_ROOT:
	case COI_CONFIG_KEY_COUNT:
		break;
	}
	i_unreached();
}

static int
coi_state_write(struct coi_store *store, const struct coi_config *config,
		const char **error_r)
{
	string_t *str = t_str_new(128);

	coi_config_format(config, str);
	if (str_len(str) > COI_STATE_MAX_BYTES) {
		*error_r = t_strdup_printf(
			"The values are larger than %u bytes together",
			COI_STATE_MAX_BYTES);
		return -1;
	}
	return coi_store_write(store, COI_STORE_KEY_STATE,
			       str_data(str), str_len(str), error_r);
}

static int
coi_state_update_locked(struct coi_store *store, pool_t pool,
			const struct coi_state_change *changes,
			unsigned int count, struct coi_config *old_r,
			const char **error_r)
{
	struct coi_config config;
	bool changed = FALSE;
	unsigned int i;

	if (coi_state_read(store, pool, old_r, error_r) < 0)
		return -1;
	config = *old_r;
	for (i = 0; i < count; i++) {
		const char **value = coi_state_value(&config, changes[i].key);

		if (null_strcmp(*value, changes[i].value) != 0)
			changed = TRUE;
		*value = changes[i].value;
	}
	return changed ? coi_state_write(store, &config, error_r) : 0;
}

int coi_state_update(struct coi_store *store, pool_t pool,
		     const struct coi_state_change *changes, unsigned int count,
		     struct coi_config *old_r, const char **error_r)
{
	int ret;

	if (coi_store_lock(store, error_r) < 0)
		return -1;
	ret = coi_state_update_locked(store, pool, changes, count, old_r,
				      error_r);
	coi_store_unlock(store);
	return ret;
}

static int
coi_state_set_mark_locked(struct coi_store *store, size_t mark_offset,
			  bool value, const char **error_r)
{
	struct coi_config config;
	bool *mark = PTR_OFFSET(&config, mark_offset);

	if (coi_state_read(store, pool_datastack_create(), &config,
			   error_r) < 0)
		return -1;
	if (*mark == value)
		return 0;
	*mark = value;
	return coi_state_write(store, &config, error_r);
}

static int
coi_state_set_mark(struct coi_store *store, size_t mark_offset, bool value,
		   const char **error_r)
{
	int ret;

	if (coi_store_lock(store, error_r) < 0)
		return -1;
	ret = coi_state_set_mark_locked(store, mark_offset, value, error_r);
	coi_store_unlock(store);
	return ret;
}

int coi_state_set_has_blocked(struct coi_store *store, bool has_blocked,
			      const char **error_r)
{
	return coi_state_set_mark(store,
		offsetof(struct coi_config, has_blocked), has_blocked, error_r);
}

int coi_state_set_has_subscriptions(struct coi_store *store,
				    bool has_subscriptions,
				    const char **error_r)
{
	return coi_state_set_mark(store,
		offsetof(struct coi_config, has_subscriptions),
		has_subscriptions, error_r);
}

int coi_state_set_has_seen_subscriptions(struct coi_store *store,
					 bool has_seen_subscriptions,
					 const char **error_r)
{
	return coi_state_set_mark(store,
		offsetof(struct coi_config, has_seen_subscriptions),
		has_seen_subscriptions, error_r);
}
