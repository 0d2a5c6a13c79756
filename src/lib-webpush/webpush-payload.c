/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "rfc822-parser.h"
#include "rfc2231-parser.h"
#include "str.h"
#include "unichar.h"
#include "coi-limits.h"
#include "coi-json.h"
#include "coi-time.h"
#include "webpush-encrypt.h"
#include "webpush-payload.h"

#define WEBPUSH_ELLIPSIS "\xe2\x80\xa6"

/* Shorter than coi-json.h does it: a body is full of line feeds, and each byte
   counts. */
static void webpush_append_escaped(string_t *dest, const unsigned char *data,
				   size_t size)
{
	static const char short_escapes[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	const char *escape;
	size_t i, start = 0;

	for (i = 0; i < size; i++) {
		if (data[i] >= 0x20 && data[i] != '"' && data[i] != '\\')
			continue;
		str_append_data(dest, data + start, i - start);
		start = i + 1;
		for (escape = short_escapes; *escape != '\0'; escape += 2) {
			if ((unsigned char)*escape == data[i])
				break;
		}
		if (*escape != '\0') {
			str_append_c(dest, '\\');
			str_append_c(dest, escape[1]);
		} else {
			str_printfa(dest, "\\u%04x", data[i]);
		}
	}
	str_append_data(dest, data + start, size - start);
}

static const char *webpush_get_valid(const char *text)
{
	string_t *valid;

	if (uni_utf8_str_is_valid(text))
		return text;
	valid = t_str_new(strlen(text) + 32);
	if (uni_utf8_get_valid_data((const unsigned char *)text, strlen(text),
				    valid))
		return text;
	return str_c(valid);
}

/* Appends the text, or as many of its characters as `max_bytes' hold when they
   are escaped, and an ellipsis (W25, W26). */
static void webpush_append_cut(string_t *dest, const char *text,
			       size_t max_bytes)
{
	const unsigned char *p = (const void *)webpush_get_valid(text);
	size_t start = str_len(dest), pos, len;

	for (; *p != '\0'; p += len) {
		pos = str_len(dest);
		len = uni_utf8_char_bytes(*p);
		webpush_append_escaped(dest, p, len);
		if (str_len(dest) - start > max_bytes) {
			str_truncate(dest, pos);
			str_append(dest, WEBPUSH_ELLIPSIS);
			break;
		}
	}
}

static void webpush_append_text(string_t *dest, const char *name,
				const char *text, size_t max_bytes)
{
	if (text == NULL || *text == '\0')
		return;
	coi_json_append_name(dest, name);
	str_append_c(dest, '"');
	webpush_append_cut(dest, text, max_bytes);
	str_append_c(dest, '"');
}

/* What is of no use when it is cut. */
static void webpush_append_whole(string_t *dest, const char *name,
				 const char *text, size_t max_bytes)
{
	string_t *str = t_str_new(256);

	if (text == NULL || strlen(text) > max_bytes)
		return;
	text = webpush_get_valid(text);
	webpush_append_escaped(str, (const unsigned char *)text, strlen(text));
	if (str_len(str) <= max_bytes)
		webpush_append_text(dest, name, text, max_bytes);
}

static void
webpush_append_number(string_t *dest, const char *name, unsigned int value)
{
	coi_json_append_name(dest, name);
	str_printfa(dest, "%u", value);
}

static const char *webpush_strip_brackets(const char *msg_id)
{
	size_t len;

	if (msg_id == NULL || *msg_id != '<')
		return msg_id;
	len = strlen(++msg_id);
	return len > 0 && msg_id[len - 1] == '>' ?
		t_strndup(msg_id, len - 1) : msg_id;
}

static void webpush_append_ids(string_t *dest,
			       const struct webpush_payload *payload)
{
	webpush_append_text(dest, "msg-id",
			    webpush_strip_brackets(payload->msg_id),
			    COI_PUSH_TEXT_MAX_BYTES);
	if (payload->uid != 0)
		webpush_append_number(dest, "uid", payload->uid);
	if (payload->uid_validity != 0) {
		webpush_append_number(dest, "uidvalidity",
				      payload->uid_validity);
	}
	webpush_append_whole(dest, "folder", payload->folder,
			     COI_PUSH_FOLDER_MAX_BYTES);
	if (payload->has_unseen)
		webpush_append_number(dest, "unseen", payload->unseen);
}

static void webpush_append_headers(string_t *dest,
				   const struct webpush_payload *payload)
{
	webpush_append_text(dest, "from-email", payload->from_email,
			    COI_PUSH_TEXT_MAX_BYTES);
	webpush_append_text(dest, "from-name", payload->from_name,
			    COI_PUSH_TEXT_MAX_BYTES);
	webpush_append_text(dest, "subject", payload->subject,
			    COI_PUSH_TEXT_MAX_BYTES);
	if (payload->date > 0 && payload->date <= COI_TIME_MAX) {
		coi_json_append_name(dest, "date");
		coi_json_append_time(dest, payload->date);
	}
	webpush_append_whole(dest, "group-id", payload->group_id,
			     COI_PUSH_GROUP_ID_MAX_BYTES);
}

/* Whether a client takes a body for this without being told: text/plain, in no
   other charset than JSON's own. */
static bool webpush_content_type_is_default(const char *content_type)
{
	struct rfc822_parser_context parser;
	const char *const *params = NULL;
	string_t *type = t_str_new(64);

	rfc822_parser_init(&parser, (const unsigned char *)content_type,
			   strlen(content_type), NULL);
	rfc822_skip_lwsp(&parser);
	if (rfc822_parse_content_type(&parser, type) >= 0)
		(void)rfc2231_parse(&parser, &params);
	rfc822_parser_deinit(&parser);

	if (strcasecmp(str_c(type), "text/plain") != 0)
		return FALSE;
	for (; params != NULL && *params != NULL; params += 2) {
		if (strcasecmp(params[0], "charset") != 0 ||
		    (strcasecmp(params[1], "utf-8") != 0 &&
		     strcasecmp(params[1], "us-ascii") != 0))
			return FALSE;
	}
	return TRUE;
}

static void webpush_append_content(string_t *dest,
				   const struct webpush_payload *payload)
{
	if (payload->content_type != NULL &&
	    !webpush_content_type_is_default(payload->content_type)) {
		webpush_append_text(dest, "content-type", payload->content_type,
				    COI_PUSH_CONTENT_TYPE_MAX_BYTES);
	}
	if (payload->content_encoding != NULL &&
	    strcasecmp(payload->content_encoding, "8bit") != 0) {
		webpush_append_text(dest, "content-encoding",
				    t_str_lcase(payload->content_encoding),
				    COI_PUSH_TEXT_MAX_BYTES);
	}
	coi_json_append_name(dest, "content");
	str_append_c(dest, '"');
	webpush_append_escaped(dest, payload->content, payload->content_size);
	str_append_c(dest, '"');
}

/* W28. Returns FALSE if it is left out. */
static bool webpush_add_content(string_t *dest, size_t start,
				const struct webpush_payload *payload)
{
	size_t pos = str_len(dest);

	if (payload->content == NULL ||
	    payload->content_size > WEBPUSH_PLAINTEXT_MAX_BYTES ||
	    memchr(payload->content, '\0', payload->content_size) != NULL ||
	    !uni_utf8_data_is_valid(payload->content, payload->content_size))
		return FALSE;
	webpush_append_content(dest, payload);
	/* and the closing brace */
	if (str_len(dest) - start + 1 <= WEBPUSH_PLAINTEXT_MAX_BYTES)
		return TRUE;
	str_truncate(dest, pos);
	return FALSE;
}

bool webpush_payload_format(const struct webpush_payload *payload,
			    enum webpush_payload_detail detail, string_t *dest)
{
	size_t start = str_len(dest);
	bool has_content = FALSE;

	str_append_c(dest, '{');
	if (detail != WEBPUSH_PAYLOAD_IDS)
		webpush_append_headers(dest, payload);
	webpush_append_ids(dest, payload);
	if (detail == WEBPUSH_PAYLOAD_CONTENT)
		has_content = webpush_add_content(dest, start, payload);
	str_append_c(dest, '}');
	i_assert(str_len(dest) - start <= WEBPUSH_PLAINTEXT_MAX_BYTES);
	return has_content;
}

void webpush_payload_format_seen(const struct webpush_payload *payload,
				 string_t *dest)
{
	str_append_c(dest, '{');
	coi_json_append_name(dest, "seen");
	str_append(dest, "true");
	webpush_append_ids(dest, payload);
	str_append_c(dest, '}');
}

void webpush_payload_format_validation(const char *text, string_t *dest)
{
	i_assert(strlen(text) <= COI_PUSH_VALIDATION_MAX_BYTES);

	str_append_c(dest, '{');
	coi_json_append_name(dest, "validation");
	coi_json_append_string(dest, text);
	str_append_c(dest, '}');
}
