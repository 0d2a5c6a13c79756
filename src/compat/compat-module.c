/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "mail-user.h"
#include "mail-storage-settings.h"
#include "compat-module.h"

static int
compat_module_try_load(struct module **modules, const char *dir,
		       const char *name,
		       const struct module_dir_load_settings *set,
		       const char **error_r)
{
#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4
	return module_dir_try_load_missing(modules, dir, name, set, error_r);
#else
	const char *const names[] = { name, NULL };

	return module_dir_try_load_missing(modules, dir, names, set, error_r);
#endif
}

int compat_module_load(struct module **modules, struct mail_user *user,
		       const char *name, const char **error_r)
{
	const struct module_dir_load_settings set = {
		.abi_version = DOVECOT_ABI_VERSION,
		.binary_name = "mail",
		.require_init_funcs = TRUE,
	};

	if (compat_module_try_load(modules, user->set->mail_plugin_dir, name,
				   &set, error_r) < 0)
		return -1;
	module_dir_init(*modules);
	return 0;
}
