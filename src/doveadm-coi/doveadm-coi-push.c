/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-entry.h"
#include "coi-limits.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-push.h"

const struct coi_webpush_vfuncs *
doveadm_coi_push_get(struct doveadm_coi_cmd *cmd,
		     const struct doveadm_coi_user *duser)
{
	const struct coi_webpush_vfuncs *v =
		duser->admin->push_get(duser->cuser);

	if (v == NULL) {
		(void)doveadm_coi_fail(cmd, duser, MAIL_ERROR_NOTPOSSIBLE,
			"Web Push is not there: "
			"The plugin coi_push could not be loaded");
	}
	return v;
}

const struct coi_webpush_vfuncs *
doveadm_coi_push_get_on(struct doveadm_coi_cmd *cmd,
			const struct doveadm_coi_user *duser)
{
	if (!duser->admin->push_is_on(duser->cuser)) {
		(void)doveadm_coi_fail(cmd, duser, MAIL_ERROR_NOTPOSSIBLE,
			"Web Push is not set up: coi_push_subject is empty");
		return NULL;
	}
	return doveadm_coi_push_get(cmd, duser);
}

int doveadm_coi_push_read_id(struct doveadm_coi_cmd *cmd, const char **id_r,
			     const char **error_r)
{
	const char *id;

	*id_r = NULL;
	if (!doveadm_cmd_param_str(cmd->ctx.cctx, "id", &id))
		return 0;
	/* as Dovecot does for clients (W9) */
	id = t_str_lcase(id);
	if (!coi_entry_id_is_valid(COI_ENTRY_SUBSCRIPTION, id)) {
		*error_r = t_strdup_printf("Not an id of %u to %u letters, "
			"digits, _ and -: %s", COI_PUSH_ID_MIN_LEN,
			COI_PUSH_ID_MAX_LEN, id);
		return -1;
	}
	*id_r = p_strdup(cmd->ctx.pool, id);
	return 0;
}
