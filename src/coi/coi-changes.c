/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "mail-index.h"
#include "coi-limits.h"
#include "coi-changes-private.h"
#include "coi-contacts.h"
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
