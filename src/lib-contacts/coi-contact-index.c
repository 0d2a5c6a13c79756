/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "coi-entry.h"
#include "coi-contact-index.h"

/* The last character is the version of the format. */
#define COI_CONTACT_INDEX_MAGIC "COI-CI\n1"
#define COI_CONTACT_INDEX_MAGIC_BYTES 8

static void coi_contact_index_append_uint32(buffer_t *dest, uint32_t num)
{
	unsigned char bytes[sizeof(num)];

	cpu32_to_le_unaligned(num, bytes);
	buffer_append(dest, bytes, sizeof(bytes));
}

bool coi_contact_index_read_header(const unsigned char *data, size_t size,
				   uoff_t file_size,
				   struct coi_contact_index_header *header_r)
{
	i_zero(header_r);
	if (size < COI_CONTACT_INDEX_HEADER_BYTES ||
	    file_size < COI_CONTACT_INDEX_HEADER_BYTES ||
	    memcmp(data, COI_CONTACT_INDEX_MAGIC,
		   COI_CONTACT_INDEX_MAGIC_BYTES) != 0)
		return FALSE;
	data += COI_CONTACT_INDEX_MAGIC_BYTES;
	header_r->uid_validity = le32_to_cpu_unaligned(data);
	header_r->message_count = le32_to_cpu_unaligned(data + 4);
	header_r->last_uid = le32_to_cpu_unaligned(data + 8);
	header_r->record_count = le32_to_cpu_unaligned(data + 12);
	header_r->dead_count = le32_to_cpu_unaligned(data + 16);
	header_r->suspect = le32_to_cpu_unaligned(data + 20) != 0;
	/* every message has a record; (uint32_t)-1 is no UID */
	return header_r->record_count <=
		(file_size - COI_CONTACT_INDEX_HEADER_BYTES) /
		COI_CONTACT_INDEX_RECORD_BYTES &&
		header_r->dead_count <= header_r->record_count &&
		header_r->message_count <=
		header_r->record_count - header_r->dead_count &&
		header_r->last_uid != (uint32_t)-1;
}

void coi_contact_index_append_header(buffer_t *dest,
	const struct coi_contact_index_header *header)
{
	buffer_append(dest, COI_CONTACT_INDEX_MAGIC,
		      COI_CONTACT_INDEX_MAGIC_BYTES);
	coi_contact_index_append_uint32(dest, header->uid_validity);
	coi_contact_index_append_uint32(dest, header->message_count);
	coi_contact_index_append_uint32(dest, header->last_uid);
	coi_contact_index_append_uint32(dest, header->record_count);
	coi_contact_index_append_uint32(dest, header->dead_count);
	coi_contact_index_append_uint32(dest, header->suspect ? 1 : 0);
}

void coi_contact_index_read_record(const unsigned char *data,
				   struct coi_contact_index_record *record_r)
{
	uint32_t flags = coi_contact_index_flags(data);

	i_zero(record_r);
	record_r->uid = coi_contact_index_uid(data);
	record_r->no_digest = (flags & COI_CONTACT_INDEX_FLAG_NO_DIGEST) != 0;
	record_r->blocked = (flags & COI_CONTACT_INDEX_FLAG_BLOCKED) != 0;
	record_r->dead = (flags & COI_CONTACT_INDEX_FLAG_DEAD) != 0;
	record_r->date = (time_t)le64_to_cpu_unaligned(data + 8);
	memcpy(record_r->digest, coi_contact_index_record_digest(data),
	       sizeof(record_r->digest));
}

void coi_contact_index_append_record(buffer_t *dest,
	const struct coi_contact_index_record *record)
{
	unsigned char date[sizeof(uint64_t)];

	coi_contact_index_append_uint32(dest, record->uid);
	coi_contact_index_append_uint32(dest,
		(record->no_digest ? COI_CONTACT_INDEX_FLAG_NO_DIGEST : 0) |
		(record->blocked ? COI_CONTACT_INDEX_FLAG_BLOCKED : 0) |
		(record->dead ? COI_CONTACT_INDEX_FLAG_DEAD : 0));
	cpu64_to_le_unaligned(record->date, date);
	buffer_append(dest, date, sizeof(date));
	buffer_append(dest, record->digest, sizeof(record->digest));
}

void coi_contact_index_digest(const char *hash,
			      unsigned char digest_r[COI_CONTACT_DIGEST_BYTES])
{
	buffer_t *buf = t_buffer_create(COI_CONTACT_DIGEST_BYTES);

	i_assert(coi_hash_is_valid(hash));
	if (hex_to_binary(hash, buf) < 0)
		i_unreached();
	memcpy(digest_r, buf->data, COI_CONTACT_DIGEST_BYTES);
}

const char *
coi_contact_index_hash(const unsigned char digest[COI_CONTACT_DIGEST_BYTES])
{
	return binary_to_hex(digest, COI_CONTACT_DIGEST_BYTES);
}
