/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hex-binary.h"
#include "message-address.h"
#include "message-date.h"
#include "str.h"
#include "unichar.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-address.h"
#include "coi-fields.h"
#include "coi-time.h"
#include "coi-contact.h"

#include <ctype.h>

#define COI_BLOCKED_NAME "COI-Blocked"
#define COI_BLOCKED_FIELD COI_BLOCKED_NAME ": yes"

static bool coi_contact_is_hash_delimiter(unsigned char c)
{
	switch (c) {
	case ',':
	case ';':
	case ' ':
	case '\t':
		return TRUE;
	default:
		return FALSE;
	}
}

static void
coi_contact_add_hash(pool_t pool, const unsigned char *data, size_t size,
		     const char **list, unsigned int *count)
{
	const char *hash;
	unsigned int i;

	if (*count == COI_CONTACT_HASHES_MAX ||
	    !coi_hash_parse(data, size, &hash))
		return;
	for (i = 0; i < *count; i++) {
		if (strcmp(list[i], hash) == 0)
			return;
	}
	list[(*count)++] = p_strdup(pool, hash);
}

static void
coi_contact_read_hashes(const struct coi_field_value *value, pool_t pool,
			struct coi_contact_headers *headers)
{
	const char **list;
	size_t i, start = 0;

	if (value->size == 0)
		return;
	list = p_new(pool, const char *, COI_CONTACT_HASHES_MAX);
	headers->hashes = list;
	for (i = 0; i <= value->size; i++) {
		if (i < value->size &&
		    !coi_contact_is_hash_delimiter(value->data[i]))
			continue;
		coi_contact_add_hash(pool, value->data + start, i - start,
				     list, &headers->hash_count);
		start = i + 1;
	}
}

void coi_contact_headers_read(const struct coi_fields *fields, pool_t pool,
			      struct coi_contact_headers *headers_r)
{
	const struct coi_field_value *date = &fields->values[COI_FIELD_DATE];
	time_t timestamp;
	int timezone_offset;

	i_zero(headers_r);
	headers_r->is_contact =
		coi_fields_get_content(fields) == COI_CONTENT_CONTACT;
	headers_r->blocked = fields->values[COI_FIELD_COI_BLOCKED].present;
	coi_contact_read_hashes(&fields->values[COI_FIELD_COI_FROM_HASH], pool,
				headers_r);
	if (date->size > 0 &&
	    message_date_parse(date->data, date->size, &timestamp,
			       &timezone_offset) && timestamp > 0)
		headers_r->date = timestamp;
}

int coi_contact_version_cmp(time_t date1, uint32_t uid1,
			    time_t date2, uint32_t uid2)
{
	if (date1 != date2)
		return date1 < date2 ? -1 : 1;
	if (uid1 != uid2)
		return uid1 < uid2 ? -1 : 1;
	return 0;
}

/* The size of the line that begins here, with its line feed if it has one. */
static size_t coi_line_size(const unsigned char *data, size_t size)
{
	const unsigned char *lf = memchr(data, '\n', size);

	return lf == NULL ? size : (size_t)(lf - data) + 1;
}

static bool coi_line_is_empty(const unsigned char *line, size_t size)
{
	return (size == 1 && line[0] == '\n') ||
		(size == 2 && line[0] == '\r' && line[1] == '\n');
}

static bool coi_line_is_continued(const unsigned char *line, size_t size)
{
	return size > 0 && (line[0] == ' ' || line[0] == '\t');
}

/* RFC 5322 4.5.8 allows white space before the colon. */
static bool coi_line_is_blocked_field(const unsigned char *line, size_t size)
{
	size_t len = strlen(COI_BLOCKED_NAME);

	if (size <= len ||
	    strncasecmp((const char *)line, COI_BLOCKED_NAME, len) != 0)
		return FALSE;
	while (len < size && (line[len] == ' ' || line[len] == '\t'))
		len++;
	return len < size && line[len] == ':';
}

/* A header block as it is to be rewritten. */
struct coi_block {
	/* Where the empty line begins, or where it all ends. */
	size_t end;
	/* Where the first field begins; == end: nowhere. */
	size_t first_field;
	/* How its first line ends. */
	bool lf_only;
	bool blocked;
};

static void coi_block_scan(const unsigned char *data, size_t size,
			   struct coi_block *block_r)
{
	bool first = TRUE;
	size_t pos, len;

	i_zero(block_r);
	for (pos = 0; pos < size; pos += len) {
		len = coi_line_size(data + pos, size - pos);
		if (pos == 0) {
			block_r->lf_only = data[len - 1] == '\n' &&
				(len == 1 || data[len - 2] != '\r');
		}
		if (coi_line_is_empty(data + pos, len))
			break;
		if (coi_line_is_continued(data + pos, len))
			continue;
		if (first)
			block_r->first_field = pos;
		first = FALSE;
		if (coi_line_is_blocked_field(data + pos, len))
			block_r->blocked = TRUE;
	}
	block_r->end = pos;
	if (first)
		block_r->first_field = pos;
}

/* A new field goes before the first one: there it never lands inside of
   another, however the block ends. */
static void coi_block_add_field(const unsigned char *data,
				const struct coi_block *block, string_t *dest)
{
	const char *eol = block->lf_only ? "\n" : "\r\n";
	size_t pos = block->first_field;

	buffer_append(dest, data, pos);
	if (pos > 0 && data[pos - 1] != '\n')
		str_append(dest, eol);
	str_append(dest, COI_BLOCKED_FIELD);
	str_append(dest, eol);
	buffer_append(dest, data + pos, block->end - pos);
}

static void coi_block_drop_field(const unsigned char *data,
				 const struct coi_block *block, string_t *dest)
{
	bool dropped = FALSE;
	size_t pos, len;

	for (pos = 0; pos < block->end; pos += len) {
		len = coi_line_size(data + pos, block->end - pos);
		if (!coi_line_is_continued(data + pos, len))
			dropped = coi_line_is_blocked_field(data + pos, len);
		if (!dropped)
			buffer_append(dest, data + pos, len);
	}
}

bool coi_contact_rewrite(const unsigned char *data, size_t size, bool blocked,
			 string_t *dest)
{
	struct coi_block block;

	coi_block_scan(data, size, &block);
	if (blocked == block.blocked)
		buffer_append(dest, data, block.end);
	else if (blocked)
		coi_block_add_field(data, &block, dest);
	else
		coi_block_drop_field(data, &block, dest);
	buffer_append(dest, data + block.end, size - block.end);
	return blocked != block.blocked;
}

static bool coi_is_mailbox(const char *mailbox)
{
	const unsigned char *p;

	if (*mailbox == '\0' ||
	    strlen(mailbox) > COI_OWN_ADDRESS_PART_MAX_BYTES ||
	    !uni_utf8_str_is_valid(mailbox))
		return FALSE;
	for (p = (const unsigned char *)mailbox; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return FALSE;
	}
	return TRUE;
}

static bool coi_is_domain(const char *domain)
{
	const unsigned char *p;

	if (*domain == '\0' ||
	    strlen(domain) > COI_OWN_ADDRESS_PART_MAX_BYTES ||
	    !uni_utf8_str_is_valid(domain))
		return FALSE;
	for (p = (const unsigned char *)domain; *p != '\0'; p++) {
		if (*p < 0x80 && !i_isalnum(*p) && *p != '-' &&
		    (*p != '.' || p[1] == '\0' || p[1] == '.' ||
		     p == (const unsigned char *)domain))
			return FALSE;
	}
	return TRUE;
}

void coi_contact_write_message(const struct coi_contact_message *message,
			       string_t *dest)
{
	const char *mailbox = message->from_mailbox;
	const char *domain = message->from_domain;
	struct message_address from;

	i_assert(coi_hash_is_valid(message->hash));
	if (!coi_is_mailbox(mailbox))
		mailbox = "user";
	if (!coi_is_domain(domain))
		domain = "localhost";

	message_address_init(&from, NULL, mailbox, domain);
	str_append(dest, "From: ");
	message_address_write(dest, &from);
	str_append(dest, "\r\nSubject: Contact\r\nDate: ");
	/* message_date_create() would tell the server's time zone. */
	coi_time_append_rfc5322(dest, message->now);
	str_printfa(dest, "\r\nMessage-ID: <chat$%s@%s>\r\n",
		    binary_to_hex(message->random, sizeof(message->random)),
		    domain);
	str_append(dest, "MIME-Version: 1.0\r\n"
		   "Content-Type: text/html; charset=UTF-8\r\n"
		   "Chat-Version: 1.0\r\nChat-Content: contact\r\n");
	str_printfa(dest, "COI-From-Hash: %s\r\n", message->hash);
	if (message->blocked)
		str_append(dest, COI_BLOCKED_FIELD "\r\n");
	str_append(dest, "\r\n<html><body></body></html>\r\n");
}
