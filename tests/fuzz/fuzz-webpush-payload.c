/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "webpush-encrypt.h"
#include "webpush-payload.h"

#include <jansson.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

static void fuzz_detail(const struct webpush_payload *payload,
			enum webpush_payload_detail detail)
{
	string_t *str = t_str_new(256);
	json_error_t error;
	json_t *root;

	webpush_payload_format(payload, detail, str);
	i_assert(str_len(str) <= WEBPUSH_PLAINTEXT_MAX_BYTES);
	root = json_loadb((const char *)str_data(str), str_len(str),
			  JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		i_panic("%s: %s", error.text, str_c(str));
	json_decref(root);
}

/* Whatever stands in a message, JSON comes out, and not too much of it. The
   first byte says where the headers end and the body begins. */
static void fuzz_message(const uint8_t *data, size_t size)
{
	size_t len = I_MIN(data[0], size - 1);
	const char *text = t_strndup(data + 1, len);
	struct webpush_payload payload = {
		.from_email = text, .from_name = text, .subject = text,
		.msg_id = text, .folder = text, .group_id = text,
		.content_type = text, .content_encoding = text,
		.date = data[0], .uid = size, .uid_validity = 1,
		.content = data + 1 + len, .content_size = size - 1 - len
	};

	fuzz_detail(&payload, WEBPUSH_PAYLOAD_CONTENT);
	fuzz_detail(&payload, WEBPUSH_PAYLOAD_HEADERS);
	fuzz_detail(&payload, WEBPUSH_PAYLOAD_IDS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0) T_BEGIN {
		fuzz_message(data, size);
	} T_END;
	return 0;
}
