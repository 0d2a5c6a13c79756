/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-deliver.h"
#include "smtp-address.h"
#include "mail-storage-private.h"
#include "coi-contacts.h"
#include "coi-decide.h"
#include "coi-deliver.h"
#include "coi-deltachat.h"
#include "coi-mailboxes.h"
#include "coi-message.h"
#include "coi-ring.h"
#include "coi-user.h"
#include "coi-webpush.h"

/* Only lmtp and dovecot-lda link libdovecot-lda; in imap and doveadm these
   are NULL and never called. */
extern typeof(mail_deliver_hook_set) mail_deliver_hook_set
	__attribute__((weak));
extern typeof(mail_deliver_save) mail_deliver_save __attribute__((weak));

static deliver_mail_func_t *coi_deliver_next;
/* The hook that was there before ours was set for the first time. */
static deliver_mail_func_t *coi_deliver_first_next;
static bool coi_deliver_is_set;
/* The delivery that our hook is working on. */
static struct mail_deliver_context *coi_deliver_current;

static int
coi_deliver_call_next(struct mail_deliver_context *ctx,
		      struct mail_storage **storage_r)
{
	return coi_deliver_next == NULL ? 0 : coi_deliver_next(ctx, storage_r);
}

static void
coi_deliver_log_error(struct coi_user *cuser, const char *what,
		      const char *error)
{
	e_error(coi_user_get_event(cuser),
		"Delivering as without COI: %s failed: %s", what, error);
}

/* What we know of a message and do with it. */
struct coi_delivery {
	struct coi_decide_input input;
	struct coi_decision decision;
	/* NULL: it belongs to none */
	const char *group_id;
	/* the user may have subscriptions */
	bool may_ring;
};

static void
coi_deliver_ask_blocked(struct coi_user *cuser,
			const struct coi_message *message,
			struct coi_decide_input *input)
{
	const struct coi_contacts_vfuncs *v = coi_contacts_get(cuser);

	if (v != NULL)
		input->blocked = v->is_blocked(cuser, &message->fields);
}

/* Decides, looking at the message only for users who have COI enabled. Returns
   1 if COI has something to do with it, 0 if not or if anything failed (S41). */
static int
coi_deliver_decide(struct coi_user *cuser, struct mail *src_mail,
		   struct coi_delivery *delivery_r)
{
	struct coi_decide_input *input = &delivery_r->input;
	struct coi_active active;
	struct coi_message message;
	const char *error;
	int ret;

	i_zero(delivery_r);
	ret = coi_user_get_active(cuser, &active);
	delivery_r->may_ring = active.has_subscriptions &&
		(coi_webpush_is_on(cuser) || coi_deltachat_is_on(cuser));
	if (ret <= 0)
		return 0;
	if (coi_message_read(src_mail, active.has_blocked ?
			     COI_FIELDS_SENDER : 0, pool_datastack_create(),
			     &message, &error) < 0) {
		coi_deliver_log_error(cuser, "reading the message's headers",
				      error);
		return 0;
	}
	input->enabled = TRUE;
	input->filter = active.filter;
	input->class = message.class;
	if (active.has_blocked)
		coi_deliver_ask_blocked(cuser, &message, input);
	coi_decide(input, &delivery_r->decision);
	delivery_r->group_id = message.group_id;
	return delivery_r->decision.chat_keyword ||
		delivery_r->decision.target != COI_TARGET_DEFAULT ? 1 : 0;
}

/* Of a decision for one of COI's mailboxes. */
static enum coi_mailbox
coi_deliver_mailbox(const struct coi_decision *decision)
{
	return decision->target == COI_TARGET_BLOCKED ?
		COI_MAILBOX_BLOCKED : COI_MAILBOX_CHATS;
}

static void
coi_deliver_log(struct coi_user *cuser, struct mail_deliver_context *ctx,
		const struct coi_decision *decision, int ret)
{
	const char *mailbox = decision->target == COI_TARGET_DEFAULT ?
		ctx->rcpt_default_mailbox :
		coi_mailboxes_get_vname(cuser, coi_deliver_mailbox(decision));
	struct event_passthrough *e =
		event_create_passthrough(coi_user_get_event(cuser))->
		set_name("coi_delivery_finished")->
		add_str("mailbox", mailbox)->
		add_str("reason", coi_reason_name(decision->reason))->
		add_str("chat", decision->chat_keyword ? "yes" : "no");

	if (ret < 0)
		e->add_str("error", "The delivery failed");
	e_debug(e->event(), "Delivery finished: %s, default mailbox %s",
		coi_reason_name(decision->reason), mailbox);
}

/*
 * Into Chats or Blocked
 */

static void
coi_deliver_log_mailbox_error(struct coi_user *cuser, enum coi_mailbox which,
			      const char *what, const char *error)
{
	e_error(coi_user_get_event(cuser),
		"Delivering as %s: %s mailbox %s failed: %s",
		which == COI_MAILBOX_BLOCKED ? "not blocked" : "without COI",
		what, coi_mailboxes_get_vname(cuser, which), error);
}

/* Saves into `mailbox'. Returns 0, or -1 with the error's code and its text for the
   log (data stack). */
static int
coi_deliver_save_to(struct mail_deliver_context *ctx, const char *mailbox,
		    struct mail_storage **storage_r,
		    enum mail_error *error_r, const char **errstr_r)
{
	*storage_r = NULL;
	if (mail_deliver_save(ctx, mailbox, 0, NULL, storage_r) == 0)
		return 0;
	if (*storage_r == NULL) {
		*error_r = MAIL_ERROR_PARAMS;
		*errstr_r = "There can't be such a mailbox";
	} else {
		*errstr_r = t_strdup(mail_storage_get_last_internal_error(
			*storage_r, error_r));
	}
	return -1;
}

/* The same, with the mailbox made anew if somebody else's tool deleted it. */
static int
coi_deliver_save_to_new(struct coi_user *cuser,
			struct mail_deliver_context *ctx,
			enum coi_mailbox which, struct mail_storage **storage_r,
			enum mail_error *error_r, const char **errstr_r)
{
	const char *mailbox = coi_mailboxes_get_vname(cuser, which);

	if (coi_deliver_save_to(ctx, mailbox, storage_r,
				error_r, errstr_r) == 0)
		return 0;
	if (*error_r != MAIL_ERROR_NOTFOUND ||
	    coi_mailboxes_ensure(cuser, which, error_r, errstr_r) < 0)
		return -1;
	return coi_deliver_save_to(ctx, mailbox, storage_r, error_r, errstr_r);
}

/* The mailbox did not take the message: core shall try the default mailbox as
   if we had never been here. Left alone it would not do so after a temporary
   error, and a Chats that is broken for good would have mail bounce in the
   end. */
static int
coi_deliver_give_up(struct coi_user *cuser, struct mail_deliver_context *ctx,
		    struct coi_decision *decision,
		    struct mail_storage **storage_r,
		    enum mail_error error, const char *errstr)
{
	/* of a full mailbox nobody's log needs to hear */
	if (error != MAIL_ERROR_NOQUOTA) {
		coi_deliver_log_mailbox_error(cuser,
			coi_deliver_mailbox(decision), "saving into", errstr);
	}
	decision->target = COI_TARGET_DEFAULT;
	ctx->tried_default_save = FALSE;
	ctx->tempfail_error = NULL;
	*storage_r = NULL;
	return 0;
}

/* Nobody else delivers: saves as core would into the default mailbox. */
static int
coi_deliver_save(struct coi_user *cuser, struct mail_deliver_context *ctx,
		 struct coi_decision *decision,
		 struct mail_storage **storage_r)
{
	enum mail_error error;
	const char *errstr;

	if (coi_deliver_save_to_new(cuser, ctx, coi_deliver_mailbox(decision),
				    storage_r, &error, &errstr) == 0)
		return 1;
	return coi_deliver_give_up(cuser, ctx, decision, storage_r,
				   error, errstr);
}

/* Sieve will store into the mailbox: makes sure that it can be opened, and makes
   it anew if somebody else's tool deleted it. Returns 0, or -1 if it cannot take
   mail; that is logged. */
static int
coi_deliver_open(struct coi_user *cuser, enum coi_mailbox which)
{
	struct mailbox *box;
	enum mail_error error;
	const char *errstr;
	int ret;

	/* not SAVEONLY: maildir would not look whether it is there */
	box = coi_mailboxes_alloc(cuser, which, MAILBOX_FLAG_POST_SESSION);
	ret = mailbox_open(box);
	if (ret < 0 &&
	    mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTFOUND &&
	    coi_mailboxes_ensure(cuser, which, &error, &errstr) == 0)
		ret = mailbox_open(box);
	if (ret < 0) {
		coi_deliver_log_mailbox_error(cuser, which, "opening",
			mailbox_get_last_internal_error(box, NULL));
	}
	mailbox_free(&box);
	return ret;
}

static int
coi_deliver_give_up_storage(struct coi_user *cuser,
			    struct mail_deliver_context *ctx,
			    struct coi_decision *decision,
			    struct mail_storage **storage_r)
{
	enum mail_error error = MAIL_ERROR_NONE;
	const char *errstr = "Sieve's keep failed";

	if (*storage_r != NULL) {
		errstr = mail_storage_get_last_internal_error(*storage_r,
							      &error);
	}
	return coi_deliver_give_up(cuser, ctx, decision, storage_r,
				   error, errstr);
}

/* Sieve's keep stores into the default mailbox (S38-39), which can be opened. */
static int
coi_deliver_next_to(struct coi_user *cuser, struct mail_deliver_context *ctx,
		    struct coi_decision *decision,
		    struct mail_storage **storage_r)
{
	const char *default_mailbox = ctx->rcpt_default_mailbox;
	int ret;

	ctx->rcpt_default_mailbox =
		p_strdup(ctx->pool, coi_mailboxes_get_vname(cuser,
					coi_deliver_mailbox(decision)));
	ret = coi_deliver_next(ctx, storage_r);
	if (ret > 0 || ctx->saved_mail)
		return ret;

	ctx->rcpt_default_mailbox = default_mailbox;
	if (ctx->tried_default_save) {
		return coi_deliver_give_up_storage(cuser, ctx, decision,
						   storage_r);
	}
	/* there was no script, or something else failed */
	return ret < 0 ? -1 :
		coi_deliver_save(cuser, ctx, decision, storage_r);
}

static int
coi_deliver_to_chats(struct coi_user *cuser, struct mail_deliver_context *ctx,
		     struct coi_decision *decision,
		     struct mail_storage **storage_r)
{
	if (coi_deliver_next == NULL)
		return coi_deliver_save(cuser, ctx, decision, storage_r);
	if (coi_deliver_open(cuser, COI_MAILBOX_CHATS) == 0)
		return coi_deliver_next_to(cuser, ctx, decision, storage_r);
	decision->target = COI_TARGET_DEFAULT;
	return coi_deliver_next(ctx, storage_r);
}

static int
coi_deliver_to_unblocked(struct coi_user *cuser,
			 struct mail_deliver_context *ctx,
			 struct coi_decision *decision,
			 struct mail_storage **storage_r)
{
	return decision->target == COI_TARGET_CHATS ?
		coi_deliver_to_chats(cuser, ctx, decision, storage_r) :
		coi_deliver_call_next(ctx, storage_r);
}

/* No script of the user's or the admin's runs, unless the admin says so: there
   is one hook for all of them. Should Blocked not take the message, it is
   delivered as if it were not blocked (C5). */
static int
coi_deliver_to_blocked(struct coi_user *cuser,
		       struct mail_deliver_context *ctx,
		       struct coi_delivery *delivery,
		       struct mail_storage **storage_r)
{
	struct coi_decision *decision = &delivery->decision;
	bool sieve = coi_deliver_next != NULL && cuser->set->coi_blocked_sieve;
	bool opened = !sieve ||
		coi_deliver_open(cuser, COI_MAILBOX_BLOCKED) == 0;
	int ret;

	if (opened) {
		ret = sieve ?
			coi_deliver_next_to(cuser, ctx, decision, storage_r) :
			coi_deliver_save(cuser, ctx, decision, storage_r);
		if (ret != 0 || decision->target == COI_TARGET_BLOCKED)
			return ret;
	}
	delivery->input.blocked = FALSE;
	coi_decide(&delivery->input, decision);
	if (!sieve || !opened) {
		return coi_deliver_to_unblocked(cuser, ctx, decision,
						storage_r);
	}
	/* the scripts have run: what is left is their keep */
	return decision->target == COI_TARGET_DEFAULT ? 0 :
		coi_deliver_save(cuser, ctx, decision, storage_r);
}

/* C9: what arrives keeps name and participants of a group up to date. The mail
   is stored already, or core is about to do so. */
static void
coi_deliver_tell_group(struct coi_user *cuser, struct mail *src_mail)
{
	const struct coi_contacts_vfuncs *v = coi_contacts_get(cuser);
	struct coi_message message;
	const char *error;

	if (v == NULL)
		return;
	if (coi_message_read(src_mail, COI_FIELDS_GROUP,
			     pool_datastack_create(), &message, &error) < 0) {
		e_error(coi_user_get_event(cuser), "Reading the headers of a group's message "
			"failed: %s", error);
	} else {
		v->group_message(cuser, message.group_id, &message.fields,
				 FALSE);
	}
}

static int
coi_deliver_act(struct coi_user *cuser, struct mail_deliver_context *ctx,
		struct coi_delivery *delivery, struct mail_storage **storage_r)
{
	struct coi_decision *decision = &delivery->decision;
	int ret;

	cuser->delivering_chat = decision->chat_keyword;
	cuser->delivery_stored = FALSE;
	ret = decision->target == COI_TARGET_BLOCKED ?
		coi_deliver_to_blocked(cuser, ctx, delivery, storage_r) :
		coi_deliver_to_unblocked(cuser, ctx, decision, storage_r);
	coi_deliver_log(cuser, ctx, decision, ret);
	/* what a script discards or rejects has not arrived */
	if ((ret == 0 || (ret > 0 && cuser->delivery_stored)) &&
	    delivery->group_id != NULL &&
	    decision->reason != COI_REASON_BLOCKED)
		coi_deliver_tell_group(cuser, ctx->src_mail);
	return ret;
}

/* Mail of a blocked sender does not ring, wherever it goes. */
static void
coi_deliver_begin_ring(struct coi_user *cuser,
		       struct mail_deliver_context *ctx,
		       const struct coi_delivery *delivery)
{
	const struct coi_ring_delivery ring = {
		.mail = ctx->src_mail,
		.default_mailbox = ctx->rcpt_default_mailbox,
		.recipient = ctx->rcpt_to == NULL ? NULL :
			p_strdup(ctx->pool, smtp_address_encode(ctx->rcpt_to)),
		.chat = delivery->decision.chat_keyword,
		.group_id = delivery->decision.chat_keyword ?
			delivery->group_id : NULL,
	};

	if (delivery->decision.reason != COI_REASON_BLOCKED)
		coi_ring_begin(cuser, &ring);
}

static int
coi_deliver_message(struct mail_deliver_context *ctx,
		    struct mail_storage **storage_r)
{
	struct coi_user *cuser = coi_user_get(ctx->rcpt_user);
	struct coi_delivery delivery;
	int ret;

	if (cuser == NULL)
		return coi_deliver_call_next(ctx, storage_r);
	cuser->delivering = TRUE;
	cuser->delivering_chat = FALSE;
	/* no data stack frame around the delivery itself: what it returns may
	   be there */
	T_BEGIN {
		ret = coi_deliver_decide(cuser, ctx->src_mail, &delivery);
		if (ret > 0) {
			delivery.group_id = p_strdup(ctx->pool,
						     delivery.group_id);
		}
	} T_END;
	if (delivery.may_ring)
		coi_deliver_begin_ring(cuser, ctx, &delivery);
	ret = ret == 0 ? coi_deliver_call_next(ctx, storage_r) :
		coi_deliver_act(cuser, ctx, &delivery, storage_r);
	if (cuser->ring != NULL)
		coi_ring_end(cuser, ret > 0 || ctx->saved_mail);
	return ret;
}

static int
coi_deliver(struct mail_deliver_context *ctx, struct mail_storage **storage_r)
{
	int ret;

	if (ctx == coi_deliver_current) {
		/* a hook that was set after ours, and that we have put behind
		   ours, calls what it found: us */
		return coi_deliver_first_next == NULL ? 0 :
			coi_deliver_first_next(ctx, storage_r);
	}
	coi_deliver_current = ctx;
	ret = coi_deliver_message(ctx, storage_r);
	coi_deliver_current = NULL;
	return ret;
}

void coi_deliver_reassert(void)
{
	deliver_mail_func_t *old;

	if (!coi_deliver_is_set)
		return;
	old = mail_deliver_hook_set(coi_deliver);
	if (old != coi_deliver)
		coi_deliver_next = old;
}

void coi_deliver_init(void)
{
	if (mail_deliver_hook_set == NULL)
		return;
	coi_deliver_next = coi_deliver_first_next =
		mail_deliver_hook_set(coi_deliver);
	coi_deliver_is_set = TRUE;
}

void coi_deliver_deinit(void)
{
	if (coi_deliver_is_set)
		(void)mail_deliver_hook_set(coi_deliver_next);
}
