/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "message-header-parser.h"
#include "coi-limits.h"
#include "coi-fields.h"
#include "coi-headers.h"

/* Finds the first id of one field. It is fed piece by piece, since folded and
   very long fields come that way; asking the parser for the whole value would
   let the sender choose how much memory is used. */
struct coi_id_scanner {
	unsigned int comment_depth;
	/* The last byte was a backslash inside a comment. */
	bool escaped;
	bool done;
	size_t len;
	char id[COI_HEADER_VALUE_MAX_BYTES];
};

struct coi_header_reader {
	pool_t pool;
	struct coi_headers *headers;
	/* Where the id of the current field goes; NULL: it is not wanted. */
	const char **dest;
	struct coi_id_scanner scanner;
};

/* The id buffer is left as it is: only its first `len' bytes count. */
static void coi_id_scanner_reset(struct coi_id_scanner *scanner)
{
	scanner->comment_depth = 0;
	scanner->escaped = FALSE;
	scanner->done = FALSE;
	scanner->len = 0;
}

/* RFC 5322 3.2.2: comments nest, and a backslash quotes the next byte.
   Returns TRUE if `c' belongs to a comment, its parentheses included. */
static bool coi_id_scan_comment(struct coi_id_scanner *scanner, unsigned char c)
{
	if (scanner->comment_depth == 0 && c != '(')
		return FALSE;

	if (scanner->escaped)
		scanner->escaped = FALSE;
	else if (c == '\\')
		scanner->escaped = TRUE;
	else if (c == '(')
		scanner->comment_depth++;
	else if (c == ')')
		scanner->comment_depth--;
	return TRUE;
}

static bool coi_id_is_delimiter(unsigned char c)
{
	switch (c) {
	case ' ':
	case '\t':
	case '\r':
	case '\n':
	case '>':
	/* The `>' before it is missing. */
	case '<':
		return TRUE;
	default:
		return FALSE;
	}
}

static void coi_id_scan(struct coi_id_scanner *scanner,
			const unsigned char *data, size_t size)
{
	size_t i;

	for (i = 0; i < size && !scanner->done; i++) {
		if (data[i] == '\0' || coi_id_scan_comment(scanner, data[i]))
			continue;
		if (coi_id_is_delimiter(data[i])) {
			scanner->done = scanner->len > 0;
			continue;
		}
		/* @UNSAFE */
		scanner->id[scanner->len++] = data[i];
		scanner->done = scanner->len == sizeof(scanner->id);
	}
}

/* Nearly every header of a message fails here at its length or its first
   letter; 0x20 is the bit that holds the case of an ASCII letter. */
static inline bool
coi_header_is(const struct message_header_line *hdr, const char *name,
	      size_t name_len)
{
	return hdr->name_len == name_len &&
		((hdr->name[0] ^ name[0]) & ~0x20) == 0 &&
		strcasecmp(hdr->name, name) == 0;
}
#define COI_HEADER_IS(hdr, name) coi_header_is(hdr, name, sizeof(name) - 1)

static void coi_header_end(struct coi_header_reader *reader)
{
	if (reader->dest != NULL && reader->scanner.len > 0) {
		*reader->dest = p_strndup(reader->pool, reader->scanner.id,
					  reader->scanner.len);
	}
	reader->dest = NULL;
}

static void coi_header_begin(struct coi_header_reader *reader,
			     const struct message_header_line *hdr)
{
	const char **dest;

	coi_header_end(reader);
	if (COI_HEADER_IS(hdr, "Message-ID"))
		dest = &reader->headers->message_id;
	else if (COI_HEADER_IS(hdr, "References"))
		dest = &reader->headers->first_reference;
	else {
		if (COI_HEADER_IS(hdr, "Chat-Version"))
			reader->headers->chat_version = TRUE;
		return;
	}
	if (*dest == NULL) {
		reader->dest = dest;
		coi_id_scanner_reset(&reader->scanner);
	}
}

int coi_headers_read_fields(struct istream *input, pool_t pool,
			    unsigned int wanted, struct coi_headers *headers_r,
			    struct coi_fields *fields_r, const char **error_r)
{
	struct message_header_parser_ctx *parser;
	struct message_header_line *hdr;
	struct coi_fields_collector collector;
	struct coi_header_reader reader = {
		.pool = pool,
		.headers = headers_r,
	};
	int ret;

	i_zero(headers_r);
	coi_fields_collector_init(&collector, pool, wanted, fields_r);
	parser = message_parse_header_init(input, NULL, 0);
	while ((ret = message_parse_header_next(parser, &hdr)) > 0) {
		if (!hdr->continued)
			coi_header_begin(&reader, hdr);
		if (reader.dest != NULL) {
			coi_id_scan(&reader.scanner, hdr->value,
				    hdr->value_len);
		}
		if (wanted != 0)
			coi_fields_collector_feed(&collector, hdr);
	}
	i_assert(ret != 0);
	message_parse_header_deinit(&parser);
	coi_header_end(&reader);
	coi_fields_collector_finish(&collector);

	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s",
					   i_stream_get_name(input),
					   i_stream_get_error(input));
		i_zero(headers_r);
		i_zero(fields_r);
		return -1;
	}
	return 0;
}

int coi_headers_read(struct istream *input, pool_t pool,
		     struct coi_headers *headers_r, const char **error_r)
{
	struct coi_fields fields;

	return coi_headers_read_fields(input, pool, 0, headers_r, &fields,
				       error_r);
}
