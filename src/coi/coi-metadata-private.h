#ifndef COI_METADATA_PRIVATE_H
#define COI_METADATA_PRIVATE_H

#include "module-context.h"
#include "mail-storage-private.h"
#include "coi-config.h"
#include "coi-metadata.h"

#define COI_METADATA_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_metadata_module)

/* P/ as a client names it, and as Dovecot keeps it with INBOX */
#define COI_ENTRY_ROOT "/private/vendor/vendor.dovecot/"
#define COI_KEY_ROOT \
	MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER"vendor/vendor.dovecot/"
#define COI_KEY_PREFIX COI_KEY_ROOT"coi/"
#define COI_KEY_WEBPUSH_PREFIX COI_KEY_ROOT COI_ENTRY_WEBPUSH"/"
#define COI_KEY_CONFIG_PREFIX COI_KEY_ROOT COI_ENTRY_CONFIG"/"

extern MODULE_CONTEXT_DEFINE(coi_metadata_module, &mail_storage_module_register);

bool coi_metadata_is_ours(enum mail_attribute_type type_flags, const char *key);
/* Returns 0, or -1 with the mailbox's error set. */
int coi_metadata_get_config(struct mailbox *box, struct coi_user *cuser,
			    enum coi_config_key key, const char **value_r);
/* Clients have these in another form, dsync as they are stored (S43). */
bool coi_metadata_class_is_hidden(enum coi_entry_class class, bool dsyncing);

/* Functions of the mailbox. */
struct mailbox_attribute_iter *
coi_metadata_attribute_iter_init(struct mailbox *box,
				 enum mail_attribute_type type_flags,
				 const char *prefix);
const char *
coi_metadata_attribute_iter_next(struct mailbox_attribute_iter *iter);
int coi_metadata_attribute_iter_deinit(struct mailbox_attribute_iter *iter);

#endif
