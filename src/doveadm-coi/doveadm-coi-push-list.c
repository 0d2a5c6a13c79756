/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"
#include "doveadm-coi-push.h"

/* In place of what --show-secrets would show. */
#define DOVEADM_COI_PUSH_MASK "***"

struct doveadm_coi_push_list {
	struct doveadm_coi_cmd cmd;
	bool show_secrets;
};

static int
doveadm_coi_push_list_init(struct doveadm_coi_cmd *cmd,
			   const char **error_r ATTR_UNUSED)
{
	static const char *const headers[] = {
		"id", "client", "device", "msgtype", "validated", "created",
		"host", "endpoint", "p256dh", "auth"
	};
	struct doveadm_coi_push_list *list =
		container_of(cmd, struct doveadm_coi_push_list, cmd);
	unsigned int i;

	(void)doveadm_cmd_param_bool(cmd->ctx.cctx, "show-secrets",
				     &list->show_secrets);
	for (i = 0; i < N_ELEMENTS(headers); i++)
		doveadm_print_header_simple(headers[i]);
	return 0;
}

static void
doveadm_coi_push_list_print(void *context, const struct coi_webpush_info *info)
{
	const struct doveadm_coi_push_list *list = context;
	const char *const secrets[] = {
		info->endpoint, info->p256dh, info->auth
	};
	unsigned int i;

	doveadm_print(info->id);
	doveadm_print(info->client);
	doveadm_print(info->device);
	doveadm_print(info->msgtype);
	doveadm_print(info->validated ? "yes" : "no");
	doveadm_print(doveadm_coi_time_str(info->created));
	doveadm_print(info->host);
	for (i = 0; i < N_ELEMENTS(secrets); i++) {
		doveadm_print(secrets[i] == NULL ? "" :
			      list->show_secrets ? secrets[i] :
			      DOVEADM_COI_PUSH_MASK);
	}
}

static int
doveadm_coi_push_list_run(struct doveadm_coi_cmd *cmd,
			  const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_push_list *list =
		container_of(cmd, struct doveadm_coi_push_list, cmd);
	const struct coi_webpush_vfuncs *v = doveadm_coi_push_get(cmd, duser);

	if (v == NULL)
		return -1;
	if (v->list(duser->cuser, doveadm_coi_push_list_print, list) < 0) {
		/* the log knows why */
		doveadm_mail_failed_error(&cmd->ctx, MAIL_ERROR_TEMP);
		return -1;
	}
	return 0;
}

static struct doveadm_mail_cmd_context *doveadm_coi_push_list_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_push_list_init,
		.run = doveadm_coi_push_list_run,
		.print_type = DOVEADM_PRINT_TYPE_TABLE,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_push_list),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_push_list = {
	.name = "coi push list",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[--show-secrets]",
	.mail_cmd = doveadm_coi_push_list_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('s', "show-secrets", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
};
