/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-config.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"

struct doveadm_coi_enable {
	struct doveadm_coi_cmd cmd;
	/* NULL: stays as it is */
	const char *filter;
};

static int
doveadm_coi_enable_init(struct doveadm_coi_cmd *cmd, const char **error_r)
{
	struct doveadm_coi_enable *enable =
		container_of(cmd, struct doveadm_coi_enable, cmd);
	enum coi_filter filter;

	if (doveadm_cmd_param_str(cmd->ctx.cctx, "filter", &enable->filter) &&
	    !coi_filter_parse(enable->filter, &filter)) {
		*error_r = t_strdup_printf("The filter must be none, active "
			"or seen, and not: %s", enable->filter);
		return -1;
	}
	return 0;
}

static int
doveadm_coi_enable_run(struct doveadm_coi_cmd *cmd,
		       const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_enable *enable =
		container_of(cmd, struct doveadm_coi_enable, cmd);
	const struct doveadm_coi_change changes[] = {
		{ doveadm_coi_config_key(COI_CONFIG_ENABLED), "yes" },
		{ doveadm_coi_config_key(COI_CONFIG_MESSAGE_FILTER),
		  enable->filter },
	};

	return doveadm_coi_set(cmd, duser, changes,
			       enable->filter == NULL ? 1 : 2);
}

static struct doveadm_mail_cmd_context *doveadm_coi_enable_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_enable_init,
		.run = doveadm_coi_enable_run,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_enable),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_enable = {
	.name = "coi enable",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[--filter none|active|seen]",
	.mail_cmd = doveadm_coi_enable_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('m', "filter", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};
