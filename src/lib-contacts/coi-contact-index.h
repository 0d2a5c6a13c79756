#ifndef COI_CONTACT_INDEX_H
#define COI_CONTACT_INDEX_H

#include "byteorder.h"

/* Which message in Contacts names which hash, and what it says about it: what
   else could be found only by reading all of them. It is made of the messages
   and can be made again: it holds nothing that they do not. Messages never
   change, so a record is true for as long as its message is there.

   A file is a header and then records in the order of their UIDs, numbers in
   little-endian. A message has one record for each hash that it names, or one
   without a hash if it names none. What is behind the header's number of
   records is what a killed writer has left, and is nothing. Whoever is about to
   replace messages marks their records suspect before: should it be killed, the
   hashes are judged again, whatever has become of the messages. */

/* Bytes of a digest; COI_HASH_LEN hexadecimal digits. */
#define COI_CONTACT_DIGEST_BYTES 32

struct coi_contact_index_header {
	uint32_t uid_validity;
	/* Messages whose records are not dead. */
	uint32_t message_count;
	/* Of the last message that has been looked at; 0: none. */
	uint32_t last_uid;
	uint32_t record_count;
	uint32_t dead_count;
	/* There are records with COI_CONTACT_INDEX_FLAG_SUSPECT. */
	bool suspect;
};
#define COI_CONTACT_INDEX_HEADER_BYTES 32

struct coi_contact_index_record {
	uint32_t uid;
	/* The message names no hash; `digest' is nothing. */
	bool no_digest;
	/* The message says that the contact is blocked. */
	bool blocked;
	/* The message is gone. */
	bool dead;
	/* Of the message; 0: it has none that can be read. */
	time_t date;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
};
#define COI_CONTACT_INDEX_RECORD_BYTES 48

/* Returns FALSE if `data', the beginning of a file of `file_size' bytes, is not
   the header of such a file. */
bool coi_contact_index_read_header(const unsigned char *data, size_t size,
				   uoff_t file_size,
				   struct coi_contact_index_header *header_r);
void coi_contact_index_append_header(buffer_t *dest,
	const struct coi_contact_index_header *header);

/* For those who pass over many records: where a record has its parts. */
#define COI_CONTACT_INDEX_FLAG_NO_DIGEST 0x01
#define COI_CONTACT_INDEX_FLAG_BLOCKED 0x02
#define COI_CONTACT_INDEX_FLAG_DEAD 0x04
#define COI_CONTACT_INDEX_FLAG_SUSPECT 0x08

static inline uint32_t coi_contact_index_uid(const unsigned char *data)
{
	return le32_to_cpu_unaligned(data);
}
static inline uint32_t coi_contact_index_flags(const unsigned char *data)
{
	return le32_to_cpu_unaligned(data + 4);
}
static inline bool coi_contact_index_is_dead(const unsigned char *data)
{
	return (coi_contact_index_flags(data) &
		COI_CONTACT_INDEX_FLAG_DEAD) != 0;
}
static inline bool coi_contact_index_is_suspect(const unsigned char *data)
{
	return (coi_contact_index_flags(data) &
		COI_CONTACT_INDEX_FLAG_SUSPECT) != 0;
}
/* It names a hash, and its message is there. */
static inline bool coi_contact_index_counts(const unsigned char *data)
{
	return (coi_contact_index_flags(data) &
		(COI_CONTACT_INDEX_FLAG_NO_DIGEST |
		 COI_CONTACT_INDEX_FLAG_DEAD)) == 0;
}
static inline const unsigned char *
coi_contact_index_record_digest(const unsigned char *data)
{
	return data + 16;
}
static inline void
coi_contact_index_set_flags(unsigned char *data, uint32_t flags)
{
	cpu32_to_le_unaligned(flags, data + 4);
}

/* `data' is COI_CONTACT_INDEX_RECORD_BYTES. */
void coi_contact_index_read_record(const unsigned char *data,
				   struct coi_contact_index_record *record_r);
void coi_contact_index_append_record(buffer_t *dest,
	const struct coi_contact_index_record *record);

/* The digest of a valid hash, and back (data stack). */
void coi_contact_index_digest(const char *hash,
			      unsigned char digest_r[COI_CONTACT_DIGEST_BYTES]);
const char *
coi_contact_index_hash(const unsigned char digest[COI_CONTACT_DIGEST_BYTES]);

#endif
