/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-message.h"
#include "coi-contacts-mailbox.h"
#include "coi-contacts-sync.h"
#include "coi-contacts-sync-private.h"

static void
coi_contacts_sync_touch(struct coi_contacts_sync *sync,
			const struct coi_contact_index_record *record)
{
	const unsigned char *digest = record->digest;
	struct coi_contacts_touched *touched;
	unsigned char *key;

	if (record->no_digest ||
	    hash_table_lookup(sync->by_digest, digest) != NULL)
		return;
	touched = p_new(sync->pool, struct coi_contacts_touched, 1);
	key = touched->digest;
	memcpy(key, digest, sizeof(touched->digest));
	array_push_back(&sync->touched, &touched);
	hash_table_insert(sync->by_digest, key, touched);
	sync->first_bytes[digest[0]] = TRUE;
}

/*
 * New messages
 */

static void
coi_contacts_sync_add(struct coi_contacts_sync *sync, uint32_t uid,
		      const struct coi_contact_headers *headers)
{
	struct coi_contact_index_record *records;
	unsigned int i, count = I_MAX(headers->hash_count, 1);

	records = t_new(struct coi_contact_index_record, count);
	records[0].no_digest = TRUE;
	for (i = 0; i < count; i++) {
		records[i].uid = uid;
		records[i].date = headers->date;
		records[i].blocked = headers->blocked;
		if (i < headers->hash_count) {
			records[i].no_digest = FALSE;
			coi_contact_index_digest(headers->hashes[i],
						 records[i].digest);
		}
		coi_contacts_sync_touch(sync, &records[i]);
	}
	coi_contacts_index_add(&sync->index, records, count);
}

int coi_contacts_read_message(struct mail *mail, pool_t pool,
			      struct coi_contact_headers *headers_r,
			      const char **error_r)
{
	struct coi_message message;

	i_zero(headers_r);
	if (coi_message_read(mail, COI_FIELDS_CONTACT, pool, &message,
			     error_r) < 0)
		return mail->expunged ? 0 : -1;
	coi_contact_headers_read(&message.fields, pool, headers_r);
	/* of the user's own addresses, a profile; or anybody's */
	if (!headers_r->is_contact || coi_contacts_mail_was_delivered(mail))
		headers_r->hash_count = 0;
	return 0;
}

static int
coi_contacts_sync_read(struct coi_contacts_sync *sync, struct mail *mail)
{
	struct coi_contact_headers headers;
	const char *error;

	if (coi_contacts_read_message(mail, pool_datastack_create(), &headers,
				      &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	coi_contacts_sync_add(sync, mail->uid, &headers);
	return 0;
}

int coi_contacts_sync_new(struct coi_contacts_sync *sync)
{
	struct mailbox_transaction_context *t =
		mailbox_transaction_begin(sync->box, 0, __func__);
	struct mail *mail = mail_alloc(t, 0, NULL);
	uint32_t seq;
	int ret = 0;

	for (seq = sync->new_seq1; seq <= sync->new_seq2 && ret == 0; seq++) {
		mail_set_seq(mail, seq);
		T_BEGIN {
			ret = coi_contacts_sync_read(sync, mail);
		} T_END;
	}
	mail_free(&mail);
	(void)mailbox_transaction_commit(&t);
	return ret;
}

/*
 * Messages that are gone, and those that are back
 */

/* Records that are looked at together; most times nothing of them is gone. */
#define COI_CONTACTS_SYNC_CHUNK_RECORDS 512

struct coi_contacts_chunk {
	/* Records of whole messages, `end' is behind the last one. */
	unsigned int start, end;
	/* Messages of them that are not known to be gone, records of those that
	   are, and records that are suspect. */
	unsigned int message_count, dead_count, suspect_count;
	/* The same UIDs in the mailbox; seq1 0: there are none. */
	uint32_t seq1, seq2;
};

static uint32_t
coi_contacts_sync_uid(const struct coi_contacts_sync *sync, unsigned int idx)
{
	return coi_contact_index_uid(coi_contacts_index_data(&sync->index, idx));
}

static void
coi_contacts_sync_get_chunk(struct coi_contacts_sync *sync, unsigned int start,
			    struct coi_contacts_chunk *chunk_r)
{
	unsigned int i, count = sync->index.header.record_count;
	const unsigned char *data;
	uint32_t uid, last_uid = 0;

	i_zero(chunk_r);
	chunk_r->start = start;
	for (i = start; i < count; i++) {
		data = coi_contacts_index_data(&sync->index, i);
		uid = coi_contact_index_uid(data);
		if (i >= start + COI_CONTACTS_SYNC_CHUNK_RECORDS &&
		    uid != coi_contacts_sync_uid(sync, i - 1))
			break;
		if (coi_contact_index_is_suspect(data))
			chunk_r->suspect_count++;
		if (coi_contact_index_is_dead(data))
			chunk_r->dead_count++;
		else if (uid != last_uid) {
			chunk_r->message_count++;
			last_uid = uid;
		}
	}
	chunk_r->end = i;
	mailbox_get_seq_range(sync->box, coi_contacts_sync_uid(sync, start),
			      coi_contacts_sync_uid(sync, i - 1),
			      &chunk_r->seq1, &chunk_r->seq2);
}

/* All of the mailbox's messages are in the index up to its last UID. */
static bool coi_contacts_chunk_differs(const struct coi_contacts_chunk *chunk)
{
	return chunk->suspect_count > 0 || chunk->message_count !=
		(chunk->seq1 == 0 ? 0 : chunk->seq2 - chunk->seq1 + 1);
}

/* Both are sorted by UID: *seq goes along with the records. */
static bool
coi_contacts_sync_is_gone(struct coi_contacts_sync *sync, uint32_t uid,
			  uint32_t *seq, uint32_t last_seq)
{
	uint32_t box_uid;

	for (; *seq <= last_seq; (*seq)++) {
		mail_index_lookup_uid(sync->box->view, *seq, &box_uid);
		if (box_uid >= uid)
			return box_uid != uid;
	}
	return TRUE;
}

/* mdbox, when it is repaired, brings back messages that were expunged. */
static void
coi_contacts_sync_record(struct coi_contacts_sync *sync, unsigned int idx,
			 bool gone)
{
	const unsigned char *data = coi_contacts_index_data(&sync->index, idx);
	struct coi_contact_index_record record;
	uint32_t flags = coi_contact_index_flags(data);

	if (coi_contact_index_is_dead(data) == gone &&
	    !coi_contact_index_is_suspect(data))
		return;
	flags &= ~(COI_CONTACT_INDEX_FLAG_DEAD |
		   COI_CONTACT_INDEX_FLAG_SUSPECT);
	if (gone)
		flags |= COI_CONTACT_INDEX_FLAG_DEAD;
	coi_contacts_index_set_flags(&sync->index, idx, flags);
	coi_contact_index_read_record(data, &record);
	coi_contacts_sync_touch(sync, &record);
}

static void
coi_contacts_sync_differing(struct coi_contacts_sync *sync,
			    const struct coi_contacts_chunk *chunk)
{
	uint32_t seq = I_MAX(chunk->seq1, 1), uid = 0;
	bool gone = FALSE;
	unsigned int i;

	for (i = chunk->start; i < chunk->end; i++) {
		if (coi_contacts_sync_uid(sync, i) != uid) {
			uid = coi_contacts_sync_uid(sync, i);
			gone = coi_contacts_sync_is_gone(sync, uid, &seq,
							 chunk->seq2);
		}
		coi_contacts_sync_record(sync, i, gone);
	}
}

void coi_contacts_sync_known(struct coi_contacts_sync *sync)
{
	struct coi_contact_index_header *header = &sync->index.header;
	struct coi_contacts_chunk chunk = { .end = 0 };

	/* counted anew: a writer that was killed may have marked records
	   without counting them */
	header->message_count = header->dead_count = 0;
	header->suspect = FALSE;
	while (chunk.end < header->record_count) {
		coi_contacts_sync_get_chunk(sync, chunk.end, &chunk);
		if (coi_contacts_chunk_differs(&chunk)) {
			coi_contacts_sync_differing(sync, &chunk);
			coi_contacts_sync_get_chunk(sync, chunk.start, &chunk);
		}
		header->message_count += chunk.message_count;
		header->dead_count += chunk.dead_count;
	}
}
