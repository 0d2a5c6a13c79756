/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-entries.h"
#include "coi-message.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-check.h"
#include "coi-contacts-index.h"
#include "coi-contacts-mailbox.h"
#include "coi-contacts-session.h"
#include "coi-contacts-sync.h"

/* What the messages say about a hash of which one is new or gone. */
struct coi_contacts_touched {
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];

	/* the newest message; UID 0: there is none */
	uint32_t uid;
	time_t date;
	bool blocked;
};

struct coi_contacts_sync {
	struct coi_user *cuser;
	/* NULL: the daily work */
	struct coi_contacts_check *check;
	/* do nothing if there is no index */
	bool known_only;
	struct mailbox *box;
	struct coi_contacts_index index;
	/* messages that the index does not know; 0: there are none */
	uint32_t new_seq1, new_seq2;
	/* it knows others than are there, or suspects that */
	bool differs;

	pool_t pool;
	ARRAY(struct coi_contacts_touched *) touched;
	HASH_TABLE(unsigned char *, struct coi_contacts_touched *) by_digest;
	/* with which bytes their digests begin: most records are passed over */
	bool first_bytes[UCHAR_MAX + 1];
	/* data stack; for the log */
	const char *error;
};

static unsigned int coi_contacts_digest_hash(const unsigned char *digest)
{
	unsigned int num;

	memcpy(&num, digest, sizeof(num));
	return num;
}

static int
coi_contacts_digest_cmp(const unsigned char *digest1,
			const unsigned char *digest2)
{
	return memcmp(digest1, digest2, COI_CONTACT_DIGEST_BYTES);
}

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

static int coi_contacts_sync_new(struct coi_contacts_sync *sync)
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

static void coi_contacts_sync_known(struct coi_contacts_sync *sync)
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

/*
 * Entries follow
 */

static void
coi_contacts_sync_judge_record(struct coi_contacts_touched *touched,
			       const struct coi_contact_index_record *record)
{
	if (touched->uid != 0 &&
	    coi_contact_version_cmp(record->date, record->uid,
				    touched->date, touched->uid) <= 0)
		return;
	touched->uid = record->uid;
	touched->date = record->date;
	touched->blocked = record->blocked;
}

static void coi_contacts_sync_judge(struct coi_contacts_sync *sync)
{
	struct coi_contact_index_record record;
	struct coi_contacts_touched *touched;
	const unsigned char *data, *digest;
	unsigned int i;

	for (i = 0; i < sync->index.header.record_count; i++) {
		data = coi_contacts_index_data(&sync->index, i);
		digest = coi_contact_index_record_digest(data);
		if (!sync->first_bytes[*digest] ||
		    !coi_contact_index_counts(data))
			continue;
		coi_contact_index_read_record(data, &record);
		touched = hash_table_lookup(sync->by_digest, digest);
		if (touched != NULL)
			coi_contacts_sync_judge_record(touched, &record);
	}
}

/* Returns 0, or -1 if the entry cannot be read. */
static int
coi_contacts_sync_entry(struct coi_contacts_sync *sync,
			const struct coi_contacts_touched *touched,
			struct coi_metadata_update *update)
{
	const char *hash = coi_contact_index_hash(touched->digest);
	const char *value, *error;
	struct coi_contact contact;
	string_t *str = t_str_new(128);

	if (coi_entries_read(sync->cuser->store, COI_ENTRY_CONTACT, hash,
			     &value, &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	/* what cannot be read is replaced */
	if (value == NULL || coi_contact_parse(value, &contact, &error) < 0)
		i_zero(&contact);
	if (contact.blocked == touched->blocked)
		return 0;
	if (sync->check != NULL) {
		coi_contacts_check_problem(sync->check,
			"Contact %s is %s, but its newest message says otherwise",
			hash, contact.blocked ? "blocked" : "not blocked");
	}
	contact.blocked = touched->blocked;
	contact.modified = ioloop_time;
	coi_contact_format(&contact, str);
	coi_metadata_update_entry(update, COI_ENTRY_CONTACT, hash,
		coi_contact_is_default(&contact) ? NULL : str_c(str));
	return 0;
}

/* Returns 0, or -1 with nothing changed. */
static int coi_contacts_sync_entries(struct coi_contacts_sync *sync)
{
	struct coi_metadata_update *update =
		coi_metadata_update_begin(sync->cuser);
	struct coi_contacts_touched *touched;
	int ret = 0;

	array_foreach_elem(&sync->touched, touched) {
		T_BEGIN {
			if (coi_contacts_sync_entry(sync, touched, update) < 0)
				ret = -1;
		} T_END;
	}
	/* the others are right also if one could not be read */
	if (coi_metadata_update_commit(&update) < 0)
		ret = -1;
	return ret;
}

/*
 * Entries that messages do not name
 */

/* Returns 0, or -1 if the entry cannot be read. */
static int
coi_contacts_sync_check_entry(struct coi_contacts_sync *sync, const char *hash)
{
	struct coi_contacts_check *check = sync->check;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
	const unsigned char *key = digest;
	struct coi_contact contact;
	const char *value, *error;

	if (coi_entries_read(sync->cuser->store, COI_ENTRY_CONTACT, hash,
			     &value, &error) < 0 ||
	    (value != NULL && coi_contact_parse(value, &contact, &error) < 0)) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	if (value == NULL || !contact.blocked)
		return 0;
	check->has_blocked = TRUE;
	coi_contact_index_digest(hash, digest);
	if (hash_table_lookup(sync->by_digest, key) == NULL) {
		hash = p_strdup(check->pool, hash);
		array_push_back(&check->unnamed, &hash);
	}
	return 0;
}

/* All messages have been looked at. */
static int coi_contacts_sync_check_entries(struct coi_contacts_sync *sync)
{
	struct coi_entries_iter *iter =
		coi_entries_iter_init(sync->cuser->store, COI_ENTRY_CONTACT);
	const char *hash, *error;
	int ret = 0;

	while ((hash = coi_entries_iter_next(iter)) != NULL) T_BEGIN {
		if (coi_contacts_sync_check_entry(sync, hash) < 0)
			ret = -1;
	} T_END;
	if (coi_entries_iter_deinit(&iter, &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		ret = -1;
	}
	return ret;
}

/*
 * All of it
 */

/* Opens the index of the mailbox, which is open and synchronised, and compares
   the two. Returns 1 if there is something to do, 0 if not, -1 on error. */
static int coi_contacts_sync_compare(struct coi_contacts_sync *sync)
{
	struct mailbox_status status;
	const char *error;
	uint32_t new_count;

	mailbox_get_open_status(sync->box, STATUS_UIDVALIDITY |
				STATUS_MESSAGES, &status);
	if (coi_contacts_index_open(&sync->index, sync->cuser,
				    status.uidvalidity, &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	if (sync->known_only && sync->index.rebuild)
		return 0;
	if (sync->check != NULL && !sync->index.rebuild)
		coi_contacts_index_forget(&sync->index);
	mailbox_get_seq_range(sync->box, sync->index.header.last_uid + 1,
			      (uint32_t)-1, &sync->new_seq1, &sync->new_seq2);
	new_count = sync->new_seq1 == 0 ? 0 :
		sync->new_seq2 - sync->new_seq1 + 1;
	sync->differs = sync->index.header.suspect ||
		sync->index.header.message_count !=
		status.messages - new_count;
	return new_count > 0 || sync->differs ? 1 : 0;
}

static int coi_contacts_sync_changes(struct coi_contacts_sync *sync)
{
	const char *error;

	if (coi_contacts_index_load(&sync->index, &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	if (sync->differs)
		coi_contacts_sync_known(sync);
	if (sync->new_seq1 != 0 && coi_contacts_sync_new(sync) < 0)
		return -1;
	coi_contacts_sync_judge(sync);
	if (coi_contacts_sync_entries(sync) < 0)
		return -1;
	if (coi_contacts_index_save(&sync->index, &error) < 0) {
		sync->error = p_strdup(sync->pool, error);
		return -1;
	}
	return 0;
}

static int coi_contacts_sync_mailbox(struct coi_contacts_sync *sync)
{
	if (coi_contacts_session_sync(sync->cuser->contacts_session) == 0)
		return 0;
	sync->error = p_strdup(sync->pool,
		mailbox_get_last_internal_error(sync->box, NULL));
	return -1;
}

/* With the store locked: what is still to be done now? */
static int coi_contacts_sync_locked(struct coi_contacts_sync *sync)
{
	int ret;

	if (coi_contacts_sync_mailbox(sync) < 0)
		return -1;
	ret = coi_contacts_sync_compare(sync);
	if (ret > 0)
		ret = coi_contacts_sync_changes(sync);
	coi_contacts_index_close(&sync->index);
	return ret;
}

/* Contacts is open. Most times nothing has changed, and nobody needs to wait
   for a lock. */
static int coi_contacts_sync_run(struct coi_contacts_sync *sync)
{
	struct coi_store *store = sync->cuser->store;
	int ret;

	if (!coi_store_is_locked(store)) {
		if (coi_contacts_sync_mailbox(sync) < 0)
			return -1;
		ret = coi_contacts_sync_compare(sync);
		coi_contacts_index_close(&sync->index);
		if (ret <= 0)
			return ret;
	}
	if (coi_store_lock(store, &sync->error) < 0)
		return -1;
	ret = coi_contacts_sync_locked(sync);
	coi_store_unlock(store);
	return ret;
}

static int coi_contacts_sync_open(struct coi_contacts_sync *sync)
{
	int ret;

	coi_contacts_session_ref(sync->cuser);
	sync->box = sync->cuser->contacts_session->box;
	if (mailbox_open(sync->box) == 0) {
		ret = coi_contacts_sync_run(sync);
		if (sync->check != NULL)
			sync->check->have_contacts = TRUE;
	} else if (mailbox_get_last_mail_error(sync->box) == MAIL_ERROR_NOTFOUND) {
		ret = 0;
	} else {
		sync->error = p_strdup(sync->pool,
			mailbox_get_last_internal_error(sync->box, NULL));
		ret = -1;
	}
	if (ret >= 0 && sync->check != NULL)
		ret = coi_contacts_sync_check_entries(sync);
	coi_contacts_session_unref(sync->cuser);
	return ret;
}

static int
coi_contacts_sync_user(struct coi_user *cuser, struct coi_contacts_check *check,
		       bool known_only)
{
	struct coi_contacts_sync sync;
	int ret;

	i_zero(&sync);
	sync.cuser = cuser;
	sync.check = check;
	sync.known_only = known_only;
	sync.pool = pool_alloconly_create("coi contacts sync", 1024);
	p_array_init(&sync.touched, sync.pool, 4);
	hash_table_create(&sync.by_digest, sync.pool, 0,
			  coi_contacts_digest_hash, coi_contacts_digest_cmp);
	ret = coi_contacts_sync_open(&sync);
	if (ret < 0 && sync.error != NULL) {
		e_error(coi_user_get_event(cuser), "Bringing contacts in step with their "
			"messages failed: %s", sync.error);
	}
	hash_table_destroy(&sync.by_digest);
	pool_unref(&sync.pool);
	return ret;
}

static int
coi_contacts_sync_apart(struct coi_user *cuser,
			struct coi_contacts_check *check, bool known_only)
{
	struct mail_storage *storage;
	int ret;

	cuser->contacts_busy = TRUE;
	/* the command that made us do so has its own result in there */
	storage = mail_namespace_find_inbox(cuser->user->namespaces)->storage;
	mail_storage_last_error_push(storage);
	T_BEGIN {
		ret = coi_contacts_sync_user(cuser, check, known_only);
	} T_END;
	mail_storage_last_error_pop(storage);
	cuser->contacts_busy = FALSE;
	return ret;
}

int coi_contacts_catch_up(struct coi_user *cuser)
{
	return cuser->contacts_busy ? 0 :
		coi_contacts_sync_apart(cuser, NULL, FALSE);
}

int coi_contacts_sync_check(struct coi_contacts_check *check)
{
	/* first what was done to the messages since anybody has looked: that one
	   is gone can be seen only while the index knows it */
	if (coi_contacts_sync_apart(check->cuser, NULL, TRUE) < 0)
		return -1;
	return coi_contacts_sync_apart(check->cuser, check, FALSE);
}
