/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "message-header-parser.h"
#include "rfc822-parser.h"
#include "rfc2231-parser.h"
#include "coi-limits.h"
#include "coi-fields.h"

enum coi_field_kind {
	/* Only that it is there counts. */
	COI_FIELD_KIND_PRESENT,
	/* The first one that is not empty counts. */
	COI_FIELD_KIND_FIRST,
	/* All of them count. */
	COI_FIELD_KIND_LIST,
};

static const struct coi_field_info {
	const char *name;
	enum coi_field_kind kind;
	size_t max_bytes;
} coi_field_infos[COI_FIELD_COUNT] = {
	[COI_FIELD_CC] =
	{ "Cc", COI_FIELD_KIND_LIST, COI_RECIPIENTS_MAX_BYTES },
	[COI_FIELD_CHAT_CONTENT] =
	{ "Chat-Content", COI_FIELD_KIND_FIRST, COI_HEADER_VALUE_MAX_BYTES },
	[COI_FIELD_COI_BLOCKED] =
	{ "COI-Blocked", COI_FIELD_KIND_PRESENT, 0 },
	[COI_FIELD_COI_FROM_HASH] =
	{ "COI-From-Hash", COI_FIELD_KIND_LIST, COI_CONTACT_HASHES_MAX_BYTES },
	[COI_FIELD_CONTENT_TRANSFER_ENCODING] =
	{ "Content-Transfer-Encoding", COI_FIELD_KIND_FIRST,
	  COI_HEADER_VALUE_MAX_BYTES },
	[COI_FIELD_CONTENT_TYPE] =
	{ "Content-Type", COI_FIELD_KIND_FIRST, COI_CONTENT_TYPE_MAX_BYTES },
	[COI_FIELD_DATE] =
	{ "Date", COI_FIELD_KIND_FIRST, COI_HEADER_VALUE_MAX_BYTES },
	[COI_FIELD_FROM] =
	{ "From", COI_FIELD_KIND_LIST, COI_FROM_MAX_BYTES },
	[COI_FIELD_SUBJECT] =
	{ "Subject", COI_FIELD_KIND_FIRST, COI_SUBJECT_MAX_BYTES },
	[COI_FIELD_TO] =
	{ "To", COI_FIELD_KIND_LIST, COI_RECIPIENTS_MAX_BYTES },
};

static enum coi_field
coi_field_find(const struct message_header_line *hdr)
{
	enum coi_field field;
	const char *name;

	for (field = 0; field < COI_FIELD_COUNT; field++) {
		name = coi_field_infos[field].name;
		/* A NUL makes the two lengths differ. */
		if (strlen(name) == hdr->name_len &&
		    strcasecmp(name, hdr->name) == 0)
			break;
	}
	return field;
}

void coi_fields_collector_init(struct coi_fields_collector *collector,
			       pool_t pool, unsigned int wanted,
			       struct coi_fields *fields_r)
{
	i_zero(fields_r);
	i_zero(collector);
	collector->pool = pool;
	collector->wanted = wanted;
	collector->fields = fields_r;
	collector->current = COI_FIELD_COUNT;
}

static void coi_fields_append(struct coi_fields_collector *collector,
			      const void *data, size_t size)
{
	enum coi_field field = collector->current;
	size_t max_bytes = coi_field_infos[field].max_bytes;
	buffer_t *buffer = collector->buffers[field];
	size_t room;

	if (buffer == NULL) {
		buffer = buffer_create_dynamic(collector->pool, 128);
		collector->buffers[field] = buffer;
	}
	room = max_bytes - buffer->used;
	if (size > room) {
		collector->fields->values[field].too_long = TRUE;
		size = room;
	}
	buffer_append(buffer, data, size);
}

static bool coi_fields_buffer_is_empty(const buffer_t *buffer)
{
	const unsigned char *data;
	size_t i;

	if (buffer == NULL)
		return TRUE;
	data = buffer->data;
	for (i = 0; i < buffer->used; i++) {
		if (data[i] != ' ' && data[i] != '\t' &&
		    data[i] != '\r' && data[i] != '\n')
			return FALSE;
	}
	return TRUE;
}

static void coi_fields_begin(struct coi_fields_collector *collector,
			     const struct message_header_line *hdr)
{
	enum coi_field field = coi_field_find(hdr);
	buffer_t *buffer;

	collector->current = COI_FIELD_COUNT;
	if (field == COI_FIELD_COUNT ||
	    (collector->wanted & COI_FIELD_FLAG(field)) == 0)
		return;

	collector->fields->values[field].present = TRUE;
	buffer = collector->buffers[field];
	switch (coi_field_infos[field].kind) {
	case COI_FIELD_KIND_PRESENT:
		return;
	case COI_FIELD_KIND_FIRST:
		if (!coi_fields_buffer_is_empty(buffer))
			return;
		if (buffer != NULL)
			buffer_set_used_size(buffer, 0);
		collector->fields->values[field].too_long = FALSE;
		collector->current = field;
		break;
	case COI_FIELD_KIND_LIST:
		collector->current = field;
		if (!coi_fields_buffer_is_empty(buffer))
			coi_fields_append(collector, ",", 1);
		break;
	}
}

void coi_fields_collector_feed(struct coi_fields_collector *collector,
			       const struct message_header_line *hdr)
{
	if (!hdr->continued)
		coi_fields_begin(collector, hdr);
	if (collector->current != COI_FIELD_COUNT)
		coi_fields_append(collector, hdr->value, hdr->value_len);
}

void coi_fields_collector_finish(struct coi_fields_collector *collector)
{
	enum coi_field field;
	struct coi_field_value *value;
	unsigned char *data;
	size_t i, size, skip;

	for (field = 0; field < COI_FIELD_COUNT; field++) {
		if (coi_fields_buffer_is_empty(collector->buffers[field]))
			continue;
		/* Bare CRs, and line feeds where the parser's buffer ended. How
		   much white space there is depends on that, too. */
		data = buffer_get_modifiable_data(collector->buffers[field],
						  &size);
		for (i = 0; i < size; i++) {
			if (data[i] == '\r' || data[i] == '\n')
				data[i] = ' ';
		}
		value = &collector->fields->values[field];
		while (data[size - 1] == ' ' || data[size - 1] == '\t')
			size--;
		for (skip = 0; data[skip] == ' ' || data[skip] == '\t'; )
			skip++;
		value->data = data + skip;
		value->size = size - skip;
	}
}

enum coi_content coi_fields_get_content(const struct coi_fields *fields)
{
	static const struct {
		const char *name;
		enum coi_content content;
	} contents[] = {
		{ "contact", COI_CONTENT_CONTACT },
		{ "profile", COI_CONTENT_PROFILE },
		{ "group", COI_CONTENT_GROUP },
		{ "groupleft", COI_CONTENT_GROUPLEFT },
	};
	const struct coi_field_value *value =
		&fields->values[COI_FIELD_CHAT_CONTENT];
	struct rfc822_parser_context parser;
	string_t *word = t_str_new(32);
	unsigned int i;

	if (value->size == 0)
		return COI_CONTENT_NONE;
	rfc822_parser_init(&parser, value->data, value->size, NULL);
	if (rfc822_skip_lwsp(&parser) > 0)
		(void)rfc822_parse_mime_token(&parser, word);
	rfc822_parser_deinit(&parser);

	for (i = 0; i < N_ELEMENTS(contents); i++) {
		if (strcasecmp(str_c(word), contents[i].name) == 0)
			return contents[i].content;
	}
	return COI_CONTENT_OTHER;
}

bool coi_fields_is_receipt(const struct coi_fields *fields)
{
	const struct coi_field_value *value =
		&fields->values[COI_FIELD_CONTENT_TYPE];
	struct rfc822_parser_context parser;
	string_t *type = t_str_new(64);
	const char *const *params = NULL;

	if (value->size == 0)
		return FALSE;
	rfc822_parser_init(&parser, value->data, value->size, NULL);
	rfc822_skip_lwsp(&parser);
	if (rfc822_parse_content_type(&parser, type) >= 0)
		(void)rfc2231_parse(&parser, &params);
	rfc822_parser_deinit(&parser);

	if (strcasecmp(str_c(type), "multipart/report") != 0 || params == NULL)
		return FALSE;
	for (; params[0] != NULL; params += 2) {
		if (strcasecmp(params[0], "report-type") == 0) {
			return strcasecmp(params[1],
					  "disposition-notification") == 0;
		}
	}
	return FALSE;
}
