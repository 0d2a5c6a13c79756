/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "settings-parser.h"
#include "coi-settings-info.h"

extern const char *coi_settings_version;
extern const struct setting_parser_info *coi_settings_set_infos[];

const char *coi_settings_version = DOVECOT_ABI_VERSION;
const struct setting_parser_info *coi_settings_set_infos[] = {
	&coi_setting_parser_info,
	NULL
};
