#ifndef DOVEADM_COI_H
#define DOVEADM_COI_H

#include "doveadm-cmd.h"

struct module;

extern const char *doveadm_coi_plugin_version;

void doveadm_coi_plugin_init(struct module *module);
void doveadm_coi_plugin_deinit(void);

/* The verbs, each in a file of its own. */
extern struct doveadm_cmd_ver2 doveadm_coi_disable;
extern struct doveadm_cmd_ver2 doveadm_coi_enable;
extern struct doveadm_cmd_ver2 doveadm_coi_sort;
extern struct doveadm_cmd_ver2 doveadm_coi_status;

#endif
