#ifndef COMPAT_SETTINGS_H
#define COMPAT_SETTINGS_H

/* One way to describe and read a plugin's settings on Dovecot 2.3, where they
   are strings in plugin {}, and 2.4, where they are known to doveconf.

   A description is what both versions already share: a table of
   struct setting_define, a struct with the defaults, and a check function. */

#include "settings-parser.h"

struct mail_user;

/* The parts of struct setting_parser_info that both versions have. `name' is a
   C identifier of the description; the struct begins with `pool_t pool'. */
#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4
#  define COMPAT_SETTING_PARSER_INFO(_name, _type, _defines, _defaults, _check) \
	{ \
		.module_name = _name, \
		.defines = _defines, \
		.defaults = _defaults, \
		.type_offset = SIZE_MAX, \
		.struct_size = sizeof(_type), \
		.parent_offset = SIZE_MAX, \
		.check_func = _check, \
	}
#else
#  define COMPAT_SETTING_PARSER_INFO(_name, _type, _defines, _defaults, _check) \
	{ \
		.name = _name, \
		.defines = _defines, \
		.defaults = _defaults, \
		.struct_size = sizeof(_type), \
		.pool_offset1 = 1 + offsetof(_type, pool), \
		.check_func = _check, \
	}
#endif

/* Strings in which 2.4 shall not look for %variables. */
#ifndef SETTING_DEFINE_STRUCT_STR_NOVARS
#  define SETTING_DEFINE_STRUCT_STR_NOVARS(key, name, struct_name) \
	SETTING_DEFINE_STRUCT_STR(key, name, struct_name)
#endif

/* Reads the user's settings into a struct as `info' describes it, userdb fields
   included. Returns 0, or -1 with *error_r (data stack) naming the setting and
   its value. What was got has to be freed while the user still exists. */
int compat_settings_get(struct mail_user *user,
			const struct setting_parser_info *info,
			const void **set_r, const char **error_r);
void compat_settings_free(const struct setting_parser_info *info,
			  const void **set);

/* Frees what was kept for the next user. */
void compat_settings_deinit(void);

#endif
