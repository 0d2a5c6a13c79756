/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "ioloop.h"
#include "istream.h"
#include "istream-concat.h"
#include "randgen.h"
#include "seq-range-array.h"
#include "str.h"
#include "message-size.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-index.h"
#include "coi-contacts-messages.h"

struct coi_contacts_writer {
	struct coi_user *cuser;
	const char *hash;
	bool blocked;

	struct mailbox *box;
	/* UIDs of the messages that say otherwise */
	ARRAY_TYPE(seq_range) others;
	/* there is a message that names the hash */
	bool found;
	/* data stack; the store's or a stream's, for the log. NULL: the mailbox
	   has the error. */
	const char *error;
};

/*
 * Which messages?
 */

static void
coi_contacts_writer_look(struct coi_contacts_writer *w,
			 const struct coi_contacts_index *index)
{
	struct coi_contact_index_record record;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
	uint32_t seq;
	unsigned int i;

	coi_contact_index_digest(w->hash, digest);
	for (i = 0; i < index->header.record_count; i++) {
		coi_contacts_index_get(index, i, &record);
		if (record.dead || record.no_digest ||
		    memcmp(record.digest, digest, sizeof(digest)) != 0 ||
		    !mail_index_lookup_seq(w->box->view, record.uid, &seq))
			continue;
		w->found = TRUE;
		if (record.blocked != w->blocked)
			seq_range_array_add(&w->others, record.uid);
	}
}

/* The caller has caught up: the index knows all messages. */
static int coi_contacts_writer_find(struct coi_contacts_writer *w)
{
	struct coi_contacts_index index;
	struct mailbox_status status;
	int ret;

	mailbox_get_open_status(w->box, STATUS_UIDVALIDITY, &status);
	ret = coi_contacts_index_open(&index, w->cuser->store,
				      status.uidvalidity, &w->error);
	if (ret == 0)
		ret = coi_contacts_index_load(&index, &w->error);
	if (ret == 0)
		coi_contacts_writer_look(w, &index);
	coi_contacts_index_close(&index);
	return ret;
}

/*
 * Rewriting (C6)
 */

/* Returns the message with its header rewritten, or NULL if that changes
   nothing or if it cannot be read (then w->error is set). */
static struct istream *
coi_contacts_writer_rewrite(struct coi_contacts_writer *w,
			    struct istream *input, uoff_t header_size)
{
	struct istream *parts[3], *concat;
	const unsigned char *data;
	size_t size;
	string_t *header;

	i_stream_seek(input, 0);
	i_stream_set_max_buffer_size(input, header_size + 1);
	if (header_size > 0 &&
	    i_stream_read_bytes(input, &data, &size, header_size) <= 0) {
		w->error = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return NULL;
	}
	header = t_str_new(header_size + 64);
	if (header_size == 0 ||
	    !coi_contact_rewrite(data, header_size, w->blocked, header))
		return NULL;
	parts[0] = i_stream_create_copy_from_buffer(header);
	parts[1] = i_stream_create_range(input, header_size, (uoff_t)-1);
	parts[2] = NULL;
	concat = i_stream_create_concat(parts);
	i_stream_unref(&parts[0]);
	i_stream_unref(&parts[1]);
	return concat;
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
	int tz;

	if (mail_get_received_date(mail, &received) < 0)
		return -1;
	tz = 0;
	ctx = mailbox_save_alloc(t);
	mailbox_save_copy_flags(ctx, mail);
	mailbox_save_set_received_date(ctx, received, tz);
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
						hdr_size.physical_size);
	if (rewritten == NULL)
		return w->error == NULL ? 0 : -1;
	ret = coi_contacts_writer_save_again(t, mail, rewritten);
	i_stream_unref(&rewritten);
	return ret;
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
	int ret = 0;

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

	seq_range_array_iter_init(&iter, &w->others);
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

static int
coi_contacts_writer_save_new(struct coi_contacts_writer *w,
			     struct mailbox_transaction_context *t)
{
	struct coi_contact_message message;
	struct mail_save_context *ctx;
	struct istream *input;
	string_t *str = t_str_new(512);
	int ret;

	i_zero(&message);
	message.now = ioloop_time;
	random_fill(message.random, sizeof(message.random));
	message.hash = w->hash;
	message.blocked = w->blocked;
	coi_contacts_writer_from(w->cuser, &message);
	coi_contact_write_message(&message, str);

	input = i_stream_create_from_data(str_data(str), str_len(str));
	ctx = mailbox_save_alloc(t);
	mailbox_save_set_flags(ctx, MAIL_SEEN, NULL);
	ret = coi_contacts_writer_save(&ctx, input);
	i_stream_unref(&input);
	return ret;
}

/*
 * All of it
 */

static int coi_contacts_writer_write(struct coi_contacts_writer *w)
{
	struct mailbox_transaction_context *t;
	int ret;

	t = mailbox_transaction_begin(w->box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      __func__);
	ret = w->found ? coi_contacts_writer_replace_all(w, t) :
		coi_contacts_writer_save_new(w, t);
	if (ret < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	if (mailbox_transaction_commit(&t) < 0 ||
	    coi_contacts_writer_expunge(w) < 0)
		return -1;
	return mailbox_sync(w->box, 0);
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
	return mailbox_sync(w->box, 0);
}

static int coi_contacts_writer_run(struct coi_contacts_writer *w)
{
	/* who blocks nobody needs no Contacts */
	if (!w->blocked && mailbox_open(w->box) < 0 &&
	    mailbox_get_last_mail_error(w->box) == MAIL_ERROR_NOTFOUND)
		return 0;
	if (coi_contacts_writer_open(w) < 0 || coi_contacts_writer_find(w) < 0)
		return -1;
	if (w->found ? array_count(&w->others) == 0 : !w->blocked)
		return 0;
	return coi_contacts_writer_write(w);
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

int coi_contacts_set_blocked(struct coi_user *cuser, const char *hash,
			     bool blocked, enum mail_error *error_r,
			     const char **client_error_r)
{
	struct coi_contacts_writer w;
	int ret;

	i_zero(&w);
	w.cuser = cuser;
	w.hash = hash;
	w.blocked = blocked;
	t_array_init(&w.others, 4);
	w.box = coi_mailboxes_alloc(cuser, COI_MAILBOX_CONTACTS,
				    MAILBOX_FLAG_IGNORE_ACLS);
	cuser->contacts_busy = TRUE;
	ret = coi_contacts_writer_run(&w);
	cuser->contacts_busy = FALSE;
	if (ret < 0)
		coi_contacts_writer_fail(&w, error_r, client_error_r);
	mailbox_free(&w.box);
	return ret;
}
