/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "imap-seqset.h"
#include "imap-util.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "coi-seen-journal.h"

#define COI_STORE_KEY_SEEN_MOVE "seen-move"

/* UIDVALIDITY SP first-copy-uid SP set-of-uids */
static void
coi_seen_journal_parse(const char *line, struct coi_seen_journal *journal)
{
	const char *const *args = t_strsplit(line, " ");
	uint32_t uid_validity, first_copy_uid;

	if (str_array_length(args) == 3 &&
	    str_to_uint32(args[0], &uid_validity) == 0 &&
	    uid_validity == journal->uid_validity &&
	    str_to_uint32(args[1], &first_copy_uid) == 0 &&
	    imap_seq_set_nostar_parse(args[2], &journal->uids) == 0)
		journal->first_copy_uid = first_copy_uid;
	else
		array_clear(&journal->uids);
}

int coi_seen_journal_read(struct coi_store *store,
			  struct coi_seen_journal *journal,
			  const char **error_r)
{
	buffer_t *buf = t_buffer_create(256);
	int ret;

	ret = coi_store_read(store, COI_STORE_KEY_SEEN_MOVE,
			     COI_SEEN_JOURNAL_MAX_BYTES, buf, error_r);
	if (ret > 0)
		coi_seen_journal_parse(str_c(buf), journal);
	return ret < 0 ? -1 : 0;
}

int coi_seen_journal_write(struct coi_store *store,
			   const struct coi_seen_journal *journal,
			   const char **error_r)
{
	string_t *str = t_str_new(256);

	str_printfa(str, "%u %u ", journal->uid_validity,
		    journal->first_copy_uid);
	imap_write_seq_range(str, &journal->uids);
	if (str_len(str) > COI_SEEN_JOURNAL_MAX_BYTES) {
		*error_r = t_strdup_printf(
			"More than %u bytes of UIDs to move at once",
			COI_SEEN_JOURNAL_MAX_BYTES);
		return -1;
	}
	return coi_store_write(store, COI_STORE_KEY_SEEN_MOVE,
			       str_data(str), str_len(str), error_r);
}
