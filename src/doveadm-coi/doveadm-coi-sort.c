/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage.h"
#include "compat-doveadm.h"
#include "coi-admin.h"
#include "coi-limits.h"
#include "coi-save.h"
#include "doveadm-coi.h"
#include "doveadm-coi-cmd.h"

/* Files the chat that is in INBOX already into Chats, as the filter `active' does
   with what arrives. Which messages they are is found out before the first one
   is touched. Then batch by batch they are tagged, and moved as the filter
   `seen' moves them (coi-seen-move.h): whenever this ends, each message is in
   INBOX or in Chats, and the next run goes on. */

struct doveadm_coi_sort {
	struct doveadm_coi_cmd cmd;
	bool dry_run, force;
};

struct doveadm_coi_sorter {
	struct doveadm_coi_sort *sort;
	const struct doveadm_coi_user *duser;
	struct mailbox *inbox;

	/* chat */
	ARRAY_TYPE(seq_range) uids;
	unsigned int moved;
	/* some messages could not be read */
	bool incomplete;
};

static int
doveadm_coi_sort_init(struct doveadm_coi_cmd *cmd,
		      const char **error_r ATTR_UNUSED)
{
	struct doveadm_coi_sort *sort =
		container_of(cmd, struct doveadm_coi_sort, cmd);

	(void)doveadm_cmd_param_bool(cmd->ctx.cctx, "dry-run", &sort->dry_run);
	(void)doveadm_cmd_param_bool(cmd->ctx.cctx, "force", &sort->force);
	doveadm_print_header("found", "found",
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	doveadm_print_header("moved", "moved",
			     DOVEADM_PRINT_HEADER_FLAG_NUMBER);
	return 0;
}

static int doveadm_coi_sort_fail_killed(struct doveadm_coi_sorter *sorter)
{
	return doveadm_coi_fail(&sorter->sort->cmd, sorter->duser,
		MAIL_ERROR_TEMP, "Interrupted; sort again to complete it");
}

/*
 * Finding
 */

static void
doveadm_coi_sort_look_at(struct doveadm_coi_sorter *sorter, struct mail *mail)
{
	struct coi_class class;
	const char *error;

	/* its owner is done with it, or is not yet */
	if ((mail_get_flags(mail) & (MAIL_DELETED | MAIL_DRAFT)) != 0)
		return;
	if (sorter->duser->admin->classify(mail, &class, &error) == 0) {
		if (coi_class_is_chat(&class))
			seq_range_array_add(&sorter->uids, mail->uid);
	} else if (!mail->expunged) {
		sorter->incomplete = TRUE;
		(void)doveadm_coi_fail(&sorter->sort->cmd, sorter->duser,
			MAIL_ERROR_TEMP, "Reading the header of UID %u in INBOX "
			"failed, it stays: %s", mail->uid, error);
	}
}

/* A transaction of its own, since a transaction remembers what was read. */
static void
doveadm_coi_sort_look_at_batch(struct doveadm_coi_sorter *sorter,
			       uint32_t first_seq, uint32_t last_seq)
{
	struct mailbox_transaction_context *t;
	struct mail *mail;
	uint32_t seq;

	t = mailbox_transaction_begin(sorter->inbox, 0, __func__);
	mail = mail_alloc(t, MAIL_FETCH_STREAM_HEADER, NULL);
	for (seq = first_seq; seq <= last_seq; seq++) T_BEGIN {
		mail_set_seq(mail, seq);
		doveadm_coi_sort_look_at(sorter, mail);
	} T_END;
	mail_free(&mail);
	mailbox_transaction_rollback(&t);
}

static int doveadm_coi_sort_find(struct doveadm_coi_sorter *sorter)
{
	struct mailbox_status status;
	uint32_t seq;

	mailbox_get_open_status(sorter->inbox, STATUS_MESSAGES, &status);
	for (seq = 1; seq <= status.messages; seq += COI_SORT_BATCH_MAX) {
		if (doveadm_is_killed())
			return doveadm_coi_sort_fail_killed(sorter);
		doveadm_coi_sort_look_at_batch(sorter, seq,
			I_MIN(seq + COI_SORT_BATCH_MAX - 1, status.messages));
	}
	return 0;
}

/*
 * Moving
 */

static int
doveadm_coi_sort_tag_batch(struct doveadm_coi_sorter *sorter,
			   const ARRAY_TYPE(seq_range) *batch)
{
	const char *const names[] = { COI_KEYWORD_CHAT, NULL };
	struct mailbox_transaction_context *t;
	struct mail_keywords *chat;
	struct seq_range_iter iter;
	struct mail *mail;
	unsigned int n = 0;
	uint32_t uid;

	t = mailbox_transaction_begin(sorter->inbox,
				      sorter->sort->cmd.ctx.transaction_flags,
				      __func__);
	chat = mailbox_keywords_create_valid(sorter->inbox, names);
	mail = mail_alloc(t, 0, NULL);
	seq_range_array_iter_init(&iter, batch);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_set_uid(mail, uid))
			mail_update_keywords(mail, MODIFY_ADD, chat);
	}
	mail_free(&mail);
	mailbox_keywords_unref(&chat);
	return mailbox_transaction_commit(&t);
}

static int
doveadm_coi_sort_move_batch(struct doveadm_coi_sorter *sorter,
			    const ARRAY_TYPE(seq_range) *batch)
{
	struct doveadm_coi_cmd *cmd = &sorter->sort->cmd;
	struct coi_seen_result result;

	if (doveadm_coi_sort_tag_batch(sorter, batch) < 0) {
		return doveadm_coi_fail_mailbox(cmd, sorter->duser,
						sorter->inbox, "Tagging");
	}
	sorter->duser->admin->move(sorter->inbox, batch, &result);
	sorter->moved += result.count;
	if (result.error != NULL) {
		return doveadm_coi_fail(cmd, sorter->duser, MAIL_ERROR_TEMP,
					"Moving from INBOX failed: %s",
					result.error);
	}
	/* what has moved is let go of */
	if (mailbox_sync(sorter->inbox, 0) < 0) {
		return doveadm_coi_fail_mailbox(cmd, sorter->duser,
						sorter->inbox, "Syncing INBOX");
	}
	return 0;
}

/* Fills the batch with UIDs from the first on. Returns FALSE if there is none. */
static bool
doveadm_coi_sort_get_batch(struct doveadm_coi_sorter *sorter,
			   unsigned int first, ARRAY_TYPE(seq_range) *batch)
{
	struct seq_range_iter iter;
	unsigned int n = first;
	uint32_t uid;

	array_clear(batch);
	seq_range_array_iter_init(&iter, &sorter->uids);
	while (n < first + COI_SORT_BATCH_MAX &&
	       seq_range_array_iter_nth(&iter, n++, &uid))
		seq_range_array_add(batch, uid);
	return array_count(batch) > 0;
}

static int doveadm_coi_sort_move(struct doveadm_coi_sorter *sorter)
{
	ARRAY_TYPE(seq_range) batch;
	unsigned int first = 0;
	int ret = 0;

	i_array_init(&batch, 64);
	while (ret == 0 && doveadm_coi_sort_get_batch(sorter, first, &batch)) {
		if (doveadm_is_killed()) {
			ret = doveadm_coi_sort_fail_killed(sorter);
			break;
		}
		T_BEGIN {
			ret = doveadm_coi_sort_move_batch(sorter, &batch);
		} T_END;
		first += COI_SORT_BATCH_MAX;
	}
	array_free(&batch);
	return ret;
}

/*
 * The verb
 */

static int
doveadm_coi_sort_check_filter(struct doveadm_coi_sort *sort,
			      const struct doveadm_coi_user *duser)
{
	enum coi_filter filter;
	int ret;

	if (sort->force)
		return 0;
	ret = duser->admin->get_active_filter(duser->cuser, &filter);
	if (ret < 0) {
		/* the log knows why */
		doveadm_mail_failed_error(&sort->cmd.ctx, MAIL_ERROR_TEMP);
		return -1;
	}
	if (ret > 0 && filter == COI_FILTER_ACTIVE)
		return 0;
	return doveadm_coi_fail(&sort->cmd, duser, MAIL_ERROR_NOTPOSSIBLE,
		"Not sorting: %s, and --force is not given",
		ret == 0 ? "COI is not enabled" : "the filter is not active");
}

static int doveadm_coi_sort_opened(struct doveadm_coi_sorter *sorter)
{
	int ret;

	if (mailbox_open(sorter->inbox) < 0 ||
	    mailbox_sync(sorter->inbox, MAILBOX_SYNC_FLAG_FULL_READ) < 0) {
		return doveadm_coi_fail_mailbox(&sorter->sort->cmd,
			sorter->duser, sorter->inbox, "Opening INBOX");
	}
	ret = doveadm_coi_sort_find(sorter);
	if (ret == 0 && !sorter->sort->dry_run)
		ret = doveadm_coi_sort_move(sorter);
	doveadm_print_num(seq_range_count(&sorter->uids));
	doveadm_print_num(sorter->moved);
	return sorter->incomplete ? -1 : ret;
}

static int
doveadm_coi_sort_run(struct doveadm_coi_cmd *cmd,
		     const struct doveadm_coi_user *duser)
{
	struct doveadm_coi_sorter sorter = {
		.sort = container_of(cmd, struct doveadm_coi_sort, cmd),
		.duser = duser,
	};
	int ret;

	if (doveadm_coi_sort_check_filter(sorter.sort, duser) < 0)
		return -1;
	i_array_init(&sorter.uids, 128);
	sorter.inbox = doveadm_coi_inbox_alloc(duser);
	ret = doveadm_coi_sort_opened(&sorter);
	mailbox_free(&sorter.inbox);
	array_free(&sorter.uids);
	return ret;
}

static struct doveadm_mail_cmd_context *doveadm_coi_sort_alloc(void)
{
	static const struct doveadm_coi_verb verb = {
		.init = doveadm_coi_sort_init,
		.run = doveadm_coi_sort_run,
		.print_type = DOVEADM_PRINT_TYPE_FLOW,
	};

	return &doveadm_coi_cmd_alloc(sizeof(struct doveadm_coi_sort),
				      &verb)->ctx;
}

struct doveadm_cmd_ver2 doveadm_coi_sort = {
	.name = "coi sort",
	.usage = DOVEADM_CMD_MAIL_USAGE_PREFIX "[--dry-run] [--force]",
	.mail_cmd = doveadm_coi_sort_alloc,
DOVEADM_CMD_PARAMS_START
DOVEADM_CMD_MAIL_COMMON
DOVEADM_CMD_PARAM('n', "dry-run", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAM('f', "force", CMD_PARAM_BOOL, 0)
DOVEADM_CMD_PARAMS_END
};
