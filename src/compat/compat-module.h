#ifndef COMPAT_MODULE_H
#define COMPAT_MODULE_H

struct mail_user;
struct module;

/* Loads the mail plugin `name' from the user's mail_plugin_dir into *modules,
   and calls its init function. Returns 0, or -1 with *error_r (data stack). */
int compat_module_load(struct module **modules, struct mail_user *user,
		       const char *name, const char **error_r);

#endif
