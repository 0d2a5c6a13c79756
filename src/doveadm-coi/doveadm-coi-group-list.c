/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

static const char *const doveadm_coi_group_notify_words[] = {
	[COI_GROUP_NOTIFY_ALL] = "all",
	[COI_GROUP_NOTIFY_MENTIONS] = "mentions",
	[COI_GROUP_NOTIFY_NONE] = "none",
};

static int
doveadm_coi_group_list_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
			    const char **error_r ATTR_UNUSED)
{
	static const char *const titles[] = {
		"hash", "id", "name", "pending", "notify", "muted_until",
		"modified", "participants"
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(titles); i++)
		doveadm_print_header_simple(titles[i]);
	return 0;
}

static void doveadm_coi_group_print_participants(const struct coi_group *group)
{
	string_t *str = t_str_new(256);
	unsigned int i;

	for (i = 0; i < group->participant_count; i++) {
		if (i > 0)
			str_append_c(str, ' ');
		str_append(str, group->participants[i]);
	}
	doveadm_print(str_c(str));
}

static void
doveadm_coi_group_print(void *context ATTR_UNUSED, const char *hash,
			const struct coi_group *group)
{
	doveadm_print(hash);
	doveadm_print(group->id == NULL ? "" : group->id);
	doveadm_print(group->name == NULL ? "" : group->name);
	doveadm_print(coi_group_is_pending(group) ? "yes" : "no");
	doveadm_print(doveadm_coi_group_notify_words[group->notify]);
	doveadm_print(doveadm_coi_time_str(group->muted_until));
	doveadm_print(doveadm_coi_time_str(group->modified));
	doveadm_coi_group_print_participants(group);
}

static int
doveadm_coi_group_list_run(struct doveadm_coi_cmd *cmd,
			   const struct doveadm_coi_user *duser)
{
	struct mailbox *inbox = doveadm_coi_inbox_alloc(duser);
	int ret;

	ret = doveadm_coi_each_group(cmd, duser, inbox,
				     doveadm_coi_group_print, NULL);
	mailbox_free(&inbox);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_group_list_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_group_list_init,
		.run = doveadm_coi_group_list_run,
		.print_type = DOVEADM_PRINT_TYPE_TABLE,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_group_list = {
	.name = "coi group list",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_group_list_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
