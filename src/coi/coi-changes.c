/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "mail-index.h"
#include "mail-storage-private.h"
#include "coi-changes.h"
#include "coi-mailboxes.h"
#include "coi-state.h"
#include "coi-user.h"

#define COI_CHANGES_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_changes_module)
#define COI_CHANGES_TRANS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_changes_module)

struct coi_changes_transaction {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	ARRAY(struct coi_state_change) changes;
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
	MODULE_CONTEXT_SET(t, coi_changes_module, ct);
	return ct;
}

void coi_changes_add(struct mailbox_transaction_context *t, const char *key,
		     enum coi_config_key config_key, const char *value,
		     time_t timestamp)
{
	struct coi_changes_transaction *ct = coi_changes_get(t);
	struct coi_state_change *change = array_append_space(&ct->changes);

	change->key = config_key;
	change->value = p_strdup(ct->pool, value);
	if (timestamp == 0)
		timestamp = ioloop_time;
	if (value != NULL) {
		mail_index_attribute_set(t->itrans, TRUE, key, timestamp,
					 strlen(value));
	} else {
		mail_index_attribute_unset(t->itrans, TRUE, key, timestamp);
	}
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

static int
coi_changes_apply(struct mailbox *box, struct coi_user *cuser,
		  struct coi_changes_transaction *ct, struct coi_config *old_r)
{
	const struct coi_state_change *changes, *change;
	const char *error;
	unsigned int count;

	if (!cuser->user->dsyncing) {
		array_foreach(&ct->changes, change) {
			if (coi_changes_ensure_mailboxes(box, cuser,
							 change) < 0)
				return -1;
		}
	}
	changes = array_get(&ct->changes, &count);
	if (coi_state_update(cuser->store, ct->pool, changes, count, old_r,
			     &error) < 0) {
		mailbox_set_critical(box, "coi: %s", error);
		return -1;
	}
	return 0;
}

/* INBOX's index could not be written: put back what was there. */
static void
coi_changes_undo(struct coi_user *cuser, struct coi_changes_transaction *ct,
		 const struct coi_config *old)
{
	const struct coi_state_change changes[] = {
		{ COI_CONFIG_ENABLED, old->enabled },
		{ COI_CONFIG_MESSAGE_FILTER, old->message_filter },
	};
	struct coi_config replaced;
	const char *error;

	if (coi_state_update(cuser->store, ct->pool, changes,
			     N_ELEMENTS(changes), &replaced, &error) < 0)
		e_error(coi_user_get_event(cuser), "Undoing a change failed: %s", error);
}

static int
coi_changes_commit_all(struct mailbox_transaction_context *t,
		       struct coi_changes_transaction *ct,
		       struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	union mailbox_module_context *cbox = COI_CHANGES_CONTEXT(box);
	struct coi_user *cuser = coi_user_get(box->storage->user);
	struct coi_config old;

	if (coi_changes_apply(box, cuser, ct, &old) < 0) {
		cbox->super.transaction_rollback(t);
		return -1;
	}
	if (cbox->super.transaction_commit(t, changes_r) < 0) {
		coi_changes_undo(cuser, ct, &old);
		return -1;
	}
	coi_changes_log(cuser, ct);
	return 0;
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
