/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "compat-doveadm.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-push.h"

static int
doveadm_coi_push_rekey_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
			    const char **error_r ATTR_UNUSED)
{
	doveadm_print_header_simple("rekeyed");
	doveadm_print_header("subscriptions_removed", "subscriptions_removed",
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	return 0;
}

/* The key is a new one already, so it is a warning what this means. */
static int
doveadm_coi_push_rekey_tell(struct doveadm_coi_cmd *cmd,
			    const struct doveadm_coi_user *duser,
			    const struct coi_webpush_vfuncs *v,
			    unsigned int removed)
{
	const char *error;

	if (removed > 0) {
		e_warning(duser->user->event, "coi: The VAPID key is a new "
			"one: %u subscriptions made with the old one have "
			"become useless and are removed. Clients have to "
			"subscribe again.", removed);
	}
	if (v->flush(&error) < 0) {
		return doveadm_coi_fail(cmd, duser, MAIL_ERROR_TEMP,
			"There is a new key, but the worker may still send "
			"what it has: %s", error);
	}
	return 0;
}

static int
doveadm_coi_push_rekey_run(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser)
{
	const struct coi_webpush_vfuncs *v =
		doveadm_coi_push_get_on(cmd, duser);
	struct coi_webpush_failure failure;
	unsigned int removed;
	int ret;

	if (v == NULL)
		return -1;
	ret = v->rekey(duser->cuser, &removed, &failure);
	if (ret < 0) {
		return doveadm_coi_fail(cmd, duser, failure.error, "%s",
					failure.text);
	}
	doveadm_print(ret > 0 ? "yes" : "no");
	doveadm_print_num(removed);
	return ret == 0 ? 0 :
		doveadm_coi_push_rekey_tell(cmd, duser, v, removed);
}

static struct doveadm_mail_cmd_context *doveadm_coi_push_rekey_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_push_rekey_init,
		.run = doveadm_coi_push_rekey_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_push_rekey = {
	.name = "coi push rekey",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_push_rekey_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
