/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-config.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

struct doveadm_coi_status {
	struct doveadm_coi_cmd *cmd;
	const struct doveadm_coi_user *duser;

	const char *enabled, *filter, *root;
	bool exists[COI_MAILBOX_COUNT];
	unsigned int contacts, blocked, groups, pending, subscriptions;
};

static int
doveadm_coi_status_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
			const char **error_r ATTR_UNUSED)
{
	static const char *const words[] = {
		"enabled", "filter", "root",
		"chats_mailbox", "contacts_mailbox", "blocked_mailbox"
	};
	static const char *const numbers[] = {
		"contacts", "blocked", "groups", "groups_pending",
		"subscriptions"
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(words); i++)
		doveadm_print_header_simple(words[i]);
	for (i = 0; i < N_ELEMENTS(numbers); i++) {
		doveadm_print_header(numbers[i], numbers[i],
				     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	}
	return 0;
}

/*
 * Looking
 */

static int
doveadm_coi_status_get(struct doveadm_coi_status *status, struct mailbox *inbox,
		       enum coi_config_key key, const char **value_r)
{
	if (doveadm_coi_get(status->cmd, status->duser, inbox,
			    doveadm_coi_config_key(key), value_r) < 0)
		return -1;
	/* a value lives no longer than until the next one is read */
	*value_r = t_strdup(*value_r);
	return 0;
}

static int
doveadm_coi_status_find_config(struct doveadm_coi_status *status,
			       struct mailbox *inbox)
{
	struct coi_config config;
	enum coi_filter filter;
	const char *error;

	i_zero(&config);
	if (doveadm_coi_status_get(status, inbox, COI_CONFIG_ENABLED,
				   &config.enabled) < 0 ||
	    doveadm_coi_status_get(status, inbox, COI_CONFIG_MESSAGE_FILTER,
				   &config.message_filter) < 0 ||
	    doveadm_coi_status_get(status, inbox, COI_CONFIG_MAILBOX_ROOT,
				   &status->root) < 0)
		return -1;
	if (coi_config_get_filter(&config,
			status->duser->cuser->set->parsed_default_filter,
			&filter, &error) < 0) {
		return doveadm_coi_fail(status->cmd, status->duser,
					MAIL_ERROR_TEMP, "%s", error);
	}
	status->enabled = coi_config_is_enabled(&config) ? "yes" : "no";
	status->filter = coi_filter_name(filter);
	return 0;
}

static int
doveadm_coi_status_find_mailbox(struct doveadm_coi_status *status,
				enum coi_mailbox which)
{
	struct mailbox *box = status->duser->admin->
		mailbox_alloc(status->duser->cuser, which, 0);
	enum mailbox_existence existence;
	int ret;

	ret = mailbox_exists(box, FALSE, &existence);
	if (ret < 0) {
		(void)doveadm_coi_fail_mailbox(status->cmd, status->duser, box,
					       "Looking for a mailbox");
	} else {
		status->exists[which] = existence == MAILBOX_EXISTENCE_SELECT;
	}
	mailbox_free(&box);
	return ret;
}

static void
doveadm_coi_status_count_contact(void *context, const char *hash ATTR_UNUSED,
				 const struct coi_contact *contact)
{
	struct doveadm_coi_status *status = context;

	status->contacts++;
	if (contact->blocked)
		status->blocked++;
}

static void
doveadm_coi_status_count_group(void *context, const char *hash ATTR_UNUSED,
			       const struct coi_group *group)
{
	struct doveadm_coi_status *status = context;

	if (coi_group_is_pending(group))
		status->pending++;
	else
		status->groups++;
}

static int
doveadm_coi_status_count_subscriptions(struct doveadm_coi_status *status)
{
	const struct doveadm_coi_user *duser = status->duser;
	const char *error;

	if (duser->admin->count_subscriptions(duser->cuser,
			&status->subscriptions, &error) < 0) {
		return doveadm_coi_fail(status->cmd, duser, MAIL_ERROR_TEMP,
					"%s", error);
	}
	return 0;
}

static int
doveadm_coi_status_find(struct doveadm_coi_status *status,
			struct mailbox *inbox)
{
	enum coi_mailbox which;

	if (doveadm_coi_status_find_config(status, inbox) < 0)
		return -1;
	for (which = 0; which < COI_MAILBOX_COUNT; which++) {
		if (doveadm_coi_status_find_mailbox(status, which) < 0)
			return -1;
	}
	if (doveadm_coi_each_contact(status->cmd, status->duser, inbox,
				     doveadm_coi_status_count_contact,
				     status) < 0 ||
	    doveadm_coi_each_group(status->cmd, status->duser, inbox,
				   doveadm_coi_status_count_group, status) < 0)
		return -1;
	return doveadm_coi_status_count_subscriptions(status);
}

/*
 * Printing
 */

static void doveadm_coi_status_print(const struct doveadm_coi_status *status)
{
	static const enum coi_mailbox mailboxes[] = {
		COI_MAILBOX_CHATS, COI_MAILBOX_CONTACTS, COI_MAILBOX_BLOCKED
	};
	unsigned int i;

	doveadm_print(status->enabled);
	doveadm_print(status->filter);
	doveadm_print(status->root);
	for (i = 0; i < N_ELEMENTS(mailboxes); i++)
		doveadm_print(status->exists[mailboxes[i]] ? "yes" : "no");
	doveadm_print_num(status->contacts);
	doveadm_print_num(status->blocked);
	doveadm_print_num(status->groups);
	doveadm_print_num(status->pending);
	doveadm_print_num(status->subscriptions);
}

static int
doveadm_coi_status_run(struct doveadm_coi_cmd *cmd,
		       const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_status status = {
		.cmd = cmd,
		.duser = duser,
		.enabled = "unavailable", .filter = "", .root = "",
	};
	struct mailbox *inbox;
	int ret = 0;

	if (duser->cuser != NULL) {
		inbox = doveadm_coi_inbox_alloc(duser);
		ret = doveadm_coi_status_find(&status, inbox);
		mailbox_free(&inbox);
	}
	if (ret == 0)
		doveadm_coi_status_print(&status);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_status_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_status_init,
		.run = doveadm_coi_status_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
		.unavailable_ok = TRUE,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_status = {
	.name = "coi status",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_status_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
