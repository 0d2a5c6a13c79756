/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "coi-contact-index.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What is read is written as the same again. */
static void fuzz_record(const uint8_t *data)
{
	struct coi_contact_index_record record, again;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
	buffer_t *buf = t_buffer_create(COI_CONTACT_INDEX_RECORD_BYTES);

	coi_contact_index_read_record(data, &record);
	coi_contact_index_append_record(buf, &record);
	i_assert(buf->used == COI_CONTACT_INDEX_RECORD_BYTES);
	coi_contact_index_read_record(buf->data, &again);
	i_assert(memcmp(&record, &again, sizeof(record)) == 0);
	coi_contact_index_digest(coi_contact_index_hash(record.digest), digest);
	i_assert(memcmp(digest, record.digest, sizeof(digest)) == 0);
}

/* A header that is taken never leads out of the file, and is written as the
   same again but for what is not used. */
static void fuzz_file(const uint8_t *data, size_t size)
{
	struct coi_contact_index_header header;
	buffer_t *buf = t_buffer_create(COI_CONTACT_INDEX_HEADER_BYTES);
	size_t pos = COI_CONTACT_INDEX_HEADER_BYTES;
	unsigned int i;

	if (!coi_contact_index_read_header(data, size, size, &header))
		return;
	coi_contact_index_append_header(buf, &header);
	i_assert(memcmp(buf->data, data, COI_CONTACT_INDEX_HEADER_BYTES - 4) ==
		 0);
	i_assert(header.message_count + header.dead_count <=
		 header.record_count);
	/* the next UID is one */
	i_assert(header.last_uid + 1 != 0);
	for (i = 0; i < header.record_count; i++) {
		i_assert(size - pos >= COI_CONTACT_INDEX_RECORD_BYTES);
		T_BEGIN {
			fuzz_record(data + pos);
		} T_END;
		pos += COI_CONTACT_INDEX_RECORD_BYTES;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	T_BEGIN {
		fuzz_file(data, size);
	} T_END;
	return 0;
}
