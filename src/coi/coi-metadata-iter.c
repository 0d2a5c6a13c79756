/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "coi-entries.h"
#include "coi-metadata-private.h"
#include "coi-state.h"
#include "coi-user.h"
#include "coi-webpush.h"

struct coi_metadata_iter {
	struct mailbox_attribute_iter iter;

	/* what the mailbox lists without us */
	struct mailbox_attribute_iter *super;
	const char *prefix;
	pool_t pool;
	ARRAY_TYPE(const_string) keys;
	unsigned int idx;
	/* entries of classes are not collected: there may be many */
	enum coi_entry_class class;
	struct coi_entries_iter *entries;
	string_t *entry;
	bool failed;
};

static void
coi_metadata_iter_add(struct coi_metadata_iter *iter, const char *key)
{
	size_t len = strlen(iter->prefix);

	if (strncmp(key, iter->prefix, len) == 0) {
		key = p_strdup(iter->pool, key + len);
		array_push_back(&iter->keys, &key);
	}
}

static void coi_metadata_iter_add_config(struct coi_metadata_iter *iter)
{
	struct mailbox *box = iter->iter.box;
	struct coi_user *cuser = coi_user_get(box->storage->user);
	enum coi_config_key key;
	const char *value;

	for (key = 0; key < COI_CONFIG_KEY_COUNT; key++) {
		if (coi_metadata_get_config(box, cuser, key, &value) < 0) {
			iter->failed = TRUE;
			return;
		}
		if (value != NULL) {
			coi_metadata_iter_add(iter, t_strconcat(
				COI_KEY_CONFIG_PREFIX,
				coi_config_key_name(key), NULL));
		}
	}
}

/* Is one of them the beginning of the other? */
static bool coi_metadata_prefix_matches(const char *prefix, const char *key)
{
	return strncmp(prefix, key, I_MIN(strlen(prefix), strlen(key))) == 0;
}

/* May keys with this prefix be ours? */
static bool
coi_metadata_prefix_has_ours(enum mail_attribute_type type_flags,
			     const char *prefix)
{
	return (type_flags & MAIL_ATTRIBUTE_TYPE_MASK) ==
		MAIL_ATTRIBUTE_TYPE_PRIVATE &&
		(coi_metadata_prefix_matches(prefix, COI_KEY_PREFIX) ||
		 coi_metadata_prefix_matches(prefix, COI_KEY_WEBPUSH_PREFIX));
}

/* The key of an entry of a class. */
static void
coi_metadata_append_entry(string_t *dest, enum coi_entry_class class,
			  const char *hash)
{
	str_append(dest, COI_KEY_ROOT);
	str_append(dest, coi_entry_class_name(class));
	str_append_c(dest, '/');
	str_append(dest, hash);
}

const char *coi_metadata_entry_key(enum coi_entry_class class,
				   const char *hash)
{
	string_t *key = t_str_new(128);

	coi_metadata_append_entry(key, class, hash);
	return str_c(key);
}

bool coi_metadata_class_is_hidden(enum coi_entry_class class, bool dsyncing)
{
	return !dsyncing &&
		(class == COI_ENTRY_TOKEN || class == COI_ENTRY_VAPID);
}

static void coi_metadata_iter_close_class(struct coi_metadata_iter *iter)
{
	const char *error;

	if (iter->entries == NULL)
		return;
	if (coi_entries_iter_deinit(&iter->entries, &error) < 0) {
		mailbox_set_critical(iter->iter.box, "coi: %s", error);
		iter->failed = TRUE;
	}
}

/* The user's key is there as soon as somebody asks for it (W6). */
static void coi_metadata_iter_add_vapid(struct coi_metadata_iter *iter)
{
	struct coi_user *cuser = coi_user_get(iter->iter.box->storage->user);

	if (cuser->user->dsyncing || !coi_webpush_is_available(cuser))
		return;
	coi_metadata_iter_add(iter,
		COI_KEY_WEBPUSH_PREFIX COI_ENTRY_VAPID_ID);
	coi_metadata_iter_add(iter,
		COI_KEY_WEBPUSH_PREFIX COI_ENTRY_VAPID_RAW_ID);
}

/* What is not there any more is not listed (W20, W31). */
static void coi_metadata_tidy(struct coi_user *cuser)
{
	const struct coi_webpush_vfuncs *v;
	struct coi_config config;
	const char *error;

	if (!cuser->user->dsyncing && coi_webpush_is_available(cuser) &&
	    coi_state_read(cuser->store, pool_datastack_create(), &config,
			   &error) > 0 && config.has_subscriptions &&
	    (v = coi_webpush_get(cuser)) != NULL)
		v->tidy(cuser);
}

/* Begins with the next class that may have keys with the iterator's prefix.
   Returns FALSE if there is none. */
static bool coi_metadata_iter_open_class(struct coi_metadata_iter *iter)
{
	struct coi_user *cuser = coi_user_get(iter->iter.box->storage->user);

	for (; iter->class < COI_ENTRY_CLASS_COUNT; iter->class++) {
		if (coi_metadata_class_is_hidden(iter->class,
						 cuser->user->dsyncing))
			continue;
		str_truncate(iter->entry, 0);
		coi_metadata_append_entry(iter->entry, iter->class, "");
		if (coi_metadata_prefix_matches(iter->prefix,
						str_c(iter->entry))) {
			iter->entries = coi_entries_iter_init(cuser->store,
							      iter->class);
			return TRUE;
		}
	}
	return FALSE;
}

/* Returns the next such entry's key after the prefix, or NULL. */
static const char *
coi_metadata_iter_next_entry(struct coi_metadata_iter *iter)
{
	size_t len = strlen(iter->prefix);
	const char *hash;

	while (iter->entries != NULL || coi_metadata_iter_open_class(iter)) {
		while ((hash = coi_entries_iter_next(iter->entries)) != NULL) {
			str_truncate(iter->entry, 0);
			coi_metadata_append_entry(iter->entry, iter->class,
						  hash);
			if (strncmp(str_c(iter->entry), iter->prefix, len) == 0)
				return str_c(iter->entry) + len;
		}
		coi_metadata_iter_close_class(iter);
		iter->class++;
	}
	return NULL;
}

struct mailbox_attribute_iter *
coi_metadata_attribute_iter_init(struct mailbox *box,
				 enum mail_attribute_type type_flags,
				 const char *prefix)
{
	union mailbox_module_context *mbox = COI_METADATA_CONTEXT(box);
	struct coi_metadata_iter *iter;
	pool_t pool = pool_alloconly_create("coi metadata iter", 1024);

	iter = p_new(pool, struct coi_metadata_iter, 1);
	iter->pool = pool;
	iter->iter.box = box;
	iter->prefix = p_strdup(pool, prefix);
	iter->super = mbox->super.attribute_iter_init(box, type_flags, prefix);
	p_array_init(&iter->keys, pool, 4);
	iter->entry = str_new(pool, 256);
	iter->class = COI_ENTRY_CLASS_COUNT;
	if (coi_metadata_prefix_has_ours(type_flags, prefix)) T_BEGIN {
		iter->class = 0;
		coi_metadata_iter_add_config(iter);
		coi_metadata_iter_add_vapid(iter);
	} T_END;
	if (iter->class == 0 &&
	    coi_metadata_prefix_matches(prefix, COI_KEY_WEBPUSH_PREFIX)) T_BEGIN {
		coi_metadata_tidy(coi_user_get(box->storage->user));
	} T_END;
	return &iter->iter;
}

/* An attribute dictionary may hold keys below ours from a time without this
   plugin; they mean nothing and are not shown. */
static bool
coi_metadata_iter_is_ours(struct coi_metadata_iter *iter, const char *key)
{
	bool ours;

	T_BEGIN {
		ours = coi_metadata_is_ours(MAIL_ATTRIBUTE_TYPE_PRIVATE,
			t_strconcat(iter->prefix, key, NULL));
	} T_END;
	return ours;
}

const char *
coi_metadata_attribute_iter_next(struct mailbox_attribute_iter *_iter)
{
	struct coi_metadata_iter *iter = container_of(_iter,
		struct coi_metadata_iter, iter);
	union mailbox_module_context *mbox = COI_METADATA_CONTEXT(_iter->box);
	const char *key;

	if (iter->idx < array_count(&iter->keys))
		return array_idx_elem(&iter->keys, iter->idx++);
	key = coi_metadata_iter_next_entry(iter);
	if (key != NULL)
		return key;
	do {
		key = mbox->super.attribute_iter_next(iter->super);
	} while (key != NULL && coi_metadata_iter_is_ours(iter, key));
	return key;
}

int coi_metadata_attribute_iter_deinit(struct mailbox_attribute_iter *_iter)
{
	struct coi_metadata_iter *iter = container_of(_iter,
		struct coi_metadata_iter, iter);
	union mailbox_module_context *mbox = COI_METADATA_CONTEXT(_iter->box);
	int ret;

	ret = mbox->super.attribute_iter_deinit(iter->super);
	coi_metadata_iter_close_class(iter);
	if (iter->failed)
		ret = -1;
	pool_unref(&iter->pool);
	return ret;
}
