/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "mail-deliver.h"
#include "mail-storage-private.h"
#include "coi-decide.h"
#include "coi-deliver.h"
#include "coi-mailboxes.h"
#include "coi-save.h"
#include "coi-user.h"

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

/* Opens Chats, making it anew if somebody else's tool deleted it. Returns 0, or
   -1 if it cannot take mail; that is logged. */
static int coi_deliver_open_chats(struct coi_user *cuser)
{
	struct mailbox *box;
	enum mail_error error;
	const char *errstr;
	int ret;

	box = coi_mailboxes_alloc(cuser, COI_MAILBOX_CHATS,
				  MAILBOX_FLAG_SAVEONLY |
				  MAILBOX_FLAG_POST_SESSION);
	ret = mailbox_open(box);
	if (ret < 0 && mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTFOUND)
		ret = coi_mailboxes_ensure(cuser, COI_MAILBOX_CHATS,
					   &error, &errstr);
	else if (ret < 0) {
		e_error(cuser->event, "Opening mailbox %s failed, "
			"delivering as without COI: %s", mailbox_get_vname(box),
			mailbox_get_last_internal_error(box, NULL));
	}
	mailbox_free(&box);
	return ret;
}

/* Decides, looking at the message only for users who have COI enabled. Returns
   1 if COI has a say, 0 if not or if anything failed (S41). */
static int
coi_deliver_decide(struct coi_user *cuser, struct mail *src_mail,
		   struct coi_decision *decision_r)
{
	struct coi_decide_input input;
	const char *error;

	i_zero(&input);
	if (coi_user_get_active_filter(cuser, &input.filter) <= 0)
		return 0;
	if (coi_save_classify(src_mail, &input.class, &error) < 0) {
		e_error(cuser->event, "Reading the message's headers failed, "
			"delivering as without COI: %s", error);
		return 0;
	}
	input.enabled = TRUE;
	coi_decide(&input, decision_r);
	if (decision_r->target == COI_TARGET_CHATS &&
	    coi_deliver_open_chats(cuser) < 0)
		decision_r->target = COI_TARGET_DEFAULT;
	return 1;
}

static void
coi_deliver_log(struct coi_user *cuser, const struct coi_decision *decision,
		const char *mailbox, int ret)
{
	struct event_passthrough *e = event_create_passthrough(cuser->event)->
		set_name("coi_delivery_finished")->
		add_str("mailbox", mailbox)->
		add_str("reason", coi_reason_name(decision->reason))->
		add_str("chat", decision->chat_keyword ? "yes" : "no");

	if (ret < 0)
		e->add_str("error", "The delivery failed");
	e_debug(e->event(), "Delivery finished: %s, default mailbox %s",
		coi_reason_name(decision->reason), mailbox);
}

/* Nobody else delivers: saves into Chats as core would into the default
   mailbox. If that fails core shall try the default mailbox as if we had never
   been here, since it does not do so itself after a temporary error. */
static int
coi_deliver_save(struct mail_deliver_context *ctx, const char *mailbox,
		 struct mail_storage **storage_r)
{
	if (mail_deliver_save(ctx, mailbox, 0, NULL, storage_r) == 0)
		return 1;
	ctx->tried_default_save = FALSE;
	*storage_r = NULL;
	return 0;
}

static int
coi_deliver_to_chats(struct coi_user *cuser, struct mail_deliver_context *ctx,
		     struct mail_storage **storage_r)
{
	const char *default_mailbox = ctx->rcpt_default_mailbox;
	const char *chats = coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS);
	int ret;

	/* Sieve's keep stores into the default mailbox (S38-39) */
	ctx->rcpt_default_mailbox = p_strdup(ctx->pool, chats);
	ret = coi_deliver_call_next(ctx, storage_r);
	if (ret == 0 && !ctx->tried_default_save && !ctx->saved_mail) {
		/* nobody has tried to store it */
		ret = coi_deliver_save(ctx, chats, storage_r);
		if (ret == 0)
			ctx->rcpt_default_mailbox = default_mailbox;
	}
	return ret;
}

static int
coi_deliver_message(struct mail_deliver_context *ctx,
		    struct mail_storage **storage_r)
{
	struct coi_user *cuser = coi_user_get(ctx->rcpt_user);
	struct coi_decision decision;
	int ret;

	if (cuser == NULL)
		return coi_deliver_call_next(ctx, storage_r);
	cuser->delivering = TRUE;
	cuser->delivering_chat = FALSE;
	T_BEGIN {
		ret = coi_deliver_decide(cuser, ctx->src_mail, &decision);
	} T_END;
	if (ret == 0)
		return coi_deliver_call_next(ctx, storage_r);

	cuser->delivering_chat = decision.chat_keyword;
	ret = decision.target == COI_TARGET_CHATS ?
		coi_deliver_to_chats(cuser, ctx, storage_r) :
		coi_deliver_call_next(ctx, storage_r);
	coi_deliver_log(cuser, &decision, ctx->rcpt_default_mailbox, ret);
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
