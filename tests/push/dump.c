/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

/* Makes pushes for the judge: reads what is to be pushed as JSON, one a line,
   and answers with a push a line, encrypted and signed. Each line has one of
     "message": a message, read as the server would
     "payload": an object with what a payload may be made of
     "validation", "seen": the same for the other two payloads
     "plaintext": anything
   and bytes are base64url in both directions.

   dump P256DH AUTH ORIGIN SUBJECT NOW */

#include "lib.h"
#include "buffer.h"
#include "istream.h"
#include "message-address.h"
#include "message-date.h"
#include "message-header-decode.h"
#include "randgen.h"
#include "str.h"
#include "coi-address.h"
#include "coi-classify.h"
#include "coi-fields.h"
#include "coi-headers.h"
#include "coi-json.h"
#include "webpush-encrypt.h"
#include "webpush-payload.h"
#include "webpush-text.h"
#include "webpush-vapid.h"

#include <stdio.h>

/* Room for a message that does not fit into a push. */
#define DUMP_LINE_MAX_BYTES (256*1024)

#define DUMP_FIELDS (COI_FIELD_FLAG(COI_FIELD_FROM) | \
		     COI_FIELD_FLAG(COI_FIELD_SUBJECT) | \
		     COI_FIELD_FLAG(COI_FIELD_DATE) | \
		     COI_FIELD_FLAG(COI_FIELD_CONTENT_TYPE))

struct dump {
	struct webpush_receiver receiver;
	struct webpush_key vapid;
	const char *origin, *subject;
	time_t now;
};

static const buffer_t *dump_decode(const char *base64)
{
	buffer_t *buf = t_buffer_create(256);

	if (webpush_base64_decode(base64, buf) < 0)
		i_fatal("no base64: %s", base64);
	return buf;
}

static void dump_decode_into(const char *base64, void *dest, size_t size)
{
	const buffer_t *buf = dump_decode(base64);

	if (buf->used != size)
		i_fatal("not %zu bytes: %s", size, base64);
	memcpy(dest, buf->data, size);
}

static void dump_make_key(struct webpush_key *key_r)
{
	unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES];
	const char *error;
	int ret;

	do {
		random_fill(private_key, sizeof(private_key));
		ret = webpush_key_init(private_key, key_r, &error);
	} while (ret == 0);
	if (ret < 0)
		i_fatal("%s", error);
}

/* NULL if there is no such member. */
static const buffer_t *dump_get_bytes(const json_t *job, const char *name)
{
	const char *value = json_string_value(json_object_get(job, name));

	return value == NULL ? NULL : dump_decode(value);
}

static const char *dump_get_text(const json_t *job, const char *name)
{
	const buffer_t *buf = dump_get_bytes(job, name);

	return buf == NULL ? NULL : t_strndup(buf->data, buf->used);
}

static uint32_t dump_get_number(const json_t *job, const char *name)
{
	return json_integer_value(json_object_get(job, name));
}

static const char *dump_decode_header(const struct coi_field_value *value)
{
	string_t *str = t_str_new(256);

	message_header_decode_utf8(value->data, value->size, str, NULL);
	return str_c(str);
}

static void dump_read_from(const struct coi_fields *fields,
			   struct webpush_payload *payload)
{
	const struct coi_field_value *value = &fields->values[COI_FIELD_FROM];
	struct message_address *from;
	struct coi_addresses addresses;

	if (value->size == 0)
		return;
	coi_addresses_read_from(fields, pool_datastack_create(), &addresses);
	if (addresses.count > 0)
		payload->from_email = addresses.list[0];
	from = message_address_parse(pool_datastack_create(), value->data,
				     value->size, 1, 0);
	if (from != NULL && from->name != NULL) {
		const struct coi_field_value name = {
			.data = (const unsigned char *)from->name,
			.size = strlen(from->name)
		};
		payload->from_name = dump_decode_header(&name);
	}
}

static void dump_read_fields(const struct coi_fields *fields,
			     struct webpush_payload *payload)
{
	const struct coi_field_value *value =
		&fields->values[COI_FIELD_SUBJECT];
	int timezone;

	dump_read_from(fields, payload);
	if (value->size > 0)
		payload->subject = dump_decode_header(value);
	value = &fields->values[COI_FIELD_DATE];
	if (value->size == 0 ||
	    !message_date_parse(value->data, value->size, &payload->date,
				&timezone))
		payload->date = 0;
	value = &fields->values[COI_FIELD_CONTENT_TYPE];
	if (value->size > 0)
		payload->content_type = t_strndup(value->data, value->size);
}

static void dump_read_message(const buffer_t *message,
			      struct webpush_payload *payload)
{
	struct istream *input =
		i_stream_create_from_data(message->data, message->used);
	struct coi_headers headers;
	struct coi_fields fields;
	const char *error;

	if (coi_headers_read_fields(input, pool_datastack_create(), DUMP_FIELDS,
				    &headers, &fields, &error) < 0)
		i_fatal("%s", error);
	dump_read_fields(&fields, payload);
	payload->msg_id = headers.message_id;
	if (!coi_group_id_find(&headers, &payload->group_id))
		payload->group_id = NULL;
	payload->content = CONST_PTR_OFFSET(message->data, input->v_offset);
	payload->content_size = message->used - input->v_offset;
	i_stream_unref(&input);
}

static void dump_read_payload(const json_t *job,
			      struct webpush_payload *payload)
{
	const buffer_t *content = dump_get_bytes(job, "content");

	payload->from_email = dump_get_text(job, "from-email");
	payload->from_name = dump_get_text(job, "from-name");
	payload->subject = dump_get_text(job, "subject");
	payload->date = json_integer_value(json_object_get(job, "date"));
	payload->msg_id = dump_get_text(job, "msg-id");
	payload->uid = dump_get_number(job, "uid");
	payload->uid_validity = dump_get_number(job, "uidvalidity");
	payload->folder = dump_get_text(job, "folder");
	payload->group_id = dump_get_text(job, "group-id");
	payload->content_type = dump_get_text(job, "content-type");
	payload->content_encoding = dump_get_text(job, "content-encoding");
	payload->has_unseen = json_object_get(job, "unseen") != NULL;
	payload->unseen = dump_get_number(job, "unseen");
	if (content != NULL) {
		payload->content = content->data;
		payload->content_size = content->used;
	}
}

static void dump_make_plaintext(const json_t *job, string_t *dest)
{
	struct webpush_payload payload;
	const json_t *object = json_object_get(job, "payload");
	const buffer_t *bytes;

	i_zero(&payload);
	if ((bytes = dump_get_bytes(job, "plaintext")) != NULL) {
		str_append_data(dest, bytes->data, bytes->used);
	} else if (json_object_get(job, "validation") != NULL) {
		webpush_payload_format_validation(
			dump_get_text(job, "validation"), dest);
	} else if (json_object_get(job, "seen") != NULL) {
		dump_read_payload(json_object_get(job, "seen"), &payload);
		webpush_payload_format_seen(&payload, dest);
	} else {
		if ((bytes = dump_get_bytes(job, "message")) != NULL)
			dump_read_message(bytes, &payload);
		else
			dump_read_payload(object, &payload);
		webpush_payload_format(&payload, WEBPUSH_PAYLOAD_CONTENT, dest);
	}
}

static void dump_append_bytes(string_t *dest, const char *name,
			      const void *data, size_t size)
{
	coi_json_append_name(dest, name);
	str_append_c(dest, '"');
	webpush_base64url_append(dest, data, size);
	str_append_c(dest, '"');
}

static void dump_append_error(string_t *dest, const char *error)
{
	coi_json_append_name(dest, "error");
	coi_json_append_string(dest, error);
}

static void dump_push(const struct dump *dump, const string_t *plaintext,
		      string_t *dest)
{
	unsigned char salt[WEBPUSH_SALT_BYTES];
	struct webpush_key key;
	buffer_t *body = t_buffer_create(WEBPUSH_BODY_MAX_BYTES);
	string_t *str = t_str_new(1024);
	const char *error;

	dump_make_key(&key);
	random_fill(salt, sizeof(salt));
	dump_append_bytes(dest, "plaintext", str_data(plaintext),
			  str_len(plaintext));
	if (webpush_encrypt(&dump->receiver, &key, salt, str_data(plaintext),
			    str_len(plaintext), body, &error) < 0 ||
	    webpush_vapid_append(str, &dump->vapid, dump->origin,
				 dump->subject, dump->now, &error) < 0) {
		dump_append_error(dest, error);
		return;
	}
	webpush_key_wipe(&key);
	dump_append_bytes(dest, "body", body->data, body->used);
	coi_json_append_name(dest, "authorization");
	coi_json_append_string(dest, str_c(str));
	dump_append_bytes(dest, "vapid", dump->vapid.point,
			  sizeof(dump->vapid.point));
	str_truncate(str, 0);
	webpush_point_append_pem(str, dump->vapid.point);
	coi_json_append_name(dest, "pem");
	coi_json_append_string(dest, str_c(str));
}

static void dump_line(const struct dump *dump, const char *line)
{
	string_t *plaintext = t_str_new(4096), *dest = t_str_new(16384);
	json_error_t error;
	json_t *job = json_loads(line, 0, &error);

	if (job == NULL)
		i_fatal("%s", error.text);
	dump_make_plaintext(job, plaintext);
	str_append_c(dest, '{');
	dump_push(dump, plaintext, dest);
	str_append_c(dest, '}');
	puts(str_c(dest));
	json_decref(job);
}

int main(int argc, char *argv[])
{
	static char line[DUMP_LINE_MAX_BYTES];
	struct dump dump;

	lib_init();
	if (argc != 6)
		i_fatal("usage: dump P256DH AUTH ORIGIN SUBJECT NOW");
	i_zero(&dump);
	dump_decode_into(argv[1], dump.receiver.point,
			 sizeof(dump.receiver.point));
	dump_decode_into(argv[2], dump.receiver.auth,
			 sizeof(dump.receiver.auth));
	dump.origin = argv[3];
	dump.subject = argv[4];
	if (str_to_time(argv[5], &dump.now) < 0)
		i_fatal("no time: %s", argv[5]);
	dump_make_key(&dump.vapid);
	while (fgets(line, sizeof(line), stdin) != NULL) T_BEGIN {
		dump_line(&dump, line);
	} T_END;
	lib_deinit();
	return 0;
}
