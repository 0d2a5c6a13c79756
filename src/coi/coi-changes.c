/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "mail-index.h"
#include "mail-storage-private.h"
#include "coi-limits.h"
#include "coi-changes.h"
#include "coi-contacts.h"
#include "coi-deltachat.h"
#include "coi-entries.h"
#include "coi-mailboxes.h"
#include "coi-metadata.h"
#include "coi-state.h"
#include "coi-store.h"
#include "coi-subscriptions.h"
#include "coi-user.h"
#include "coi-webpush.h"

#define COI_CHANGES_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_changes_module)
#define COI_CHANGES_TRANS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_changes_module)

struct coi_entry_change {
	enum coi_entry_class class;
	const char *hash;
	const char *value;
	enum coi_change_source source;

	/* found out at the commit; NULL: no entry */
	const char *old, *new;
	/* the contact was blocked, it is (or may be) blocked then */
	bool was_blocked, blocked;
	/* it has been written */
	bool changed;
};

struct coi_changes_transaction {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	ARRAY(struct coi_state_change) changes;
	ARRAY(struct coi_entry_change) entries;
	/* what the configuration was */
	struct coi_config old_config;
	/* the messages of contacts say what the entries are about to say */
	bool messages_set;
};

static MODULE_CONTEXT_DEFINE_INIT(coi_changes_module,
				  &mail_storage_module_register);

static struct coi_changes_transaction *
coi_changes_get(struct mailbox_transaction_context *t)
{
	struct coi_changes_transaction *ct = COI_CHANGES_TRANS_CONTEXT(t);
	pool_t pool;

	if (ct != NULL)
		return ct;
	pool = pool_alloconly_create("coi changes", 512);
	ct = p_new(pool, struct coi_changes_transaction, 1);
	ct->pool = pool;
	p_array_init(&ct->changes, pool, 4);
	p_array_init(&ct->entries, pool, 4);
	MODULE_CONTEXT_SET(t, coi_changes_module, ct);
	return ct;
}

/* INBOX's attribute log, which dsync reads. */
static void
coi_changes_add_log(struct mailbox_transaction_context *t, const char *key,
		    const char *value, time_t timestamp)
{
	if (timestamp == 0)
		timestamp = ioloop_time;
	if (value != NULL) {
		mail_index_attribute_set(t->itrans, TRUE, key, timestamp,
					 strlen(value));
	} else {
		mail_index_attribute_unset(t->itrans, TRUE, key, timestamp);
	}
}

void coi_changes_add(struct mailbox_transaction_context *t, const char *key,
		     enum coi_config_key config_key, const char *value,
		     time_t timestamp)
{
	struct coi_changes_transaction *ct = coi_changes_get(t);
	struct coi_state_change *change = array_append_space(&ct->changes);

	change->key = config_key;
	change->value = p_strdup(ct->pool, value);
	coi_changes_add_log(t, key, value, timestamp);
}

void coi_changes_add_entry(struct mailbox_transaction_context *t,
			   const char *key, enum coi_entry_class class,
			   const char *hash, const char *value,
			   enum coi_change_source source, time_t timestamp)
{
	struct coi_changes_transaction *ct = coi_changes_get(t);
	struct coi_entry_change *change = array_append_space(&ct->entries);

	change->class = class;
	change->hash = p_strdup(ct->pool, hash);
	change->value = p_strdup(ct->pool, value);
	change->source = source;
	coi_changes_add_log(t, key, value, timestamp);
}

/* S21, S34: what a change announces exists before it is true. */
static int
coi_changes_ensure_mailboxes(struct mailbox *box, struct coi_user *cuser,
			     const struct coi_state_change *change)
{
	enum coi_filter filter;
	enum coi_mailbox first = COI_MAILBOX_COUNT, last = 0, which;
	enum mail_error error;
	const char *errstr;

	if (change->value == NULL)
		return 0;
	if (change->key == COI_CONFIG_ENABLED) {
		first = 0;
		last = COI_MAILBOX_COUNT - 1;
	} else if (coi_filter_parse(change->value, &filter) &&
		   filter != COI_FILTER_NONE) {
		first = last = COI_MAILBOX_CHATS;
	}
	for (which = first; which <= last; which++) {
		if (coi_mailboxes_ensure(cuser, which, &error, &errstr) < 0) {
			mail_storage_set_error(box->storage, error, errstr);
			return -1;
		}
	}
	return 0;
}

static void
coi_changes_log_one(struct coi_user *cuser,
		    const struct coi_state_change *change)
{
	const char *entry = coi_config_key_name(change->key);
	struct event_passthrough *e =
		event_create_passthrough(coi_user_get_event(cuser))->
		set_name("coi_config_changed")->
		add_str("entry", entry)->
		add_str("value", change->value);

	e_debug(e->event(), "%s set to %s", entry,
		change->value == NULL ? "NIL" : change->value);
}

static void
coi_changes_log(struct coi_user *cuser,
		const struct coi_changes_transaction *ct)
{
	const struct coi_state_change *change;

	array_foreach(&ct->changes, change)
		coi_changes_log_one(cuser, change);
}

/*
 * Entries
 */

/* What the client sends is judged here, where nobody else can change what it is
   merged with. */
static int
coi_changes_judge_entry(struct mailbox *box, struct coi_user *cuser,
			const struct coi_entry_change *change,
			struct coi_entry_verdict *verdict_r)
{
	const struct coi_contacts_vfuncs *v = coi_contacts_get(cuser);
	const char *error;

	i_zero(verdict_r);
	if (v == NULL) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	if (change->value != NULL &&
	    v->judge(change->class, coi_entry_class_name(change->class),
		     change->value, change->old, ioloop_time, verdict_r,
		     &error) < 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	}
	return 0;
}

static int
coi_changes_validate(struct mailbox *box, struct coi_user *cuser,
		     const struct coi_webpush_vfuncs *v,
		     const struct coi_entry_change *change,
		     const char **stored_r)
{
	if (change->old != NULL &&
	    v->validate(cuser, change->old, change->value, ioloop_time,
			stored_r) == COI_WEBPUSH_VALIDATION_OK)
		return 0;
	/* it was right a moment ago, when it was judged first */
	mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
			       "the subscription has just changed");
	return -1;
}

/* The same for what a subscription is to become. */
static int
coi_changes_judge_subscription(struct mailbox *box, struct coi_user *cuser,
			       const struct coi_entry_change *change,
			       const char **stored_r)
{
	const struct coi_webpush_vfuncs *v;
	const char *error;

	*stored_r = NULL;
	if (change->value == NULL && change->source == COI_CHANGE_CLIENT)
		return 0;
	v = coi_webpush_get(cuser);
	if (v == NULL) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	switch (change->source) {
	case COI_CHANGE_CLIENT:
		if (v->judge(cuser, COI_ENTRY_SUBSCRIPTIONS, change->value,
			     ioloop_time, stored_r, &error) == 0)
			return 0;
		mail_storage_set_error(box->storage, MAIL_ERROR_NOTPOSSIBLE,
				       error);
		return -1;
	case COI_CHANGE_VALIDATE:
		return coi_changes_validate(box, cuser, v, change, stored_r);
	case COI_CHANGE_SERVER:
		break;
	}
	i_unreached();
}

/* Was the contact blocked before the change? What cannot be read is not. */
static bool
coi_changes_was_blocked(struct coi_user *cuser,
			const struct coi_entry_change *change)
{
	struct coi_entry_verdict verdict;
	const char *error;

	return change->class == COI_ENTRY_CONTACT && change->old != NULL &&
		coi_contacts_get(cuser)->judge(change->class, "", change->old,
			NULL, ioloop_time, &verdict, &error) == 0 &&
		verdict.blocked;
}

/* Finds out what the entry is and what it is to become. */
static int
coi_changes_look_at_entry(struct mailbox *box, struct coi_user *cuser,
			  struct coi_changes_transaction *ct,
			  struct coi_entry_change *change)
{
	struct coi_entry_verdict verdict;
	const char *old, *new, *error;

	if (coi_entries_read(cuser->store, change->class, change->hash,
			     &old, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	change->old = p_strdup(ct->pool, old);
	if (change->source == COI_CHANGE_SERVER ||
	    change->class == COI_ENTRY_TOKEN) {
		/* what it says is not looked into: that somebody may be
		   blocked does no harm */
		change->new = change->value;
		change->blocked = change->value != NULL &&
			change->class == COI_ENTRY_CONTACT;
		return 0;
	}
	if (change->class == COI_ENTRY_SUBSCRIPTION) {
		if (coi_changes_judge_subscription(box, cuser, change,
						   &new) < 0)
			return -1;
		change->new = p_strdup(ct->pool, new);
		return 0;
	}
	if (coi_changes_judge_entry(box, cuser, change, &verdict) < 0)
		return -1;
	change->new = p_strdup(ct->pool, verdict.stored);
	change->blocked = verdict.blocked;
	change->was_blocked = coi_changes_was_blocked(cuser, change);
	return 0;
}

static int
coi_changes_look_at_entries(struct mailbox *box, struct coi_user *cuser,
			    struct coi_changes_transaction *ct)
{
	struct coi_entry_change *change;
	int ret = 0;

	array_foreach_modifiable(&ct->entries, change) {
		T_BEGIN {
			ret = coi_changes_look_at_entry(box, cuser, ct, change);
		} T_END;
		if (ret < 0)
			return -1;
	}
	return 0;
}

/*
 * How many there are
 */

/* Whether there will be an entry just before this change: one SETMETADATA may
   have several of the same. */
static bool
coi_changes_had_entry(const struct coi_changes_transaction *ct,
		      const struct coi_entry_change *change)
{
	const struct coi_entry_change *first = array_front(&ct->entries);
	const struct coi_entry_change *earlier;

	for (earlier = change; earlier-- > first; ) {
		if (earlier->class == change->class &&
		    strcmp(earlier->hash, change->hash) == 0)
			return earlier->new != NULL;
	}
	return change->old != NULL;
}

/* How many entries of the class there will be more, or less. */
static int
coi_changes_count_class(const struct coi_changes_transaction *ct,
			enum coi_entry_class class, bool *from_client_r)
{
	const struct coi_entry_change *change;
	int count = 0;
	bool had;

	*from_client_r = FALSE;
	array_foreach(&ct->entries, change) {
		if (change->class != class)
			continue;
		/* many at once are the server's, each another */
		had = change->source == COI_CHANGE_SERVER ?
			change->old != NULL : coi_changes_had_entry(ct, change);
		count += (change->new != NULL ? 1 : 0) - (had ? 1 : 0);
		if (change->source == COI_CHANGE_CLIENT)
			*from_client_r = TRUE;
	}
	return count;
}

/* 0: any number */
static unsigned int
coi_changes_class_max(struct coi_user *cuser, enum coi_entry_class class)
{
	switch (class) {
	case COI_ENTRY_CONTACT:
		return cuser->set->coi_contacts_max;
	case COI_ENTRY_GROUP:
		return cuser->set->coi_groups_max;
	case COI_ENTRY_SUBSCRIPTION:
		return cuser->set->coi_push_subscription_limit;
	case COI_ENTRY_TOKEN:
		/* the oldest have given way */
	case COI_ENTRY_VAPID:
		return 0;
	case COI_ENTRY_CLASS_COUNT:
		break;
	}
	i_unreached();
}

static int
coi_changes_count_class_up(struct mailbox *box, struct coi_user *cuser,
			   struct coi_changes_transaction *ct,
			   enum coi_entry_class class)
{
	bool from_client;
	int count = coi_changes_count_class(ct, class, &from_client);
	/* S43: no limit of ours makes dsync or the server lose anything */
	unsigned int max = !from_client ? 0 :
		coi_changes_class_max(cuser, class);
	const char *error;
	int ret;

	if (count <= 0)
		return 0;
	ret = coi_entries_count_up(cuser->store, class, count, max, &error);
	if (ret == 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_LIMIT,
			t_strdup_printf("Too many entries below %s, limit is %u",
				coi_entry_class_name(class), max));
	} else if (ret < 0) {
		mailbox_set_critical(box, "coi: %s", error);
	}
	return ret > 0 ? 0 : -1;
}

static int
coi_changes_count_up(struct mailbox *box, struct coi_user *cuser,
		     struct coi_changes_transaction *ct)
{
	enum coi_entry_class class;

	/* there is but one key */
	for (class = 0; class < COI_ENTRY_VAPID; class++) {
		if (coi_changes_count_class_up(box, cuser, ct, class) < 0)
			return -1;
	}
	return 0;
}

static void
coi_changes_count_down(struct coi_user *cuser,
		       struct coi_changes_transaction *ct)
{
	enum coi_entry_class class;
	bool from_client;
	const char *error;
	int count;

	/* there is but one key */
	for (class = 0; class < COI_ENTRY_VAPID; class++) {
		count = coi_changes_count_class(ct, class, &from_client);
		/* too high a number does no harm */
		if (count < 0 &&
		    coi_entries_count_down(cuser->store, class, -count,
					   &error) < 0) {
			e_error(coi_user_get_event(cuser),
				"Counting entries failed: %s", error);
		}
	}
}

/* W33 */
static int
coi_changes_throttle(struct mailbox *box, struct coi_user *cuser,
		     const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;
	unsigned int count = 0;
	const char *error;
	int ret;

	array_foreach(&ct->entries, change) {
		if (change->class == COI_ENTRY_SUBSCRIPTION &&
		    change->source == COI_CHANGE_CLIENT &&
		    change->value != NULL)
			count++;
	}
	if (count == 0)
		return 0;
	ret = coi_subscriptions_try(cuser->store, count, ioloop_time, &error);
	if (ret == 0) {
		mail_storage_set_error(box->storage, MAIL_ERROR_LIMIT,
			t_strdup_printf("Too many subscriptions in an hour, "
				"limit is %u", COI_PUSH_ATTEMPTS_MAX));
	} else if (ret < 0) {
		mailbox_set_critical(box, "coi: %s", error);
	}
	return ret > 0 ? 0 : -1;
}

/*
 * Writing
 */

static int
coi_changes_write_entry(struct mailbox *box, struct coi_user *cuser,
			struct coi_entry_change *change)
{
	const char *error;

	if (coi_entries_write(cuser->store, change->class, change->hash,
			      change->new, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	change->changed = TRUE;
	return 0;
}

static int
coi_changes_write_all(struct mailbox *box, struct coi_user *cuser,
		      struct coi_changes_transaction *ct)
{
	struct coi_entry_change *change;
	int ret = 0;

	array_foreach_modifiable(&ct->entries, change) {
		T_BEGIN {
			ret = coi_changes_write_entry(box, cuser, change);
		} T_END;
		if (ret < 0)
			break;
	}
	return ret;
}

static bool coi_changes_is_about_push(const struct coi_entry_change *change)
{
	return change->class == COI_ENTRY_SUBSCRIPTION ||
		change->class == COI_ENTRY_TOKEN;
}

/* What announces entries comes before them. */
static int
coi_changes_announce(struct mailbox *box, struct coi_user *cuser,
		     const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;
	bool blocked = FALSE, subscriptions = FALSE, seen = FALSE;
	const char *error;

	array_foreach(&ct->entries, change) {
		if (change->blocked)
			blocked = TRUE;
		if (!coi_changes_is_about_push(change) || change->new == NULL)
			continue;
		subscriptions = TRUE;
		if (change->class == COI_ENTRY_SUBSCRIPTION &&
		    coi_subscriptions_may_want_seen(change->new))
			seen = TRUE;
	}
	if ((blocked && coi_state_set_has_blocked(cuser->store, TRUE,
						  &error) < 0) ||
	    (subscriptions &&
	     coi_state_set_has_subscriptions(cuser->store, TRUE,
					     &error) < 0) ||
	    (seen &&
	     coi_state_set_has_seen_subscriptions(cuser->store, TRUE,
						  &error) < 0)) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	return 0;
}

static int
coi_changes_write_entries(struct mailbox *box, struct coi_user *cuser,
			  struct coi_changes_transaction *ct)
{
	bool many = array_count(&ct->entries) >= COI_STORE_MANY_MIN;
	const char *error;
	int ret;

	if (coi_changes_announce(box, cuser, ct) < 0)
		return -1;
	if (many)
		coi_store_many_begin(cuser->store);
	ret = coi_changes_write_all(box, cuser, ct);
	if (many && coi_store_many_end(cuser->store, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		ret = -1;
	}
	return ret;
}

/*
 * Messages
 */

ARRAY_DEFINE_TYPE(coi_contact_block, struct coi_contact_block);

/* Of two changes of a contact the last one counts, or for `undo' the first. */
static void
coi_changes_add_block(ARRAY_TYPE(coi_contact_block) *blocks,
		      const struct coi_entry_change *change, bool undo)
{
	struct coi_contact_block *block;

	if (change->class != COI_ENTRY_CONTACT ||
	    change->source != COI_CHANGE_CLIENT)
		return;
	array_foreach_modifiable(blocks, block) {
		if (strcmp(block->hash, change->hash) == 0) {
			if (!undo)
				block->blocked = change->blocked;
			return;
		}
	}
	block = array_append_space(blocks);
	block->hash = change->hash;
	block->blocked = undo ? change->was_blocked : change->blocked;
}

/* Makes the messages say what the entries are about to say, or what they said
   before. They come first: what is killed then is made good by the next one who
   looks at the messages. */
static int
coi_changes_set_messages(struct mailbox *box, struct coi_user *cuser,
			 struct coi_changes_transaction *ct, bool undo)
{
	ARRAY_TYPE(coi_contact_block) blocks;
	const struct coi_contact_block *list;
	const struct coi_entry_change *change;
	enum mail_error error;
	const char *errstr;
	unsigned int count;

	t_array_init(&blocks, 4);
	array_foreach(&ct->entries, change)
		coi_changes_add_block(&blocks, change, undo);
	list = array_get(&blocks, &count);
	if (count == 0)
		return 0;
	if (coi_contacts_get(cuser)->set_blocked(cuser, list, count, &error,
						 &errstr) < 0) {
		mail_storage_set_error(box->storage, error, errstr);
		return -1;
	}
	ct->messages_set = TRUE;
	return 0;
}

static int
coi_changes_apply_entries(struct mailbox *box, struct coi_user *cuser,
			  struct coi_changes_transaction *ct)
{
	if (coi_changes_look_at_entries(box, cuser, ct) < 0 ||
	    coi_changes_count_up(box, cuser, ct) < 0 ||
	    coi_changes_throttle(box, cuser, ct) < 0 ||
	    coi_changes_set_messages(box, cuser, ct, FALSE) < 0 ||
	    coi_changes_write_entries(box, cuser, ct) < 0)
		return -1;
	coi_changes_count_down(cuser, ct);
	return 0;
}

static bool
coi_changes_have_client_contact(const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;

	array_foreach(&ct->entries, change) {
		if (change->class == COI_ENTRY_CONTACT &&
		    change->source == COI_CHANGE_CLIENT)
			return TRUE;
	}
	return FALSE;
}

/* Messages and entries are brought in step before and after a client's change,
   so that neither takes back what the other has just said. */
static int
coi_changes_catch_up(struct mailbox *box, struct coi_user *cuser,
		     const struct coi_changes_transaction *ct)
{
	const struct coi_contacts_vfuncs *v;

	if (!coi_changes_have_client_contact(ct))
		return 0;
	v = coi_contacts_get(cuser);
	if (v == NULL || v->catch_up(cuser) < 0) {
		mail_storage_set_internal_error(box->storage);
		return -1;
	}
	return 0;
}

/*
 * Subscriptions
 */

/* Whether it may have taken the last one of a kind away. */
static bool
coi_changes_subscription_goes(const struct coi_entry_change *change)
{
	return coi_changes_is_about_push(change) && change->old != NULL &&
		(change->new == NULL ||
		 (coi_subscriptions_may_want_seen(change->old) &&
		  !coi_subscriptions_may_want_seen(change->new)));
}

/* A mark goes with the last of them. */
static void
coi_changes_recount_subscriptions(struct coi_user *cuser,
				  const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;
	bool removed = FALSE;
	const char *error;

	array_foreach(&ct->entries, change) {
		if (coi_changes_subscription_goes(change))
			removed = TRUE;
	}
	if (removed && coi_subscriptions_recount(cuser->store, &error) < 0) {
		e_error(coi_user_get_event(cuser),
			"Counting subscriptions failed: %s", error);
	}
}

/* The event's name for what a client has done; NULL: nothing. */
static const char *
coi_changes_subscription_change(const struct coi_entry_change *change)
{
	switch (change->source) {
	case COI_CHANGE_CLIENT:
		if (change->new != NULL)
			return change->old == NULL ? "registered" : "replaced";
		return change->old == NULL ? NULL : "removed";
	case COI_CHANGE_VALIDATE:
		return "validated";
	case COI_CHANGE_SERVER:
		break;
	}
	/* who has done it tells of it */
	return NULL;
}

static void
coi_changes_tell_subscription(struct coi_user *cuser,
			      const struct coi_entry_change *change)
{
	const char *what = coi_changes_subscription_change(change);
	const struct coi_webpush_vfuncs *v;

	if (what != NULL)
		coi_subscriptions_log(cuser, change->hash, what);
	if (!coi_webpush_is_on(cuser) ||
	    change->source == COI_CHANGE_VALIDATE ||
	    (v = coi_webpush_get(cuser)) == NULL)
		return;
	if (change->old != NULL &&
	    null_strcmp(change->old, change->new) != 0)
		v->cancel(cuser, change->hash);
	if (change->new != NULL && change->source == COI_CHANGE_CLIENT)
		v->subscribed(cuser, change->hash, change->new);
}

/* The same of a device token, which needs no validation. */
static void
coi_changes_tell_token(struct coi_user *cuser,
		       const struct coi_entry_change *change)
{
	const char *what = coi_changes_subscription_change(change);
	const struct coi_webpush_vfuncs *v;

	if (what != NULL) {
		coi_subscriptions_log(cuser, change->hash,
			strcmp(what, "replaced") == 0 ? "renewed" : what);
	}
	/* the plugin is large, and most users have one device: it is needed if
	   something waits for a token that goes, or others may be gone */
	if (!coi_deltachat_is_on(cuser) ||
	    (change->new == NULL ? change->old == NULL :
	     !coi_deltachat_has_others(cuser, change->hash)) ||
	    (v = coi_webpush_get(cuser)) == NULL)
		return;
	if (change->new == NULL)
		v->cancel(cuser, change->hash);
	else if (change->source == COI_CHANGE_CLIENT)
		v->tidy(cuser);
}

static void
coi_changes_tell_subscriptions(struct coi_user *cuser,
			       const struct coi_changes_transaction *ct)
{
	const struct coi_entry_change *change;

	array_foreach(&ct->entries, change) {
		if (change->class == COI_ENTRY_SUBSCRIPTION) T_BEGIN {
			coi_changes_tell_subscription(cuser, change);
		} T_END;
		else if (change->class == COI_ENTRY_TOKEN) T_BEGIN {
			coi_changes_tell_token(cuser, change);
		} T_END;
	}
}

/*
 * Tokens
 */

/* Those that a client sets, each once. */
static void
coi_changes_get_tokens(const struct coi_changes_transaction *ct,
		       ARRAY_TYPE(const_string) *ids)
{
	const struct coi_entry_change *change;
	const char *id;
	bool found;

	array_foreach(&ct->entries, change) {
		if (change->class != COI_ENTRY_TOKEN || change->value == NULL ||
		    change->source != COI_CHANGE_CLIENT)
			continue;
		found = FALSE;
		array_foreach_elem(ids, id) {
			if (strcmp(id, change->hash) == 0)
				found = TRUE;
		}
		if (!found)
			array_push_back(ids, &change->hash);
	}
}

/* Of a user's tokens the oldest give way to new ones. */
static int
coi_changes_make_room(struct mailbox_transaction_context *t,
		      struct coi_user *cuser,
		      struct coi_changes_transaction *ct)
{
	ARRAY_TYPE(const_string) added, surplus;
	const char *id, *error;

	t_array_init(&added, 4);
	coi_changes_get_tokens(ct, &added);
	if (array_count(&added) == 0)
		return 0;
	array_append_zero(&added);
	t_array_init(&surplus, 4);
	if (coi_deltachat_find_surplus(cuser, array_front(&added), &surplus,
				       &error) < 0) {
		mail_storage_set_error(t->box->storage, MAIL_ERROR_LIMIT,
				       error);
		return -1;
	}
	array_foreach_elem(&surplus, id) {
		coi_changes_add_entry(t,
			coi_metadata_entry_key(COI_ENTRY_TOKEN, id),
			COI_ENTRY_TOKEN, id, NULL, COI_CHANGE_SERVER, 0);
	}
	return 0;
}

/*
 * Commit
 */

static int
coi_changes_apply_config(struct mailbox *box, struct coi_user *cuser,
			 struct coi_changes_transaction *ct)
{
	const struct coi_state_change *changes;
	const char *error;
	unsigned int count;

	changes = array_get(&ct->changes, &count);
	if (count == 0)
		return 0;
	if (coi_state_update(cuser->store, ct->pool, changes, count,
			     &ct->old_config, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	return 0;
}

/* INBOX's index could not be written: put back what was there. */
static void
coi_changes_undo_config(struct coi_user *cuser,
			struct coi_changes_transaction *ct)
{
	const struct coi_state_change changes[] = {
		{ COI_CONFIG_ENABLED, ct->old_config.enabled },
		{ COI_CONFIG_MESSAGE_FILTER, ct->old_config.message_filter },
	};
	struct coi_config replaced;
	const char *error;

	if (array_count(&ct->changes) > 0 &&
	    coi_state_update(cuser->store, ct->pool, changes,
			     N_ELEMENTS(changes), &replaced, &error) < 0)
		e_error(coi_user_get_event(cuser), "Undoing a change failed: %s", error);
}

static void
coi_changes_undo_entry(struct coi_user *cuser,
		       const struct coi_entry_change *change)
{
	const char *error;

	/* the number of entries may be too high now */
	if (coi_entries_write(cuser->store, change->class, change->hash,
			      change->old, &error) < 0)
		e_error(coi_user_get_event(cuser), "Undoing a change failed: %s", error);
}

static void
coi_changes_undo_entries(struct coi_user *cuser,
			 struct coi_changes_transaction *ct)
{
	unsigned int i;

	/* the last first: one entry may have been changed twice */
	for (i = array_count(&ct->entries); i-- > 0; ) {
		const struct coi_entry_change *change =
			array_idx(&ct->entries, i);

		if (change->changed) T_BEGIN {
			coi_changes_undo_entry(cuser, change);
		} T_END;
	}
}

/* The client hears of what went wrong first. */
static void
coi_changes_undo(struct mailbox *box, struct coi_user *cuser,
		 struct coi_changes_transaction *ct)
{
	mail_storage_last_error_push(box->storage);
	/* that is logged where it happens */
	if (ct->messages_set)
		(void)coi_changes_set_messages(box, cuser, ct, TRUE);
	mail_storage_last_error_pop(box->storage);
	coi_changes_undo_entries(cuser, ct);
	coi_changes_undo_config(cuser, ct);
}

/* With the store locked. */
static int
coi_changes_commit_locked(struct mailbox_transaction_context *t,
			  struct coi_user *cuser,
			  struct coi_changes_transaction *ct,
			  struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	union mailbox_module_context *cbox = COI_CHANGES_CONTEXT(box);

	if (coi_changes_catch_up(box, cuser, ct) < 0 ||
	    coi_changes_make_room(t, cuser, ct) < 0 ||
	    coi_changes_apply_config(box, cuser, ct) < 0) {
		cbox->super.transaction_rollback(t);
		return -1;
	}
	if (coi_changes_apply_entries(box, cuser, ct) < 0)
		cbox->super.transaction_rollback(t);
	else if (cbox->super.transaction_commit(t, changes_r) == 0)
		return 0;
	coi_changes_undo(box, cuser, ct);
	return -1;
}

static int
coi_changes_prepare(struct mailbox *box, struct coi_user *cuser,
		    struct coi_changes_transaction *ct)
{
	const struct coi_state_change *change;
	const char *error;

	if (!cuser->user->dsyncing) {
		array_foreach(&ct->changes, change) {
			if (coi_changes_ensure_mailboxes(box, cuser,
							 change) < 0)
				return -1;
		}
	}
	if (coi_store_lock(cuser->store, &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	return 0;
}

static int
coi_changes_commit_all(struct mailbox_transaction_context *t,
		       struct coi_changes_transaction *ct,
		       struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	union mailbox_module_context *cbox = COI_CHANGES_CONTEXT(box);
	struct coi_user *cuser = coi_user_get(box->storage->user);
	const struct coi_contacts_vfuncs *v = NULL;
	int ret;

	if (coi_changes_prepare(box, cuser, ct) < 0) {
		cbox->super.transaction_rollback(t);
		return -1;
	}
	if (coi_changes_have_client_contact(ct))
		v = coi_contacts_get(cuser);
	if (v != NULL)
		v->begin(cuser);
	ret = coi_changes_commit_locked(t, cuser, ct, changes_r);
	/* it is done, whatever the messages say */
	if (ret == 0 && coi_changes_catch_up(box, cuser, ct) < 0)
		e_debug(coi_user_get_event(cuser), "Catching up later");
	if (v != NULL)
		v->end(cuser);
	if (ret == 0)
		coi_changes_recount_subscriptions(cuser, ct);
	coi_store_unlock(cuser->store);
	if (ret == 0) {
		coi_changes_log(cuser, ct);
		coi_changes_tell_subscriptions(cuser, ct);
	}
	return ret;
}

static int
coi_changes_commit(struct mailbox_transaction_context *t,
		   struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *cbox = COI_CHANGES_CONTEXT(t->box);
	struct coi_changes_transaction *ct = COI_CHANGES_TRANS_CONTEXT(t);
	int ret;

	if (ct == NULL)
		return cbox->super.transaction_commit(t, changes_r);
	ret = coi_changes_commit_all(t, ct, changes_r);
	pool_unref(&ct->pool);
	return ret;
}

static void coi_changes_rollback(struct mailbox_transaction_context *t)
{
	union mailbox_module_context *cbox = COI_CHANGES_CONTEXT(t->box);
	struct coi_changes_transaction *ct = COI_CHANGES_TRANS_CONTEXT(t);

	cbox->super.transaction_rollback(t);
	if (ct != NULL)
		pool_unref(&ct->pool);
}

void coi_changes_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *cbox;

	if (!box->inbox_user ||
	    coi_user_get_unless_idle(box->storage->user) == NULL)
		return;
	cbox = p_new(box->pool, union mailbox_module_context, 1);
	cbox->super = *v;
	box->vlast = &cbox->super;
	v->transaction_commit = coi_changes_commit;
	v->transaction_rollback = coi_changes_rollback;
	MODULE_CONTEXT_SET_SELF(box, coi_changes_module, cbox);
}
