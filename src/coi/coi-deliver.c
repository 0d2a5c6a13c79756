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

static void
coi_deliver_log_error(struct coi_user *cuser, const char *what,
		      const char *error)
{
	e_error(coi_user_get_event(cuser),
		"Delivering as without COI: %s failed: %s", what, error);
}

/* Decides, looking at the message only for users who have COI enabled. Returns
   1 if the message is chat, 0 if not or if anything failed (S41). */
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
		coi_deliver_log_error(cuser, "reading the message's headers",
				      error);
		return 0;
	}
	input.enabled = TRUE;
	coi_decide(&input, decision_r);
	return decision_r->chat_keyword ? 1 : 0;
}

static void
coi_deliver_log(struct coi_user *cuser, struct mail_deliver_context *ctx,
		const struct coi_decision *decision, int ret)
{
	const char *mailbox = decision->target == COI_TARGET_CHATS ?
		coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS) :
		ctx->rcpt_default_mailbox;
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
 * Into Chats
 */

/* Saves into Chats. Returns 0, or -1 with the error's code and its text for the
   log (data stack). */
static int
coi_deliver_save_chats(struct mail_deliver_context *ctx, const char *chats,
		       struct mail_storage **storage_r,
		       enum mail_error *error_r, const char **errstr_r)
{
	*storage_r = NULL;
	if (mail_deliver_save(ctx, chats, 0, NULL, storage_r) == 0)
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

/* The same, with Chats made anew if somebody else's tool deleted it. */
static int
coi_deliver_save_new_chats(struct coi_user *cuser,
			   struct mail_deliver_context *ctx, const char *chats,
			   struct mail_storage **storage_r,
			   enum mail_error *error_r, const char **errstr_r)
{
	if (coi_deliver_save_chats(ctx, chats, storage_r,
				   error_r, errstr_r) == 0)
		return 0;
	if (*error_r != MAIL_ERROR_NOTFOUND ||
	    coi_mailboxes_ensure(cuser, COI_MAILBOX_CHATS,
				 error_r, errstr_r) < 0)
		return -1;
	return coi_deliver_save_chats(ctx, chats, storage_r,
				      error_r, errstr_r);
}

/* Chats did not take the message: core shall try the default mailbox as if we
   had never been here. Left alone it would not do so after a temporary error,
   and a Chats that is broken for good would have mail bounce in the end. */
static int
coi_deliver_give_up(struct coi_user *cuser, struct mail_deliver_context *ctx,
		    struct coi_decision *decision,
		    struct mail_storage **storage_r,
		    enum mail_error error, const char *errstr)
{
	/* of a full mailbox nobody's log needs to hear */
	if (error != MAIL_ERROR_NOQUOTA)
		coi_deliver_log_error(cuser, "saving into Chats", errstr);
	decision->target = COI_TARGET_DEFAULT;
	ctx->tried_default_save = FALSE;
	ctx->tempfail_error = NULL;
	*storage_r = NULL;
	return 0;
}

/* Nobody else delivers: saves into Chats as core would into the default
   mailbox. */
static int
coi_deliver_save(struct coi_user *cuser, struct mail_deliver_context *ctx,
		 const char *chats, struct coi_decision *decision,
		 struct mail_storage **storage_r)
{
	enum mail_error error;
	const char *errstr;

	if (coi_deliver_save_new_chats(cuser, ctx, chats, storage_r,
				       &error, &errstr) == 0)
		return 1;
	return coi_deliver_give_up(cuser, ctx, decision, storage_r,
				   error, errstr);
}

/* Sieve will store into Chats: makes sure that it can be opened, and makes it
   anew if somebody else's tool deleted it. Returns 0, or -1 if it cannot take
   mail; that is logged. */
static int coi_deliver_open_chats(struct coi_user *cuser)
{
	struct mailbox *box;
	enum mail_error error;
	const char *errstr;
	int ret;

	/* not SAVEONLY: maildir would not look whether it is there */
	box = coi_mailboxes_alloc(cuser, COI_MAILBOX_CHATS,
				  MAILBOX_FLAG_POST_SESSION);
	ret = mailbox_open(box);
	if (ret < 0 &&
	    mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTFOUND &&
	    coi_mailboxes_ensure(cuser, COI_MAILBOX_CHATS,
				 &error, &errstr) == 0)
		ret = mailbox_open(box);
	if (ret < 0) {
		coi_deliver_log_error(cuser, t_strconcat(
			"opening mailbox ", mailbox_get_vname(box), NULL),
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

/* Sieve's keep stores into the default mailbox (S38-39). */
static int
coi_deliver_next_to_chats(struct coi_user *cuser,
			  struct mail_deliver_context *ctx, const char *chats,
			  struct coi_decision *decision,
			  struct mail_storage **storage_r)
{
	const char *default_mailbox = ctx->rcpt_default_mailbox;
	int ret;

	if (coi_deliver_open_chats(cuser) < 0) {
		decision->target = COI_TARGET_DEFAULT;
		return coi_deliver_next(ctx, storage_r);
	}
	ctx->rcpt_default_mailbox = p_strdup(ctx->pool, chats);
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
		coi_deliver_save(cuser, ctx, chats, decision, storage_r);
}

static int
coi_deliver_to_chats(struct coi_user *cuser, struct mail_deliver_context *ctx,
		     struct coi_decision *decision,
		     struct mail_storage **storage_r)
{
	const char *chats = coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS);

	return coi_deliver_next == NULL ?
		coi_deliver_save(cuser, ctx, chats, decision, storage_r) :
		coi_deliver_next_to_chats(cuser, ctx, chats, decision,
					  storage_r);
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
		coi_deliver_to_chats(cuser, ctx, &decision, storage_r) :
		coi_deliver_call_next(ctx, storage_r);
	coi_deliver_log(cuser, ctx, &decision, ret);
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
