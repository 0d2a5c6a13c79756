#ifndef COI_SETTINGS_INFO_H
#define COI_SETTINGS_INFO_H

#include "settings-parser.h"

/* The table of all settings, for the plugin and for doveconf (2.4). */
extern const struct setting_parser_info coi_setting_parser_info;

#endif
