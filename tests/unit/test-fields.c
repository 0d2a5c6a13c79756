/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "istream-failure-at.h"
#include "str.h"
#include "strfuncs.h"
#include "test-common.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-headers.h"
#include "coi-fields.h"

#define ALL_FIELDS (COI_FIELD_FLAG(COI_FIELD_COUNT) - 1)

static void
test_read(struct istream *input, pool_t pool, unsigned int wanted,
	  struct coi_fields *fields_r)
{
	struct coi_headers headers;
	const char *error;

	memset(fields_r, 0xff, sizeof(*fields_r));
	ck_assert_int_eq(coi_headers_read_fields(input, pool, wanted, &headers,
						 fields_r, &error), 0);
}

static void
test_read_block(const char *block, size_t size, pool_t pool,
		unsigned int wanted, struct coi_fields *fields_r)
{
	struct istream *input = i_stream_create_from_data(block, size);

	test_read(input, pool, wanted, fields_r);
	i_stream_unref(&input);
}

/* NULL: the field has no value. */
static const struct {
	const char *name;
	const char *block;
	enum coi_field field;
	bool present;
	const char *value;
} field_tests[] = {
#define FIELD(name) COI_FIELD_##name
	{ "no field", "X: y\n", FIELD(FROM), FALSE, NULL },
	{ "C5: From", "X: y\nFrom: A <a@b>\nY: z\n", FIELD(FROM), TRUE,
	  "A <a@b>" },
	{ "nothing but one long line", "From:<alice@example.com>\r\n",
	  FIELD(FROM), TRUE, "<alice@example.com>" },
	{ "any case, space before the colon", "fROM : a@b\n", FIELD(FROM),
	  TRUE, "a@b" },
	{ "longer names", "X-From: a@b\nFroms: a@b\nFro: a@b\n", FIELD(FROM),
	  FALSE, NULL },
	{ "empty", "From:\n", FIELD(FROM), TRUE, NULL },
	{ "white space only", "From: \n \t\n", FIELD(FROM), TRUE, NULL },
	{ "folded", "From: A\r\n <a@b>\r\n\t(x)\r\n", FIELD(FROM), TRUE,
	  "A <a@b>\t(x)" },
	{ "value on the next line", "From:\n a@b\n", FIELD(FROM), TRUE,
	  "a@b" },
	{ "C5: all From fields count", "From: a@b\nX: y\nFrom: c@d\n",
	  FIELD(FROM), TRUE, "a@b,c@d" },
	{ "all To fields, folded", "To: a@b,\n c@d\nTO: e@f\n", FIELD(TO), TRUE,
	  "a@b, c@d,e@f" },
	{ "Cc", "Cc: a@b\nCC: c@d\n", FIELD(CC), TRUE, "a@b,c@d" },
	{ "the first is empty", "Cc:\nCc: \nCc: c@d\n", FIELD(CC), TRUE,
	  "c@d" },
	{ "C3: all hashes", "COI-From-Hash: 1\nCOI-FROM-HASH: 2\n",
	  FIELD(COI_FROM_HASH), TRUE, "1,2" },
	{ "C4: COI-Blocked has no value", "COI-Blocked: yes\n no\n",
	  FIELD(COI_BLOCKED), TRUE, NULL },
	{ "C4: not even an empty one", "coi-blocked:\n", FIELD(COI_BLOCKED),
	  TRUE, NULL },
	{ "the first Date", "Date: 1\nDate: 2\n", FIELD(DATE), TRUE, "1" },
	{ "the first Date that is not empty", "Date: \nDate: 2\nDate: 3\n",
	  FIELD(DATE), TRUE, "2" },
	{ "Subject", "Subject: =?utf-8?Q?x?=\n y\nSubject: z\n", FIELD(SUBJECT),
	  TRUE, "=?utf-8?Q?x?= y" },
	{ "bare CR", "Subject: a\rb\n", FIELD(SUBJECT), TRUE, "a b" },
	{ "the body does not count", "X: y\n\nFrom: a@b\n", FIELD(FROM), FALSE,
	  NULL },
	{ "no line feed at the end", "From: a@b", FIELD(FROM), TRUE, "a@b" },
#undef FIELD
};

static void test_field(struct istream *input, const char *name, int i)
{
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct coi_fields fields;
	const struct coi_field_value *value;
	const char *str;

	test_read(input, pool, ALL_FIELDS, &fields);
	value = &fields.values[field_tests[i].field];
	str = value->data == NULL ? NULL :
		t_strndup(value->data, value->size);
	ck_assert_msg(value->present == field_tests[i].present &&
		      !value->too_long &&
		      null_strcmp(str, field_tests[i].value) == 0, "%s: %s",
		      name, str == NULL ? "NULL" : str);
	pool_unref(&pool);
}

START_TEST(test_fields)
{
	struct istream *input;
	const char *block = field_tests[_i].block;
	size_t size;

	input = i_stream_create_from_data(block, strlen(block));
	test_field(input, field_tests[_i].name, _i);
	i_stream_unref(&input);
	/* The same in pieces: 20 bytes hold the longest name. */
	for (size = 20; size < 40; size++) {
		input = test_istream_create_data(block, strlen(block));
		test_istream_set_max_buffer_size(input, size);
		test_field(input, t_strdup_printf("%s, buffer of %zu bytes",
			   field_tests[_i].name, size), _i);
		i_stream_unref(&input);
	}
	/* And in a buffer that ends at the last line feed, more or less. */
	for (size = strlen(block) - 2; size < strlen(block) + 2; size++) {
		input = test_istream_create_data(block, strlen(block));
		test_istream_set_max_buffer_size(input, I_MAX(size, 20));
		test_field(input, field_tests[_i].name, _i);
		i_stream_unref(&input);
	}
}
END_TEST

/* White space does not use up a field's room, as long as another follows. */
START_TEST(test_empty_first)
{
	string_t *block = t_str_new(2048);
	pool_t pool = pool_alloconly_create("test fields", 1024);
	const struct coi_field_value *date;
	struct coi_fields fields;
	unsigned int i;

	str_append(block, "Date:");
	for (i = 0; i < COI_HEADER_VALUE_MAX_BYTES + 10; i++)
		str_append_c(block, ' ');
	str_append(block, "\nDate: 2\n");
	test_read_block(str_c(block), str_len(block), pool, ALL_FIELDS,
			&fields);
	date = &fields.values[COI_FIELD_DATE];
	ck_assert_int_eq(date->size, 1);
	ck_assert_int_eq(date->data[0], '2');
	ck_assert(!date->too_long);
	pool_unref(&pool);
}
END_TEST

/* Only what is wanted is collected, and the ids of S33 as ever. */
START_TEST(test_wanted)
{
	static const char block[] = "From: a@b\nTo: c@d\nMessage-ID: <1@a>\n";
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct istream *input;
	struct coi_headers headers;
	struct coi_fields fields;
	const char *error;

	input = i_stream_create_from_data(block, sizeof(block) - 1);
	ck_assert_int_eq(coi_headers_read_fields(input, pool,
		COI_FIELDS_SENDER, &headers, &fields, &error), 0);
	ck_assert_str_eq(headers.message_id, "1@a");
	ck_assert(fields.values[COI_FIELD_FROM].present);
	ck_assert(!fields.values[COI_FIELD_TO].present);
	i_stream_unref(&input);
	pool_unref(&pool);
}
END_TEST

START_TEST(test_nul)
{
	static const char block[] = "From: a\0b@c\nFro\0m: d@e\nFrom\0: f@g\n";
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct coi_fields fields;

	test_read_block(block, sizeof(block) - 1, pool, ALL_FIELDS, &fields);
	ck_assert_int_eq(fields.values[COI_FIELD_FROM].size, 5);
	ck_assert_int_eq(memcmp(fields.values[COI_FIELD_FROM].data, "a\0b@c",
				5), 0);
	pool_unref(&pool);
}
END_TEST

static const struct {
	const char *name;
	enum coi_field field;
	size_t max;
} limit_tests[] = {
	{ "Cc", COI_FIELD_CC, COI_RECIPIENTS_MAX_BYTES },
	{ "Chat-Content", COI_FIELD_CHAT_CONTENT, COI_HEADER_VALUE_MAX_BYTES },
	{ "COI-From-Hash", COI_FIELD_COI_FROM_HASH,
	  COI_CONTACT_HASHES_MAX_BYTES },
	{ "Content-Type", COI_FIELD_CONTENT_TYPE, COI_CONTENT_TYPE_MAX_BYTES },
	{ "Date", COI_FIELD_DATE, COI_HEADER_VALUE_MAX_BYTES },
	{ "From", COI_FIELD_FROM, COI_FROM_MAX_BYTES },
	{ "Subject", COI_FIELD_SUBJECT, COI_SUBJECT_MAX_BYTES },
	{ "To", COI_FIELD_TO, COI_RECIPIENTS_MAX_BYTES },
};

/* Memory is bounded by the limits, whatever the sender writes. */
START_TEST(test_limit)
{
	size_t size, max = limit_tests[_i].max;
	const struct coi_field_value *value;
	struct coi_fields fields;
	unsigned int i;
	string_t *block;
	pool_t pool;

	for (size = max; size <= max + 1; size++) {
		block = t_str_new(max + 128);
		str_printfa(block, "%s: ", limit_tests[_i].name);
		for (i = 0; i < size; i++)
			str_append_c(block, 'x');
		if (size > max) {
			/* More of the same, which counts no more. */
			for (i = 0; i < 1000; i++)
				str_append(block, "\n xxxxxxxxxxxxxxxxxxxxxxx");
		}
		pool = pool_alloconly_create("test fields", 1024);
		test_read_block(str_c(block), str_len(block), pool, ALL_FIELDS,
				&fields);
		value = &fields.values[limit_tests[_i].field];
		ck_assert_int_eq(value->size, max);
		ck_assert_int_eq(value->too_long, size > max);
		ck_assert(pool_alloconly_get_total_used_size(pool) <=
			  4 * max + 4096);
		pool_unref(&pool);
	}
}
END_TEST

/* C2, C9, C18 */
static const struct {
	const char *block;
	enum coi_content content;
} content_tests[] = {
	{ "X: y\n", COI_CONTENT_NONE },
	{ "Chat-Content:\n", COI_CONTENT_NONE },
	{ "Chat-Content: contact\n", COI_CONTENT_CONTACT },
	{ "Chat-Content: Contact\n", COI_CONTENT_CONTACT },
	{ "Chat-Content: (x) contact (y)\n", COI_CONTENT_CONTACT },
	{ "Chat-Content:\n contact\n", COI_CONTENT_CONTACT },
	{ "Chat-Content: contact; a=b\n", COI_CONTENT_CONTACT },
	{ "Chat-Content: profile; categories=friend, family\n",
	  COI_CONTENT_PROFILE },
	{ "Chat-Content: group\n", COI_CONTENT_GROUP },
	{ "Chat-Content: groupleft;\n", COI_CONTENT_GROUPLEFT },
	{ "Chat-Content: contacts\n", COI_CONTENT_OTHER },
	{ "Chat-Content: groupinfo\n", COI_CONTENT_OTHER },
	{ "Chat-Content: grou\n", COI_CONTENT_OTHER },
	{ "Chat-Content: ;\n", COI_CONTENT_OTHER },
	{ "Chat-Content: (contact\n", COI_CONTENT_OTHER },
	{ "Chat-Content: contact\nChat-Content: group\n",
	  COI_CONTENT_CONTACT },
};

START_TEST(test_content)
{
	const char *block = content_tests[_i].block;
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct coi_fields fields;

	test_read_block(block, strlen(block), pool, ALL_FIELDS, &fields);
	ck_assert_msg(coi_fields_get_content(&fields) ==
		      content_tests[_i].content, "%s", block);
	pool_unref(&pool);
}
END_TEST

#define MDN "disposition-notification"
static const struct {
	const char *block;
	bool receipt;
} receipt_tests[] = {
	{ "X: y\n", FALSE },
	{ "Content-Type: multipart/report; report-type=" MDN "\n", TRUE },
	{ "Content-Type: Multipart/Report;\n Report-Type=\"" MDN "\";\n b=c\n",
	  TRUE },
	{ "Content-Type: multipart/report; boundary=x; report-type=" MDN "\n",
	  TRUE },
	{ "Content-Type: multipart/report; report-type=delivery-status\n",
	  FALSE },
	{ "Content-Type: multipart/report\n", FALSE },
	{ "Content-Type: multipart/mixed; report-type=" MDN "\n", FALSE },
	{ "Content-Type: text/plain; x=\"; report-type=" MDN "\"\n", FALSE },
	{ "Content-Type: multipart/report; x=\"report-type=" MDN "\"\n",
	  FALSE },
	{ "Content-Type: ;\n", FALSE },
};

START_TEST(test_receipt)
{
	const char *block = receipt_tests[_i].block;
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct coi_fields fields;

	test_read_block(block, strlen(block), pool, ALL_FIELDS, &fields);
	ck_assert_msg(coi_fields_is_receipt(&fields) ==
		      receipt_tests[_i].receipt, "%s", block);
	pool_unref(&pool);
}
END_TEST

/* S41: what was read before the failure does not count. */
START_TEST(test_read_failure)
{
	static const char block[] = "From: a@b\nTo: c@d\n";
	pool_t pool = pool_alloconly_create("test fields", 1024);
	struct istream *data, *input;
	struct coi_headers headers;
	struct coi_fields fields;
	const char *error;

	data = i_stream_create_from_data(block, sizeof(block) - 1);
	input = i_stream_create_failure_at_eof(data, EIO, "broken");
	ck_assert_int_eq(coi_headers_read_fields(input, pool, ALL_FIELDS,
		&headers, &fields, &error), -1);
	ck_assert_msg(strstr(error, "broken") != NULL, "%s", error);
	ck_assert(!fields.values[COI_FIELD_FROM].present);
	ck_assert(fields.values[COI_FIELD_FROM].data == NULL);
	i_stream_unref(&input);
	i_stream_unref(&data);
	pool_unref(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-fields");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "C3 C4 C5: fields");
	tcase_add_loop_test(tcase, test_fields, 0, N_ELEMENTS(field_tests));
	tcase_add_test(tcase, test_empty_first);
	tcase_add_test(tcase, test_wanted);
	tcase_add_test(tcase, test_nul);
	tcase_add_loop_test(tcase, test_limit, 0, N_ELEMENTS(limit_tests));
	tcase_add_test(tcase, test_read_failure);
	tcase = unit_tcase_add(suite, "C2 C9 C18: Chat-Content");
	tcase_add_loop_test(tcase, test_content, 0, N_ELEMENTS(content_tests));
	tcase = unit_tcase_add(suite, "C11: read receipts");
	tcase_add_loop_test(tcase, test_receipt, 0, N_ELEMENTS(receipt_tests));
	return unit_run(suite);
}
