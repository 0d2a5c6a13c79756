#ifndef DOVEADM_COI_H
#define DOVEADM_COI_H

#include "doveadm-cmd.h"

struct module;

extern const char *doveadm_coi_plugin_version;

void doveadm_coi_plugin_init(struct module *module);
void doveadm_coi_plugin_deinit(void);

/* The verbs, each in a file of its own. */
extern struct doveadm_cmd_ver2 doveadm_coi_check;
extern struct doveadm_cmd_ver2 doveadm_coi_contact_block;
extern struct doveadm_cmd_ver2 doveadm_coi_contact_list;
extern struct doveadm_cmd_ver2 doveadm_coi_contact_mute;
extern struct doveadm_cmd_ver2 doveadm_coi_contact_unblock;
extern struct doveadm_cmd_ver2 doveadm_coi_contact_unmute;
extern struct doveadm_cmd_ver2 doveadm_coi_disable;
extern struct doveadm_cmd_ver2 doveadm_coi_enable;
extern struct doveadm_cmd_ver2 doveadm_coi_erase;
extern struct doveadm_cmd_ver2 doveadm_coi_export;
extern struct doveadm_cmd_ver2 doveadm_coi_group_list;
extern struct doveadm_cmd_ver2 doveadm_coi_push_list;
extern struct doveadm_cmd_ver2 doveadm_coi_push_queue;
extern struct doveadm_cmd_ver2 doveadm_coi_push_rekey;
extern struct doveadm_cmd_ver2 doveadm_coi_push_remove;
extern struct doveadm_cmd_ver2 doveadm_coi_push_test;
extern struct doveadm_cmd_ver2 doveadm_coi_sort;
extern struct doveadm_cmd_ver2 doveadm_coi_status;

#endif
