/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-changes.h"
#include "coi-contacts.h"
#include "coi-entries.h"
#include "coi-mailboxes.h"
#include "coi-metadata-private.h"
#include "coi-state.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "coi-webpush.h"

struct coi_metadata_module coi_metadata_module =
	MODULE_CONTEXT_INIT(&mail_storage_module_register);

bool coi_metadata_is_ours(enum mail_attribute_type type_flags, const char *key)
{
	return (type_flags & MAIL_ATTRIBUTE_TYPE_MASK) ==
		MAIL_ATTRIBUTE_TYPE_PRIVATE &&
		(strncmp(key, COI_KEY_PREFIX, strlen(COI_KEY_PREFIX)) == 0 ||
		 strncmp(key, COI_KEY_WEBPUSH_PREFIX,
			 strlen(COI_KEY_WEBPUSH_PREFIX)) == 0);
}

static bool
coi_metadata_find_config(const char *key, enum coi_config_key *config_key_r)
{
	size_t len = strlen(COI_KEY_CONFIG_PREFIX);

	return strncmp(key, COI_KEY_CONFIG_PREFIX, len) == 0 &&
		coi_config_key_find(key + len, config_key_r);
}

/* The key's name as the client knows it. */
static const char *coi_metadata_entry(const char *key)
{
	return t_strconcat(COI_ENTRY_ROOT, key + strlen(COI_KEY_ROOT), NULL);
}

/*
 * Get
 */

int coi_metadata_get_config(struct mailbox *box, struct coi_user *cuser,
			    enum coi_config_key key, const char **value_r)
{
	struct coi_config config;
	const char *error;

	*value_r = NULL;
	if (key == COI_CONFIG_MAILBOX_ROOT) {
		*value_r = coi_mailboxes_get_root(cuser);
		return 0;
	}
	if (coi_state_read(cuser->store, pool_datastack_create(),
			   &config, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	*value_r = key == COI_CONFIG_ENABLED ?
		config.enabled : config.message_filter;
	return 0;
}

/* Finds the entry of a class. *hash_r need not be valid. */
static bool
coi_metadata_find_entry(const char *key, enum coi_entry_class *class_r,
			const char **hash_r)
{
	return coi_entry_find(key + strlen(COI_KEY_ROOT), class_r, hash_r);
}

static int
coi_metadata_get_entry(struct mailbox *box, struct coi_user *cuser,
		       enum coi_entry_class class, const char *hash,
		       const char **value_r)
{
	const char *error;

	*value_r = NULL;
	if (!coi_entry_id_is_valid(class, hash))
		return 0;
	if (coi_entries_read(cuser->store, class, hash, value_r, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	return 0;
}

static const struct coi_webpush_vfuncs *
coi_metadata_get_webpush(struct mailbox *box, struct coi_user *cuser)
{
	const struct coi_webpush_vfuncs *v = coi_webpush_get(cuser);

	if (v == NULL)
		mail_storage_set_internal_error(box->storage);
	return v;
}

/* W6 */
static int
coi_metadata_get_vapid(struct mailbox *box, struct coi_user *cuser,
		       const char *id, const char **value_r)
{
	const struct coi_webpush_vfuncs *v;
	bool raw = strcmp(id, COI_ENTRY_VAPID_RAW_ID) == 0;

	*value_r = NULL;
	if ((!raw && strcmp(id, COI_ENTRY_VAPID_ID) != 0) ||
	    !coi_webpush_is_available(cuser))
		return 0;
	v = coi_metadata_get_webpush(box, cuser);
	if (v == NULL)
		return -1;
	if (v->get_vapid(cuser, raw, value_r) < 0) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	return 0;
}

static int
coi_metadata_get_subscription(struct mailbox *box, struct coi_user *cuser,
			      const char *id, const char **value_r)
{
	const struct coi_webpush_vfuncs *v;

	if (coi_metadata_get_entry(box, cuser, COI_ENTRY_SUBSCRIPTION, id,
				   value_r) < 0)
		return -1;
	if (*value_r == NULL)
		return 0;
	v = coi_metadata_get_webpush(box, cuser);
	if (v == NULL)
		return -1;
	*value_r = v->show(cuser, *value_r, ioloop_time);
	return 0;
}

/* What a client gets of an entry of a class. dsync gets what is stored
   (S43). */
static int
coi_metadata_show_entry(struct mailbox *box, struct coi_user *cuser,
			enum coi_entry_class class, const char *hash,
			const char **value_r)
{
	if (!cuser->user->dsyncing) {
		if (class == COI_ENTRY_VAPID) {
			return coi_metadata_get_vapid(box, cuser, hash,
						      value_r);
		}
		if (class == COI_ENTRY_TOKEN) {
			*value_r = NULL;
			return 0;
		}
		if (class == COI_ENTRY_SUBSCRIPTION) {
			return coi_metadata_get_subscription(box, cuser, hash,
							     value_r);
		}
	}
	return coi_metadata_get_entry(box, cuser, class, hash, value_r);
}

static int
coi_metadata_get(struct mailbox *box, const char *key, const char **value_r)
{
	struct coi_user *cuser = coi_user_get(box->storage->user);
	enum coi_config_key config_key;
	enum coi_entry_class class;
	const char *hash;

	*value_r = NULL;
	if (coi_metadata_find_config(key, &config_key)) {
		return coi_metadata_get_config(box, cuser, config_key,
					       value_r);
	}
	if (coi_metadata_find_entry(key, &class, &hash)) {
		return coi_metadata_show_entry(box, cuser, class, hash,
					       value_r);
	}
	return 0;
}

static int
coi_metadata_attribute_get(struct mailbox *box,
			   enum mail_attribute_type type_flags,
			   const char *key,
			   struct mail_attribute_value *value_r)
{
	union mailbox_module_context *mbox = COI_METADATA_CONTEXT(box);

	if (!coi_metadata_is_ours(type_flags, key)) {
		return mbox->super.attribute_get(box, type_flags, key,
						 value_r);
	}
	if (coi_metadata_get(box, key, &value_r->value) < 0)
		return -1;
	return value_r->value != NULL ? 1 : 0;
}

/*
 * Set
 */

/* In pieces: the stream's own buffer may be smaller. */
static void
coi_metadata_read_stream(struct istream *input, size_t max_bytes,
			 string_t *dest)
{
	const unsigned char *data;
	size_t size;

	i_stream_seek(input, 0);
	while (str_len(dest) < max_bytes &&
	       i_stream_read_more(input, &data, &size) > 0) {
		size = I_MIN(size, max_bytes - str_len(dest));
		str_append_data(dest, data, size);
		i_stream_skip(input, size);
	}
}

int coi_metadata_read_value(struct mail_storage *storage,
			    const struct mail_attribute_value *value,
			    size_t max_bytes, const char **value_r)
{
	string_t *str;
	unsigned char *copy;
	size_t i;

	if (value->value_stream == NULL) {
		*value_r = value->value;
		return 0;
	}
	str = t_str_new(256);
	coi_metadata_read_stream(value->value_stream, max_bytes + 1, str);
	if (value->value_stream->stream_errno != 0) {
		mail_storage_set_critical(storage, "coi: read(%s) failed: %s",
			i_stream_get_name(value->value_stream),
			i_stream_get_error(value->value_stream));
		return -1;
	}
	copy = buffer_get_modifiable_data(str, NULL);
	for (i = 0; i < str_len(str); i++) {
		if (copy[i] == '\0')
			copy[i] = '\x01';
	}
	*value_r = str_c(str);
	return 0;
}

static int
coi_metadata_set_config(struct mailbox_transaction_context *t,
			const char *key, enum coi_config_key config_key,
			const struct mail_attribute_value *value)
{
	struct mail_storage *storage = t->box->storage;
	const char *str, *error;

	/* S43: what dsync brings need not be valid */
	if (coi_metadata_read_value(storage, value, storage->user->dsyncing ?
				    COI_STATE_MAX_BYTES :
				    COI_CONFIG_VALUE_MAX_BYTES, &str) < 0)
		return -1;
	if (storage->user->dsyncing) {
		/* S43: the values were judged where they were set; and the
		   root is this server's own */
		if (config_key == COI_CONFIG_MAILBOX_ROOT)
			return 0;
	} else if (coi_config_validate(config_key, coi_metadata_entry(key),
				       str, &error) < 0) {
		mail_storage_set_error(storage, MAIL_ERROR_NOTPOSSIBLE, error);
		return -1;
	}
	coi_changes_add(t, key, config_key, str, value->last_change);
	return 0;
}

/*
 * Set: subscriptions
 */

static int
coi_metadata_refuse(struct mailbox *box, const char *key, const char *why)
{
	mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
		t_strdup_printf("%s: %s", coi_metadata_entry(key), why));
	return -1;
}

/* With the store locked: notes what a wrong text costs the subscription. Returns
   1 if the text is right, 0 if not, -1 on error. */
static int
coi_metadata_try_validation(struct mailbox *box, struct coi_user *cuser,
			    const char *id, const char *text)
{
	const struct coi_webpush_vfuncs *v;
	struct coi_metadata_update *update;
	enum coi_webpush_validation validation;
	const char *old, *new = NULL;

	if (coi_metadata_get_entry(box, cuser, COI_ENTRY_SUBSCRIPTION, id,
				   &old) < 0)
		return -1;
	if (old == NULL)
		return 0;
	v = coi_metadata_get_webpush(box, cuser);
	if (v == NULL)
		return -1;
	validation = v->validate(cuser, old, text, ioloop_time, &new);
	if (validation == COI_WEBPUSH_VALIDATION_OK)
		return 1;
	if (validation == COI_WEBPUSH_VALIDATION_DISCARD)
		new = NULL;
	update = coi_metadata_update_begin(cuser);
	coi_metadata_update_entry(update, COI_ENTRY_SUBSCRIPTION, id, new);
	if (coi_metadata_update_commit(&update) < 0) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	if (new == NULL)
		coi_subscriptions_log(cuser, id, "discarded");
	return 0;
}

/* W18, W19. A right text takes effect with the transaction, a wrong one at
   once. */
static int
coi_metadata_set_validate(struct mailbox_transaction_context *t,
			  const char *key, const char *id,
			  const struct mail_attribute_value *value)
{
	struct mailbox *box = t->box;
	struct coi_user *cuser = coi_user_get(box->storage->user);
	const char *text, *error;
	int ret = 0;

	if (coi_metadata_read_value(box->storage, value,
				    COI_PUSH_VALIDATION_MAX_BYTES, &text) < 0)
		return -1;
	if (text != NULL && coi_entry_id_is_valid(COI_ENTRY_SUBSCRIPTION, id) &&
	    coi_webpush_is_on(cuser)) {
		if (coi_store_lock(cuser->store, &error) < 0) {
			mailbox_set_critical(box, "coi: %s", error);
			return -1;
		}
		ret = coi_metadata_try_validation(box, cuser, id, text);
		coi_store_unlock(cuser->store);
	}
	if (ret < 0)
		return -1;
	if (ret == 0) {
		return coi_metadata_refuse(box, key, "the subscription does "
			"not wait for this text");
	}
	key = t_strdup_until(key, strrchr(key, '/'));
	coi_changes_add_entry(t, key, COI_ENTRY_SUBSCRIPTION, id, text,
			      COI_CHANGE_VALIDATE, value->last_change);
	return 0;
}

/* A client subscribes. The judgement is for the sake of its error text; the one
   at the commit counts. */
static int
coi_metadata_set_subscription(struct mailbox_transaction_context *t,
			      const char *key, const char *value)
{
	struct mailbox *box = t->box;
	struct coi_user *cuser = coi_user_get(box->storage->user);
	const struct coi_webpush_vfuncs *v;
	const char *stored, *error;

	if (value == NULL)
		return 0;
	if (!coi_webpush_is_available(cuser))
		return coi_metadata_refuse(box, key, "there is no Web Push here");
	v = coi_metadata_get_webpush(box, cuser);
	if (v == NULL)
		return -1;
	if (v->judge(cuser, coi_metadata_entry(key), value, ioloop_time,
		     &stored, &error) < 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	}
	if (v->prepare(cuser) < 0) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	/* what has expired does not count */
	v->tidy(cuser);
	return 0;
}

/*
 * Set: entries of classes
 */

/* The same of contacts and groups. */
static int
coi_metadata_judge_entry(struct mailbox *box, const char *key,
			 enum coi_entry_class class, const char *hash,
			 const char *value)
{
	struct coi_user *cuser = coi_user_get(box->storage->user);
	const struct coi_contacts_vfuncs *v = coi_contacts_get(cuser);
	struct coi_entry_verdict verdict;
	const char *old, *error;

	if (v == NULL) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	if (coi_metadata_get_entry(box, cuser, class, hash, &old) < 0)
		return -1;
	if (value != NULL &&
	    v->judge(class, coi_metadata_entry(key), value, old, ioloop_time,
		     &verdict, &error) < 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	}
	return 0;
}

static const char *coi_metadata_id_problem(enum coi_entry_class class)
{
	return class == COI_ENTRY_SUBSCRIPTION ?
		t_strdup_printf("its last part must be %u to %u letters, "
			"digits, _ and -", COI_PUSH_ID_MIN_LEN,
			COI_PUSH_ID_MAX_LEN) :
		t_strdup_printf("its last part must be %u hexadecimal digits",
			COI_HASH_LEN);
}

/* The last part of what validates a subscription is cut off. */
static bool coi_metadata_find_validate(const char *hash, const char **id_r)
{
	size_t len = strlen(hash), suffix_len = strlen("/"COI_ENTRY_VALIDATE);

	if (len <= suffix_len ||
	    strcmp(hash + len - suffix_len, "/"COI_ENTRY_VALIDATE) != 0)
		return FALSE;
	*id_r = t_strndup(hash, len - suffix_len);
	return TRUE;
}

static int
coi_metadata_set_entry(struct mailbox_transaction_context *t, const char *key,
		       enum coi_entry_class class, const char *hash,
		       const struct mail_attribute_value *value)
{
	struct mail_storage *storage = t->box->storage;
	size_t max_bytes = coi_entry_value_max_bytes(class);
	const char *str;

	if (!coi_entry_id_is_valid(class, hash)) {
		mail_storage_set_error(storage, MAIL_ERROR_NOTPOSSIBLE,
			t_strdup_printf("invalid entry %s: %s",
				coi_metadata_entry(key),
				coi_metadata_id_problem(class)));
		return -1;
	}
	if (coi_metadata_read_value(storage, value, max_bytes, &str) < 0)
		return -1;
	if (storage->user->dsyncing) {
		/* what no store holds cannot have come from one */
		if (str != NULL && strlen(str) > max_bytes)
			str = NULL;
	} else if (class == COI_ENTRY_SUBSCRIPTION) {
		if (coi_metadata_set_subscription(t, key, str) < 0)
			return -1;
	} else if (coi_metadata_judge_entry(t->box, key, class, hash, str) < 0)
		return -1;
	coi_changes_add_entry(t, key, class, hash, str,
			      storage->user->dsyncing ? COI_CHANGE_SERVER :
			      COI_CHANGE_CLIENT, value->last_change);
	return 0;
}

static int
coi_metadata_set(struct mailbox_transaction_context *t, const char *key,
		 const struct mail_attribute_value *value)
{
	enum coi_config_key config_key;
	enum coi_entry_class class;
	const char *hash;
	bool dsyncing;

	if (coi_metadata_find_config(key, &config_key))
		return coi_metadata_set_config(t, key, config_key, value);
	if (coi_metadata_find_entry(key, &class, &hash)) {
		dsyncing = t->box->storage->user->dsyncing;
		/* W7 */
		if (coi_metadata_class_is_hidden(class, dsyncing))
			return coi_metadata_refuse(t->box, key, "unable to set");
		if (class == COI_ENTRY_SUBSCRIPTION &&
		    coi_metadata_find_validate(hash, &hash))
			return coi_metadata_set_validate(t, key, hash, value);
		return coi_metadata_set_entry(t, key, class, hash, value);
	}
	mail_storage_set_error(t->box->storage, MAIL_ERROR_NOTPOSSIBLE,
		t_strdup_printf("unknown entry %s", coi_metadata_entry(key)));
	return -1;
}

static int
coi_metadata_attribute_set(struct mailbox_transaction_context *t,
			   enum mail_attribute_type type_flags,
			   const char *key,
			   const struct mail_attribute_value *value)
{
	union mailbox_module_context *mbox = COI_METADATA_CONTEXT(t->box);
	int ret;

	if (!coi_metadata_is_ours(type_flags, key)) {
		return mbox->super.attribute_set(t, type_flags, key, value);
	}
	T_BEGIN {
		ret = coi_metadata_set(t, key, value);
	} T_END;
	return ret;
}

void coi_metadata_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (!box->inbox_user ||
	    coi_user_get_unless_idle(box->storage->user) == NULL)
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->attribute_set = coi_metadata_attribute_set;
	v->attribute_get = coi_metadata_attribute_get;
	v->attribute_iter_init = coi_metadata_attribute_iter_init;
	v->attribute_iter_next = coi_metadata_attribute_iter_next;
	v->attribute_iter_deinit = coi_metadata_attribute_iter_deinit;
	MODULE_CONTEXT_SET_SELF(box, coi_metadata_module, mbox);
}
