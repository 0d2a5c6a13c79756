/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "strescape.h"
#include "coi-limits.h"
#include "coi-config.h"

/* S17 */
#define COI_ENABLED_YES "yes"

/* Lines of the state file that are no values of a client's. */
#define COI_STATE_HAS_BLOCKED "has-blocked"
#define COI_STATE_HAS_SUBSCRIPTIONS "has-subscriptions"
#define COI_STATE_HAS_SEEN_SUBSCRIPTIONS "has-seen-subscriptions"

static const char *const coi_config_key_names[COI_CONFIG_KEY_COUNT] = {
	[COI_CONFIG_ENABLED] = "enabled",
	[COI_CONFIG_MAILBOX_ROOT] = "mailbox-root",
	[COI_CONFIG_MESSAGE_FILTER] = "message-filter",
};

static const char *const coi_filter_names[] = {
	[COI_FILTER_NONE] = "none",
	[COI_FILTER_ACTIVE] = "active",
	[COI_FILTER_SEEN] = "seen",
};

const char *coi_config_key_name(enum coi_config_key key)
{
	i_assert(key < COI_CONFIG_KEY_COUNT);
	return coi_config_key_names[key];
}

bool coi_config_key_find(const char *name, enum coi_config_key *key_r)
{
	unsigned int i;

	for (i = 0; i < COI_CONFIG_KEY_COUNT; i++) {
		if (strcmp(name, coi_config_key_names[i]) == 0) {
			*key_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

const char *coi_filter_name(enum coi_filter filter)
{
	i_assert(filter < N_ELEMENTS(coi_filter_names));
	return coi_filter_names[filter];
}

bool coi_filter_parse(const char *name, enum coi_filter *filter_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(coi_filter_names); i++) {
		if (strcmp(name, coi_filter_names[i]) == 0) {
			*filter_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

/* str_sanitize() alone lets C1 controls through, and on 2.3 DEL as well.
   After it the text is valid UTF-8, in which 0xc2 always leads a pair. */
static const char *coi_config_quote(const char *value)
{
	string_t *str = t_str_new(COI_ERROR_VALUE_MAX_BYTES + 1);
	unsigned char *p;

	str_sanitize_append(str, value, COI_ERROR_VALUE_MAX_BYTES);
	for (p = buffer_get_modifiable_data(str, NULL); *p != '\0'; p++) {
		if (*p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
	return str_c(str);
}

int coi_config_validate(enum coi_config_key key, const char *entry,
			const char *value, const char **client_error_r)
{
	enum coi_filter filter;

	switch (key) {
	case COI_CONFIG_ENABLED:
		if (value == NULL || strcmp(value, COI_ENABLED_YES) == 0)
			return 0;
		*client_error_r =
			t_strdup_printf("invalid value for %s: \"%s\"",
					entry, coi_config_quote(value));
		return -1;
	case COI_CONFIG_MAILBOX_ROOT:
		*client_error_r = t_strdup_printf("unable to set %s", entry);
		return -1;
	case COI_CONFIG_MESSAGE_FILTER:
		if (value == NULL || coi_filter_parse(value, &filter))
			return 0;
		*client_error_r =
			t_strdup_printf("invalid value for %s: %s",
					entry, coi_config_quote(value));
		return -1;
	case COI_CONFIG_KEY_COUNT:
		break;
	}
	i_unreached();
}

bool coi_config_is_enabled(const struct coi_config *config)
{
	return config->enabled != NULL &&
		strcmp(config->enabled, COI_ENABLED_YES) == 0;
}

int coi_config_get_filter(const struct coi_config *config,
			  enum coi_filter default_filter,
			  enum coi_filter *filter_r, const char **error_r)
{
	if (config->message_filter == NULL) {
		*filter_r = default_filter;
		return 0;
	}
	if (!coi_filter_parse(config->message_filter, filter_r)) {
		*error_r = t_strdup_printf(
			"stored message-filter is invalid: %s",
			coi_config_quote(config->message_filter));
		return -1;
	}
	return 0;
}

/* Returns NULL for what the state does not keep. */
static const char **
coi_config_find_field(struct coi_config *config, const char *name)
{
	enum coi_config_key key;

	if (!coi_config_key_find(name, &key))
		return NULL;
	switch (key) {
	case COI_CONFIG_ENABLED:
		return &config->enabled;
	case COI_CONFIG_MESSAGE_FILTER:
		return &config->message_filter;
	case COI_CONFIG_MAILBOX_ROOT:
	case COI_CONFIG_KEY_COUNT:
		break;
	}
	return NULL;
}

static bool
coi_config_parse_mark(struct coi_config *config, const char *name)
{
	if (strcmp(name, COI_STATE_HAS_BLOCKED) == 0)
		config->has_blocked = TRUE;
	else if (strcmp(name, COI_STATE_HAS_SUBSCRIPTIONS) == 0)
		config->has_subscriptions = TRUE;
	else if (strcmp(name, COI_STATE_HAS_SEEN_SUBSCRIPTIONS) == 0)
		config->has_seen_subscriptions = TRUE;
	else
		return FALSE;
	return TRUE;
}

static int coi_config_parse_line(const unsigned char *data, size_t size,
				 pool_t pool, struct coi_config *config,
				 const char **error_r)
{
	const char *line, *name, *tab, *value, **field;

	if (memchr(data, '\0', size) != NULL) {
		*error_r = "NUL byte";
		return -1;
	}
	line = t_strndup(data, size);
	tab = strchr(line, '\t');
	if (tab == NULL) {
		*error_r = "no TAB";
		return -1;
	}
	name = t_strdup_until(line, tab);
	if (coi_config_parse_mark(config, name))
		return 0;
	field = coi_config_find_field(config, name);
	if (field == NULL)
		return 0;
	if (*field != NULL) {
		*error_r = "key occurs twice";
		return -1;
	}
	value = t_str_tabunescape(tab + 1);
	/* Other escapes unescape to something too, even to a NUL. */
	if (strcmp(str_tabescape(value), tab + 1) != 0) {
		*error_r = "value is not escaped as we do it";
		return -1;
	}
	*field = p_strdup(pool, value);
	return 0;
}

static int coi_config_parse_lines(const unsigned char *data, size_t size,
				  pool_t pool, struct coi_config *config,
				  const char **error_r)
{
	const unsigned char *lf;
	const char *error;
	unsigned int line_num;
	size_t pos, len;

	for (pos = 0, line_num = 1; pos < size; pos += len + 1, line_num++) {
		lf = memchr(data + pos, '\n', size - pos);
		if (lf == NULL) {
			*error_r = t_strdup_printf("line %u: no LF at the end",
						   line_num);
			return -1;
		}
		len = lf - (data + pos);
		if (coi_config_parse_line(data + pos, len, pool, config,
					  &error) < 0) {
			*error_r = t_strdup_printf("line %u: %s",
						   line_num, error);
			return -1;
		}
	}
	return 0;
}

int coi_config_parse(const unsigned char *data, size_t size, pool_t pool,
		     struct coi_config *config_r, const char **error_r)
{
	i_zero(config_r);
	if (size > COI_STATE_MAX_BYTES) {
		*error_r = t_strdup_printf("%zu bytes, more than %u",
					   size, COI_STATE_MAX_BYTES);
		return -1;
	}
	if (coi_config_parse_lines(data, size, pool, config_r, error_r) < 0) {
		i_zero(config_r);
		return -1;
	}
	return 0;
}

static void coi_config_format_line(string_t *dest, enum coi_config_key key,
				   const char *value)
{
	if (value == NULL)
		return;
	str_append(dest, coi_config_key_name(key));
	str_append_c(dest, '\t');
	str_append_tabescaped(dest, value);
	str_append_c(dest, '\n');
}

void coi_config_format(const struct coi_config *config, string_t *dest)
{
	coi_config_format_line(dest, COI_CONFIG_ENABLED, config->enabled);
	coi_config_format_line(dest, COI_CONFIG_MESSAGE_FILTER,
			       config->message_filter);
	if (config->has_blocked)
		str_append(dest, COI_STATE_HAS_BLOCKED"\tyes\n");
	if (config->has_subscriptions)
		str_append(dest, COI_STATE_HAS_SUBSCRIPTIONS"\tyes\n");
	if (config->has_seen_subscriptions)
		str_append(dest, COI_STATE_HAS_SEEN_SUBSCRIPTIONS"\tyes\n");
}
