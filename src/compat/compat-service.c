/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "master-service.h"
#include "master-service-settings.h"
#include "compat-service.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

struct compat_plugin_settings {
	ARRAY(const char *) plugin_envs;
};

static const struct setting_define compat_plugin_defines[] = {
	{ .type = SET_STRLIST, .key = "plugin",
	  .offset = offsetof(struct compat_plugin_settings, plugin_envs) },

	SETTING_DEFINE_LIST_END
};

static const struct compat_plugin_settings compat_plugin_defaults = {
	.plugin_envs = ARRAY_INIT,
};

/* To the config process plugin {} is part of what it gives to mail processes;
   of that we take nothing else. */
static const struct setting_parser_info compat_plugin_info = {
	.module_name = "mail",
	.defines = compat_plugin_defines,
	.defaults = &compat_plugin_defaults,
	.type_offset = SIZE_MAX,
	.struct_size = sizeof(struct compat_plugin_settings),
	.parent_offset = SIZE_MAX,
};

static pool_t compat_service_pool = NULL;

static bool
compat_service_is_known(const struct setting_parser_info *info, const char *key)
{
	unsigned int i;

	for (i = 0; info->defines[i].key != NULL; i++) {
		if (strcmp(info->defines[i].key, key) == 0)
			return TRUE;
	}
	return FALSE;
}

static int
compat_service_parse(const struct compat_plugin_settings *plugin,
		     const struct setting_parser_info *info,
		     struct setting_parser_context *parser,
		     const char **error_r)
{
	const char *const *envs;
	unsigned int i, count;

	if (!array_is_created(&plugin->plugin_envs))
		return 0;
	envs = array_get(&plugin->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (!compat_service_is_known(info, envs[i]))
			continue;
		if (settings_parse_keyvalue(parser, envs[i], envs[i + 1]) <= 0) {
			*error_r = t_strdup_printf("Invalid setting %s=%s: %s",
				envs[i], envs[i + 1],
				settings_parser_get_error(parser));
			return -1;
		}
	}
	return 0;
}

int compat_service_settings_read(struct master_service *service,
				 const struct setting_parser_info *info,
				 const void **set_r, const char **error_r)
{
	const struct setting_parser_info *const roots[] = {
		&compat_plugin_info, NULL
	};
	const struct master_service_settings_input input = {
		.roots = roots,
		.module = "mail",
		.service = master_service_get_name(service),
	};
	struct master_service_settings_output output;
	struct setting_parser_context *parser;
	pool_t pool;
	int ret;

	i_assert(compat_service_pool == NULL);
	if (master_service_settings_read(service, &input, &output,
					 error_r) < 0)
		return -1;
	compat_service_pool = pool =
		pool_alloconly_create("service settings", 1024);
	parser = settings_parser_init(pool, info, 0);
	ret = compat_service_parse(master_service_settings_get_others(service)[0],
				   info, parser, error_r);
	if (ret == 0 && !settings_parser_check(parser, pool, error_r))
		ret = -1;
	*set_r = settings_parser_get(parser);
	settings_parser_deinit(&parser);
	return ret;
}

void compat_service_settings_free(
	const struct setting_parser_info *info ATTR_UNUSED, const void **set)
{
	pool_unref(&compat_service_pool);
	*set = NULL;
}

#else

#include "settings.h"

int compat_service_settings_read(struct master_service *service,
				 const struct setting_parser_info *info,
				 const void **set_r, const char **error_r)
{
	if (master_service_settings_read_simple(service, error_r) < 0)
		return -1;
	/* the function, not the macro that wants to see the struct's type */
	return (settings_get)(master_service_get_event(service), info, 0,
			      __FILE__, __LINE__, set_r, error_r);
}

void compat_service_settings_free(const struct setting_parser_info *info,
				  const void **set)
{
	pool_t pool = *(const pool_t *)CONST_PTR_OFFSET(*set,
		info->pool_offset1 - 1);

	pool_unref(&pool);
	*set = NULL;
}

#endif
