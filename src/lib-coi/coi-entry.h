#ifndef COI_ENTRY_H
#define COI_ENTRY_H

/* The METADATA entries that are values of their own in the store. Of most a user
   has many: one for each contact, known by the hash of its address (C3), one for
   each group, known by the hash of its id (C8), one for each subscription of Web
   Push, known by the id that its client chose (W9). Their values are JSON; see
   coi-contact.h, coi-group.h and webpush-subscription.h. And there are some that
   clients see in another form: one with the user's VAPID key (W6), and one for
   each device token of Delta Chat (coi-token.h). */

enum coi_entry_class {
	COI_ENTRY_CONTACT,
	COI_ENTRY_GROUP,
	COI_ENTRY_SUBSCRIPTION,
	/* no client sees it by this name */
	COI_ENTRY_TOKEN,
	COI_ENTRY_VAPID,

	COI_ENTRY_CLASS_COUNT
};

/* Their names relative to P/: the one place where they stand. */
#define COI_ENTRY_CONTACTS "coi/contacts"
#define COI_ENTRY_GROUPS "coi/groups"
#define COI_ENTRY_SUBSCRIPTIONS "webpush/subscriptions"
#define COI_ENTRY_TOKENS "webpush/tokens"
#define COI_ENTRY_WEBPUSH "webpush"

/* Below COI_ENTRY_WEBPUSH: the key, and a form of it that is not stored (W6). */
#define COI_ENTRY_VAPID_ID "vapid"
#define COI_ENTRY_VAPID_RAW_ID "vapid-raw"
/* Below a subscription: what validates it (W18). */
#define COI_ENTRY_VALIDATE "validate"

/* Characters of a hash, as it stands in entry names and is written into
   messages: lower-case hexadecimal digits. */
#define COI_HASH_LEN 64
bool coi_hash_is_valid(const char *hash);

/* Whether the class's entries can have this name. */
bool coi_entry_id_is_valid(enum coi_entry_class class, const char *id);

/* The name relative to P/ below which the class's entries are. */
const char *coi_entry_class_name(enum coi_entry_class class);

/* Reads a name relative to P/. Returns FALSE if it is below no class. *id_r
   points into `name'; it need not be valid. */
bool coi_entry_find(const char *name, enum coi_entry_class *class_r,
		    const char **id_r);

/* Where the store has it (data stack). Spread over directories by the first
   digits, since 100,000 files in one directory are slow on some systems. */
const char *coi_entry_store_key(enum coi_entry_class class, const char *id);
/* The directory of them all, for listing. */
const char *coi_entry_store_dir(enum coi_entry_class class);

/* Bytes that the value of an entry may have. */
size_t coi_entry_value_max_bytes(enum coi_entry_class class);

#endif
