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
	DEF(STR_NOVARS, coi_secret),
	DEF(STR_NOVARS, coi_secret_previous),
	DEF(STR_NOVARS, coi_push_subject),
	DEF(UINT, coi_push_subscription_limit),
	DEF(TIME, coi_push_validation_timeout),
	DEF(TIME, coi_push_ttl),
	DEF(ENUM, coi_push_content),
	DEF(STR, coi_push_ports),
	DEF(BOOL, coi_push_insecure),
	DEF(STR_NOVARS, coi_deltachat_push_url),
	DEF(UINT, coi_deltachat_max_recipients),

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
	.coi_secret = "",
	.coi_secret_previous = "",
	.coi_push_subject = "",
	.coi_push_subscription_limit = 10,
	.coi_push_validation_timeout = 300,
	.coi_push_ttl = 86400,
	.coi_push_content = "chat:yes:headers:no",
	.coi_push_ports = "443",
	.coi_push_insecure = FALSE,
	.coi_deltachat_push_url = "",
	.coi_deltachat_max_recipients = 0,
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

/* White space around it, as at the end of a file, does not count. It is not
   shown. */
static bool
coi_settings_check_secret(const char *key, const char *secret,
			  const char **error_r)
{
	if (*secret == '\0' ||
	    strlen(t_str_trim(secret, " \t\r\n")) >= COI_SECRET_MIN_LEN)
		return TRUE;
	*error_r = t_strdup_printf(
		"Invalid setting %s: it must have at least %u characters",
		key, COI_SECRET_MIN_LEN);
	return FALSE;
}

static bool
coi_settings_check_subject(struct coi_settings *set, const char **error_r)
{
	if (*set->coi_push_subject == '\0' ||
	    coi_push_subject_is_valid(set->coi_push_subject))
		return TRUE;
	*error_r = t_strdup_printf("Invalid setting coi_push_subject=%s: "
		"must be a mailto: or https: URI of at most %u bytes",
		set->coi_push_subject, COI_PUSH_SUBJECT_MAX_BYTES);
	return FALSE;
}

static bool
coi_settings_check_limits(struct coi_settings *set, const char **error_r)
{
	if (set->coi_push_subscription_limit == 0 ||
	    set->coi_push_subscription_limit > COI_PUSH_SUBSCRIPTIONS_MAX) {
		*error_r = t_strdup_printf(
			"Invalid setting coi_push_subscription_limit=%u: "
			"must be from 1 to %u",
			set->coi_push_subscription_limit,
			COI_PUSH_SUBSCRIPTIONS_MAX);
		return FALSE;
	}
	if (set->coi_push_validation_timeout == 0) {
		*error_r = "Invalid setting coi_push_validation_timeout=0: "
			"must be longer than that";
		return FALSE;
	}
	if (set->coi_push_ttl > COI_PUSH_TTL_MAX_SECS) {
		*error_r = t_strdup_printf(
			"Invalid setting coi_push_ttl=%u secs: at most %u secs",
			set->coi_push_ttl, COI_PUSH_TTL_MAX_SECS);
		return FALSE;
	}
	return TRUE;
}

static bool
coi_settings_check_push(struct coi_settings *set, const char **error_r)
{
	if (!coi_settings_check_secret("coi_secret", set->coi_secret,
				       error_r) ||
	    !coi_settings_check_secret("coi_secret_previous",
				       set->coi_secret_previous, error_r) ||
	    !coi_settings_check_subject(set, error_r) ||
	    !coi_settings_check_limits(set, error_r))
		return FALSE;
	if (!coi_push_content_parse(set->coi_push_content,
				    &set->parsed_push_content)) {
		*error_r = t_strdup_printf("Invalid setting "
			"coi_push_content=%s: must be chat, yes, headers or no",
			set->coi_push_content);
		return FALSE;
	}
	if (!coi_push_ports_parse(set->coi_push_ports,
				  &set->parsed_push_ports)) {
		*error_r = t_strdup_printf("Invalid setting coi_push_ports=%s: "
			"must be 1 to %u port numbers",
			set->coi_push_ports, COI_PUSH_PORTS_MAX);
		return FALSE;
	}
	return TRUE;
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
	set->deltachat_push_url_is_valid =
		coi_push_url_is_valid(set->coi_deltachat_push_url);
	return coi_settings_check_push(set, error_r);
}
