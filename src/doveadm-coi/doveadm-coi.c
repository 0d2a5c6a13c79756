/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "doveadm.h"
#include "doveadm-coi.h"

const char *doveadm_coi_plugin_version = DOVECOT_ABI_VERSION;

static struct doveadm_cmd_ver2 *doveadm_coi_verbs[] = {
	&doveadm_coi_check,
	&doveadm_coi_contact_block,
	&doveadm_coi_contact_list,
	&doveadm_coi_contact_mute,
	&doveadm_coi_contact_unblock,
	&doveadm_coi_contact_unmute,
	&doveadm_coi_disable,
	&doveadm_coi_enable,
	&doveadm_coi_erase,
	&doveadm_coi_export,
	&doveadm_coi_group_list,
	&doveadm_coi_push_list,
	&doveadm_coi_push_queue,
	&doveadm_coi_push_rekey,
	&doveadm_coi_push_remove,
	&doveadm_coi_push_test,
	&doveadm_coi_sort,
	&doveadm_coi_status,
};

void doveadm_coi_plugin_init(struct module *module ATTR_UNUSED)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(doveadm_coi_verbs); i++)
		doveadm_cmd_register_ver2(doveadm_coi_verbs[i]);
}

void doveadm_coi_plugin_deinit(void)
{
}
