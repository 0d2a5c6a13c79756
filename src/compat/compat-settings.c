/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "compat-settings.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

/* The settings of the last user: most users have the same, and to parse a table of
   settings for each would cost every delivery. Each user holds a reference of its
   own. */
static pool_t compat_cache_pool = NULL;
static const struct setting_parser_info *compat_cache_info;
static const void *compat_cache_set;
/* What was parsed, in the table's order; NULL: the default. */
static const char **compat_cache_values;

static int
compat_settings_parse_key(struct setting_parser_context *parser,
			  struct mail_user *user, const char *key,
			  const char **error_r)
{
	const char *value;

	value = mail_user_plugin_getenv(user, key);
	if (value == NULL)
		return 0;
	if (settings_parse_keyvalue(parser, key, value) <= 0) {
		*error_r = t_strdup_printf("Invalid setting %s=%s: %s", key,
			value, settings_parser_get_error(parser));
		return -1;
	}
	return 0;
}

static int
compat_settings_parse(pool_t pool, struct mail_user *user,
		      const struct setting_parser_info *info,
		      const void **set_r, const char **error_r)
{
	struct setting_parser_context *parser;
	unsigned int i;
	pool_t *set_pool;
	int ret = 0;

	parser = settings_parser_init(pool, info, 0);
	for (i = 0; info->defines[i].key != NULL && ret == 0; i++) {
		ret = compat_settings_parse_key(parser, user,
						info->defines[i].key, error_r);
	}
	if (ret == 0 && !settings_parser_check(parser, pool, error_r))
		ret = -1;
	if (ret == 0) {
		/* the struct begins with it, as 2.4 wants it */
		set_pool = settings_parser_get(parser);
		*set_pool = pool;
		*set_r = set_pool;
	}
	settings_parser_deinit(&parser);
	return ret;
}

static bool
compat_settings_are_cached(struct mail_user *user,
			   const struct setting_parser_info *info)
{
	unsigned int i;

	if (compat_cache_info != info)
		return FALSE;
	for (i = 0; info->defines[i].key != NULL; i++) {
		if (null_strcmp(mail_user_plugin_getenv(user,
							info->defines[i].key),
				compat_cache_values[i]) != 0)
			return FALSE;
	}
	return TRUE;
}

static void
compat_settings_cache(pool_t pool, struct mail_user *user,
		      const struct setting_parser_info *info, const void *set)
{
	unsigned int i, count = 0;

	while (info->defines[count].key != NULL)
		count++;
	compat_settings_deinit();
	compat_cache_pool = pool;
	compat_cache_info = info;
	compat_cache_set = set;
	compat_cache_values = p_new(pool, const char *, count);
	for (i = 0; i < count; i++) {
		compat_cache_values[i] = p_strdup(pool,
			mail_user_plugin_getenv(user, info->defines[i].key));
	}
}

int compat_settings_get(struct mail_user *user,
			const struct setting_parser_info *info,
			const void **set_r, const char **error_r)
{
	pool_t pool;

	if (!compat_settings_are_cached(user, info)) {
		pool = pool_alloconly_create("coi settings", 1024);
		if (compat_settings_parse(pool, user, info, set_r,
					  error_r) < 0) {
			pool_unref(&pool);
			return -1;
		}
		compat_settings_cache(pool, user, info, *set_r);
	}
	pool_ref(compat_cache_pool);
	*set_r = compat_cache_set;
	return 0;
}

void compat_settings_deinit(void)
{
	pool_unref(&compat_cache_pool);
	compat_cache_info = NULL;
}

void compat_settings_free(const struct setting_parser_info *info ATTR_UNUSED,
			  const void **set)
{
	pool_t pool = *(const pool_t *)*set;

	pool_unref(&pool);
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
