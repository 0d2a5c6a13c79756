/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-headers.h"
#include "coi-classify.h"
#include "coi-fields.h"
#include "coi-address.h"
#include "coi-contact.h"

#define HASH1 \
	"74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0"
#define HASH1_BASE64 "dLPERsGJWABFqUK5C3RhEovDNLO2fp9jwMBhiSSMm7A"
#define HASH2 \
	"834d1654133366cef4d81e81a7099f413b1b85b9fc9dd62140491303dec56532"
#define DATE "Mon, 4 Dec 2019 17:51:37 +0100"
#define DATE_TIME 1575478297

static void
test_read(const char *data, size_t size, pool_t pool,
	  struct coi_headers *headers_r, struct coi_contact_headers *contact_r)
{
	struct istream *input = i_stream_create_from_data(data, size);
	struct coi_fields fields;
	const char *error;

	ck_assert_int_eq(coi_headers_read_fields(input, pool,
		COI_FIELDS_CONTACT, headers_r, &fields, &error), 0);
	memset(contact_r, 0xff, sizeof(*contact_r));
	coi_contact_headers_read(&fields, pool, contact_r);
	i_stream_unref(&input);
}

static const struct {
	const char *name;
	const char *block;
	bool is_contact, blocked;
	/* With spaces between them. */
	const char *hashes;
	time_t date;
} header_tests[] = {
	{ "nothing", "X: y\n", FALSE, FALSE, "", 0 },
	{ "C2, C3: the specification's example",
	  "From: Alice <alice@example.com>\nCOI-From-Hash: " HASH1 "\n"
	  "COI-From-Hash: " HASH2 "\nSubject: Contact\nDate: " DATE " \n"
	  "Message-ID: <chat$22323i89.AB29702@sample.com>\n"
	  "Chat-Version: 1.0\nMIME-Version: 1.0\nChat-Content: contact\n",
	  TRUE, FALSE, HASH1 " " HASH2, DATE_TIME },
	{ "C4: blocked", "Chat-Content: contact\nCOI-From-Hash: " HASH1 "\n"
	  "COI-Blocked: yes\n", TRUE, TRUE, HASH1, 0 },
	{ "C4: any value", "Chat-Content: contact\ncoi-blocked: no\n", TRUE,
	  TRUE, "", 0 },
	{ "C4: an empty value", "Chat-Content: contact\nCOI-Blocked:\n", TRUE,
	  TRUE, "", 0 },
	{ "C2: a profile is about the user",
	  "Chat-Content: profile\nCOI-Blocked: yes\nCOI-From-Hash: " HASH1 "\n",
	  FALSE, TRUE, HASH1, 0 },
	{ "C3: base64", "COI-From-Hash: " HASH1_BASE64 "\n", FALSE, FALSE,
	  HASH1, 0 },
	{ "C3: both forms are one hash",
	  "COI-From-Hash: " HASH1_BASE64 "\nCOI-From-Hash: " HASH1 "\n",
	  FALSE, FALSE, HASH1, 0 },
	{ "C3: several in one field, folded",
	  "COI-From-Hash: " HASH2 ",\n\t" HASH1 "  ; x\n", FALSE, FALSE,
	  HASH2 " " HASH1, 0 },
	{ "no hash", "COI-From-Hash: alice@example.com\nCOI-From-Hash:\n",
	  FALSE, FALSE, "", 0 },
	{ "no date", "Date: yesterday\n", FALSE, FALSE, "", 0 },
	{ "a date before 1970", "Date: Mon, 4 Dec 1939 17:51:37 +0100\n",
	  FALSE, FALSE, "", 0 },
};

START_TEST(test_headers)
{
	const char *block = header_tests[_i].block;
	pool_t pool = pool_alloconly_create("test contact", 1024);
	struct coi_headers headers;
	struct coi_contact_headers contact;
	string_t *hashes = t_str_new(256);
	unsigned int i;

	test_read(block, strlen(block), pool, &headers, &contact);
	for (i = 0; i < contact.hash_count; i++) {
		if (i > 0)
			str_append_c(hashes, ' ');
		str_append(hashes, contact.hashes[i]);
	}
	ck_assert_msg(contact.is_contact == header_tests[_i].is_contact &&
		      contact.blocked == header_tests[_i].blocked &&
		      contact.date == header_tests[_i].date &&
		      strcmp(str_c(hashes), header_tests[_i].hashes) == 0,
		      "%s: %s", header_tests[_i].name, str_c(hashes));
	pool_unref(&pool);
}
END_TEST

START_TEST(test_many_hashes)
{
	string_t *block = t_str_new(32768);
	pool_t pool = pool_alloconly_create("test contact", 1024);
	struct coi_headers headers;
	struct coi_contact_headers contact;
	unsigned int i;

	for (i = 0; i < COI_CONTACT_HASHES_MAX + 1; i++)
		str_printfa(block, "COI-From-Hash: %064u\n", i);
	test_read(str_c(block), str_len(block), pool, &headers, &contact);
	ck_assert_int_eq(contact.hash_count, COI_CONTACT_HASHES_MAX);
	pool_unref(&pool);
}
END_TEST

/* C7 */
static const struct {
	time_t date1;
	uint32_t uid1;
	time_t date2;
	uint32_t uid2;
	int expected;
} version_tests[] = {
	{ 2, 1, 1, 2, 1 },
	{ 1, 2, 2, 1, -1 },
	{ 1, 2, 1, 1, 1 },
	{ 1, 1, 1, 2, -1 },
	{ 1, 1, 1, 1, 0 },
	{ 0, 2, 1, 1, -1 },
	{ 0, 2, 0, 1, 1 },
	{ 1, 4294967295U, 1, 1, 1 },
};

START_TEST(test_version)
{
	ck_assert_int_eq(coi_contact_version_cmp(
		version_tests[_i].date1, version_tests[_i].uid1,
		version_tests[_i].date2, version_tests[_i].uid2),
		version_tests[_i].expected);
}
END_TEST

/* C6. NULL: unchanged. */
#define BLOCK(s) (s), sizeof(s) - 1
#define F "COI-Blocked: yes\r\n"
static const struct {
	const char *name;
	const char *block;
	size_t size;
	const char *added, *removed;
} rewrite_tests[] = {
	{ "CRLFs", BLOCK("A: b\r\n\tc\r\nD: e\r\n\r\n"),
	  F "A: b\r\n\tc\r\nD: e\r\n\r\n", NULL },
	{ "line feeds", BLOCK("A: b\nD: e\n\n"),
	  "COI-Blocked: yes\nA: b\nD: e\n\n", NULL },
	{ "tokens, unknown headers, odd bytes",
	  BLOCK("COI-Token: 1\r\nCOI-TokenIn: 2\r\nX:\xff\x01\r\nno colon\r\n"
		"COI-TokenOut: 3\r\n\r\n"),
	  F "COI-Token: 1\r\nCOI-TokenIn: 2\r\nX:\xff\x01\r\nno colon\r\n"
	  "COI-TokenOut: 3\r\n\r\n", NULL },
	{ "in the middle", BLOCK("A: b\r\nCOI-Blocked: yes\r\nD: e\r\n\r\n"),
	  NULL, "A: b\r\nD: e\r\n\r\n" },
	{ "first", BLOCK(F "D: e\r\n\r\n"), NULL, "D: e\r\n\r\n" },
	{ "last", BLOCK("D: e\r\n" F "\r\n"), NULL, "D: e\r\n\r\n" },
	{ "the only one", BLOCK(F "\r\n"), NULL, "\r\n" },
	{ "several, of any case",
	  BLOCK("coi-BLOCKED:\nA: b\nCoi-Blocked \t: x\n\n"), NULL,
	  "A: b\n\n" },
	{ "folded", BLOCK("A: b\r\nCOI-Blocked:\r\n yes\r\n\t\r\n x\r\n"
			  "D: e\r\n f\r\n\r\n"), NULL,
	  "A: b\r\nD: e\r\n f\r\n\r\n" },
	{ "inside of another field",
	  BLOCK("A: b\r\n COI-Blocked: yes\r\nD: e\r\n\r\n"),
	  F "A: b\r\n COI-Blocked: yes\r\nD: e\r\n\r\n", NULL },
	{ "other names",
	  BLOCK("COI-Blocked2: a\r\nX-COI-Blocked: b\r\nCOI-Blocked\r\n\r\n"),
	  F "COI-Blocked2: a\r\nX-COI-Blocked: b\r\nCOI-Blocked\r\n\r\n",
	  NULL },
	{ "in the body", BLOCK("A: b\r\n\r\n" F "C\r\n"),
	  F "A: b\r\n\r\n" F "C\r\n", NULL },
	{ "no empty line", BLOCK("A: b\r\n"), F "A: b\r\n", NULL },
	{ "no line feed at the end", BLOCK("A: b"), F "A: b", NULL },
	{ "no line feed at its end", BLOCK("A: b\r\nCOI-Blocked: yes"), NULL,
	  "A: b\r\n" },
	{ "no header", BLOCK("\r\n"), F "\r\n", NULL },
	{ "nothing", BLOCK(""), F, NULL },
	{ "begins with a continuation", BLOCK(" x\r\nA: b\r\n\r\n"),
	  " x\r\n" F "A: b\r\n\r\n", NULL },
	{ "nothing but a continuation", BLOCK(" x"), " x\r\n" F, NULL },
	{ "both kinds of line ends",
	  BLOCK("A: b\nCOI-Blocked: x\r\nC: d\r\n\n"), NULL,
	  "A: b\nC: d\r\n\n" },
};

static void
test_rewrite_one(int i, bool blocked, const char *expected)
{
	const char *block = rewrite_tests[i].block;
	size_t size = rewrite_tests[i].size;
	pool_t pool = pool_alloconly_create("test contact", 1024);
	struct coi_headers headers;
	struct coi_contact_headers contact;
	string_t *dest = t_str_new(256);
	bool changed;

	changed = coi_contact_rewrite((const unsigned char *)block, size,
				      blocked, dest);
	ck_assert_msg(changed == (expected != NULL), "%s, %d",
		      rewrite_tests[i].name, blocked);
	if (expected == NULL)
		expected = block;
	ck_assert_msg(strcmp(str_c(dest), expected) == 0, "%s, %d: %s",
		      rewrite_tests[i].name, blocked, str_c(dest));
	/* The reader agrees. */
	test_read(str_c(dest), str_len(dest), pool, &headers, &contact);
	ck_assert_msg(contact.blocked == blocked, "%s, %d",
		      rewrite_tests[i].name, blocked);
	pool_unref(&pool);
}

START_TEST(test_rewrite)
{
	test_rewrite_one(_i, TRUE, rewrite_tests[_i].added);
	test_rewrite_one(_i, FALSE, rewrite_tests[_i].removed);
}
END_TEST

START_TEST(test_rewrite_nul)
{
	static const char block[] = "A: b\0c\r\nCOI-Blocked\0: x\r\n\r\n";
	string_t *dest = t_str_new(256);

	ck_assert(!coi_contact_rewrite((const unsigned char *)block,
				       sizeof(block) - 1, FALSE, dest));
	ck_assert_int_eq(str_len(dest), sizeof(block) - 1);
	ck_assert_int_eq(memcmp(str_data(dest), block, sizeof(block) - 1), 0);
}
END_TEST

#define MESSAGE(from, domain, blocked) \
	"From: " from "\r\nSubject: Contact\r\n" \
	"Date: Thu, 01 Jan 2026 00:00:00 +0000\r\n" \
	"Message-ID: <chat$000102030405060708090a0b0c0d0eff@" domain ">\r\n" \
	"MIME-Version: 1.0\r\nContent-Type: text/html; charset=UTF-8\r\n" \
	"Chat-Version: 1.0\r\nChat-Content: contact\r\n" \
	"COI-From-Hash: " HASH1 "\r\n" blocked \
	"\r\n<html><body></body></html>\r\n"

/* C1 */
static const struct {
	const char *mailbox, *domain;
	bool blocked;
	const char *expected;
} write_tests[] = {
	{ "me", "example.com", TRUE,
	  MESSAGE("<me@example.com>", "example.com", F) },
	{ "me", "example.com", FALSE,
	  MESSAGE("<me@example.com>", "example.com", "") },
	{ "my self", "b\xc3\xbc" "cher.example", TRUE,
	  MESSAGE("<\"my self\"@b\xc3\xbc" "cher.example>",
		  "b\xc3\xbc" "cher.example", F) },
	/* No name can write a header of its own, or end its address. */
	{ "a\r\nX: y", "b\r\nX: y", TRUE,
	  MESSAGE("<user@localhost>", "localhost", F) },
	{ "a>, b", "c> d", TRUE,
	  MESSAGE("<\"a>, b\"@localhost>", "localhost", F) },
	{ "a\xff", "b\xff", TRUE,
	  MESSAGE("<user@localhost>", "localhost", F) },
	{ "", "", TRUE, MESSAGE("<user@localhost>", "localhost", F) },
	{ "a", ".b", TRUE, MESSAGE("<a@localhost>", "localhost", F) },
	{ "a", "b.", TRUE, MESSAGE("<a@localhost>", "localhost", F) },
	{ "a", "b..c", TRUE, MESSAGE("<a@localhost>", "localhost", F) },
	{ "a", "b_c", TRUE, MESSAGE("<a@localhost>", "localhost", F) },
};

static void test_write_init(struct coi_contact_message *message)
{
	unsigned int i;

	i_zero(message);
	message->now = 1767225600;
	for (i = 0; i < sizeof(message->random); i++)
		message->random[i] = i;
	message->random[15] = 0xff;
	message->hash = HASH1;
	message->blocked = TRUE;
}

START_TEST(test_write)
{
	pool_t pool = pool_alloconly_create("test contact", 1024);
	struct coi_contact_message message;
	struct coi_headers headers;
	struct coi_class class;
	struct coi_contact_headers contact;
	string_t *dest = t_str_new(1024);

	test_write_init(&message);
	message.from_mailbox = write_tests[_i].mailbox;
	message.from_domain = write_tests[_i].domain;
	message.blocked = write_tests[_i].blocked;
	coi_contact_write_message(&message, dest);
	ck_assert_str_eq(str_c(dest), write_tests[_i].expected);

	/* Our own reader takes it for what it is. */
	test_read(str_c(dest), str_len(dest), pool, &headers, &contact);
	coi_classify(&headers, &class);
	ck_assert(coi_class_is_chat(&class));
	ck_assert(strncmp(headers.message_id, "chat$", 5) == 0);
	ck_assert(contact.is_contact);
	ck_assert_int_eq(contact.blocked, write_tests[_i].blocked);
	ck_assert_int_eq(contact.hash_count, 1);
	ck_assert_int_eq(contact.date, message.now);
	pool_unref(&pool);
}
END_TEST

START_TEST(test_write_long)
{
	struct coi_contact_message message;
	string_t *name = t_str_new(512), *dest = t_str_new(2048);
	const char *const *line;
	unsigned int i;

	for (i = 0; i < COI_OWN_ADDRESS_PART_MAX_BYTES; i++)
		str_append_c(name, i % 2 == 0 ? 'x' : '"');
	test_write_init(&message);
	message.from_mailbox = str_c(name);
	message.from_domain = str_c(name);
	coi_contact_write_message(&message, dest);
	ck_assert(strstr(str_c(dest), "From: <\"x\\\"x") != NULL);
	str_append_c(name, 'x');
	message.from_mailbox = str_c(name);
	coi_contact_write_message(&message, dest);
	ck_assert(strstr(str_c(dest), "From: <user@localhost>") != NULL);
	for (line = t_strsplit(str_c(dest), "\n"); *line != NULL; line++)
		ck_assert_int_le(strlen(*line), 999);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-contact-message");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "C2 C3 C4: headers");
	tcase_add_loop_test(tcase, test_headers, 0, N_ELEMENTS(header_tests));
	tcase_add_test(tcase, test_many_hashes);
	tcase = unit_tcase_add(suite, "C7: the newer one");
	tcase_add_loop_test(tcase, test_version, 0, N_ELEMENTS(version_tests));
	tcase = unit_tcase_add(suite, "C6: rewriting");
	tcase_add_loop_test(tcase, test_rewrite, 0, N_ELEMENTS(rewrite_tests));
	tcase_add_test(tcase, test_rewrite_nul);
	tcase = unit_tcase_add(suite, "C1: our own message");
	tcase_add_loop_test(tcase, test_write, 0, N_ELEMENTS(write_tests));
	tcase_add_test(tcase, test_write_long);
	return unit_run(suite);
}
