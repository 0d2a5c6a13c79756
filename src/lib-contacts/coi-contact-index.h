#ifndef COI_CONTACT_INDEX_H
#define COI_CONTACT_INDEX_H

/* Which message in Contacts names which hash, and what it says about it: what
   else could be found only by reading all of them. It is made of the messages
   and can be made again: it holds nothing that they do not. Messages never
   change, so a record is true for as long as its message is there.

   A file is a header and then records in the order of their UIDs, numbers in
   little-endian. A message has one record for each hash that it names, or one
   without a hash if it names none. What is behind the header's number of
   records is what a killed writer has left, and is nothing. */

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
