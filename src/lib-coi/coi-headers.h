#ifndef COI_HEADERS_H
#define COI_HEADERS_H

struct istream;
struct coi_fields;

/* The few header fields that tell what a message is. One pass over the header
   block fills this; nothing else reads headers on the delivery path, because
   each mail_get_first_header() there costs several per cent of a delivery.

   Values are unfolded, without comments (RFC 5322 3.2.2, nested ones too) and
   without surrounding white space, and at most COI_HEADER_VALUE_MAX_BYTES
   long. Ids are without angle brackets, also where one or both brackets are
   missing in the message (S33: read liberally). NULL: there is no such field,
   or nothing is left of it. A field that is repeated counts once: the first
   one that has a value. */
struct coi_headers {
	/* Chat-Version is present, whatever its value, even an empty one. */
	bool chat_version;
	/* The id in Message-ID. */
	const char *message_id;
	/* The first id in References. */
	const char *first_reference;
};

/* Reads one header block from the blocking `input' up to its end (the empty
   line or EOF) and leaves the stream there. Strings are allocated from `pool'.
   NUL bytes in a value are dropped. Memory use is bounded by the limits, not by
   the size of the block. Returns 0, or -1 if reading the stream failed; then
   *headers_r is empty and *error_r (data stack) names the stream and the
   reason. */
int coi_headers_read(struct istream *input, pool_t pool,
		     struct coi_headers *headers_r, const char **error_r);

/* The same, and in the same pass collects the `wanted' fields (a set of
   COI_FIELD_FLAG()s of coi-fields.h) into *fields_r. */
int coi_headers_read_fields(struct istream *input, pool_t pool,
			    unsigned int wanted, struct coi_headers *headers_r,
			    struct coi_fields *fields_r, const char **error_r);

#endif
