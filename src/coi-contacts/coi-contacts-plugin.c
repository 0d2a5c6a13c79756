/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage.h"
#include "coi-contacts.h"
#include "coi-contacts-blocked.h"
#include "coi-contacts-check.h"
#include "coi-contacts-groups.h"
#include "coi-contacts-judge.h"
#include "coi-contacts-mailbox.h"
#include "coi-contacts-messages.h"
#include "coi-contacts-plugin.h"
#include "coi-contacts-session.h"
#include "coi-contacts-sync.h"

const char *coi_contacts_plugin_version = DOVECOT_ABI_VERSION;
/* The plugin `coi' loads it, and core does not know that. */
const char *coi_contacts_plugin_dependencies[] = { NULL };

static const struct coi_contacts_vfuncs coi_contacts_vfuncs = {
	.judge = coi_contacts_judge,
	.begin = coi_contacts_session_ref,
	.end = coi_contacts_session_unref,
	.catch_up = coi_contacts_catch_up,
	.set_blocked = coi_contacts_set_blocked,
	.is_blocked = coi_contacts_are_blocked,
	.group_message = coi_contacts_group_message,
	.check = coi_contacts_check,
	.mailbox_allocated = coi_contacts_contacts_allocated,
	.mail_allocated = coi_contacts_contacts_mail_allocated,
};

void coi_contacts_plugin_init(struct module *module ATTR_UNUSED)
{
	coi_contacts_register(&coi_contacts_vfuncs);
}

void coi_contacts_plugin_deinit(void)
{
	coi_contacts_register(NULL);
}
