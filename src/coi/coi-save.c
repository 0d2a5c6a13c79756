/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "seq-range-array.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "coi-contacts.h"
#include "coi-message.h"
#include "coi-ring.h"
#include "coi-save.h"
#include "coi-user.h"

#define COI_SAVE_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_save_module)

#define COI_MAIL(_ptr) (container_of(_ptr, struct mail_private, mail))
#define COI_SAVE_MAIL_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(COI_MAIL(obj), coi_save_mail_module)
#define COI_SAVE_TRANS_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_save_module)

/* A message of a group that a client has appended. */
struct coi_save_group_message {
	const char *id;
	struct coi_fields fields;
};

/* Of a transaction after whose commit something is left to do. */
struct coi_save_transaction {
	union mailbox_transaction_module_context module_ctx;

	pool_t pool;
	/* chat whose keyword must wait: which of the transaction's saves,
	   counted from 0 */
	ARRAY(unsigned int) chat_saves;
	ARRAY(struct coi_save_group_message) group_messages;
	/* what a delivery has saved without \Seen: counted as above */
	ARRAY(unsigned int) ring_saves;
};

static MODULE_CONTEXT_DEFINE_INIT(coi_save_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(coi_save_mail_module, &mail_module_register);

static const char *const coi_save_chat_keywords[] = {
	COI_KEYWORD_CHAT, NULL
};

/* Adds $Chat to the keywords that the message is being saved with. */
static void coi_save_add_keyword(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;
	struct mail_keywords *chat, *old = ctx->data.keywords;

	chat = mailbox_keywords_create_valid(box, coi_save_chat_keywords);
	if (old == NULL)
		ctx->data.keywords = chat;
	else {
		ctx->data.keywords = mailbox_keywords_merge(old, chat);
		mailbox_keywords_unref(&chat);
		mailbox_keywords_unref(&old);
	}
}

static struct coi_user *coi_save_get_user(struct mailbox *box)
{
	return coi_user_get(box->storage->user);
}

static struct coi_save_transaction *
coi_save_transaction_get(struct mailbox_transaction_context *t)
{
	struct coi_save_transaction *st = COI_SAVE_TRANS_CONTEXT(t);
	pool_t pool;

	if (st != NULL)
		return st;
	pool = pool_alloconly_create("coi save transaction", 512);
	st = p_new(pool, struct coi_save_transaction, 1);
	st->pool = pool;
	p_array_init(&st->chat_saves, pool, 4);
	p_array_init(&st->group_messages, pool, 1);
	p_array_init(&st->ring_saves, pool, 1);
	MODULE_CONTEXT_SET(t, coi_save_module, st);
	return st;
}

/*
 * Deliveries
 */

/* Without its UID nobody would find the message that rings; maildir gives none at
   once unless it is asked to. */
static void coi_save_remember_ring(struct mailbox_transaction_context *t)
{
	struct coi_save_transaction *st = coi_save_transaction_get(t);
	unsigned int save_idx = t->save_count;

	array_push_back(&st->ring_saves, &save_idx);
	t->flags |= MAILBOX_TRANSACTION_FLAG_ASSIGN_UIDS;
}

/* Of several saves in one mailbox the last one counts. */
static void
coi_save_ring(struct coi_user *cuser, struct mailbox *box,
	      const struct coi_save_transaction *st,
	      const struct mail_transaction_commit_changes *changes)
{
	struct seq_range_iter iter;
	unsigned int count = array_count(&st->ring_saves);
	uint32_t uid = 0;

	/* in what comes after the ring nothing rings */
	if (count == 0 || cuser->ring == NULL)
		return;
	seq_range_array_iter_init(&iter, &changes->saved_uids);
	if (!seq_range_array_iter_nth(&iter,
			*array_idx(&st->ring_saves, count - 1), &uid))
		uid = 0;
	coi_ring_saved(cuser, box, changes->uid_validity, uid);
}

/* A delivery stores its message by this, from a raw mail or from what an
   earlier recipient got. */
static int coi_save_copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *sbox = COI_SAVE_CONTEXT(box);
	struct coi_user *cuser = coi_save_get_user(box);

	if (ctx->saving && cuser->delivering_chat)
		coi_save_add_keyword(ctx);
	if (ctx->saving && cuser->ring != NULL &&
	    (ctx->data.flags & MAIL_SEEN) == 0)
		coi_save_remember_ring(ctx->transaction);
	if (sbox->super.copy(ctx, mail) < 0)
		return -1;
	cuser->delivery_stored = TRUE;
	return 0;
}

/*
 * What earlier recipients got
 */

static const char *const *coi_save_get_keywords(struct mail *mail)
{
	union mail_module_context *smail = COI_SAVE_MAIL_CONTEXT(mail);
	const char *const *keywords = smail->super.get_keywords(mail);
	ARRAY_TYPE(const_string) others;

	p_array_init(&others, COI_MAIL(mail)->data_pool, 8);
	for (; *keywords != NULL; keywords++) {
		if (strcasecmp(*keywords, COI_KEYWORD_CHAT) != 0)
			array_push_back(&others, keywords);
	}
	array_append_zero(&others);
	return array_front(&others);
}

static const ARRAY_TYPE(keyword_indexes) *
coi_save_get_keyword_indexes(struct mail *mail)
{
	union mail_module_context *smail = COI_SAVE_MAIL_CONTEXT(mail);
	const ARRAY_TYPE(keyword_indexes) *indexes =
		smail->super.get_keyword_indexes(mail);
	ARRAY_TYPE(keyword_indexes) *others;
	unsigned int chat_index, index;

	if (!mail_index_keyword_lookup(mail->box->index, COI_KEYWORD_CHAT,
				       &chat_index))
		return indexes;
	others = p_new(COI_MAIL(mail)->data_pool, ARRAY_TYPE(keyword_indexes), 1);
	p_array_init(others, COI_MAIL(mail)->data_pool, 8);
	array_foreach_elem(indexes, index) {
		if (index != chat_index)
			array_push_back(others, &index);
	}
	return others;
}

void coi_save_mail_allocated(struct mail *_mail)
{
	struct mail_private *mail = COI_MAIL(_mail);
	struct mail_vfuncs *v = mail->vlast;
	struct coi_user *cuser = coi_save_get_user(_mail->box);
	union mail_module_context *smail;

	/* core's delivery opens its mailboxes with this flag, and reads back
	   by the same handle what the next recipient will get */
	if (cuser == NULL || !cuser->delivering_chat ||
	    (_mail->box->flags & MAILBOX_FLAG_POST_SESSION) == 0)
		return;
	smail = p_new(mail->pool, union mail_module_context, 1);
	smail->super = *v;
	mail->vlast = &smail->super;
	v->get_keywords = coi_save_get_keywords;
	v->get_keyword_indexes = coi_save_get_keyword_indexes;
	MODULE_CONTEXT_SET_SELF(mail, coi_save_mail_module, smail);
}

/*
 * APPEND
 */

/* Maildir names the file, keywords and all, when the save begins: a keyword
   that is added later in that transaction is only in the index, and is lost
   when that is rebuilt. */
static bool coi_save_needs_second_transaction(struct mailbox *box)
{
	return strcmp(box->storage->name, "maildir") == 0;
}

static void coi_save_remember(struct mailbox_transaction_context *t)
{
	struct coi_save_transaction *st = coi_save_transaction_get(t);
	unsigned int save_idx = t->save_count;

	array_push_back(&st->chat_saves, &save_idx);
	/* without UIDs the messages could not be found again */
	t->flags |= MAILBOX_TRANSACTION_FLAG_ASSIGN_UIDS;
}

static void coi_save_transaction_free(struct coi_save_transaction *st)
{
	if (st != NULL)
		pool_unref(&st->pool);
}

static int
coi_save_tag_uids(struct mailbox *box, const struct coi_save_transaction *st,
		  const ARRAY_TYPE(seq_range) *saved_uids)
{
	struct mailbox_transaction_context *t;
	struct mail_keywords *chat;
	struct seq_range_iter iter;
	struct mail *mail;
	const unsigned int *idxp;
	uint32_t uid;

	t = mailbox_transaction_begin(box, 0, __func__);
	mail = mail_alloc(t, 0, NULL);
	chat = mailbox_keywords_create_valid(box, coi_save_chat_keywords);
	seq_range_array_iter_init(&iter, saved_uids);
	array_foreach(&st->chat_saves, idxp) {
		if (seq_range_array_iter_nth(&iter, *idxp, &uid) &&
		    mail_set_uid(mail, uid))
			mail_update_keywords(mail, MODIFY_ADD, chat);
	}
	mailbox_keywords_unref(&chat);
	mail_free(&mail);
	return mailbox_transaction_commit(&t);
}

/* Through a handle of its own: the one that saved may be what a client has
   selected, and must not see changes now. */
static void
coi_save_second_transaction(struct mailbox *saved_box,
			    const struct coi_save_transaction *st,
			    const ARRAY_TYPE(seq_range) *saved_uids)
{
	struct mailbox *box;

	box = mailbox_alloc(saved_box->list, saved_box->vname,
			    MAILBOX_FLAG_IGNORE_ACLS);
	if (mailbox_sync(box, 0) < 0 ||
	    coi_save_tag_uids(box, st, saved_uids) < 0 ||
	    mailbox_sync(box, 0) < 0) {
		e_error(coi_user_get_event(coi_save_get_user(box)),
			"Adding %s to a saved message failed: %s",
			COI_KEYWORD_CHAT,
			mailbox_get_last_internal_error(box, NULL));
	}
	mailbox_free(&box);
}

/* C9: the user's own client has written to these groups. */
static void
coi_save_tell_groups(struct coi_user *cuser,
		     const struct coi_save_transaction *st)
{
	const struct coi_save_group_message *message;
	const struct coi_contacts_vfuncs *v;

	array_foreach(&st->group_messages, message) {
		v = coi_contacts_get(cuser);
		if (v != NULL) T_BEGIN {
			v->group_message(cuser, message->id,
					 &message->fields, TRUE);
		} T_END;
	}
}

static int
coi_save_transaction_commit(struct mailbox_transaction_context *t,
			    struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	union mailbox_module_context *sbox = COI_SAVE_CONTEXT(box);
	struct coi_save_transaction *st = COI_SAVE_TRANS_CONTEXT(t);
	int ret;

	ret = sbox->super.transaction_commit(t, changes_r);
	if (ret == 0 && st != NULL) {
		if (array_count(&st->chat_saves) > 0) {
			coi_save_second_transaction(box, st,
						    &changes_r->saved_uids);
		}
		coi_save_tell_groups(coi_save_get_user(box), st);
		coi_save_ring(coi_save_get_user(box), box, st, changes_r);
	}
	coi_save_transaction_free(st);
	return ret;
}

static void
coi_save_transaction_rollback(struct mailbox_transaction_context *t)
{
	union mailbox_module_context *sbox = COI_SAVE_CONTEXT(t->box);
	struct coi_save_transaction *st = COI_SAVE_TRANS_CONTEXT(t);

	sbox->super.transaction_rollback(t);
	coi_save_transaction_free(st);
}

static void
coi_save_tag_appended(struct mail_save_context *ctx, struct mail *mail)
{
	struct mailbox *box = ctx->transaction->box;
	struct mail_keywords *chat;

	if (coi_save_needs_second_transaction(box)) {
		coi_save_remember(ctx->transaction);
		return;
	}
	chat = mailbox_keywords_create_valid(box, coi_save_chat_keywords);
	mail_update_keywords(mail, MODIFY_ADD, chat);
	mailbox_keywords_unref(&chat);
}

static void
coi_save_remember_group(struct coi_user *cuser, struct mail_save_context *ctx,
			struct mail *mail)
{
	struct coi_save_transaction *st =
		coi_save_transaction_get(ctx->transaction);
	struct coi_save_group_message *group;
	struct coi_message message;
	const char *error;

	if (coi_message_read(mail, COI_FIELDS_GROUP, st->pool, &message,
			     &error) < 0) {
		e_error(coi_user_get_event(cuser), "Reading the headers of a saved message "
			"failed, its group does not hear of it: %s", error);
		return;
	}
	group = array_append_space(&st->group_messages);
	group->id = message.group_id;
	group->fields = message.fields;
}

static void
coi_save_appended(struct mail_save_context *ctx, struct mail *mail)
{
	struct coi_user *cuser = coi_save_get_user(ctx->transaction->box);
	enum coi_filter filter;
	struct coi_message message;
	const char *error;

	if (coi_user_get_active_filter(cuser, &filter) <= 0)
		return;
	if (coi_message_read(mail, 0, pool_datastack_create(), &message,
			     &error) < 0) {
		e_error(coi_user_get_event(cuser), "Reading the headers of a saved message "
			"failed, it has no %s: %s", COI_KEYWORD_CHAT, error);
		return;
	}
	if (coi_class_is_chat(&message.class))
		coi_save_tag_appended(ctx, mail);
	if (message.group_id != NULL)
		coi_save_remember_group(cuser, ctx, mail);
}

static int coi_save_finish(struct mail_save_context *ctx)
{
	struct mailbox *box = ctx->transaction->box;
	union mailbox_module_context *sbox = COI_SAVE_CONTEXT(box);
	struct coi_user *cuser = coi_save_get_user(box);
	/* the context is cleared by the call */
	bool copying = ctx->copying_or_moving;
	struct mail *mail = ctx->dest_mail;

	if (sbox->super.save_finish(ctx) < 0)
		return -1;
	/* what we rewrite ourselves keeps the keywords it had (C6) */
	if (!copying && !cuser->delivering && !cuser->user->dsyncing &&
	    !cuser->contacts_busy) T_BEGIN {
		coi_save_appended(ctx, mail);
	} T_END;
	return 0;
}

void coi_save_mailbox_allocated(struct mailbox *box)
{
	struct mail_namespace *ns = mailbox_get_namespace(box);
	struct mailbox_vfuncs *v = box->vlast;
	struct coi_user *cuser = coi_save_get_user(box);
	union mailbox_module_context *sbox;

	if (ns->type != MAIL_NAMESPACE_TYPE_PRIVATE || cuser == NULL ||
	    (cuser->ring == NULL &&
	     coi_user_get_unless_idle(box->storage->user) == NULL))
		return;
	sbox = p_new(box->pool, union mailbox_module_context, 1);
	sbox->super = *v;
	box->vlast = &sbox->super;
	v->copy = coi_save_copy;
	v->save_finish = coi_save_finish;
	v->transaction_commit = coi_save_transaction_commit;
	v->transaction_rollback = coi_save_transaction_rollback;
	MODULE_CONTEXT_SET_SELF(box, coi_save_module, sbox);
}
