/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-index.h"
#include "mail-storage-private.h"
#include "coi-save.h"
#include "coi-user.h"
#include "coi-webpush-unseen.h"

static int coi_webpush_view_open_box(struct mailbox *box)
{
	enum mailbox_existence existence;

	if (box->inbox_user) {
		/* opening it would make it */
		if (mailbox_exists(box, FALSE, &existence) < 0)
			return -1;
		if (existence != MAILBOX_EXISTENCE_SELECT)
			return 0;
	}
	if (mailbox_open(box) == 0)
		return 1;
	return mailbox_get_last_mail_error(box) == MAIL_ERROR_NOTFOUND ?
		0 : -1;
}

int coi_webpush_view_open(struct coi_user *cuser,
			  enum coi_reading_mailbox mailbox,
			  struct coi_webpush_view *view_r,
			  const char **error_r)
{
	struct mailbox *box = coi_reading_alloc(cuser, mailbox);
	int ret;

	i_zero(view_r);
	view_r->box = box;
	ret = coi_webpush_view_open_box(box);
	/* a process has one index, however many handles: what it shows may be
	   as old as another one's last sync */
	if (ret > 0 && mail_index_refresh(box->index) < 0) {
		mailbox_set_index_error(box);
		ret = -1;
	}
	if (ret > 0) {
		view_r->view = mail_index_view_open(box->index);
		return 1;
	}
	if (ret < 0) {
		*error_r = t_strdup_printf("%s: %s", mailbox_get_vname(box),
			mailbox_get_last_internal_error(box, NULL));
	}
	coi_webpush_view_close(view_r);
	return ret;
}

void coi_webpush_view_close(struct coi_webpush_view *view)
{
	if (view->view != NULL)
		mail_index_view_close(&view->view);
	mailbox_free(&view->box);
}

uint32_t coi_webpush_view_uid_validity(const struct coi_webpush_view *view)
{
	return mail_index_get_header(view->view)->uid_validity;
}

static bool
coi_webpush_view_has_keyword(const struct coi_webpush_view *view, uint32_t seq,
			     unsigned int keyword_idx,
			     ARRAY_TYPE(keyword_indexes) *scratch)
{
	unsigned int idx;

	mail_index_lookup_keywords(view->view, seq, scratch);
	array_foreach_elem(scratch, idx) {
		if (idx == keyword_idx)
			return TRUE;
	}
	return FALSE;
}

static bool
coi_webpush_view_is_chat(const struct coi_webpush_view *view, uint32_t seq)
{
	ARRAY_TYPE(keyword_indexes) scratch;
	unsigned int chat_idx;
	bool ret;

	if (!mail_index_keyword_lookup(view->box->index, COI_KEYWORD_CHAT,
				       &chat_idx))
		return FALSE;
	i_array_init(&scratch, 16);
	ret = coi_webpush_view_has_keyword(view, seq, chat_idx, &scratch);
	array_free(&scratch);
	return ret;
}

bool coi_webpush_view_is_seen(const struct coi_webpush_view *view,
			      uint32_t uid, bool *chat_r)
{
	uint32_t seq;

	if (!mail_index_lookup_seq(view->view, uid, &seq) ||
	    (mail_index_lookup(view->view, seq)->flags & MAIL_SEEN) == 0)
		return FALSE;
	*chat_r = coi_webpush_view_is_chat(view, seq);
	return TRUE;
}

/*
 * Counting
 */

static unsigned int
coi_webpush_view_count_unseen(const struct coi_webpush_view *view)
{
	ARRAY_TYPE(keyword_indexes) scratch;
	unsigned int chat_idx, unseen = 0;
	uint32_t seq, count;

	if (!mail_index_keyword_lookup(view->box->index, COI_KEYWORD_CHAT,
				       &chat_idx))
		return 0;
	/* the index knows below which UID all is read */
	mail_index_lookup_first(view->view, 0, MAIL_SEEN, &seq);
	if (seq == 0)
		return 0;
	i_array_init(&scratch, 16);
	count = mail_index_view_get_messages_count(view->view);
	for (; seq <= count; seq++) {
		if ((mail_index_lookup(view->view, seq)->flags &
		     MAIL_SEEN) == 0 &&
		    coi_webpush_view_has_keyword(view, seq, chat_idx,
						 &scratch))
			unseen++;
	}
	array_free(&scratch);
	return unseen;
}

static int
coi_webpush_unseen_add(struct coi_user *cuser,
		       enum coi_reading_mailbox mailbox, unsigned int *count,
		       const char **error_r)
{
	struct coi_webpush_view view;
	int ret;

	ret = coi_webpush_view_open(cuser, mailbox, &view, error_r);
	if (ret <= 0)
		return ret;
	*count += coi_webpush_view_count_unseen(&view);
	coi_webpush_view_close(&view);
	return 1;
}

bool coi_webpush_unseen_count(struct coi_user *cuser, unsigned int *count_r)
{
	const char *error;

	*count_r = 0;
	if (coi_webpush_unseen_add(cuser, COI_READING_INBOX, count_r,
				   &error) < 0 ||
	    coi_webpush_unseen_add(cuser, COI_READING_CHATS, count_r,
				   &error) < 0) {
		e_error(coi_user_get_event(cuser), "Pushing without the number "
			"of unread messages: %s", error);
		return FALSE;
	}
	return TRUE;
}
