/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-contacts.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"

static int
doveadm_coi_check_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
		       const char **error_r ATTR_UNUSED)
{
	doveadm_print_header("problem", "problem",
			     DOVEADM_PRINT_HEADER_FLAG_HIDE_TITLE);
	return 0;
}

static void
doveadm_coi_check_print(const char *problem, void *context ATTR_UNUSED)
{
	doveadm_print(problem);
}

static int
doveadm_coi_check_run(struct doveadm_coi_cmd *cmd,
		      const struct doveadm_coi_user *duser)
{
	const struct coi_contacts_vfuncs *contacts =
		duser->admin->contacts_get(duser->cuser);
	bool failed;

	failed = contacts == NULL ||
		contacts->check(duser->cuser, doveadm_coi_check_print,
				NULL) < 0;
	if (duser->admin->check_push(duser->cuser, doveadm_coi_check_print,
				     NULL) < 0)
		failed = TRUE;
	if (failed) {
		return doveadm_coi_fail(cmd, duser, MAIL_ERROR_TEMP,
			"Not everything could be checked and mended");
	}
	return 0;
}

static struct doveadm_mail_cmd_context *doveadm_coi_check_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_check_init,
		.run = doveadm_coi_check_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_check = {
	.name = "coi check",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_check_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
