/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-push.h"

struct doveadm_coi_push_test {
	struct doveadm_coi_cmd cmd;
	const char *id;
};

static int
doveadm_coi_push_test_init(struct doveadm_coi_cmd *cmd, const char **error_r)
{
	struct doveadm_coi_push_test *test =
		container_of(cmd, struct doveadm_coi_push_test, cmd);

	if (doveadm_coi_push_read_id(cmd, &test->id, error_r) < 0)
		return -1;
	if (test->id == NULL) {
		*error_r = "A subscription's id is needed";
		return -1;
	}
	doveadm_print_header_simple("id");
	doveadm_print_header_simple("job");
	return 0;
}

static int
doveadm_coi_push_test_run(struct doveadm_coi_cmd *cmd,
			  const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_push_test *test =
		container_of(cmd, struct doveadm_coi_push_test, cmd);
	/* of a token it knows itself whether it is set up */
	const struct coi_webpush_vfuncs *v =
		duser->admin->tokens_are_on(duser->cuser) ?
		doveadm_coi_push_get(cmd, duser) :
		doveadm_coi_push_get_on(cmd, duser);
	struct coi_webpush_failure failure;
	const char *job_id;

	if (v == NULL)
		return -1;
	if (v->test(duser->cuser, test->id, &job_id, &failure) < 0) {
		return doveadm_coi_fail(cmd, duser, failure.error, "%s",
					failure.text);
	}
	doveadm_print(test->id);
	doveadm_print(job_id);
	return 0;
}

static struct doveadm_mail_cmd_context *doveadm_coi_push_test_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_push_test_init,
		.run = doveadm_coi_push_test_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_push_test),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_push_test = {
	.name = "coi push test",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "<id>",
	.mail_cmd = doveadm_coi_push_test_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('\0', "id", CMD_PARAM_STR, CMD_PARAM_FLAG_POSITIONAL)
DOVEADM_CMD_PARAMS_END
};
