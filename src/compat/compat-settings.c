/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "compat-settings.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

/* What a user has who sets nothing. Most users are such, and to parse a table of
   settings for each would cost every delivery. */
static pool_t compat_defaults_pool = NULL;
static const struct setting_parser_info *compat_defaults_info;
static const void *compat_defaults;

static int
compat_settings_parse_key(struct setting_parser_context *parser,
			  struct mail_user *user, const char *key,
			  const char **error_r)
{
	const char *value;

	if (user == NULL || (value = mail_user_plugin_getenv(user, key)) == NULL)
		return 0;
	if (settings_parse_keyvalue(parser, key, value) <= 0) {
		*error_r = t_strdup_printf("Invalid setting %s=%s: %s", key,
			value, settings_parser_get_error(parser));
		return -1;
	}
	return 0;
}

/* The settings of `user', or with NULL the defaults. */
static int
compat_settings_parse(pool_t pool, struct mail_user *user,
		      const struct setting_parser_info *info,
		      const void **set_r, const char **error_r)
{
	struct setting_parser_context *parser;
	unsigned int i;
	int ret = 0;

	parser = settings_parser_init(pool, info, 0);
	for (i = 0; info->defines[i].key != NULL && ret == 0; i++) {
		ret = compat_settings_parse_key(parser, user,
						info->defines[i].key, error_r);
	}
	if (ret == 0 && !settings_parser_check(parser, pool, error_r))
		ret = -1;
	if (ret == 0)
		*set_r = settings_parser_get(parser);
	settings_parser_deinit(&parser);
	return ret;
}

static bool
compat_settings_are_default(struct mail_user *user,
			    const struct setting_parser_info *info)
{
	unsigned int i;

	for (i = 0; info->defines[i].key != NULL; i++) {
		if (mail_user_plugin_getenv(user, info->defines[i].key) != NULL)
			return FALSE;
	}
	return TRUE;
}

int compat_settings_get(struct mail_user *user,
			const struct setting_parser_info *info,
			const void **set_r, const char **error_r)
{
	if (!compat_settings_are_default(user, info)) {
		return compat_settings_parse(user->pool, user, info,
					     set_r, error_r);
	}
	if (compat_defaults_info != info) {
		compat_settings_deinit();
		compat_defaults_pool =
			pool_alloconly_create("coi default settings", 512);
		if (compat_settings_parse(compat_defaults_pool, NULL, info,
					  &compat_defaults, error_r) < 0)
			return -1;
		compat_defaults_info = info;
	}
	*set_r = compat_defaults;
	return 0;
}

void compat_settings_deinit(void)
{
	pool_unref(&compat_defaults_pool);
	compat_defaults_info = NULL;
}

void compat_settings_free(const struct setting_parser_info *info ATTR_UNUSED,
			  const void **set)
{
	/* they live in a pool that somebody else frees */
	*set = NULL;
}

#else

#include "settings.h"

int compat_settings_get(struct mail_user *user,
			const struct setting_parser_info *info,
			const void **set_r, const char **error_r)
{
	/* the function, not the macro that wants to see the struct's type */
	return (settings_get)(user->event, info, 0, __FILE__, __LINE__,
			      set_r, error_r);
}

void compat_settings_free(const struct setting_parser_info *info,
			  const void **set)
{
	pool_t pool = *(const pool_t *)CONST_PTR_OFFSET(*set,
		info->pool_offset1 - 1);

	pool_unref(&pool);
	*set = NULL;
}

void compat_settings_deinit(void)
{
}

#endif
