/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "compat-settings.h"
#include "coi-settings.h"
#include "coi-settings-info.h"

int coi_settings_get(struct mail_user *user,
		     const struct coi_settings **set_r, const char **error_r)
{
	const void *set;

	if (compat_settings_get(user, &coi_setting_parser_info,
				&set, error_r) < 0)
		return -1;
	*set_r = set;
	return 0;
}

void coi_settings_free(const struct coi_settings **_set)
{
	const void *set = *_set;

	*_set = NULL;
	compat_settings_free(&coi_setting_parser_info, &set);
}
