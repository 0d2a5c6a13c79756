/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"
#include "doveadm-coi-entries.h"

static int
doveadm_coi_contact_list_init(struct doveadm_coi_cmd *cmd ATTR_UNUSED,
			      const char **error_r ATTR_UNUSED)
{
	doveadm_print_header_simple("hash");
	doveadm_print_header_simple("blocked");
	doveadm_print_header_simple("notify");
	doveadm_print_header_simple("muted_until");
	doveadm_print_header_simple("modified");
	return 0;
}

static void
doveadm_coi_contact_print(void *context ATTR_UNUSED, const char *hash,
			  const struct coi_contact *contact)
{
	doveadm_print(hash);
	doveadm_print(contact->blocked ? "yes" : "no");
	doveadm_print(contact->notify == COI_CONTACT_NOTIFY_NONE ?
		      "none" : "all");
	doveadm_print(doveadm_coi_time_str(contact->muted_until));
	doveadm_print(doveadm_coi_time_str(contact->modified));
}

static int
doveadm_coi_contact_list_run(struct doveadm_coi_cmd *cmd,
			     const struct doveadm_coi_user *duser)
{
	struct mailbox *inbox = doveadm_coi_inbox_alloc(duser);
	int ret;

	ret = doveadm_coi_each_contact(cmd, duser, inbox,
				       doveadm_coi_contact_print, NULL);
	mailbox_free(&inbox);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_contact_list_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_contact_list_init,
		.run = doveadm_coi_contact_list_run,
		.print_type = DOVEADM_PRINT_TYPE_TABLE,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_cmd),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_contact_list = {
	.name = "coi contact list",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX,
	.mail_cmd = doveadm_coi_contact_list_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAMS_END
};
