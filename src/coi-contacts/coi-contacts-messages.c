/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "ioloop.h"
#include "istream.h"
#include "istream-concat.h"
#include "randgen.h"
#include "seq-range-array.h"
#include "sha2.h"
#include "str.h"
#include "message-size.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-contacts.h"
#include "coi-save.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-index.h"
#include "coi-contacts-messages.h"
#include "coi-contacts-session.h"
#include "coi-contacts-sync.h"

struct coi_contacts_wanted {
	const char *hash;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
	bool blocked;

	/* there is a message that names the hash */
	bool found;
};

/* A message, whole. */
struct coi_contacts_text {
	unsigned char digest[SHA256_RESULTLEN];
};

struct coi_contacts_writer {
	struct coi_user *cuser;
	ARRAY(struct coi_contacts_wanted) wanted;
	/* with which bytes their digests begin: most records are passed over */
	bool first_bytes[UCHAR_MAX + 1];
	/* one of them is to be blocked */
	bool blocks_any;

	struct mailbox *box;
	/* UIDs of the messages that say of one of them what they shall, of
	   those that say otherwise, and of those that shall block */
	ARRAY_TYPE(seq_range) same, others, blocking;
	/* those that there is another one for */
	ARRAY_TYPE(seq_range) replaced;
	/* what there is that says what it shall */
	ARRAY(struct coi_contacts_text) texts;
	/* data stack; the store's or a stream's, for the log. NULL: the mailbox
	   has the error. */
	const char *error;
};

/*
 * Which messages?
 */

static void
coi_contacts_writer_look_at(struct coi_contacts_writer *w,
			    const struct coi_contact_index_record *record)
{
	struct coi_contacts_wanted *wanted;
	uint32_t seq;

	array_foreach_modifiable(&w->wanted, wanted) {
		if (memcmp(record->digest, wanted->digest,
			   sizeof(wanted->digest)) != 0 ||
		    !mail_index_lookup_seq(w->box->view, record->uid, &seq))
			continue;
		wanted->found = TRUE;
		if (wanted->blocked)
			seq_range_array_add(&w->blocking, record->uid);
		seq_range_array_add(record->blocked == wanted->blocked ?
				    &w->same : &w->others, record->uid);
	}
}

/* All records of a message that is going to be replaced. */
static void
coi_contacts_writer_suspect(struct coi_contacts_index *index, unsigned int idx)
{
	const unsigned char *data = coi_contacts_index_data(index, idx);
	uint32_t uid = coi_contact_index_uid(data);

	while (idx > 0 && coi_contact_index_uid(
			coi_contacts_index_data(index, idx - 1)) == uid)
		idx--;
	for (; idx < index->written_count; idx++) {
		data = coi_contacts_index_data(index, idx);
		if (coi_contact_index_uid(data) != uid)
			break;
		coi_contacts_index_set_flags(index, idx,
			coi_contact_index_flags(data) |
			COI_CONTACT_INDEX_FLAG_SUSPECT);
		index->header.suspect = TRUE;
	}
}

static void
coi_contacts_writer_look(struct coi_contacts_writer *w,
			 struct coi_contacts_index *index)
{
	struct coi_contact_index_record record;
	const unsigned char *data;
	unsigned int i;

	for (i = 0; i < index->header.record_count; i++) {
		data = coi_contacts_index_data(index, i);
		if (!w->first_bytes[*coi_contact_index_record_digest(data)] ||
		    !coi_contact_index_counts(data))
			continue;
		coi_contact_index_read_record(data, &record);
		coi_contacts_writer_look_at(w, &record);
		if (seq_range_exists(&w->others, record.uid))
			coi_contacts_writer_suspect(index, i);
	}
}

static int
coi_contacts_writer_look_into(struct coi_contacts_writer *w, struct mail *mail)
{
	struct coi_contact_headers headers;
	struct coi_contact_index_record record;
	unsigned int i;

	if (coi_contacts_read_message(mail, pool_datastack_create(), &headers,
				      &w->error) < 0)
		return -1;
	i_zero(&record);
	record.uid = mail->uid;
	record.blocked = headers.blocked;
	for (i = 0; i < headers.hash_count; i++) {
		coi_contact_index_digest(headers.hashes[i], record.digest);
		coi_contacts_writer_look_at(w, &record);
	}
	return 0;
}

/* The caller has caught up: there are none that the index does not know, unless
   they came this moment, or a change is just being undone. */
static int
coi_contacts_writer_look_at_new(struct coi_contacts_writer *w,
				uint32_t last_uid)
{
	struct mailbox_transaction_context *t;
	struct mail *mail;
	uint32_t seq, seq2;
	int ret = 0;

	mailbox_get_seq_range(w->box, last_uid + 1, (uint32_t)-1, &seq, &seq2);
	if (seq == 0)
		return 0;
	t = mailbox_transaction_begin(w->box, 0, __func__);
	mail = mail_alloc(t, 0, NULL);
	for (; seq <= seq2 && ret == 0; seq++) {
		mail_set_seq(mail, seq);
		ret = coi_contacts_writer_look_into(w, mail);
	}
	mail_free(&mail);
	(void)mailbox_transaction_commit(&t);
	return ret;
}

static int coi_contacts_writer_find(struct coi_contacts_writer *w)
{
	struct coi_contacts_index index;
	struct mailbox_status status;
	int ret;

	mailbox_get_open_status(w->box, STATUS_UIDVALIDITY, &status);
	ret = coi_contacts_index_open(&index, w->cuser,
				      status.uidvalidity, &w->error);
	if (ret == 0)
		ret = coi_contacts_index_load(&index, &w->error);
	if (ret == 0) {
		coi_contacts_writer_look(w, &index);
		if (array_count(&index.changed) > 0)
			ret = coi_contacts_index_save(&index, &w->error);
	}
	if (ret == 0) {
		ret = coi_contacts_writer_look_at_new(w,
						      index.header.last_uid);
	}
	coi_contacts_index_close(&index);
	return ret;
}

/*
 * Rewriting (C6)
 */

/* Returns the message with its header rewritten, or NULL if it has none or if it
   cannot be read (then w->error is set). What says already what it shall,
   whatever the index thinks, is only copied: the copy is looked at anew. */
static struct istream *
coi_contacts_writer_rewrite(struct coi_contacts_writer *w,
			    struct istream *input, uoff_t header_size,
			    bool blocked)
{
	struct istream *parts[3], *concat;
	const unsigned char *data;
	size_t size;
	string_t *header;

	if (header_size == 0)
		return NULL;
	i_stream_seek(input, 0);
	if (i_stream_get_max_buffer_size(input) <= header_size)
		i_stream_set_max_buffer_size(input, header_size + 1);
	if (i_stream_read_bytes(input, &data, &size, header_size) <= 0) {
		w->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return NULL;
	}
	header = t_str_new(header_size + 64);
	(void)coi_contact_rewrite(data, header_size, blocked, header);
	parts[0] = i_stream_create_copy_from_buffer(header);
	parts[1] = i_stream_create_range(input, header_size, (uoff_t)-1);
	parts[2] = NULL;
	concat = i_stream_create_concat(parts);
	i_stream_unref(&parts[0]);
	i_stream_unref(&parts[1]);
	return concat;
}

/* Somebody was killed, or lost the power, after a rewritten message was committed
   and before the old one was expunged: then rewriting one of them only makes it
   the other, and is not to leave two of it. Returns 1 if there is such a message
   already, 0 if not (but from now on), -1 on error. */
static int
coi_contacts_writer_know(struct coi_contacts_writer *w, struct istream *input)
{
	const struct coi_contacts_text *known;
	struct coi_contacts_text text;
	const unsigned char *data;
	struct sha256_ctx ctx;
	size_t size;

	sha256_init(&ctx);
	i_stream_seek(input, 0);
	while (i_stream_read_more(input, &data, &size) > 0) {
		sha256_loop(&ctx, data, size);
		i_stream_skip(input, size);
	}
	if (input->stream_errno != 0) {
		w->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return -1;
	}
	i_stream_seek(input, 0);
	sha256_result(&ctx, text.digest);
	array_foreach(&w->texts, known) {
		if (memcmp(known->digest, text.digest,
			   sizeof(text.digest)) == 0)
			return 1;
	}
	array_push_back(&w->texts, &text);
	return 0;
}

static int
coi_contacts_writer_know_same(struct coi_contacts_writer *w, struct mail *mail)
{
	struct seq_range_iter iter;
	struct istream *input;
	unsigned int n = 0;
	uint32_t uid;

	seq_range_array_remove_seq_range(&w->same, &w->others);
	seq_range_array_iter_init(&iter, &w->same);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (!mail_set_uid(mail, uid))
			continue;
		if (mail_get_stream(mail, NULL, NULL, &input) < 0) {
			if (!mail->expunged)
				return -1;
		} else if (coi_contacts_writer_know(w, input) < 0)
			return -1;
	}
	return 0;
}

/* Returns 0, or -1 with the mailbox's error set. */
static int
coi_contacts_writer_save(struct mail_save_context **ctx, struct istream *input)
{
	if (mailbox_save_begin(ctx, input) < 0)
		return -1;
	do {
		if (mailbox_save_continue(*ctx) < 0) {
			mailbox_save_cancel(ctx);
			return -1;
		}
	} while (i_stream_read(input) > 0);
	return mailbox_save_finish(ctx);
}

static int
coi_contacts_writer_save_again(struct mailbox_transaction_context *t,
			       struct mail *mail, struct istream *input)
{
	struct mail_save_context *ctx;
	time_t received;

	if (mail_get_received_date(mail, &received) < 0)
		return -1;
	ctx = mailbox_save_alloc(t);
	mailbox_save_copy_flags(ctx, mail);
	mailbox_save_set_received_date(ctx, received, 0);
	return coi_contacts_writer_save(&ctx, input);
}

/* Returns 0, or -1 on error. A message that is gone meanwhile is none. */
static int
coi_contacts_writer_replace(struct coi_contacts_writer *w,
			    struct mailbox_transaction_context *t,
			    struct mail *mail)
{
	struct message_size hdr_size;
	struct istream *input, *rewritten;
	int ret;

	if (mail_get_stream(mail, &hdr_size, NULL, &input) < 0)
		return mail->expunged ? 0 : -1;
	rewritten = coi_contacts_writer_rewrite(w, input,
			hdr_size.physical_size,
		seq_range_exists(&w->blocking, mail->uid));
	if (rewritten == NULL)
		return w->error == NULL ? 0 : -1;
	ret = coi_contacts_writer_know(w, rewritten);
	if (ret == 0)
		ret = coi_contacts_writer_save_again(t, mail, rewritten);
	i_stream_unref(&rewritten);
	if (ret < 0)
		return -1;
	seq_range_array_add(&w->replaced, mail->uid);
	return 0;
}

static int
coi_contacts_writer_replace_all(struct coi_contacts_writer *w,
				struct mailbox_transaction_context *t)
{
	struct mailbox_transaction_context *src =
		mailbox_transaction_begin(w->box, 0, __func__);
	struct mail *mail = mail_alloc(src, MAIL_FETCH_RECEIVED_DATE, NULL);
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid;
	int ret;

	ret = coi_contacts_writer_know_same(w, mail);
	seq_range_array_iter_init(&iter, &w->others);
	while (ret == 0 && seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_set_uid(mail, uid))
			ret = coi_contacts_writer_replace(w, t, mail);
	}
	mail_free(&mail);
	(void)mailbox_transaction_commit(&src);
	return ret;
}

static int coi_contacts_writer_expunge(struct coi_contacts_writer *w)
{
	struct mailbox_transaction_context *t =
		mailbox_transaction_begin(w->box, 0, __func__);
	struct mail *mail = mail_alloc(t, 0, NULL);
	struct seq_range_iter iter;
	unsigned int n = 0;
	uint32_t uid;

	seq_range_array_iter_init(&iter, &w->replaced);
	while (seq_range_array_iter_nth(&iter, n++, &uid)) {
		if (mail_set_uid(mail, uid))
			mail_expunge(mail);
	}
	mail_free(&mail);
	return mailbox_transaction_commit(&t);
}

/*
 * A message of our own (C1)
 */

/* The user's own address, as far as we know it. */
static void
coi_contacts_writer_from(struct coi_user *cuser,
			 struct coi_contact_message *message)
{
	const char *address = t_strsplit_spaces(
		cuser->set->coi_user_addresses, " ")[0];
	const char *at;

	if (address == NULL)
		address = cuser->user->username;
	at = strrchr(address, '@');
	message->from_mailbox = at == NULL ? address :
		t_strdup_until(address, at);
	message->from_domain = at == NULL ? my_hostdomain() : at + 1;
}

/* S37: it is detected as chat like any other. Returns NULL if the user has COI
   off. */
static struct mail_keywords *
coi_contacts_writer_keywords(struct coi_contacts_writer *w)
{
	static const char *const keywords[] = { COI_KEYWORD_CHAT, NULL };
	enum coi_filter filter;

	return coi_user_get_active_filter(w->cuser, &filter) <= 0 ? NULL :
		mailbox_keywords_create_valid(w->box, keywords);
}

static int
coi_contacts_writer_save_new(struct coi_contacts_writer *w,
			     struct mailbox_transaction_context *t,
			     const struct coi_contacts_wanted *wanted)
{
	struct coi_contact_message message;
	struct mail_save_context *ctx;
	struct mail_keywords *keywords;
	struct istream *input;
	string_t *str = t_str_new(512);
	int ret;

	i_zero(&message);
	message.now = ioloop_time;
	random_fill(message.random, sizeof(message.random));
	message.hash = wanted->hash;
	message.blocked = wanted->blocked;
	coi_contacts_writer_from(w->cuser, &message);
	coi_contact_write_message(&message, str);

	input = i_stream_create_from_data(str_data(str), str_len(str));
	ctx = mailbox_save_alloc(t);
	keywords = coi_contacts_writer_keywords(w);
	mailbox_save_set_flags(ctx, MAIL_SEEN, keywords);
	if (keywords != NULL)
		mailbox_keywords_unref(&keywords);
	ret = coi_contacts_writer_save(&ctx, input);
	i_stream_unref(&input);
	return ret;
}

/*
 * All of it
 */

static bool
coi_contacts_wanted_is_new(const struct coi_contacts_wanted *wanted)
{
	return wanted->blocked && !wanted->found;
}

static int
coi_contacts_writer_save_all(struct coi_contacts_writer *w,
			     struct mailbox_transaction_context *t)
{
	const struct coi_contacts_wanted *wanted;
	int ret;

	ret = array_count(&w->others) == 0 ? 0 :
		coi_contacts_writer_replace_all(w, t);
	array_foreach(&w->wanted, wanted) {
		if (ret == 0 && coi_contacts_wanted_is_new(wanted)) T_BEGIN {
			ret = coi_contacts_writer_save_new(w, t, wanted);
		} T_END;
	}
	return ret;
}

static bool coi_contacts_writer_has_work(const struct coi_contacts_writer *w)
{
	const struct coi_contacts_wanted *wanted;

	array_foreach(&w->wanted, wanted) {
		if (coi_contacts_wanted_is_new(wanted))
			return TRUE;
	}
	return array_count(&w->others) > 0;
}

static int coi_contacts_writer_write(struct coi_contacts_writer *w)
{
	struct mailbox_transaction_context *t;

	t = mailbox_transaction_begin(w->box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      __func__);
	if (coi_contacts_writer_save_all(w, t) < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	if (mailbox_transaction_commit(&t) < 0)
		return -1;
	/* it is done: the newer ones decide, should the old ones stay (C7);
	   whoever synchronises the mailbox next removes their files */
	if (coi_contacts_writer_expunge(w) < 0) {
		e_error(coi_user_get_event(w->cuser),
			"Expunging contact messages that were replaced "
			"failed: %s",
			mailbox_get_last_internal_error(w->box, NULL));
	}
	return 0;
}

static int coi_contacts_writer_open(struct coi_contacts_writer *w)
{
	enum mail_error error;
	const char *errstr;

	if (mailbox_open(w->box) < 0 &&
	    (mailbox_get_last_mail_error(w->box) != MAIL_ERROR_NOTFOUND ||
	     coi_mailboxes_ensure(w->cuser, COI_MAILBOX_CONTACTS,
				  &error, &errstr) < 0 ||
	     mailbox_open(w->box) < 0))
		return -1;
	return coi_contacts_session_sync(w->cuser->contacts_session);
}

static int coi_contacts_writer_run(struct coi_contacts_writer *w)
{
	/* who blocks nobody needs no Contacts */
	if (!w->blocks_any && mailbox_open(w->box) < 0 &&
	    mailbox_get_last_mail_error(w->box) == MAIL_ERROR_NOTFOUND)
		return 0;
	if (coi_contacts_writer_open(w) < 0 || coi_contacts_writer_find(w) < 0)
		return -1;
	return !coi_contacts_writer_has_work(w) ? 0 :
		coi_contacts_writer_write(w);
}

static void
coi_contacts_writer_fail(struct coi_contacts_writer *w,
			 enum mail_error *error_r, const char **client_error_r)
{
	const char *error;

	*error_r = MAIL_ERROR_TEMP;
	*client_error_r = MAIL_ERRSTR_CRITICAL_MSG;
	error = w->error;
	if (error == NULL) {
		error = mailbox_get_last_internal_error(w->box, NULL);
		*client_error_r = t_strdup(mailbox_get_last_error(w->box,
								  error_r));
	}
	/* of a full mailbox nobody's log needs to hear */
	if (*error_r != MAIL_ERROR_NOQUOTA) {
		e_error(coi_user_get_event(w->cuser),
			"Writing a contact message failed: %s", error);
	}
}

static void
coi_contacts_writer_init(struct coi_contacts_writer *w,
			 struct coi_user *cuser,
			 const struct coi_contact_block *blocks,
			 unsigned int count)
{
	struct coi_contacts_wanted *wanted;
	unsigned int i;

	i_zero(w);
	w->cuser = cuser;
	t_array_init(&w->wanted, count);
	t_array_init(&w->same, 4);
	t_array_init(&w->others, 4);
	t_array_init(&w->blocking, 4);
	t_array_init(&w->replaced, 4);
	t_array_init(&w->texts, 4);
	for (i = 0; i < count; i++) {
		wanted = array_append_space(&w->wanted);
		wanted->hash = blocks[i].hash;
		wanted->blocked = blocks[i].blocked;
		coi_contact_index_digest(wanted->hash, wanted->digest);
		w->first_bytes[wanted->digest[0]] = TRUE;
		if (wanted->blocked)
			w->blocks_any = TRUE;
	}
}

int coi_contacts_set_blocked(struct coi_user *cuser,
			     const struct coi_contact_block *blocks,
			     unsigned int count, enum mail_error *error_r,
			     const char **client_error_r)
{
	struct coi_contacts_writer w;
	int ret;

	coi_contacts_writer_init(&w, cuser, blocks, count);
	coi_contacts_session_ref(cuser);
	w.box = cuser->contacts_session->box;
	cuser->contacts_busy = TRUE;
	ret = coi_contacts_writer_run(&w);
	cuser->contacts_busy = FALSE;
	if (ret < 0)
		coi_contacts_writer_fail(&w, error_r, client_error_r);
	coi_contacts_session_unref(cuser);
	return ret;
}
