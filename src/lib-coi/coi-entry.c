/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-token.h"

static const struct {
	const char *name;
	const char *store_dir;
	size_t value_max_bytes;
} coi_entry_classes[COI_ENTRY_CLASS_COUNT] = {
	[COI_ENTRY_CONTACT] = {
		COI_ENTRY_CONTACTS, "contacts", COI_CONTACT_VALUE_MAX_BYTES
	},
	[COI_ENTRY_GROUP] = {
		COI_ENTRY_GROUPS, "groups", COI_GROUP_VALUE_MAX_BYTES
	},
	/* these are before the class whose name is the beginning of theirs */
	[COI_ENTRY_SUBSCRIPTION] = {
		COI_ENTRY_SUBSCRIPTIONS, "subscriptions",
		COI_PUSH_VALUE_MAX_BYTES
	},
	[COI_ENTRY_TOKEN] = {
		COI_ENTRY_TOKENS, "tokens", COI_TOKEN_VALUE_MAX_BYTES
	},
	[COI_ENTRY_VAPID] = {
		COI_ENTRY_WEBPUSH, "keys", COI_PUSH_KEY_VALUE_MAX_BYTES
	},
};

bool coi_hash_is_valid(const char *hash)
{
	unsigned int i;

	for (i = 0; i < COI_HASH_LEN; i++) {
		if ((hash[i] < '0' || hash[i] > '9') &&
		    (hash[i] < 'a' || hash[i] > 'f'))
			return FALSE;
	}
	return hash[i] == '\0';
}

/* W9: in lower case, as Dovecot makes all entry names. */
static bool coi_subscription_id_is_valid(const char *id)
{
	size_t len = strspn(id, "0123456789abcdefghijklmnopqrstuvwxyz_-");

	return id[len] == '\0' && len >= COI_PUSH_ID_MIN_LEN &&
		len <= COI_PUSH_ID_MAX_LEN;
}

bool coi_entry_id_is_valid(enum coi_entry_class class, const char *id)
{
	switch (class) {
	case COI_ENTRY_CONTACT:
	case COI_ENTRY_GROUP:
		return coi_hash_is_valid(id);
	case COI_ENTRY_SUBSCRIPTION:
		return coi_subscription_id_is_valid(id);
	case COI_ENTRY_TOKEN:
		return coi_token_id_is_valid(id);
	case COI_ENTRY_VAPID:
		return strcmp(id, COI_ENTRY_VAPID_ID) == 0;
	case COI_ENTRY_CLASS_COUNT:
		break;
	}
	i_unreached();
}

const char *coi_entry_class_name(enum coi_entry_class class)
{
	i_assert(class < COI_ENTRY_CLASS_COUNT);
	return coi_entry_classes[class].name;
}

bool coi_entry_find(const char *name, enum coi_entry_class *class_r,
		    const char **id_r)
{
	enum coi_entry_class class;
	size_t len;

	for (class = 0; class < COI_ENTRY_CLASS_COUNT; class++) {
		len = strlen(coi_entry_classes[class].name);
		if (strncmp(name, coi_entry_classes[class].name, len) == 0 &&
		    name[len] == '/') {
			*class_r = class;
			*id_r = name + len + 1;
			return TRUE;
		}
	}
	return FALSE;
}

const char *coi_entry_store_key(enum coi_entry_class class, const char *id)
{
	i_assert(coi_entry_id_is_valid(class, id));

	return t_strdup_printf("%s/%.2s/%s", coi_entry_store_dir(class),
			       id, id);
}

const char *coi_entry_store_dir(enum coi_entry_class class)
{
	i_assert(class < COI_ENTRY_CLASS_COUNT);
	return coi_entry_classes[class].store_dir;
}

size_t coi_entry_value_max_bytes(enum coi_entry_class class)
{
	i_assert(class < COI_ENTRY_CLASS_COUNT);
	return coi_entry_classes[class].value_max_bytes;
}
