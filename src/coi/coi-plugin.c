/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-storage-hooks.h"
#include "mail-storage-private.h"
#include "compat-settings.h"
#include "coi-changes.h"
#include "coi-contacts.h"
#include "coi-deliver.h"
#include "coi-deltachat.h"
#include "coi-folders.h"
#include "coi-metadata.h"
#include "coi-plugin.h"
#include "coi-save.h"
#include "coi-seen.h"
#include "coi-store-hide.h"
#include "coi-user.h"
#include "coi-webpush.h"

const char *coi_plugin_version = DOVECOT_ABI_VERSION;
const char *coi_plugin_dependencies[] = { NULL };

static void coi_mail_user_created(struct mail_user *user)
{
	coi_user_created(user);
	coi_deliver_reassert();
}

/* Of the functions for one kind of object each entry may override some: Dovecot
   chains what one entry overrides, not what a second function in the same entry
   does. More entries than that would only cost. */
static struct mail_storage_hooks coi_mail_storage_hooks[] = {
	{ .mail_user_created = coi_mail_user_created,
	  .mailbox_allocated = coi_changes_mailbox_allocated },
	{ .mail_namespace_storage_added =
		coi_store_hide_namespace_storage_added,
	  .mailbox_allocated = coi_metadata_mailbox_allocated },
	{ .mailbox_allocated = coi_save_mailbox_allocated,
	  .mail_allocated = coi_save_mail_allocated },
	{ .mailbox_allocated = coi_seen_mailbox_allocated,
	  .mail_allocated = coi_seen_mail_allocated },
	{ .mailbox_allocated = coi_folders_mailbox_allocated },
	{ .mailbox_allocated = coi_deltachat_mailbox_allocated },
	{ .mailbox_allocated = coi_contacts_mailbox_allocated,
	  .mail_allocated = coi_contacts_mail_allocated },
};

void coi_plugin_init(struct module *module)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(coi_mail_storage_hooks); i++)
		mail_storage_hooks_add(module, &coi_mail_storage_hooks[i]);
	coi_deliver_init();
}

void coi_plugin_deinit(void)
{
	unsigned int i;

	coi_deliver_deinit();
	for (i = 0; i < N_ELEMENTS(coi_mail_storage_hooks); i++)
		mail_storage_hooks_remove(&coi_mail_storage_hooks[i]);
	coi_webpush_deinit();
	coi_contacts_deinit();
	compat_settings_deinit();
}
