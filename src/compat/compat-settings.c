/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "compat-settings.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

static int
compat_settings_parse(struct setting_parser_context *parser,
		      struct mail_user *user, const char *key,
		      const char **error_r)
{
	const char *value = mail_user_plugin_getenv(user, key);

	if (value == NULL)
		return 0;
	if (settings_parse_keyvalue(parser, key, value) <= 0) {
		*error_r = t_strdup_printf("Invalid setting %s=%s: %s", key,
			value, settings_parser_get_error(parser));
		return -1;
	}
	return 0;
}

int compat_settings_get(struct mail_user *user,
			const struct setting_parser_info *info,
			const void **set_r, const char **error_r)
{
	struct setting_parser_context *parser;
	unsigned int i;
	int ret = 0;

	parser = settings_parser_init(user->pool, info, 0);
	for (i = 0; info->defines[i].key != NULL && ret == 0; i++) {
		ret = compat_settings_parse(parser, user, info->defines[i].key,
					    error_r);
	}
	if (ret == 0 && !settings_parser_check(parser, user->pool, error_r))
		ret = -1;
	if (ret == 0)
		*set_r = settings_parser_get(parser);
	settings_parser_deinit(&parser);
	return ret;
}

void compat_settings_free(const struct setting_parser_info *info ATTR_UNUSED,
			  const void **set)
{
	/* the user's pool frees them */
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

#endif
