/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "mail-storage.h"
#include "mail-user.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-json.h"
#include "coi-limits.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

/* One JSON document for each user, on one line. It is printed while it is made,
   because it may be large; if something fails it breaks off, so that nobody can
   take it for whole. */

struct doveadm_coi_export {
	struct doveadm_coi_cmd *cmd;
	const struct doveadm_coi_user *duser;
	struct mailbox *inbox;
	string_t *str;
	bool has_tokens;
};

static int
doveadm_coi_export_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
			const char **error_r ATTR_UNUSED)
{
	doveadm_print_header("export", "export",
			     DOVEADM_PRINT_HEADER_FLAG_HIDE_TITLE);
	return 0;
}

/* All but the last byte, on which depends what follows. */
static void doveadm_coi_export_flush(struct doveadm_coi_export *export)
{
	size_t size = str_len(export->str) - 1;

	doveadm_print_stream(str_data(export->str), size);
	str_delete(export->str, 0, size);
}

static void
doveadm_coi_export_string(struct doveadm_coi_export *export, const char *value)
{
	buffer_t *valid = t_buffer_create(128);

	/* what dsync has brought may be anything */
	if (!uni_utf8_get_valid_data((const unsigned char *)value,
				     strlen(value), valid))
		value = str_c(valid);
	coi_json_append_string(export->str, value);
}

static int
doveadm_coi_export_config(struct doveadm_coi_export *export,
			  enum coi_config_key key)
{
	const char *value;
	int ret;

	ret = doveadm_coi_get(export->cmd, export->duser, export->inbox,
			      doveadm_coi_config_key(key), &value);
	if (ret > 0) {
		coi_json_append_name(export->str, coi_config_key_name(key));
		doveadm_coi_export_string(export, value);
	}
	return ret < 0 ? -1 : 0;
}

static void
doveadm_coi_export_entry(void *context, const char *hash, const char *value)
{
	struct doveadm_coi_export *export = context;
	const char *reason;
	json_t *root;

	coi_json_append_name(export->str, hash);
	if (strchr(value, '\n') == NULL &&
	    coi_json_parse(value, strlen(value), COI_GROUP_VALUE_MAX_BYTES,
			   &root, &reason) == 0) {
		str_append(export->str, value);
		json_decref(root);
	} else {
		doveadm_coi_export_string(export, value);
	}
	if (str_len(export->str) >= IO_BLOCK_SIZE)
		doveadm_coi_export_flush(export);
}

static int
doveadm_coi_export_class(struct doveadm_coi_export *export, const char *name,
			 const char *class)
{
	coi_json_append_name(export->str, name);
	str_append_c(export->str, '{');
	if (doveadm_coi_each_entry(export->cmd, export->duser, export->inbox,
				   class, doveadm_coi_export_entry,
				   export) < 0)
		return -1;
	str_append_c(export->str, '}');
	return 0;
}

static void
doveadm_coi_export_token(struct coi_user *cuser ATTR_UNUSED, const char *id,
			 const struct coi_token *token, void *context)
{
	struct doveadm_coi_export *export = context;

	if (!export->has_tokens) {
		export->has_tokens = TRUE;
		coi_json_append_name(export->str, "tokens");
		str_append_c(export->str, '{');
	}
	coi_json_append_name(export->str, id);
	str_append_c(export->str, '{');
	coi_json_append_name(export->str, "token");
	doveadm_coi_export_string(export, token->token);
	coi_json_append_name(export->str, "renewed");
	doveadm_coi_export_string(export,
				  doveadm_coi_time_str(token->renewed));
	str_append_c(export->str, '}');
	if (str_len(export->str) >= IO_BLOCK_SIZE)
		doveadm_coi_export_flush(export);
}

/* Where there are none the document says nothing of them. */
static int doveadm_coi_export_tokens(struct doveadm_coi_export *export)
{
	if (export->duser->admin->each_token(export->duser->cuser,
					     doveadm_coi_export_token,
					     export) < 0) {
		/* the log knows why */
		doveadm_mail_failed_error(&export->cmd->ctx, MAIL_ERROR_TEMP);
		return -1;
	}
	if (export->has_tokens)
		str_append_c(export->str, '}');
	return 0;
}

static int doveadm_coi_export_all(struct doveadm_coi_export *export)
{
	enum coi_config_key key;

	str_append_c(export->str, '{');
	coi_json_append_name(export->str, "user");
	doveadm_coi_export_string(export, export->duser->user->username);
	coi_json_append_name(export->str, "config");
	str_append_c(export->str, '{');
	for (key = 0; key < COI_CONFIG_KEY_COUNT; key++) {
		if (doveadm_coi_export_config(export, key) < 0)
			return -1;
	}
	str_append_c(export->str, '}');
	if (doveadm_coi_export_class(export, "contacts",
				     COI_ENTRY_CONTACTS) < 0 ||
	    doveadm_coi_export_class(export, "groups", COI_ENTRY_GROUPS) < 0 ||
	    doveadm_coi_export_class(export, "subscriptions",
				     COI_ENTRY_SUBSCRIPTIONS) < 0 ||
	    doveadm_coi_export_tokens(export) < 0)
		return -1;
	str_append_c(export->str, '}');
	return 0;
}

static int
doveadm_coi_export_run(struct doveadm_coi_cmd *cmd,
		       const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_export export = {
		.cmd = cmd,
		.duser = duser,
		.inbox = doveadm_coi_inbox_alloc(duser),
		.str = str_new(default_pool, 1024),
	};
	int ret;

	ret = doveadm_coi_export_all(&export);
	doveadm_print_stream(str_data(export.str), str_len(export.str));
	doveadm_print_stream("", 0);
	str_free(&export.str);
	mailbox_free(&export.inbox);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_export_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_export_init,
		.run = doveadm_coi_export_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_export = {
	.name = "coi export",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_export_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
