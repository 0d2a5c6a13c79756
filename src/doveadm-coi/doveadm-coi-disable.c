/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-config.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"

static int
doveadm_coi_disable_run(struct doveadm_coi_cmd *cmd,
			const struct doveadm_coi_user *duser)
{
	const struct doveadm_coi_change change = {
		doveadm_coi_config_key(COI_CONFIG_ENABLED), NULL
	};

	return doveadm_coi_set(cmd, duser, &change, 1);
}

static struct doveadm_mail_cmd_context *doveadm_coi_disable_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.run = doveadm_coi_disable_run,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_disable = {
	.name = "coi disable",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_disable_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
