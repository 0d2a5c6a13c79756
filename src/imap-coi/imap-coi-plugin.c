/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "imap-common.h"
#include "str.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "coi-deltachat.h"
#include "coi-user.h"
#include "coi-webpush.h"
#include "imap-coi-seen-push.h"
#include "imap-coi-tidy.h"
#include "imap-coi-wake.h"
#include "imap-coi-plugin.h"

const char *imap_coi_plugin_version = DOVECOT_ABI_VERSION;
const char *imap_coi_plugin_dependencies[] = { "coi", NULL };
const char imap_coi_plugin_binary_dependency[] = "imap";

static imap_client_created_func_t *imap_coi_next_hook_client_created;

/* Dovecot offers METADATA only with imap_metadata and a mail_attribute_dict,
   neither of which our entries need (S7). */
static bool
imap_coi_has_capability(struct client *client, const char *capability)
{
	return str_array_icase_find(
		t_strsplit_spaces(str_c(client->capability_string), " "),
		capability);
}

/* Clients of Delta Chat ask for nothing without METADATA; and their token is an
   entry of a mailbox (D1). */
static void
imap_coi_add_metadata(struct client *client, struct coi_user *cuser)
{
	bool deltachat = coi_deltachat_is_available(cuser);

	if (deltachat)
		client_add_capability(client, "XDELTAPUSH");
	if (!imap_coi_has_capability(client, "METADATA")) {
		client_add_capability(client, deltachat ? "METADATA" :
				      "METADATA-SERVER");
	}
}

/* S12, W5. The namespaces are not there yet: only the user and the settings may be
   asked. */
static void imap_coi_client_created(struct client **clientp)
{
	struct client *client = *clientp;
	struct coi_user *cuser = coi_user_get(client->user);

	if (cuser != NULL) {
		client_add_capability(client, "COI");
		if (coi_webpush_is_available(cuser))
			client_add_capability(client, "WEBPUSH");
		imap_coi_add_metadata(client, cuser);
	}
	if (imap_coi_next_hook_client_created != NULL)
		imap_coi_next_hook_client_created(clientp);
}

/* As in coi-plugin.c: one entry for each that overrides functions of the same
   object. */
static struct mail_storage_hooks imap_coi_hooks[] = {
	{ .mailbox_allocated = imap_coi_wake_mailbox_allocated,
	  .mailbox_list_created = imap_coi_wake_list_created },
	{ .mail_user_created = imap_coi_seen_push_user_created,
	  .mailbox_allocated = imap_coi_seen_push_mailbox_allocated,
	  .mail_allocated = imap_coi_seen_push_mail_allocated },
	{ .mailbox_allocated = imap_coi_tidy_mailbox_allocated },
};

void imap_coi_plugin_init(struct module *module)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(imap_coi_hooks); i++)
		mail_storage_hooks_add(module, &imap_coi_hooks[i]);
	imap_coi_next_hook_client_created =
		imap_client_created_hook_set(imap_coi_client_created);
}

void imap_coi_plugin_deinit(void)
{
	unsigned int i;

	imap_client_created_hook_set(imap_coi_next_hook_client_created);
	for (i = 0; i < N_ELEMENTS(imap_coi_hooks); i++)
		mail_storage_hooks_remove(&imap_coi_hooks[i]);
}
