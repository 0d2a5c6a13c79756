/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "compat-doveadm.h"
#include "coi-contact.h"
#include "coi-time.h"
#include "doveadm-coi.h"
#include "doveadm-coi-contact.h"

static int
doveadm_coi_contact_mute_init(struct doveadm_coi_cmd *cmd, const char **error_r)
{
	struct doveadm_coi_contact_cmd *ccmd =
		container_of(cmd, struct doveadm_coi_contact_cmd, cmd);
	const char *until;

	if (doveadm_cmd_param_str(cmd->ctx.cctx, "until", &until)) {
		if (coi_time_parse_rfc3339(until, &ccmd->until) < 0) {
			*error_r = t_strdup_printf("--until must be a time "
				"such as 2030-12-31T23:59:59Z, and not: %s",
				until);
			return -1;
		}
		if (ccmd->until <= ioloop_time) {
			*error_r = t_strdup_printf("--until is over: %s",
						   until);
			return -1;
		}
	}
	return doveadm_coi_contact_init(cmd, error_r);
}

/* Whatever it was before: with a time it is muted until then and no longer. */
static void
doveadm_coi_contact_mute_change(const struct doveadm_coi_contact_cmd *ccmd,
				struct coi_contact *contact)
{
	contact->notify = ccmd->until == 0 ? COI_CONTACT_NOTIFY_NONE :
		COI_CONTACT_NOTIFY_ALL;
	contact->muted_until = ccmd->until;
}

static struct doveadm_mail_cmd_context *doveadm_coi_contact_mute_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_contact_mute_init,
		.run = doveadm_coi_contact_run,
	};

	return &doveadm_coi_contact_cmd_alloc(&verb,
		doveadm_coi_contact_mute_change)->cmd.ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_contact_mute = {
	.name = "coi contact mute",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX
		"[--until <time>] "DOVEADM_COI_CONTACT_USAGE,
	.mail_cmd = doveadm_coi_contact_mute_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_COI_CONTACT_PARAMS
DOVEADM_CMD_PARAM('t', "until", CMD_PARAM_STR, 0)
DOVEADM_CMD_PARAMS_END
};
