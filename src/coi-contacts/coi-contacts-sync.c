/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "str.h"
#include "mail-storage-private.h"
#include "coi-contact.h"
#include "coi-entries.h"
#include "coi-metadata.h"
#include "coi-store.h"
#include "coi-user.h"
#include "coi-contacts-check.h"
#include "coi-contacts-session.h"
#include "coi-contacts-sync.h"
#include "coi-contacts-sync-private.h"

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
