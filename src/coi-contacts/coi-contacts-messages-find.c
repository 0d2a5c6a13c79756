/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-contacts-index.h"
#include "coi-contacts-messages-private.h"
#include "coi-contacts-sync.h"

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

int coi_contacts_writer_find(struct coi_contacts_writer *w)
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
