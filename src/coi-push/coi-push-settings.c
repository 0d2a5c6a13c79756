/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-settings.h"
#include "coi-push-settings.h"

static bool
coi_push_settings_check(void *_set, pool_t pool, const char **error_r);

#undef DEF
#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type(#name, name, struct coi_push_settings)

static const struct setting_define coi_push_setting_defines[] = {
	DEF(STR, coi_push_queue_dir),
	DEF(UINT, coi_push_queue_max),
	DEF(TIME, coi_push_deadline),
	DEF(TIME, coi_push_timeout),
	DEF(STR, coi_push_proxy_url),
	DEF(STR, coi_push_ca_file),
	DEF(STR, coi_push_dns_servers),
	DEF(STR, coi_push_ports),
	DEF(BOOL, coi_push_insecure),
	DEF(STR_NOVARS, coi_deltachat_push_url),

	SETTING_DEFINE_LIST_END
};

static const struct coi_push_settings coi_push_default_settings = {
	.coi_push_queue_dir = "/var/lib/coi-push",
	.coi_push_queue_max = 200000,
	.coi_push_deadline = 18000,
	.coi_push_timeout = 30,
	.coi_push_proxy_url = "",
	.coi_push_ca_file = "",
	.coi_push_dns_servers = "",
	.coi_push_ports = "443",
	.coi_push_insecure = FALSE,
	.coi_deltachat_push_url = "",
};

const struct setting_parser_info coi_push_setting_parser_info =
	COMPAT_SETTING_PARSER_INFO("coi_push", struct coi_push_settings,
				   coi_push_setting_defines,
				   &coi_push_default_settings,
				   coi_push_settings_check);

static bool coi_push_settings_refuse(const char *key, const char *value,
				     const char *why, const char **error_r)
{
	*error_r = t_strdup_printf("Invalid setting %s=%s: %s",
				   key, value, why);
	return FALSE;
}

static bool coi_push_settings_check(void *_set, pool_t pool ATTR_UNUSED,
				    const char **error_r)
{
	struct coi_push_settings *set = _set;

	if (set->coi_push_queue_dir[0] != '/') {
		return coi_push_settings_refuse("coi_push_queue_dir",
			set->coi_push_queue_dir, "it must begin with /",
			error_r);
	}
	if (set->coi_push_queue_max == 0) {
		return coi_push_settings_refuse("coi_push_queue_max", "0",
			"it must be 1 at least", error_r);
	}
	if (set->coi_push_deadline == 0) {
		return coi_push_settings_refuse("coi_push_deadline", "0",
			"it must be a second at least", error_r);
	}
	if (set->coi_push_timeout == 0) {
		return coi_push_settings_refuse("coi_push_timeout", "0",
			"it must be a second at least", error_r);
	}
	if (!coi_push_ports_parse(set->coi_push_ports, &set->parsed_ports)) {
		return coi_push_settings_refuse("coi_push_ports",
			set->coi_push_ports,
			"must be port numbers with spaces between them",
			error_r);
	}
	return TRUE;
}
