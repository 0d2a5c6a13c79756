/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "charset-utf8.h"
#include "istream.h"
#include "str.h"
#include "unichar.h"
#include "message-address.h"
#include "message-date.h"
#include "message-decoder.h"
#include "message-header-decode.h"
#include "message-parser.h"
#include "message-size.h"
#include "rfc822-parser.h"
#include "rfc2231-parser.h"
#include "mail-storage.h"
#include "coi-limits.h"
#include "coi-notify.h"
#include "webpush-encrypt.h"
#include "coi-webpush-message.h"

int coi_webpush_message_read(struct mail *mail, pool_t pool,
			     struct coi_webpush_message *message_r,
			     const char **error_r)
{
	struct istream *input;
	uoff_t old_offset;
	int ret;

	i_zero(message_r);
	message_r->mail = mail;
	message_r->pool = pool;
	if (mail_get_hdr_stream(mail, NULL, &input) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(mail->box,
								    NULL));
		return -1;
	}
	old_offset = input->v_offset;
	ret = coi_headers_read_fields(input, pool, COI_FIELDS_PUSH,
				      &message_r->headers, &message_r->fields,
				      error_r);
	i_stream_seek(input, old_offset);
	if (ret < 0)
		return -1;
	coi_addresses_read_from(&message_r->fields, pool, &message_r->from);
	return 0;
}

const char *
coi_webpush_message_get_chat(const struct coi_webpush_message *message,
			     bool is_chat, const char *group_id)
{
	if (!is_chat)
		return NULL;
	if (group_id != NULL)
		return t_strconcat("group:", group_id, NULL);
	return message->from.count == 0 ? NULL :
		t_strconcat("from:", message->from.list[0], NULL);
}

/*
 * Headers
 */

static const char *
coi_webpush_decode(pool_t pool, const void *data, size_t size)
{
	string_t *str = t_str_new(128);

	message_header_decode_utf8(data, size, str, NULL);
	return p_strdup(pool, str_c(str));
}

/* The field's value as text, NULL if there is none. */
static const char *
coi_webpush_field(const struct coi_webpush_message *message,
		  enum coi_field field)
{
	const struct coi_field_value *value = &message->fields.values[field];

	return value->size == 0 ? NULL :
		p_strndup(message->pool, value->data, value->size);
}

static const char *
coi_webpush_from_name(const struct coi_webpush_message *message)
{
	const struct coi_field_value *from =
		&message->fields.values[COI_FIELD_FROM];
	const struct message_address *address;

	if (from->size == 0)
		return NULL;
	address = message_address_parse(pool_datastack_create(), from->data,
					from->size, 1, 0);
	return address == NULL || address->name == NULL ? NULL :
		coi_webpush_decode(message->pool, address->name,
				   strlen(address->name));
}

static time_t coi_webpush_date(const struct coi_webpush_message *message)
{
	const struct coi_field_value *date =
		&message->fields.values[COI_FIELD_DATE];
	time_t timestamp;
	int tz;

	return date->size > 0 && message_date_parse(date->data, date->size,
						    &timestamp, &tz) ?
		timestamp : 0;
}

void coi_webpush_message_get_headers(const struct coi_webpush_message *message,
				     struct webpush_payload *payload)
{
	const struct coi_field_value *subject =
		&message->fields.values[COI_FIELD_SUBJECT];

	if (message->from.count > 0)
		payload->from_email = message->from.list[0];
	payload->from_name = coi_webpush_from_name(message);
	if (subject->size > 0) {
		payload->subject = coi_webpush_decode(message->pool,
			subject->data, subject->size);
	}
	payload->date = coi_webpush_date(message);
	payload->msg_id = message->headers.message_id;
	payload->content_type =
		coi_webpush_field(message, COI_FIELD_CONTENT_TYPE);
	payload->content_encoding =
		coi_webpush_field(message, COI_FIELD_CONTENT_TRANSFER_ENCODING);
}

/*
 * Body
 */

/* More need not be read: CRs are left out, and nothing gets shorter by becoming
   UTF-8 than half of it (UTF-16 is no charset of 8-bit text). */
#define COI_WEBPUSH_BODY_READ_MAX (2 * WEBPUSH_PLAINTEXT_MAX_BYTES)

/* Reads the body with LFs alone. Returns 1, 0 if it is too long, -1 on
   error. */
static int
coi_webpush_read_body(struct mail *mail, string_t *dest, const char **error_r)
{
	struct message_size hdr_size;
	const unsigned char *data;
	struct istream *input;
	size_t size, i;

	if (mail_get_stream(mail, &hdr_size, NULL, &input) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(mail->box,
								    NULL));
		return -1;
	}
	i_stream_seek(input, hdr_size.physical_size);
	while (str_len(dest) <= COI_WEBPUSH_BODY_READ_MAX &&
	       i_stream_read_more(input, &data, &size) > 0) {
		for (i = 0; i < size; i++) {
			if (data[i] != '\r')
				str_append_c(dest, data[i]);
		}
		i_stream_skip(input, size);
	}
	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return -1;
	}
	return str_len(dest) <= COI_WEBPUSH_BODY_READ_MAX ? 1 : 0;
}

/* Returns the charset that 8-bit text is in, "" if none is stated; NULL: it is no
   text. */
static const char *coi_webpush_get_charset(const char *content_type)
{
	struct rfc822_parser_context parser;
	const char *const *params = NULL;
	string_t *type = t_str_new(64);

	if (content_type == NULL)
		return "";
	rfc822_parser_init(&parser, (const unsigned char *)content_type,
			   strlen(content_type), NULL);
	rfc822_skip_lwsp(&parser);
	if (rfc822_parse_content_type(&parser, type) >= 0)
		(void)rfc2231_parse(&parser, &params);
	rfc822_parser_deinit(&parser);
	if (strncasecmp(str_c(type), "text/", 5) != 0)
		return NULL;
	for (; params != NULL && *params != NULL; params += 2) {
		if (strcasecmp(params[0], "charset") == 0)
			return params[1];
	}
	return "";
}

static bool coi_webpush_is_8bit(const char *encoding)
{
	return encoding == NULL || strcasecmp(encoding, "7bit") == 0 ||
		strcasecmp(encoding, "8bit") == 0 ||
		strcasecmp(encoding, "binary") == 0;
}

static bool coi_webpush_has_8bit(const string_t *str)
{
	const unsigned char *data = str_data(str);
	size_t i, size = str_len(str);

	for (i = 0; i < size; i++) {
		if ((data[i] & 0x80) != 0)
			return TRUE;
	}
	return FALSE;
}

/* Makes the body UTF-8. Returns FALSE if it is not valid in its charset, which a
   text may leave open. */
static bool
coi_webpush_convert(const char *charset, string_t *body, string_t *dest)
{
	enum charset_result result;

	if (memchr(str_data(body), '\0', str_len(body)) != NULL)
		return FALSE;
	if (*charset == '\0' || charset_is_utf8(charset)) {
		/* us-ascii is UTF-8 to Dovecot, but has no 8-bit */
		str_append_str(dest, body);
		return *charset == '\0' || strcasecmp(charset, "utf-8") == 0 ||
			strcasecmp(charset, "utf8") == 0 ||
			!coi_webpush_has_8bit(body);
	}
	return charset_to_utf8_str(charset, NULL, str_c(body), dest,
				   &result) == 0 && result == CHARSET_RET_OK;
}

int coi_webpush_message_get_content(const struct coi_webpush_message *message,
				    struct webpush_payload *payload,
				    const char **error_r)
{
	string_t *body = str_new(message->pool, 1024);
	string_t *utf8 = str_new(message->pool, 1024);
	const char *charset;
	int ret;

	ret = coi_webpush_read_body(message->mail, body, error_r);
	if (ret <= 0)
		return ret;
	charset = coi_webpush_is_8bit(payload->content_encoding) ?
		coi_webpush_get_charset(payload->content_type) : NULL;
	if (charset != NULL) {
		if (!coi_webpush_convert(charset, body, utf8))
			return 0;
		body = utf8;
	}
	payload->content = str_data(body);
	payload->content_size = str_len(body);
	return 0;
}

/*
 * Mentions
 */

struct coi_webpush_texts {
	string_t *plain, *html;
};

/* Returns FALSE when there is enough. */
static bool
coi_webpush_texts_add(struct coi_webpush_texts *texts, const char *content_type,
		      const struct message_block *block)
{
	size_t used = str_len(texts->plain) + str_len(texts->html);
	size_t i, size = I_MIN(block->size, COI_MENTION_TEXT_MAX_BYTES - used);
	string_t *dest;

	if (content_type == NULL || strcasecmp(content_type, "text/plain") == 0)
		dest = texts->plain;
	else if (strcasecmp(content_type, "text/html") == 0)
		dest = texts->html;
	else
		return TRUE;
	for (i = 0; i < size; i++) {
		/* which would end the string */
		str_append_c(dest, block->data[i] == '\0' ?
			     ' ' : block->data[i]);
	}
	return used + size < COI_MENTION_TEXT_MAX_BYTES;
}

static void
coi_webpush_texts_read(struct istream *input, pool_t pool,
		       struct coi_webpush_texts *texts)
{
	const struct message_parser_settings set = { .flags = 0 };
	struct message_parser_ctx *parser =
		message_parser_init(pool, input, &set);
	struct message_decoder_context *decoder = message_decoder_init(NULL, 0);
	struct message_block raw, block;
	struct message_part *parts;
	bool more = TRUE;

	while (more && message_parser_parse_next_block(parser, &raw) > 0) {
		if (!message_decoder_decode_next_block(decoder, &raw, &block))
			continue;
		if (block.hdr == NULL && block.size > 0) {
			more = coi_webpush_texts_add(texts,
				message_decoder_current_content_type(decoder),
				&block);
		}
	}
	message_decoder_deinit(&decoder);
	message_parser_deinit(&parser, &parts);
}

int coi_webpush_message_mentions(const struct coi_webpush_message *message,
				 const char *const *addresses,
				 const char **error_r)
{
	struct coi_webpush_texts texts = {
		.plain = str_new(message->pool, 1024),
		.html = str_new(message->pool, 1024),
	};
	struct istream *input;

	if (mail_get_stream(message->mail, NULL, NULL, &input) < 0) {
		*error_r = t_strdup(mailbox_get_last_internal_error(
			message->mail->box, NULL));
		return -1;
	}
	coi_webpush_texts_read(input, message->pool, &texts);
	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("read(%s) failed: %s",
			i_stream_get_name(input), i_stream_get_error(input));
		return -1;
	}
	return coi_mention_in_plain(str_c(texts.plain), addresses) ||
		coi_mention_in_html(str_c(texts.html), addresses) ? 1 : 0;
}
