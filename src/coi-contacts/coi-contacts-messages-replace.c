/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "istream-concat.h"
#include "str.h"
#include "message-size.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-contacts-messages-private.h"

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

int coi_contacts_writer_save(struct mail_save_context **ctx,
			     struct istream *input)
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

int coi_contacts_writer_replace_all(struct coi_contacts_writer *w,
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

int coi_contacts_writer_expunge(struct coi_contacts_writer *w)
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
