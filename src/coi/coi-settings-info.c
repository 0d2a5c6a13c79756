/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "compat-settings.h"
#include "coi-settings.h"
#include "coi-limits.h"
#include "coi-settings-info.h"

static bool coi_settings_check(void *_set, pool_t pool, const char **error_r);

#undef DEF
#define DEF(type, name) \
	SETTING_DEFINE_STRUCT_##type(#name, name, struct coi_settings)

static const struct setting_define coi_setting_defines[] = {
	DEF(BOOL, coi),
	DEF(STR, coi_mailbox_root),
	DEF(STR, coi_mailbox_blocked),
	DEF(ENUM, coi_default_filter),
	DEF(BOOL, coi_blocked_sieve),
	DEF(TIME_MSECS, coi_idle_delay),
	DEF(UINT, coi_contacts_max),
	DEF(UINT, coi_groups_max),
	DEF(STR, coi_user_addresses),

	SETTING_DEFINE_LIST_END
};

static const struct coi_settings coi_default_settings = {
	.coi = TRUE,
	.coi_mailbox_root = "COI",
	.coi_mailbox_blocked = "Blocked",
	.coi_default_filter = "none:active:seen",
	.coi_blocked_sieve = FALSE,
	.coi_idle_delay = 5,
	.coi_contacts_max = 100000,
	.coi_groups_max = 10000,
	.coi_user_addresses = "",
};

const struct setting_parser_info coi_setting_parser_info =
	COMPAT_SETTING_PARSER_INFO("coi", struct coi_settings,
				   coi_setting_defines, &coi_default_settings,
				   coi_settings_check);

/* A mailbox name with '/' between its levels, as the admin writes it. What a
   storage refuses beyond this, it says itself when the mailbox is created. */
static const char *coi_settings_mailbox_problem(const char *name)
{
	size_t len = strlen(name);

	if (len == 0)
		return "a mailbox name must not be empty";
	if (len > COI_MAILBOX_NAME_MAX_BYTES)
		return "the mailbox name is too long";
	if (name[0] == '/' || name[len-1] == '/' || strstr(name, "//") != NULL)
		return "a mailbox name must not have empty levels";
	if (!uni_utf8_str_is_valid(name))
		return "a mailbox name must be valid UTF-8";
	for (; *name != '\0'; name++) {
		if ((unsigned char)*name < ' ' || *name == '\x7f')
			return "a mailbox name must not have control characters";
	}
	return NULL;
}

static bool
coi_settings_check_mailbox(const char *key, const char *name,
			   const char **error_r)
{
	const char *problem = coi_settings_mailbox_problem(name);

	if (problem == NULL && strcasecmp(name, "INBOX") == 0)
		problem = "it must not be INBOX";
	if (problem == NULL)
		return TRUE;
	*error_r = t_strdup_printf("Invalid setting %s=%s: %s",
				   key, name, problem);
	return FALSE;
}

static bool coi_settings_check(void *_set, pool_t pool ATTR_UNUSED,
			       const char **error_r)
{
	struct coi_settings *set = _set;

	if (!coi_settings_check_mailbox("coi_mailbox_root",
					set->coi_mailbox_root, error_r) ||
	    !coi_settings_check_mailbox("coi_mailbox_blocked",
					set->coi_mailbox_blocked, error_r))
		return FALSE;
	if (set->coi_idle_delay > COI_IDLE_DELAY_DOVECOT_MSECS) {
		*error_r = t_strdup_printf(
			"Invalid setting coi_idle_delay=%u msecs: "
			"at most %u msecs, which is Dovecot's own delay",
			set->coi_idle_delay, COI_IDLE_DELAY_DOVECOT_MSECS);
		return FALSE;
	}
	if (!coi_filter_parse(set->coi_default_filter,
			      &set->parsed_default_filter)) {
		/* doveconf checks the list of words itself, plugin {} not */
		*error_r = t_strdup_printf(
			"Invalid setting coi_default_filter=%s: "
			"must be none, active or seen",
			set->coi_default_filter);
		return FALSE;
	}
	return TRUE;
}
