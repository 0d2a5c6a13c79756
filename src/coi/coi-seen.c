/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "coi-limits.h"
#include "coi-save.h"
#include "coi-seen.h"
#include "coi-seen-move.h"
#include "coi-user.h"

#define COI_SEEN_CONTEXT(obj) \
	MODULE_CONTEXT(obj, coi_seen_storage_module)
#define COI_SEEN_MAIL_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, coi_seen_mail_module)

struct coi_seen_mailbox {
	union mailbox_module_context module_ctx;
	struct mailbox *box;

	ARRAY_TYPE(seq_range) uids;
	struct timeout *to_move;

	/* all chat with \Seen is to move, not only `uids' */
	bool all;
	/* looked already for what was left behind */
	bool searched;
	bool error_logged;
};

struct coi_seen_transaction {
	union mailbox_transaction_module_context module_ctx;

	ARRAY_TYPE(seq_range) uids;
	bool saved;
};

static MODULE_CONTEXT_DEFINE_INIT(coi_seen_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(coi_seen_mail_module, &mail_module_register);

/* Reads the store: not to be asked per message. */
static bool coi_seen_is_mode(struct mailbox *box)
{
	struct mail_user *user = box->storage->user;
	enum coi_filter filter;

	return !user->dsyncing && !user->deinitializing &&
		coi_user_get_active_filter(coi_user_get(user), &filter) > 0 &&
		filter == COI_FILTER_SEEN;
}

/*
 * The move
 */

static void
coi_seen_log_result(struct coi_seen_mailbox *sbox,
		    const struct coi_seen_result *result)
{
	struct coi_user *cuser = coi_user_get(sbox->box->storage->user);
	struct event_passthrough *e = event_create_passthrough(coi_user_get_event(cuser))->
		set_name("coi_seen_move_finished")->
		add_int("count", result->count);

	if (result->error == NULL) {
		e_debug(e->event(), "Moved %u messages from INBOX to %s",
			result->count,
			coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS));
		return;
	}
	e->add_str("error", result->error);
	if (sbox->error_logged || result->error_logged) {
		e_debug(e->event(), "Moving from INBOX failed again: %s",
			result->error);
	} else {
		e_error(e->event(), "Moving messages from INBOX to %s failed, "
			"they stay until the next occasion: %s",
			coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS),
			result->error);
	}
	sbox->error_logged = TRUE;
}

static void
coi_seen_move_noted(struct coi_seen_mailbox *sbox,
		    struct coi_seen_result *result_r)
{
	struct mailbox *box = sbox->box;
	struct coi_user *cuser = coi_user_get(box->storage->user);

	i_zero(result_r);
	if (!coi_seen_is_mode(box))
		return;
	if (cuser->before_seen_move != NULL) {
		mail_storage_last_error_push(box->storage);
		cuser->before_seen_move(cuser->user);
		mail_storage_last_error_pop(box->storage);
	}
	coi_seen_move(box, sbox->all ? NULL : &sbox->uids, result_r);
}

/* What could not be moved stays noted: the next occasion is when more is to
   move, or the end. */
static void coi_seen_move_now(struct coi_seen_mailbox *sbox)
{
	struct coi_seen_result result;

	if (sbox->all || array_count(&sbox->uids) > 0) T_BEGIN {
		coi_seen_move_noted(sbox, &result);
		if (result.count > 0 || result.error != NULL)
			coi_seen_log_result(sbox, &result);
		if (!result.incomplete) {
			array_clear(&sbox->uids);
			sbox->all = FALSE;
		}
	} T_END;
}

static void coi_seen_timeout(struct coi_seen_mailbox *sbox)
{
	/* in the middle of a command; come again */
	if (sbox->box->transaction_count > 0)
		return;
	timeout_remove(&sbox->to_move);
	coi_seen_move_now(sbox);
}

static void coi_seen_schedule(struct coi_seen_mailbox *sbox)
{
	if (sbox->to_move != NULL) {
		timeout_reset(sbox->to_move);
		return;
	}
	/* what a POP3 client sees must not go until it is done */
	if ((sbox->box->flags & MAILBOX_FLAG_POP3_SESSION) != 0 ||
	    current_ioloop == NULL)
		return;
	sbox->to_move = timeout_add_to(io_loop_get_root(),
				       COI_SEEN_MOVE_DELAY_MSECS,
				       coi_seen_timeout, sbox);
}

static void coi_seen_mailbox_close(struct mailbox *box)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(box);

	timeout_remove(&sbox->to_move);
	coi_seen_move_now(sbox);
	array_clear(&sbox->uids);
	sbox->all = sbox->searched = FALSE;
	sbox->module_ctx.super.close(box);
}

static void coi_seen_mailbox_free(struct mailbox *box)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(box);

	array_free(&sbox->uids);
	sbox->module_ctx.super.free(box);
}

/*
 * What was left behind
 */

/* Only when INBOX is SELECTed, which alone asks for this flag: a STATUS of one
   client must not move what another one is about to read. */
static void coi_seen_search(struct coi_seen_mailbox *sbox)
{
	struct mailbox *box = sbox->box;

	if (sbox->searched || (box->flags & MAILBOX_FLAG_DROP_RECENT) == 0)
		return;
	sbox->searched = TRUE;
	coi_seen_find(box, NULL, &sbox->uids);
	if (array_count(&sbox->uids) == 0)
		return;
	if (coi_seen_is_mode(box))
		coi_seen_schedule(sbox);
	else
		array_clear(&sbox->uids);
}

static int
coi_seen_sync_deinit(struct mailbox_sync_context *ctx,
		     struct mailbox_sync_status *status_r)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(ctx->box);
	int ret;

	ret = sbox->module_ctx.super.sync_deinit(ctx, status_r);
	if (ret == 0)
		coi_seen_search(sbox);
	return ret;
}

/*
 * Transactions
 */

static struct coi_seen_transaction *
coi_seen_transaction_get(struct mailbox_transaction_context *t)
{
	struct coi_seen_transaction *st = COI_SEEN_CONTEXT(t);

	if (st == NULL) {
		st = i_new(struct coi_seen_transaction, 1);
		i_array_init(&st->uids, 16);
		MODULE_CONTEXT_SET(t, coi_seen_storage_module, st);
	}
	return st;
}

static void coi_seen_transaction_free(struct coi_seen_transaction *st)
{
	array_free(&st->uids);
	i_free(st);
}

static void
coi_seen_committed(struct coi_seen_mailbox *sbox,
		   const struct coi_seen_transaction *st)
{
	if (!coi_seen_is_mode(sbox->box))
		return;
	seq_range_array_merge(&sbox->uids, &st->uids);
	if (st->saved)
		sbox->all = TRUE;
	coi_seen_schedule(sbox);
}

static int
coi_seen_transaction_commit(struct mailbox_transaction_context *t,
			    struct mail_transaction_commit_changes *changes_r)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(t->box);
	struct coi_seen_transaction *st = COI_SEEN_CONTEXT(t);
	int ret;

	ret = sbox->module_ctx.super.transaction_commit(t, changes_r);
	if (st == NULL)
		return ret;
	if (ret == 0)
		coi_seen_committed(sbox, st);
	coi_seen_transaction_free(st);
	return ret;
}

static void
coi_seen_transaction_rollback(struct mailbox_transaction_context *t)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(t->box);
	struct coi_seen_transaction *st = COI_SEEN_CONTEXT(t);

	sbox->module_ctx.super.transaction_rollback(t);
	if (st != NULL)
		coi_seen_transaction_free(st);
}

/*
 * Saving
 */

static void coi_seen_note_save(struct mail_save_context *ctx)
{
	/* only deliveries and APPEND: a client that copies mail into INBOX
	   wants to see it there */
	if (ctx->saving && (ctx->data.flags & MAIL_SEEN) != 0)
		coi_seen_transaction_get(ctx->transaction)->saved = TRUE;
}

static int coi_seen_copy(struct mail_save_context *ctx, struct mail *mail)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(ctx->transaction->box);

	coi_seen_note_save(ctx);
	return sbox->module_ctx.super.copy(ctx, mail);
}

static int
coi_seen_save_begin(struct mail_save_context *ctx, struct istream *input)
{
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(ctx->transaction->box);

	coi_seen_note_save(ctx);
	return sbox->module_ctx.super.save_begin(ctx, input);
}

void coi_seen_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct coi_seen_mailbox *sbox;

	if (!box->inbox_user ||
	    coi_user_get_unless_idle(box->storage->user) == NULL ||
	    (box->flags & MAILBOX_FLAG_READONLY) != 0 ||
	    coi_seen_move_is_running())
		return;
	sbox = p_new(box->pool, struct coi_seen_mailbox, 1);
	sbox->module_ctx.super = *v;
	box->vlast = &sbox->module_ctx.super;
	sbox->box = box;
	i_array_init(&sbox->uids, 16);
	v->close = coi_seen_mailbox_close;
	v->free = coi_seen_mailbox_free;
	v->sync_deinit = coi_seen_sync_deinit;
	v->transaction_commit = coi_seen_transaction_commit;
	v->transaction_rollback = coi_seen_transaction_rollback;
	v->copy = coi_seen_copy;
	v->save_begin = coi_seen_save_begin;
	MODULE_CONTEXT_SET(box, coi_seen_storage_module, sbox);
}

/*
 * Mails
 */

static bool coi_seen_is_chat(struct mail *mail)
{
	return str_array_icase_find(mail_get_keywords(mail), COI_KEYWORD_CHAT);
}

static void
coi_seen_mail_update_flags(struct mail *mail, enum modify_type modify_type,
			   enum mail_flags flags)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	union mail_module_context *smail = COI_SEEN_MAIL_CONTEXT(pmail);

	smail->super.update_flags(mail, modify_type, flags);
	if (modify_type == MODIFY_REMOVE || (flags & MAIL_SEEN) == 0 ||
	    mail->saving || !coi_seen_is_chat(mail))
		return;
	seq_range_array_add(&coi_seen_transaction_get(mail->transaction)->uids,
			    mail->uid);
}

/* Clients read large messages in pieces. */
static int
coi_seen_mail_get_stream(struct mail *mail, bool get_body,
			 struct message_size *hdr_size,
			 struct message_size *body_size,
			 struct istream **stream_r)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	union mail_module_context *smail = COI_SEEN_MAIL_CONTEXT(pmail);
	struct coi_seen_mailbox *sbox = COI_SEEN_CONTEXT(mail->box);

	if (sbox->to_move != NULL)
		timeout_reset(sbox->to_move);
	return smail->super.get_stream(mail, get_body, hdr_size, body_size,
				       stream_r);
}

void coi_seen_mail_allocated(struct mail *mail)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	struct mail_vfuncs *v = pmail->vlast;
	union mail_module_context *smail;

	if (COI_SEEN_CONTEXT(mail->box) == NULL)
		return;
	smail = p_new(pmail->pool, union mail_module_context, 1);
	smail->super = *v;
	pmail->vlast = &smail->super;
	v->update_flags = coi_seen_mail_update_flags;
	v->get_stream = coi_seen_mail_get_stream;
	MODULE_CONTEXT_SET_SELF(pmail, coi_seen_mail_module, smail);
}
