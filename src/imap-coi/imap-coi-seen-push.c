/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "imap-common.h"
#include "array.h"
#include "ioloop.h"
#include "module-context.h"
#include "mail-storage-private.h"
#include "coi-limits.h"
#include "coi-reading.h"
#include "coi-user.h"
#include "coi-webpush.h"
#include "imap-coi-seen-push.h"

#define IMAP_COI_SEEN_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_coi_seen_user_module)
#define IMAP_COI_SEEN_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_coi_seen_storage_module)
#define IMAP_COI_SEEN_MAIL_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_coi_seen_mail_module)

/* What the client has read in one of the mailboxes and nobody was told. It
   outlives the handle by which it was read: a command that closes it must not
   wait. */
struct imap_coi_seen_reading {
	struct mail_user *user;
	enum coi_reading_mailbox mailbox;
	uint32_t uid_validity;
	/* not created: nobody wanted to know yet */
	ARRAY_TYPE(seq_range) uids;
	struct timeout *to;
};

struct imap_coi_seen_user {
	union mail_user_module_context module_ctx;
	struct imap_coi_seen_reading readings[COI_READING_MAILBOX_COUNT];
};

struct imap_coi_seen_mailbox {
	union mailbox_module_context module_ctx;
	struct imap_coi_seen_reading *reading;
};

struct imap_coi_seen_transaction {
	union mailbox_transaction_module_context module_ctx;
	ARRAY_TYPE(seq_range) uids;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_coi_seen_user_module,
				  &mail_user_module_register);
static MODULE_CONTEXT_DEFINE_INIT(imap_coi_seen_storage_module,
				  &mail_storage_module_register);
static MODULE_CONTEXT_DEFINE_INIT(imap_coi_seen_mail_module,
				  &mail_module_register);

/*
 * Telling
 */

static unsigned int
imap_coi_seen_tell(struct imap_coi_seen_reading *reading,
		   enum coi_reading_when when)
{
	struct coi_user *cuser = coi_user_get(reading->user);
	const struct coi_webpush_vfuncs *v = coi_webpush_get(cuser);
	const struct coi_reading told = {
		.mailbox = reading->mailbox,
		.uid_validity = reading->uid_validity,
		.uids = &reading->uids,
		.when = when,
	};
	unsigned int wait_msecs = 0;

	if (v != NULL) T_BEGIN {
		wait_msecs = v->seen(cuser, &told);
	} T_END;
	array_clear(&reading->uids);
	return wait_msecs;
}

/* One that waits for input has answered all it can: IDLE. */
static bool imap_coi_seen_is_busy(const struct mail_user *user)
{
	const struct client_command_context *cmd;
	const struct client *client;

	for (client = imap_clients; client != NULL; client = client->next) {
		if (client->user != user)
			continue;
		cmd = client->command_queue;
		for (; cmd != NULL; cmd = cmd->next) {
			if (cmd->state != CLIENT_COMMAND_STATE_WAIT_INPUT)
				return TRUE;
		}
	}
	return FALSE;
}

static void imap_coi_seen_timeout(struct imap_coi_seen_reading *reading);

static void
imap_coi_seen_schedule(struct imap_coi_seen_reading *reading,
		       unsigned int msecs)
{
	timeout_remove(&reading->to);
	reading->to = timeout_add_short_to(io_loop_get_root(), msecs,
					   imap_coi_seen_timeout, reading);
}

static void imap_coi_seen_timeout(struct imap_coi_seen_reading *reading)
{
	unsigned int msecs = COI_PUSH_SEEN_BUSY_MSECS;

	if (!imap_coi_seen_is_busy(reading->user))
		msecs = imap_coi_seen_tell(reading, COI_READING_NOW);
	if (msecs > 0)
		imap_coi_seen_schedule(reading, msecs);
	else
		timeout_remove(&reading->to);
}

/* What comes while something waits for its time is looked at before, since it may
   be moved away, but not after each command. */
static void imap_coi_seen_schedule_look(struct imap_coi_seen_reading *reading)
{
	imap_coi_seen_schedule(reading, reading->to == NULL ? 0 :
			       COI_PUSH_SEEN_LOOK_MSECS);
}

/* The session ends: what waits is told now. */
static void imap_coi_seen_end(struct imap_coi_seen_reading *reading)
{
	if (reading->to == NULL)
		return;
	timeout_remove(&reading->to);
	(void)imap_coi_seen_tell(reading, COI_READING_LAST);
}

/* The filter `seen' takes away now what was read, in the middle of the command
   that closes INBOX. If that came in one breath with the command which has read,
   nobody has looked at it yet. */
static void imap_coi_seen_before_move(struct mail_user *user)
{
	struct imap_coi_seen_user *suser = IMAP_COI_SEEN_USER_CONTEXT(user);
	struct imap_coi_seen_reading *reading =
		&suser->readings[COI_READING_INBOX];

	if (array_is_created(&reading->uids) &&
	    array_count(&reading->uids) > 0)
		(void)imap_coi_seen_tell(reading, COI_READING_LATER);
}

static void imap_coi_seen_user_deinit_pre(struct mail_user *user)
{
	struct imap_coi_seen_user *suser = IMAP_COI_SEEN_USER_CONTEXT(user);
	unsigned int i;

	for (i = 0; i < COI_READING_MAILBOX_COUNT; i++) {
		imap_coi_seen_end(&suser->readings[i]);
		if (array_is_created(&suser->readings[i].uids))
			array_free(&suser->readings[i].uids);
	}
	suser->module_ctx.super.deinit_pre(user);
}

void imap_coi_seen_push_user_created(struct mail_user *user)
{
	struct coi_user *cuser = coi_user_get(user);
	struct mail_user_vfuncs *v = user->vlast;
	struct imap_coi_seen_user *suser;

	if (cuser == NULL || !coi_webpush_is_on(cuser))
		return;
	suser = p_new(user->pool, struct imap_coi_seen_user, 1);
	suser->module_ctx.super = *v;
	user->vlast = &suser->module_ctx.super;
	v->deinit_pre = imap_coi_seen_user_deinit_pre;
	cuser->before_seen_move = imap_coi_seen_before_move;
	MODULE_CONTEXT_SET(user, imap_coi_seen_user_module, suser);
}

/*
 * Transactions
 */

static struct imap_coi_seen_transaction *
imap_coi_seen_transaction_get(struct mailbox_transaction_context *t)
{
	struct imap_coi_seen_transaction *st = IMAP_COI_SEEN_CONTEXT(t);

	if (st == NULL) {
		st = i_new(struct imap_coi_seen_transaction, 1);
		i_array_init(&st->uids, 16);
		MODULE_CONTEXT_SET(t, imap_coi_seen_storage_module, st);
	}
	return st;
}

static void
imap_coi_seen_transaction_free(struct imap_coi_seen_transaction *st)
{
	array_free(&st->uids);
	i_free(st);
}

static void
imap_coi_seen_committed(struct mailbox *box,
			const struct imap_coi_seen_transaction *st)
{
	struct imap_coi_seen_mailbox *sbox = IMAP_COI_SEEN_CONTEXT(box);
	struct imap_coi_seen_reading *reading = sbox->reading;
	uint32_t uid_validity = mail_index_get_header(box->view)->uid_validity;

	if (reading->uid_validity != uid_validity)
		array_clear(&reading->uids);
	reading->uid_validity = uid_validity;
	if (array_count(&reading->uids) == 0)
		imap_coi_seen_schedule_look(reading);
	seq_range_array_merge(&reading->uids, &st->uids);
}

static int
imap_coi_seen_transaction_commit(struct mailbox_transaction_context *t,
	struct mail_transaction_commit_changes *changes_r)
{
	struct mailbox *box = t->box;
	struct imap_coi_seen_mailbox *sbox = IMAP_COI_SEEN_CONTEXT(box);
	struct imap_coi_seen_transaction *st = IMAP_COI_SEEN_CONTEXT(t);
	int ret;

	ret = sbox->module_ctx.super.transaction_commit(t, changes_r);
	if (st == NULL)
		return ret;
	if (ret == 0)
		imap_coi_seen_committed(box, st);
	imap_coi_seen_transaction_free(st);
	return ret;
}

static void
imap_coi_seen_transaction_rollback(struct mailbox_transaction_context *t)
{
	struct imap_coi_seen_mailbox *sbox = IMAP_COI_SEEN_CONTEXT(t->box);
	struct imap_coi_seen_transaction *st = IMAP_COI_SEEN_CONTEXT(t);

	sbox->module_ctx.super.transaction_rollback(t);
	if (st != NULL)
		imap_coi_seen_transaction_free(st);
}

/*
 * Mailboxes
 */

/* Only SELECT asks for this flag. */
static bool imap_coi_seen_is_selected(struct mailbox *box)
{
	return (box->flags & MAILBOX_FLAG_DROP_RECENT) != 0 &&
		(box->flags & MAILBOX_FLAG_READONLY) == 0;
}

static struct imap_coi_seen_reading *
imap_coi_seen_reading_get(struct imap_coi_seen_user *suser,
			  struct mail_user *user,
			  enum coi_reading_mailbox mailbox)
{
	struct imap_coi_seen_reading *reading = &suser->readings[mailbox];

	if (!array_is_created(&reading->uids)) {
		reading->user = user;
		reading->mailbox = mailbox;
		i_array_init(&reading->uids, 16);
	}
	return reading;
}

void imap_coi_seen_push_mailbox_allocated(struct mailbox *box)
{
	struct mail_user *user = box->storage->user;
	struct imap_coi_seen_user *suser = IMAP_COI_SEEN_USER_CONTEXT(user);
	struct mailbox_vfuncs *v = box->vlast;
	struct imap_coi_seen_mailbox *sbox;
	enum coi_reading_mailbox mailbox;

	if (suser == NULL || !imap_coi_seen_is_selected(box) ||
	    !coi_reading_find(coi_user_get(user), box, &mailbox) ||
	    !coi_reading_is_wanted(coi_user_get(user)))
		return;
	sbox = p_new(box->pool, struct imap_coi_seen_mailbox, 1);
	sbox->module_ctx.super = *v;
	box->vlast = &sbox->module_ctx.super;
	sbox->reading = imap_coi_seen_reading_get(suser, user, mailbox);
	v->transaction_commit = imap_coi_seen_transaction_commit;
	v->transaction_rollback = imap_coi_seen_transaction_rollback;
	MODULE_CONTEXT_SET(box, imap_coi_seen_storage_module, sbox);
}

/*
 * Mails
 */

static void
imap_coi_seen_mail_update_flags(struct mail *mail, enum modify_type modify_type,
				enum mail_flags flags)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	union mail_module_context *smail = IMAP_COI_SEEN_MAIL_CONTEXT(pmail);
	bool read = modify_type != MODIFY_REMOVE && (flags & MAIL_SEEN) != 0 &&
		!mail->saving && (mail_get_flags(mail) & MAIL_SEEN) == 0;

	smail->super.update_flags(mail, modify_type, flags);
	if (read) {
		seq_range_array_add(
			&imap_coi_seen_transaction_get(mail->transaction)->uids,
			mail->uid);
	}
}

void imap_coi_seen_push_mail_allocated(struct mail *mail)
{
	struct mail_private *pmail = (struct mail_private *)mail;
	struct mail_vfuncs *v = pmail->vlast;
	union mail_module_context *smail;

	if (IMAP_COI_SEEN_CONTEXT(mail->box) == NULL)
		return;
	smail = p_new(pmail->pool, union mail_module_context, 1);
	smail->super = *v;
	pmail->vlast = &smail->super;
	v->update_flags = imap_coi_seen_mail_update_flags;
	MODULE_CONTEXT_SET_SELF(pmail, imap_coi_seen_mail_module, smail);
}
