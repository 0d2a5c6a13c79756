#ifndef COMPAT_SERVICE_H
#define COMPAT_SERVICE_H

/* Settings of a service of our own, on Dovecot 2.3, where they stand in
   plugin {}, and 2.4, where doveconf knows them. They are described as
   compat-settings.h says. */

#include "compat-settings.h"

struct master_service;

/* Reads the configuration, for the service itself too. Call it before the
   process gives up its privileges. Returns 0, or -1 with *error_r (data stack)
   naming the setting and its value. Only one such struct can be there. */
int compat_service_settings_read(struct master_service *service,
				 const struct setting_parser_info *info,
				 const void **set_r, const char **error_r);
void compat_service_settings_free(const struct setting_parser_info *info,
				  const void **set);

#endif
