/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "settings-parser.h"
#include "coi-settings-info.h"
#ifdef HAVE_PUSH
#  include "coi-push-settings.h"
#endif

extern const char *coi_settings_version;
extern const struct setting_parser_info *coi_settings_set_infos[];

const char *coi_settings_version = DOVECOT_ABI_VERSION;
const struct setting_parser_info *coi_settings_set_infos[] = {
	&coi_setting_parser_info,
#ifdef HAVE_PUSH
	&coi_push_setting_parser_info,
#endif
	NULL
};
