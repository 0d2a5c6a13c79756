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

/* S33 throughout. `block' is followed by an empty line and a body, unless it
   ends without a line feed. */
#define BLOCK(s) (s), sizeof(s) - 1
static const struct {
	const char *name;
	const char *block;
	size_t size;
	struct coi_headers expected;
} header_tests[] = {
	{ "no header at all", BLOCK(""), { FALSE, NULL, NULL } },
	{ "nothing of interest", BLOCK("Subject: chat$1\nFrom: a@b\n"),
	  { FALSE, NULL, NULL } },
	{ "all three",
	  BLOCK("Chat-Version: 1.0\r\nMessage-ID: <chat$1@a>\r\n"
		"References: <chat$2@a> <chat$3@a>\r\n"),
	  { TRUE, "chat$1@a", "chat$2@a" } },
	{ "bare line feeds",
	  BLOCK("Chat-Version: 1.0\nMessage-ID: <chat$1@a>\n"
		"References: <chat$2@a> <chat$3@a>\n"),
	  { TRUE, "chat$1@a", "chat$2@a" } },
	{ "no line feed at the end", BLOCK("Message-ID: <chat$1@a>"),
	  { FALSE, "chat$1@a", NULL } },
	{ "the block ends inside an id", BLOCK("References: <chat$1"),
	  { FALSE, NULL, "chat$1" } },
	{ "the block ends inside a name", BLOCK("Message-I"),
	  { FALSE, NULL, NULL } },

	/* Names */
	{ "names in upper case",
	  BLOCK("CHAT-VERSION: 1\nMESSAGE-ID: <1@a>\nREFERENCES: <2@a>\n"),
	  { TRUE, "1@a", "2@a" } },
	{ "names in lower case",
	  BLOCK("chat-version: 1\nmessage-id: <1@a>\nreferences: <2@a>\n"),
	  { TRUE, "1@a", "2@a" } },
	{ "space before the colon",
	  BLOCK("Chat-Version : 1\nMessage-ID\t: <1@a>\nReferences : <2@a>\n"),
	  { TRUE, "1@a", "2@a" } },
	{ "no space after the colon",
	  BLOCK("Chat-Version:1\nMessage-ID:<1@a>\nReferences:<2@a>\n"),
	  { TRUE, "1@a", "2@a" } },
	{ "names of the same length",
	  BLOCK("Message-IX: <1@a>\nReferencex: <2@a>\nChat-Versiox: 1\n"
		"Received-x: <3@a>\nMIME-Versiom: 1\n"),
	  { FALSE, NULL, NULL } },
	{ "longer and shorter names",
	  BLOCK("Message-IDs: <1@a>\nReference: <2@a>\nChat-Version2: 1\n"
		"X-Message-ID: <1@a>\nChat: 1\n"),
	  { FALSE, NULL, NULL } },
	{ "NUL in a name",
	  BLOCK("Message\0ID: <1@a>\nMessage-I\0: <2@a>\n"
		"References\0: <3@a>\nChat-Version\0x: 1\n"),
	  { FALSE, NULL, NULL } },
	{ "no colon", BLOCK("Message-ID <1@a>\nReferences\nChat-Version\n"),
	  { FALSE, NULL, NULL } },
	{ "mbox separator line",
	  BLOCK("From a@b Sun Nov 22 04:00:00 2026\nMessage-ID: <1@a>\n"),
	  { FALSE, "1@a", NULL } },

	/* Chat-Version: present, whatever its value */
	{ "empty Chat-Version", BLOCK("Chat-Version:\n"),
	  { TRUE, NULL, NULL } },
	{ "Chat-Version with a comment only", BLOCK("Chat-Version: (x)\n"),
	  { TRUE, NULL, NULL } },
	{ "Chat-Version of the future", BLOCK("Chat-Version: 99.x\n"),
	  { TRUE, NULL, NULL } },
	{ "Chat-Version in a continuation line",
	  BLOCK("Subject: x\n Chat-Version: 1.0\n"), { FALSE, NULL, NULL } },

	/* Folding and white space */
	{ "id in the continuation line", BLOCK("Message-ID:\n <1@a>\n"),
	  { FALSE, "1@a", NULL } },
	{ "id in the continuation line, CRLF and spaces",
	  BLOCK("Message-ID:  \r\n\t \r\n  <1@a>  \r\n"
		"References:\r\n\t<2@a>\r\n"),
	  { FALSE, "1@a", "2@a" } },
	{ "the next header is no continuation",
	  BLOCK("Message-ID:\nSubject: <1@a>\n"), { FALSE, NULL, NULL } },
	{ "continuation of a header that is not looked into",
	  BLOCK("Message-ID: <1@a>\nSubject: x\n <2@a>\nReferences: <3@a>\n"),
	  { FALSE, "1@a", "3@a" } },
	{ "References folded between ids",
	  BLOCK("References: <1@a>\n <2@a>\n\t<3@a>\n"),
	  { FALSE, NULL, "1@a" } },
	{ "folded inside an id", BLOCK("Message-ID: <chat$1\n .2@a>\n"),
	  { FALSE, "chat$1", NULL } },
	{ "space inside an id", BLOCK("Message-ID: <chat$1 @ a>\n"),
	  { FALSE, "chat$1", NULL } },
	{ "TAB inside an id", BLOCK("Message-ID: <chat$1\t@a>\n"),
	  { FALSE, "chat$1", NULL } },
	{ "CR inside an id", BLOCK("Message-ID: <chat$1\r@a>\n"),
	  { FALSE, "chat$1", NULL } },
	{ "space after the bracket", BLOCK("Message-ID: < chat$1@a >\n"),
	  { FALSE, "chat$1@a", NULL } },

	/* Brackets */
	{ "no brackets", BLOCK("Message-ID: chat$1@a\nReferences: 2@a 3@a\n"),
	  { FALSE, "chat$1@a", "2@a" } },
	{ "no brackets, no space", BLOCK("References:chat$1@abc\n"),
	  { FALSE, NULL, "chat$1@abc" } },
	{ "no left bracket", BLOCK("Message-ID: chat$1@a>\n"),
	  { FALSE, "chat$1@a", NULL } },
	{ "no right bracket",
	  BLOCK("Message-ID: <chat$1@a\nReferences: <2@a <3@a>\n"),
	  { FALSE, "chat$1@a", "2@a" } },
	{ "no right bracket, no space", BLOCK("References: <2@a<3@a>\n"),
	  { FALSE, NULL, "2@a" } },
	{ "no space between ids", BLOCK("References: <1@a><2@a>\n"),
	  { FALSE, NULL, "1@a" } },
	{ "doubled brackets", BLOCK("Message-ID: <<chat$1@a>>\n"),
	  { FALSE, "chat$1@a", NULL } },
	{ "the prefix alone", BLOCK("Message-ID: chat$\nReferences: <chat$>\n"),
	  { FALSE, "chat$", "chat$" } },
	{ "nothing in the brackets", BLOCK("Message-ID: <>\n"),
	  { FALSE, NULL, NULL } },
	{ "nothing in the first brackets", BLOCK("References: <> <1@a>\n"),
	  { FALSE, NULL, "1@a" } },
	{ "empty values", BLOCK("Message-ID:\nReferences: \t \n"),
	  { FALSE, NULL, NULL } },

	/* Comments (RFC 5322 3.2.2) */
	{ "comment before the id", BLOCK("Message-ID: (no <2@a>) <1@a>\n"),
	  { FALSE, "1@a", NULL } },
	{ "comment after the id", BLOCK("Message-ID: <1@a> (x)\n"),
	  { FALSE, "1@a", NULL } },
	{ "comment right at the id", BLOCK("Message-ID: (x)1@a(y)\n"),
	  { FALSE, "1@a", NULL } },
	{ "comment inside the id", BLOCK("Message-ID: <chat$(x)1@a>\n"),
	  { FALSE, "chat$1@a", NULL } },
	{ "nested comments",
	  BLOCK("Message-ID: (a (b <2@a>) (c) <3@a>) <1@a>\n"),
	  { FALSE, "1@a", NULL } },
	{ "comments over folded lines",
	  BLOCK("Message-ID: (a (b\n <2@a>)\r\n\t<3@a>)\n <1@a>\n"),
	  { FALSE, "1@a", NULL } },
	{ "quoted parentheses in a comment",
	  BLOCK("Message-ID: (a \\) <2@a> \\( \\\\) <1@a>\n"),
	  { FALSE, "1@a", NULL } },
	{ "comment only", BLOCK("Message-ID: (<1@a>)\n"),
	  { FALSE, NULL, NULL } },
	{ "comment that does not end ends with its field",
	  BLOCK("Message-ID: (<1@a> ((\nReferences: <2@a>\n"),
	  { FALSE, NULL, "2@a" } },
	{ "backslash at the end of a field does not quote in the next",
	  BLOCK("Message-ID: (\\\nReferences: (\\)) <2@a>\n"),
	  { FALSE, NULL, "2@a" } },
	{ "backslash at the end of a comment that is cut off",
	  BLOCK("Message-ID: (\\\nReferences: () <2@a>\n"),
	  { FALSE, NULL, "2@a" } },

	/* Repeated fields: the first that has a value */
	{ "two fields", BLOCK("Message-ID: <1@a>\nMessage-ID: <2@a>\n"
			      "References: <3@a>\nReferences: <4@a>\n"),
	  { FALSE, "1@a", "3@a" } },
	{ "the first field is empty",
	  BLOCK("Message-ID:\nMessage-ID: <>\nMessage-ID: <2@a>\n"
		"References: (x)\nReferences: <4@a>\n"),
	  { FALSE, "2@a", "4@a" } },

	/* NULs are dropped */
	{ "NUL in an id", BLOCK("Message-ID: <cha\0t$1@a>\n"),
	  { FALSE, "chat$1@a", NULL } },
	{ "NULs around an id", BLOCK("Message-ID: \0<\0chat$1@a\0>\n"),
	  { FALSE, "chat$1@a", NULL } },
	{ "NULs only", BLOCK("Message-ID: \0\0\nReferences: <\0>\n"),
	  { FALSE, NULL, NULL } },
	{ "8-bit id", BLOCK("Message-ID: <chat$\xc3\xa4\xff@a>\n"),
	  { FALSE, "chat$\xc3\xa4\xff@a", NULL } },
};

#define BODY "Chat-Version: 1.0\r\nMessage-ID: <body@a>\r\n\r\n"

static void
test_read(struct istream *input, const char *name,
	  const struct coi_headers *expected)
{
	pool_t pool = pool_alloconly_create("test headers", 4096);
	struct coi_headers headers;
	const char *error;

	memset(&headers, 0xff, sizeof(headers));
	ck_assert_msg(coi_headers_read(input, pool, &headers, &error) == 0,
		      "%s: failed", name);
	ck_assert_msg(headers.chat_version == expected->chat_version,
		      "%s: chat_version", name);
	ck_assert_msg(null_strcmp(headers.message_id,
				  expected->message_id) == 0,
		      "%s: message_id: %s", name,
		      headers.message_id == NULL ? "NULL" :
		      headers.message_id);
	ck_assert_msg(null_strcmp(headers.first_reference,
				  expected->first_reference) == 0,
		      "%s: first_reference: %s", name,
		      headers.first_reference == NULL ? "NULL" :
		      headers.first_reference);
	pool_unref(&pool);
}

static string_t *test_message(const char *block, size_t size)
{
	string_t *message = t_str_new(size + sizeof(BODY) + 2);

	str_append_data(message, block, size);
	if (size == 0 || block[size - 1] == '\n')
		str_append(message, "\r\n" BODY);
	return message;
}

START_TEST(test_headers)
{
	string_t *message = test_message(header_tests[_i].block,
					 header_tests[_i].size);
	struct istream *input;

	input = i_stream_create_from_data(str_data(message), str_len(message));
	test_read(input, header_tests[_i].name, &header_tests[_i].expected);
	i_stream_unref(&input);
}
END_TEST

/* Whatever pieces the stream's buffer cuts a field into, the answer is the
   same. 20 bytes still hold the longest name and its colon. */
START_TEST(test_headers_in_pieces)
{
	string_t *message = test_message(header_tests[_i].block,
					 header_tests[_i].size);
	struct istream *input;
	size_t size;

	for (size = 20; size < 60; size++) {
		input = test_istream_create_data(str_data(message),
						 str_len(message));
		test_istream_set_max_buffer_size(input, size);
		test_read(input,
			  t_strdup_printf("%s, buffer of %zu bytes",
					  header_tests[_i].name, size),
			  &header_tests[_i].expected);
		i_stream_unref(&input);
	}
}
END_TEST

/* A block without its empty line, and a buffer that holds all of it but the
   last line feed: then the parser hands that over as part of the value. */
START_TEST(test_headers_last_line_feed)
{
	size_t size = header_tests[_i].size;
	struct istream *input;

	input = test_istream_create_data(header_tests[_i].block, size);
	test_istream_set_max_buffer_size(input, I_MAX(size, 21) - 1);
	test_read(input, header_tests[_i].name, &header_tests[_i].expected);
	i_stream_unref(&input);
}
END_TEST

/* The stream stands at the body. */
START_TEST(test_position)
{
	static const char *const blocks[] = {
		"\n", "\r\n", "Message-ID: <1@a>\n\n",
		"Message-ID: <1@a>\r\n\r\n", "References:\n <1@a>\n\n",
		"Message-ID: <1@a>", "",
	};
	pool_t pool = pool_alloconly_create("test position", 1024);
	const char *data = t_strconcat(blocks[_i], "body\n", NULL);
	size_t size = strlen(blocks[_i]);
	struct coi_headers headers;
	struct istream *input;
	const char *error;

	if (size > 0 && blocks[_i][size - 1] == '\n')
		input = i_stream_create_from_data(data, strlen(data));
	else
		input = i_stream_create_from_data(data, size);
	ck_assert_int_eq(coi_headers_read(input, pool, &headers, &error), 0);
	ck_assert_uint_eq(input->v_offset, size);
	i_stream_unref(&input);
	pool_unref(&pool);
}
END_TEST
#define POSITION_TESTS 7

static void test_read_str(const string_t *block, const char *name,
			  const struct coi_headers *expected)
{
	struct istream *input =
		i_stream_create_from_data(str_data(block), str_len(block));

	test_read(input, name, expected);
	i_stream_unref(&input);
}

/* S33: a sender's 10,000 references cost no more than one. */
START_TEST(test_many_references)
{
	static const struct coi_headers expected = {
		.first_reference = "chat$0@a",
	};
	string_t *block = t_str_new(512 * 1024);
	unsigned int i;

	str_append(block, "References:");
	for (i = 0; i < 10000; i++)
		str_printfa(block, "\r\n <chat$%u@a>", i);
	str_append(block, "\r\n\r\n");
	test_read_str(block, "10,000 folded references", &expected);

	str_truncate(block, 0);
	for (i = 0; i < 10000; i++)
		str_printfa(block, "References: <chat$%u@a>\r\n", i);
	test_read_str(block, "10,000 fields", &expected);
}
END_TEST

/* S33: block of 1 MB, before and after what counts. */
START_TEST(test_huge_block)
{
	static const struct coi_headers expected = {
		.chat_version = TRUE,
		.message_id = "chat$1@a",
		.first_reference = "2@a",
	};
	string_t *block = t_str_new(3 * 1024 * 1024);
	unsigned int i;

	str_append(block, "Message-ID: <chat$1@a>\r\n");
	for (i = 0; i < 16 * 1024; i++)
		str_printfa(block, "X-Header-%05u: %050u\r\n", i, i);
	str_append(block, "X-Long: ");
	for (i = 0; i < 1024 * 1024; i++)
		str_append_c(block, 'x');
	str_append(block, "\r\nReferences: (");
	for (i = 0; i < 1024 * 1024; i++)
		str_append_c(block, i % 70 == 0 ? '\n' : ' ');
	str_append(block, " ) <2@a>\r\nChat-Version: 1.0\r\n\r\n");
	test_read_str(block, "1 MB block", &expected);
}
END_TEST

static const struct {
	const char *name;
	size_t len, expected_len;
} length_tests[] = {
	{ "one less than kept", COI_HEADER_VALUE_MAX_BYTES - 1,
	  COI_HEADER_VALUE_MAX_BYTES - 1 },
	{ "as much as is kept", COI_HEADER_VALUE_MAX_BYTES,
	  COI_HEADER_VALUE_MAX_BYTES },
	{ "one more than kept", COI_HEADER_VALUE_MAX_BYTES + 1,
	  COI_HEADER_VALUE_MAX_BYTES },
	{ "1 MB", 1024 * 1024, COI_HEADER_VALUE_MAX_BYTES },
};

/* S33: a long id is cut and compared by its beginning; the pool grows by no
   more than what is kept. */
START_TEST(test_long_id)
{
	pool_t pool = pool_alloconly_create("test long id", 4096);
	string_t *block = t_str_new(length_tests[_i].len + 64);
	struct coi_headers headers;
	struct istream *input;
	const char *error;
	size_t i, used = pool_alloconly_get_total_used_size(pool);

	str_append(block, "Message-ID: <chat$");
	for (i = strlen("chat$"); i < length_tests[_i].len; i++)
		str_append_c(block, 'x');
	str_append(block, ">\r\n\r\n");
	input = i_stream_create_from_data(str_data(block), str_len(block));
	ck_assert_int_eq(coi_headers_read(input, pool, &headers, &error), 0);
	ck_assert_msg(strlen(headers.message_id) ==
		      length_tests[_i].expected_len, "%s: %zu bytes",
		      length_tests[_i].name, strlen(headers.message_id));
	ck_assert(strncmp(headers.message_id, "chat$xxx", 8) == 0);
	used = pool_alloconly_get_total_used_size(pool) - used;
	ck_assert_uint_le(used, COI_HEADER_VALUE_MAX_BYTES + 16);
	i_stream_unref(&input);
	pool_unref(&pool);
}
END_TEST

/* Mail without these fields costs no memory. */
START_TEST(test_nothing_allocated)
{
	static const char block[] =
		"From: a@b\nTo: c@d\nSubject: x\n y\nDate: z\n"
		"Received: by x; y\nMIME-Version: 1.0\n\n";
	pool_t pool = pool_alloconly_create("test nothing", 1024);
	size_t used = pool_alloconly_get_total_used_size(pool);
	struct coi_headers headers;
	struct istream *input;
	const char *error;

	input = i_stream_create_from_data(block, sizeof(block) - 1);
	ck_assert_int_eq(coi_headers_read(input, pool, &headers, &error), 0);
	ck_assert_uint_eq(pool_alloconly_get_total_used_size(pool), used);
	i_stream_unref(&input);
	pool_unref(&pool);
}
END_TEST

/* S41: what was read before a failure does not count, wherever it happens. */
#define FAILURE_BLOCK \
	"Chat-Version: 1.0\nMessage-ID: <chat$1@a>\nReferences: <2@a>\n"
START_TEST(test_read_failure)
{
	static const char block[] = FAILURE_BLOCK;
	pool_t pool = pool_alloconly_create("test failure", 1024);
	struct istream *data, *input;
	struct coi_headers headers;
	const char *error = NULL;

	data = i_stream_create_from_data(block, _i);
	input = i_stream_create_failure_at_eof(data, EIO, "disk is gone");
	i_stream_set_name(input, "the message");
	ck_assert_int_eq(coi_headers_read(input, pool, &headers, &error), -1);
	ck_assert_ptr_nonnull(strstr(error, "the message"));
	ck_assert_ptr_nonnull(strstr(error, "disk is gone"));
	ck_assert(!headers.chat_version);
	ck_assert_ptr_null(headers.message_id);
	ck_assert_ptr_null(headers.first_reference);
	i_stream_unref(&input);
	i_stream_unref(&data);
	pool_unref(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-headers");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "S33: header blocks");
	tcase_add_loop_test(tcase, test_headers, 0, N_ELEMENTS(header_tests));
	tcase_add_loop_test(tcase, test_headers_in_pieces, 0,
			    N_ELEMENTS(header_tests));
	tcase_add_loop_test(tcase, test_headers_last_line_feed, 0,
			    N_ELEMENTS(header_tests));
	tcase_add_loop_test(tcase, test_position, 0, POSITION_TESTS);
	tcase = unit_tcase_add(suite, "S33: huge header blocks");
	tcase_add_test(tcase, test_many_references);
	tcase_add_test(tcase, test_huge_block);
	tcase_add_loop_test(tcase, test_long_id, 0, N_ELEMENTS(length_tests));
	tcase_add_test(tcase, test_nothing_allocated);
	tcase = unit_tcase_add(suite, "S41: read failures");
	tcase_add_loop_test(tcase, test_read_failure, 1,
			    sizeof(FAILURE_BLOCK));
	return unit_run(suite);
}
