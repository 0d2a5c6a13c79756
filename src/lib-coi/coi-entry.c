/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "coi-entry.h"

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

const char *coi_entry_class_name(enum coi_entry_class class)
{
	i_assert(class < COI_ENTRY_CLASS_COUNT);
	return coi_entry_classes[class].name;
}

bool coi_entry_find(const char *name, enum coi_entry_class *class_r,
		    const char **hash_r)
{
	enum coi_entry_class class;
	size_t len;

	for (class = 0; class < COI_ENTRY_CLASS_COUNT; class++) {
		len = strlen(coi_entry_classes[class].name);
		if (strncmp(name, coi_entry_classes[class].name, len) == 0 &&
		    name[len] == '/') {
			*class_r = class;
			*hash_r = name + len + 1;
			return TRUE;
		}
	}
	return FALSE;
}

const char *coi_entry_store_key(enum coi_entry_class class, const char *hash)
{
	i_assert(coi_hash_is_valid(hash));

	return t_strdup_printf("%s/%.2s/%s", coi_entry_store_dir(class),
			       hash, hash);
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
