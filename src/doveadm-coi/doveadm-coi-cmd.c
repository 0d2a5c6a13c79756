/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "mail-namespace.h"
#include "mail-storage-service.h"
#include "mail-user.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "doveadm-settings.h"
#include "doveadm-coi-cmd.h"

const char *const doveadm_coi_key_root =
	MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER"vendor/vendor.dovecot/";

/*
 * Errors
 */

int doveadm_coi_fail(struct doveadm_coi_cmd *cmd,
		     const struct doveadm_coi_user *duser,
		     enum mail_error error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	T_BEGIN {
		e_error(duser->user->event, "coi: %s",
			t_strdup_vprintf(format, args));
	} T_END;
	va_end(args);
	doveadm_mail_failed_error(&cmd->ctx, error);
	return -1;
}

int doveadm_coi_fail_mailbox(struct doveadm_coi_cmd *cmd,
			     const struct doveadm_coi_user *duser,
			     struct mailbox *box, const char *what)
{
	enum mail_error error;
	const char *errstr = mailbox_get_last_internal_error(box, &error);

	return doveadm_coi_fail(cmd, duser, error, "%s failed: %s",
				what, errstr);
}

/*
 * The frame
 */

/* Returns NULL if the mail plugin is not loaded. */
static const struct coi_admin_vfuncs *doveadm_coi_find_admin(void)
{
	struct module *module =
		module_dir_find(mail_storage_service_modules, "coi");

	return module == NULL ? NULL :
		module_get_symbol_quiet(module, COI_ADMIN_SYMBOL);
}

static int doveadm_coi_run_verb(struct doveadm_coi_cmd *cmd,
				struct mail_user *user)
{
	struct doveadm_coi_user duser = {
		.user = user,
		.admin = doveadm_coi_find_admin(),
	};

	if (duser.admin == NULL) {
		return doveadm_coi_fail(cmd, &duser, MAIL_ERROR_NOTPOSSIBLE,
			"The plugin coi is not loaded: "
			"is it in the global mail_plugins?");
	}
	duser.cuser = duser.admin->user_get(user);
	if (duser.cuser == NULL && !cmd->verb->unavailable_ok) {
		return doveadm_coi_fail(cmd, &duser, MAIL_ERROR_NOTPOSSIBLE,
			"COI is not there for this user: "
			"the setting coi, or the user's mail_plugins");
	}
	return cmd->verb->run(cmd, &duser);
}

static int doveadm_coi_run(struct doveadm_mail_cmd_context *ctx,
			   struct mail_user *user)
{
	struct doveadm_coi_cmd *cmd =
		container_of(ctx, struct doveadm_coi_cmd, ctx);

	cmd->next_username_ran = TRUE;
	/* 2.3 comes here also when the parameters are wrong */
	return cmd->init_failed ? -1 : doveadm_coi_run_verb(cmd, user);
}

/* Does every user come through doveadm_coi_run() in this process? Not where
   doveadm-server does the work, and not those that the mask of -u leaves out. */
static bool doveadm_coi_runs_here(struct doveadm_coi_cmd *cmd)
{
	const struct doveadm_settings *set = cmd->ctx.set;
	const char *mask;

	return set->doveadm_worker_count == 0 && set->doveadm_port == 0 &&
		!doveadm_cmd_param_str(cmd->ctx.cctx, "user", &mask);
}

/* doveadm goes on after a user whom it does not find or cannot set up, and by
   itself ends as if nothing had been wrong. */
static void doveadm_coi_check_last_user(struct doveadm_coi_cmd *cmd)
{
	if (cmd->next_username == NULL || cmd->next_username_ran ||
	    !doveadm_coi_runs_here(cmd))
		return;
	i_error("%s: User %s was passed over", cmd->ctx.cmd->name,
		cmd->next_username);
	doveadm_mail_failed_error(&cmd->ctx, MAIL_ERROR_NOTFOUND);
}

static int doveadm_coi_get_next_user(struct doveadm_mail_cmd_context *ctx,
				     const char **username_r)
{
	struct doveadm_coi_cmd *cmd =
		container_of(ctx, struct doveadm_coi_cmd, ctx);
	int ret;

	if (cmd->init_failed)
		return 0;
	doveadm_coi_check_last_user(cmd);
	ret = cmd->super_get_next_user(ctx, username_r);
	cmd->next_username = ret <= 0 ? NULL : *username_r;
	cmd->next_username_ran = FALSE;
	return ret;
}

COMPAT_DOVEADM_INIT(doveadm_coi_init, ctx)
{
	struct doveadm_coi_cmd *cmd =
		container_of(ctx, struct doveadm_coi_cmd, ctx);
	const char *error;

	if (cmd->verb->init != NULL && cmd->verb->init(cmd, &error) < 0) {
		i_error("%s: %s", ctx->cmd->name, error);
		cmd->init_failed = TRUE;
		ctx->exit_code = EX_USAGE;
	}
	cmd->super_get_next_user = ctx->v.get_next_user;
	ctx->v.get_next_user = doveadm_coi_get_next_user;
}

struct doveadm_coi_cmd *
doveadm_coi_cmd_alloc(size_t size, const struct doveadm_coi_verb *verb)
{
	struct doveadm_mail_cmd_context *ctx =
		doveadm_mail_cmd_alloc_size(size);
	struct doveadm_coi_cmd *cmd =
		container_of(ctx, struct doveadm_coi_cmd, ctx);

	compat_doveadm_cmd_init(ctx);
	ctx->v.init = doveadm_coi_init;
	ctx->v.run = doveadm_coi_run;
	cmd->verb = verb;
	if (verb->print_type != NULL)
		doveadm_print_init(verb->print_type);
	return cmd;
}

/*
 * Entries
 */

struct mailbox *
doveadm_coi_inbox_alloc(const struct doveadm_coi_user *duser)
{
	struct mail_namespace *ns =
		mail_namespace_find_inbox(duser->user->namespaces);

	return mailbox_alloc(ns->list, "INBOX", MAILBOX_FLAG_IGNORE_ACLS);
}

const char *doveadm_coi_config_key(enum coi_config_key key)
{
	return t_strconcat(doveadm_coi_key_root, COI_ENTRY_CONFIG"/",
			   coi_config_key_name(key), NULL);
}

int doveadm_coi_get(struct doveadm_coi_cmd *cmd,
		    const struct doveadm_coi_user *duser, struct mailbox *inbox,
		    const char *key, const char **value_r)
{
	struct mail_attribute_value value;
	int ret;

	i_zero(&value);
	ret = mailbox_attribute_get(inbox, MAIL_ATTRIBUTE_TYPE_PRIVATE, key,
				    &value);
	if (ret < 0) {
		return doveadm_coi_fail_mailbox(cmd, duser, inbox,
			t_strconcat("Reading ", key +
				strlen(doveadm_coi_key_root), NULL));
	}
	*value_r = ret == 0 ? NULL : value.value;
	return ret;
}

static int
doveadm_coi_set_opened(struct mailbox *inbox,
		       const struct doveadm_coi_change *changes,
		       unsigned int count)
{
	struct mailbox_transaction_context *t;
	struct mail_attribute_value value;
	unsigned int i;

	t = mailbox_transaction_begin(inbox, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      __func__);
	for (i = 0; i < count; i++) {
		i_zero(&value);
		value.value = changes[i].value;
		if (mailbox_attribute_set(t, MAIL_ATTRIBUTE_TYPE_PRIVATE,
					  changes[i].key, &value) < 0) {
			mailbox_transaction_rollback(&t);
			return -1;
		}
	}
	return mailbox_transaction_commit(&t);
}

int doveadm_coi_set(struct doveadm_coi_cmd *cmd,
		    const struct doveadm_coi_user *duser,
		    const struct doveadm_coi_change *changes,
		    unsigned int count)
{
	struct mailbox *inbox = doveadm_coi_inbox_alloc(duser);
	int ret = 0;

	if (mailbox_open(inbox) < 0)
		ret = doveadm_coi_fail_mailbox(cmd, duser, inbox, "Opening INBOX");
	else if (doveadm_coi_set_opened(inbox, changes, count) < 0)
		ret = doveadm_coi_fail_mailbox(cmd, duser, inbox, "Setting");
	mailbox_free(&inbox);
	return ret;
}
