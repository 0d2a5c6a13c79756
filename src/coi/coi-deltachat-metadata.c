/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "coi-changes.h"
#include "coi-deltachat.h"
#include "coi-limits.h"
#include "coi-metadata.h"
#include "coi-user.h"
#include "coi-webpush.h"

#define COI_DELTACHAT_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_deltachat_module)

/* As clients name it, and as Dovecot keeps it with INBOX. */
#define COI_DELTACHAT_TOKEN_KEY "devicetoken"
#define COI_DELTACHAT_TOKEN_ENTRY "/private/"COI_DELTACHAT_TOKEN_KEY

/* The server's, which Dovecot keeps with INBOX too. */
#define COI_DELTACHAT_SERVER_PREFIX MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER
#define COI_DELTACHAT_VENDOR "vendor/deltachat/"
#define COI_DELTACHAT_RECIPIENTS COI_DELTACHAT_VENDOR"maxsmtprecipients"

static MODULE_CONTEXT_DEFINE_INIT(coi_deltachat_module,
				  &mail_storage_module_register);

static bool
coi_deltachat_key_is(enum mail_attribute_type type_flags,
		     enum mail_attribute_type type, const char *key,
		     const char *name)
{
	return (type_flags & MAIL_ATTRIBUTE_TYPE_MASK) == type &&
		strcmp(key, name) == 0;
}

static bool
coi_deltachat_is_token(enum mail_attribute_type type_flags, const char *key)
{
	return coi_deltachat_key_is(type_flags, MAIL_ATTRIBUTE_TYPE_PRIVATE,
				    key, COI_DELTACHAT_TOKEN_KEY);
}

static bool
coi_deltachat_is_recipients(enum mail_attribute_type type_flags,
			    const char *key)
{
	return coi_deltachat_key_is(type_flags, MAIL_ATTRIBUTE_TYPE_SHARED,
		key, COI_DELTACHAT_SERVER_PREFIX COI_DELTACHAT_RECIPIENTS);
}

/* What clients ask for in one command with the above, and give up where one of
   them is refused. */
static bool
coi_deltachat_is_asked_for(enum mail_attribute_type type_flags, const char *key)
{
	size_t len = strlen(COI_DELTACHAT_SERVER_PREFIX);

	if ((type_flags & MAIL_ATTRIBUTE_TYPE_MASK) !=
	    MAIL_ATTRIBUTE_TYPE_SHARED ||
	    strncmp(key, COI_DELTACHAT_SERVER_PREFIX, len) != 0)
		return FALSE;
	key += len;
	return strcmp(key, "comment") == 0 || strcmp(key, "admin") == 0 ||
		strncmp(key, COI_DELTACHAT_VENDOR,
			strlen(COI_DELTACHAT_VENDOR)) == 0;
}

static int
coi_deltachat_refuse(struct mailbox *box, const char *entry, const char *why)
{
	mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
			       t_strdup_printf("%s: %s", entry, why));
	return -1;
}

/*
 * Get
 */

static void
coi_deltachat_append(struct coi_user *cuser ATTR_UNUSED,
		     const char *id ATTR_UNUSED, const struct coi_token *token,
		     void *context)
{
	string_t *str = context;

	if (str_len(str) > 0)
		str_append_c(str, ' ');
	str_append(str, token->token);
}

/* All that the user has. What does not exist any more goes at this occasion. */
static int
coi_deltachat_get_tokens(struct mailbox *box, struct coi_user *cuser,
			 struct mail_attribute_value *value_r)
{
	const struct coi_webpush_vfuncs *v;
	string_t *str = str_new(default_pool, 1024);
	int ret;

	coi_deltachat_tidy(cuser);
	ret = coi_deltachat_each(cuser, coi_deltachat_append, str);
	if (ret < 0)
		mail_storage_set_internal_error(box->storage);
	else if (str_len(str) > 0) {
		value_r->value = t_strdup(str_c(str));
		ret = 1;
		v = coi_webpush_get(cuser);
		if (v != NULL)
			v->tidy(cuser);
	}
	str_free(&str);
	return ret;
}

static int
coi_deltachat_attribute_get(struct mailbox *box,
			    enum mail_attribute_type type_flags,
			    const char *key,
			    struct mail_attribute_value *value_r)
{
	union mailbox_module_context *mbox = COI_DELTACHAT_CONTEXT(box);
	struct coi_user *cuser = coi_user_get(box->storage->user);
	unsigned int max = cuser->set->coi_deltachat_max_recipients;
	int ret;

	if (!cuser->user->dsyncing && coi_deltachat_is_available(cuser)) {
		if (coi_deltachat_is_token(type_flags, key))
			return coi_deltachat_get_tokens(box, cuser, value_r);
		if (max > 0 && coi_deltachat_is_recipients(type_flags, key)) {
			value_r->value = t_strdup_printf("%u", max);
			return 1;
		}
	}
	ret = mbox->super.attribute_get(box, type_flags, key, value_r);
	/* with imap_metadata = no Dovecot refuses what it does not know */
	if (ret < 0 && coi_deltachat_is_asked_for(type_flags, key) &&
	    mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTPOSSIBLE)
		ret = 0;
	return ret;
}

/*
 * Set
 */

static const char *coi_deltachat_token_key(const char *id)
{
	return coi_metadata_entry_key(COI_ENTRY_TOKEN, id);
}

static void
coi_deltachat_unset_one(struct mailbox_transaction_context *t, const char *id)
{
	coi_changes_add_entry(t, coi_deltachat_token_key(id), COI_ENTRY_TOKEN,
			      id, NULL, COI_CHANGE_CLIENT, 0);
}

/* NIL: the user wants to be woken by nobody any more. */
static int
coi_deltachat_unset(struct mailbox_transaction_context *t,
		    struct coi_user *cuser)
{
	ARRAY_TYPE(const_string) ids;
	const char *id;

	t_array_init(&ids, 8);
	if (coi_deltachat_list_ids(cuser, &ids) < 0) {
		mail_storage_set_internal_error(t->box->storage);
		return -1;
	}
	array_foreach_elem(&ids, id)
		coi_deltachat_unset_one(t, id);
	return 0;
}

static int
coi_deltachat_set(struct mailbox_transaction_context *t,
		  const struct mail_attribute_value *value)
{
	struct coi_user *cuser = coi_user_get(t->box->storage->user);
	const char *token, *id, *why;

	if (coi_metadata_read_value(t->box->storage, value,
				    COI_TOKEN_MAX_BYTES, &token) < 0)
		return -1;
	if (token == NULL)
		return coi_deltachat_unset(t, cuser);
	if (!coi_token_is_valid(token, &why)) {
		return coi_deltachat_refuse(t->box, COI_DELTACHAT_TOKEN_ENTRY,
					    why);
	}
	id = coi_token_id(token);
	coi_changes_add_entry(t, coi_deltachat_token_key(id), COI_ENTRY_TOKEN,
			      id, coi_token_format(token, &ioloop_timeval),
			      COI_CHANGE_CLIENT, 0);
	return 0;
}

/* A token of another mailbox would be a generic attribute, which Dovecot refuses
   without a word about where it belongs, unless the administrator has switched
   those on. */
static bool
coi_deltachat_is_misplaced(enum mail_attribute_type type_flags,
			   const char *key, bool inbox)
{
	return (type_flags & MAIL_ATTRIBUTE_TYPE_FLAG_VALIDATED) != 0 &&
		(coi_deltachat_key_is(type_flags, MAIL_ATTRIBUTE_TYPE_PRIVATE,
			key, COI_DELTACHAT_SERVER_PREFIX
			COI_DELTACHAT_TOKEN_KEY) ||
		 (!inbox && coi_deltachat_is_token(type_flags, key)));
}

static int
coi_deltachat_set_ours(struct mailbox_transaction_context *t,
		       enum mail_attribute_type type_flags, const char *key,
		       const struct mail_attribute_value *value)
{
	struct mailbox *box = t->box;
	union mailbox_module_context *mbox = COI_DELTACHAT_CONTEXT(box);

	if (coi_deltachat_is_misplaced(type_flags, key, box->inbox_user)) {
		return coi_deltachat_refuse(box, COI_DELTACHAT_TOKEN_ENTRY,
			"it can be set for the mailbox INBOX only");
	}
	if (box->inbox_user && coi_deltachat_is_token(type_flags, key))
		return coi_deltachat_set(t, value);
	if (box->inbox_user && coi_deltachat_is_recipients(type_flags, key)) {
		return coi_deltachat_refuse(box,
			"/shared/"COI_DELTACHAT_RECIPIENTS,
			"the server's configuration says it, "
			"it cannot be set");
	}
	return mbox->super.attribute_set(t, type_flags, key, value);
}

static int
coi_deltachat_attribute_set(struct mailbox_transaction_context *t,
			    enum mail_attribute_type type_flags,
			    const char *key,
			    const struct mail_attribute_value *value)
{
	union mailbox_module_context *mbox = COI_DELTACHAT_CONTEXT(t->box);
	struct mail_user *user = t->box->storage->user;
	int ret;

	if (user->dsyncing || !coi_deltachat_is_available(coi_user_get(user)))
		return mbox->super.attribute_set(t, type_flags, key, value);
	T_BEGIN {
		ret = coi_deltachat_set_ours(t, type_flags, key, value);
	} T_END;
	return ret;
}

void coi_deltachat_mailbox_allocated(struct mailbox *box)
{
	struct coi_user *cuser = coi_user_get_unless_idle(box->storage->user);
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	if (cuser == NULL || !coi_deltachat_is_on(cuser))
		return;
	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->attribute_set = coi_deltachat_attribute_set;
	if (box->inbox_user)
		v->attribute_get = coi_deltachat_attribute_get;
	MODULE_CONTEXT_SET_SELF(box, coi_deltachat_module, mbox);
}
