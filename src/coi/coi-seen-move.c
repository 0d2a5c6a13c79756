/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-index.h"
#include "mail-storage-private.h"
#include "coi-limits.h"
#include "coi-mailboxes.h"
#include "coi-save.h"
#include "coi-seen-journal.h"
#include "coi-seen-move.h"
#include "coi-store.h"
#include "coi-user.h"

struct coi_seen_mover {
	struct coi_user *cuser;
	struct mailbox *src, *dest;
	/* only mail with these flags moves */
	enum mail_flags wanted_flags;

	uint32_t dest_uidnext;
	/* what earlier moves began, and then this one */
	struct coi_seen_journal journal;
	/* what to move */
	ARRAY_TYPE(seq_range) uids;
	/* those of them whose copy is in Chats already */
	ARRAY_TYPE(seq_range) copied;

	struct coi_seen_result *result;
};

struct coi_seen_leftovers {
	struct coi_seen_mover *m;
	/* a message in INBOX that the journal knows */
	struct mail *src_mail;
	pool_t pool;
	/* GUID of such a message -> its UID */
	HASH_TABLE(char *, void *) uids;
};

static bool coi_seen_moving = FALSE;

bool coi_seen_move_is_running(void)
{
	return coi_seen_moving;
}

static bool
coi_seen_has_keyword(struct mail_index_view *view, uint32_t seq,
		     unsigned int keyword_idx,
		     ARRAY_TYPE(keyword_indexes) *scratch)
{
	unsigned int idx;

	mail_index_lookup_keywords(view, seq, scratch);
	array_foreach_elem(scratch, idx) {
		if (idx == keyword_idx)
			return TRUE;
	}
	return FALSE;
}

static void
coi_seen_find_with(struct mailbox *box, enum mail_flags wanted_flags,
		   const ARRAY_TYPE(seq_range) *among,
		   ARRAY_TYPE(seq_range) *uids)
{
	const enum mail_flags mask = wanted_flags | MAIL_DELETED | MAIL_DRAFT;
	ARRAY_TYPE(keyword_indexes) scratch;
	const struct mail_index_record *rec;
	unsigned int chat_idx;
	uint32_t seq, count;

	if (!mail_index_keyword_lookup(box->index, COI_KEYWORD_CHAT, &chat_idx))
		return;
	i_array_init(&scratch, 16);
	count = mail_index_view_get_messages_count(box->view);
	for (seq = 1; seq <= count; seq++) {
		rec = mail_index_lookup(box->view, seq);
		if ((rec->flags & mask) == wanted_flags &&
		    (among == NULL || seq_range_exists(among, rec->uid)) &&
		    coi_seen_has_keyword(box->view, seq, chat_idx, &scratch))
			seq_range_array_add(uids, rec->uid);
	}
	array_free(&scratch);
}

void coi_seen_find(struct mailbox *box, const ARRAY_TYPE(seq_range) *among,
		   ARRAY_TYPE(seq_range) *uids)
{
	coi_seen_find_with(box, MAIL_SEEN, among, uids);
}

/* The first failure is the one to tell. */
static void
coi_seen_set_error(struct coi_seen_mover *m, struct mailbox *box)
{
	m->result->incomplete = TRUE;
	if (m->result->error == NULL) {
		m->result->error = t_strdup_printf("%s: %s",
			mailbox_get_vname(box),
			mailbox_get_last_internal_error(box, NULL));
	}
}

static int coi_seen_open_dest(struct coi_seen_mover *m)
{
	struct mailbox_status status;
	enum mail_error error;

	m->dest = coi_mailboxes_alloc(m->cuser, COI_MAILBOX_CHATS, 0);
	if (mailbox_open(m->dest) < 0 &&
	    mailbox_get_last_mail_error(m->dest) == MAIL_ERROR_NOTFOUND &&
	    coi_mailboxes_ensure(m->cuser, COI_MAILBOX_CHATS, &error,
				 &m->result->error) < 0) {
		m->result->incomplete = m->result->error_logged = TRUE;
		return -1;
	}
	if (mailbox_open(m->dest) < 0 || mailbox_sync(m->dest, 0) < 0) {
		coi_seen_set_error(m, m->dest);
		return -1;
	}
	mailbox_get_open_status(m->dest, STATUS_UIDNEXT, &status);
	m->dest_uidnext = status.uidnext;
	return 0;
}

/*
 * What a killed move left behind
 */

static void
coi_seen_add_all_uids(struct mail_index_view *view,
		      ARRAY_TYPE(seq_range) *uids)
{
	uint32_t seq, uid, count = mail_index_view_get_messages_count(view);

	for (seq = 1; seq <= count; seq++) {
		mail_index_lookup_uid(view, seq, &uid);
		seq_range_array_add(uids, uid);
	}
}

typedef void coi_seen_guid_callback_t(struct coi_seen_leftovers *left,
				      struct mail *mail, const char *guid);

/* Calls back for each of the messages that exists. */
static void
coi_seen_each_guid(struct coi_seen_leftovers *left, struct mail *mail,
		   const ARRAY_TYPE(seq_range) *uids,
		   coi_seen_guid_callback_t *callback)
{
	struct seq_range_iter iter;
	const char *guid;
	unsigned int n = 0;
	uint32_t uid;

	seq_range_array_iter_init(&iter, uids);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) T_BEGIN {
		if (mail_set_uid(mail, uid) &&
		    mail_get_special(mail, MAIL_FETCH_GUID, &guid) == 0 &&
		    *guid != '\0')
			callback(left, mail, guid);
	} T_END;
}

static void
coi_seen_remember_guid(struct coi_seen_leftovers *left, struct mail *mail,
		       const char *guid)
{
	char *key = p_strdup(left->pool, guid);

	hash_table_update(left->uids, key, POINTER_CAST(mail->uid));
}

/* A copy that came back by a rebuilt index has no flags, and those in INBOX
   may be newer in any case. */
static void coi_seen_update_copy(struct mail *copy, struct mail *mail)
{
	struct mail_keywords *keywords;

	mail_update_flags(copy, MODIFY_ADD,
			  mail_get_flags(mail) & MAIL_FLAGS_NONRECENT);
	keywords = mailbox_keywords_create_valid(copy->box,
						 mail_get_keywords(mail));
	mail_update_keywords(copy, MODIFY_ADD, keywords);
	mailbox_keywords_unref(&keywords);
}

static void
coi_seen_match_guid(struct coi_seen_leftovers *left, struct mail *copy,
		    const char *guid)
{
	uint32_t uid = POINTER_CAST_TO(hash_table_lookup(left->uids, guid),
				       uint32_t);

	if (uid == 0 || !mail_set_uid(left->src_mail, uid))
		return;
	coi_seen_update_copy(copy, left->src_mail);
	seq_range_array_add(&left->m->copied, uid);
}

static int
coi_seen_match_copies(struct coi_seen_mover *m,
		      const ARRAY_TYPE(seq_range) *known,
		      const ARRAY_TYPE(seq_range) *candidates)
{
	struct coi_seen_leftovers left = { .m = m };
	struct mailbox_transaction_context *src_trans, *dest_trans;
	struct mail *copy;
	int ret;

	left.pool = pool_alloconly_create("coi seen leftovers", 1024);
	hash_table_create(&left.uids, left.pool, 0, str_hash, strcmp);
	src_trans = mailbox_transaction_begin(m->src, 0, __func__);
	dest_trans = mailbox_transaction_begin(m->dest, 0, __func__);
	left.src_mail = mail_alloc(src_trans, MAIL_FETCH_GUID, NULL);
	copy = mail_alloc(dest_trans, MAIL_FETCH_GUID, NULL);

	coi_seen_each_guid(&left, left.src_mail, known,
			   coi_seen_remember_guid);
	coi_seen_each_guid(&left, copy, candidates, coi_seen_match_guid);

	mail_free(&copy);
	mail_free(&left.src_mail);
	ret = mailbox_transaction_commit(&dest_trans);
	mailbox_transaction_rollback(&src_trans);
	hash_table_destroy(&left.uids);
	pool_unref(&left.pool);
	return ret;
}

static int coi_seen_find_copied(struct coi_seen_mover *m)
{
	ARRAY_TYPE(seq_range) known, candidates;

	t_array_init(&known, 16);
	seq_range_array_merge(&known, &m->uids);
	seq_range_array_intersect(&known, &m->journal.uids);
	if (array_count(&known) == 0 ||
	    m->journal.first_copy_uid >= m->dest_uidnext)
		return 0;
	t_array_init(&candidates, 1);
	seq_range_array_add_range(&candidates, m->journal.first_copy_uid,
				  m->dest_uidnext - 1);
	if (coi_seen_match_copies(m, &known, &candidates) < 0) {
		coi_seen_set_error(m, m->dest);
		return -1;
	}
	return 0;
}

/*
 * Moving
 */

static void
coi_seen_set_store_error(struct coi_seen_mover *m, const char *error)
{
	m->result->incomplete = TRUE;
	if (m->result->error == NULL)
		m->result->error = error;
}

static int coi_seen_read_journal(struct coi_seen_mover *m)
{
	struct mailbox_status status;
	ARRAY_TYPE(seq_range) existing;
	const char *error;

	mailbox_get_open_status(m->src, STATUS_UIDVALIDITY, &status);
	m->journal.uid_validity = status.uidvalidity;
	if (coi_seen_journal_read(m->cuser->store, &m->journal, &error) < 0) {
		coi_seen_set_store_error(m, error);
		return -1;
	}
	/* what is done is forgotten */
	t_array_init(&existing, 16);
	coi_seen_add_all_uids(m->src->view, &existing);
	seq_range_array_intersect(&m->journal.uids, &existing);
	return 0;
}

static int coi_seen_write_journal(struct coi_seen_mover *m)
{
	const char *error;

	/* what it knows already keeps its mark */
	if (array_count(&m->journal.uids) == 0)
		m->journal.first_copy_uid = m->dest_uidnext;
	seq_range_array_merge(&m->journal.uids, &m->uids);
	if (coi_seen_journal_write(m->cuser->store, &m->journal, &error) < 0) {
		coi_seen_set_store_error(m, error);
		return -1;
	}
	return 0;
}

/* Returns TRUE if the mail is about to leave INBOX. */
static bool
coi_seen_move_mail(struct coi_seen_mover *m,
		   struct mailbox_transaction_context *dest_trans,
		   struct mail *mail)
{
	struct mail_save_context *save_ctx;

	if (seq_range_exists(&m->copied, mail->uid)) {
		mail_expunge(mail);
		return TRUE;
	}
	save_ctx = mailbox_save_alloc(dest_trans);
	mailbox_save_copy_flags(save_ctx, mail);
	/* no mailbox_save_set_guid(): sdbox would copy the file and not link
	   it, and the GUID is kept anyway */
	if (mailbox_move(&save_ctx, mail) == 0)
		return TRUE;
	m->result->incomplete = TRUE;
	if (mailbox_get_last_mail_error(m->dest) != MAIL_ERROR_EXPUNGED)
		coi_seen_set_error(m, m->dest);
	return FALSE;
}

static unsigned int
coi_seen_move_mails(struct coi_seen_mover *m,
		    struct mailbox_transaction_context *src_trans,
		    struct mailbox_transaction_context *dest_trans,
		    unsigned int first, unsigned int end)
{
	struct mail *mail = mail_alloc(src_trans, 0, NULL);
	struct seq_range_iter iter;
	unsigned int count = 0;
	uint32_t uid;

	seq_range_array_iter_init(&iter, &m->uids);
	while (first < end && seq_range_array_iter_nth(&iter, first++, &uid)) {
		if (mail_set_uid(mail, uid) &&
		    coi_seen_move_mail(m, dest_trans, mail))
			count++;
	}
	mail_free(&mail);
	return count;
}

/* Moves the first...end-1st message. Returns 0, or -1 if there is no sense in
   trying the next ones. */
static int
coi_seen_move_batch(struct coi_seen_mover *m, unsigned int first,
		    unsigned int end)
{
	struct mailbox_transaction_context *src_trans, *dest_trans;
	unsigned int count;

	src_trans = mailbox_transaction_begin(m->src, 0, __func__);
	dest_trans = mailbox_transaction_begin(m->dest,
		MAILBOX_TRANSACTION_FLAG_EXTERNAL, __func__);
	count = coi_seen_move_mails(m, src_trans, dest_trans, first, end);
	if (mailbox_transaction_commit(&dest_trans) < 0) {
		coi_seen_set_error(m, m->dest);
		mailbox_transaction_rollback(&src_trans);
		return -1;
	}
	if (mailbox_transaction_commit(&src_trans) < 0) {
		coi_seen_set_error(m, m->src);
		return -1;
	}
	m->result->count += count;
	return 0;
}

static void coi_seen_move_all(struct coi_seen_mover *m)
{
	unsigned int n, count = seq_range_count(&m->uids);
	int ret = 0;

	if (coi_seen_read_journal(m) < 0 || coi_seen_find_copied(m) < 0 ||
	    coi_seen_write_journal(m) < 0)
		return;
	for (n = 0; n < count && ret == 0; n += COI_SEEN_MOVE_BATCH_MAX) {
		ret = coi_seen_move_batch(m, n,
			I_MIN(n + COI_SEEN_MOVE_BATCH_MAX, count));
	}
	/* not FAST: that is skipped within 5 seconds after the last sync, and
	   the other sessions would hear of nothing */
	if (mailbox_sync(m->src, 0) < 0)
		coi_seen_set_error(m, m->src);
}

static void
coi_seen_move_locked(struct coi_seen_mover *m,
		     const ARRAY_TYPE(seq_range) *among)
{
	/* what another process has moved until now is gone after this */
	if (mailbox_sync(m->src, 0) < 0) {
		coi_seen_set_error(m, m->src);
		return;
	}
	coi_seen_find_with(m->src, m->wanted_flags, among, &m->uids);
	if (array_count(&m->uids) > 0 && coi_seen_open_dest(m) == 0)
		coi_seen_move_all(m);
	if (m->dest != NULL)
		mailbox_free(&m->dest);
}

static void
coi_seen_move_once(struct mailbox *inbox, enum mail_flags wanted_flags,
		   const ARRAY_TYPE(seq_range) *among,
		   struct coi_seen_result *result)
{
	struct coi_seen_mover m;
	const char *error;

	i_zero(&m);
	m.cuser = coi_user_get(inbox->storage->user);
	m.wanted_flags = wanted_flags;
	m.result = result;
	i_array_init(&m.uids, 16);
	i_array_init(&m.copied, 16);
	i_array_init(&m.journal.uids, 16);

	m.src = mailbox_alloc(inbox->list, inbox->vname, 0);
	if (mailbox_open(m.src) < 0)
		coi_seen_set_error(&m, m.src);
	else if (coi_store_lock(m.cuser->store, &error) < 0)
		coi_seen_set_store_error(&m, error);
	else {
		coi_seen_move_locked(&m, among);
		coi_store_unlock(m.cuser->store);
	}
	mailbox_free(&m.src);

	array_free(&m.journal.uids);
	array_free(&m.copied);
	array_free(&m.uids);
}

static void
coi_seen_move_with(struct mailbox *inbox, enum mail_flags wanted_flags,
		   const ARRAY_TYPE(seq_range) *among,
		   struct coi_seen_result *result_r)
{
	i_assert(!coi_seen_moving);

	i_zero(result_r);
	coi_seen_moving = TRUE;
	/* the command that made us move has its own result in there */
	mail_storage_last_error_push(inbox->storage);
	coi_seen_move_once(inbox, wanted_flags, among, result_r);
	if (result_r->incomplete && !result_r->error_logged) {
		/* after a crash it is by failing once that a storage finds out
		   that its index needs to be rebuilt */
		result_r->incomplete = FALSE;
		result_r->error = NULL;
		coi_seen_move_once(inbox, wanted_flags, among, result_r);
	}
	mail_storage_last_error_pop(inbox->storage);
	coi_seen_moving = FALSE;
}

void coi_seen_move(struct mailbox *inbox, const ARRAY_TYPE(seq_range) *among,
		   struct coi_seen_result *result_r)
{
	coi_seen_move_with(inbox, MAIL_SEEN, among, result_r);
}

void coi_seen_move_unseen_too(struct mailbox *inbox,
			      const ARRAY_TYPE(seq_range) *among,
			      struct coi_seen_result *result_r)
{
	coi_seen_move_with(inbox, 0, among, result_r);
}
