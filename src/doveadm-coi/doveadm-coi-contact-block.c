/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "compat-doveadm.h"
#include "coi-contact.h"
#include "doveadm-coi.h"
#include "doveadm-coi-contact.h"

static void
doveadm_coi_contact_block_change(
	const struct doveadm_coi_contact_cmd *ccmd ATTR_UNUSED,
	struct coi_contact *contact)
{
	contact->blocked = TRUE;
}

static struct doveadm_mail_cmd_context *doveadm_coi_contact_block_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_contact_init,
		.run = doveadm_coi_contact_run,
	};

	return &doveadm_coi_contact_cmd_alloc(&verb,
		doveadm_coi_contact_block_change)->cmd.ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_contact_block = {
	.name = "coi contact block",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX DOVEADM_COI_CONTACT_USAGE,
	.mail_cmd = doveadm_coi_contact_block_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_COI_CONTACT_PARAMS
DOVEADM_CMD_PARAMS_END
};
