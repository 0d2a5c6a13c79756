/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "unit.h"
#include "coi-contact-index.h"

#define HASH \
	"74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0"

/* Where the numbers of a header stand. */
#define UID_VALIDITY_AT 8
#define MESSAGE_COUNT_AT 12
#define LAST_UID_AT 16
#define RECORD_COUNT_AT 20
#define DEAD_COUNT_AT 24

static const struct coi_contact_index_header good = {
	.uid_validity = 0x01020304,
	.message_count = 2,
	.last_uid = 0xfffffffe,
	.record_count = 5,
	.dead_count = 2,
	.suspect = TRUE,
};
#define GOOD_SIZE \
	(COI_CONTACT_INDEX_HEADER_BYTES + 5 * COI_CONTACT_INDEX_RECORD_BYTES)

START_TEST(test_header)
{
	struct coi_contact_index_header header;
	buffer_t *buf = t_buffer_create(64);

	coi_contact_index_append_header(buf, &good);
	ck_assert_uint_eq(buf->used, COI_CONTACT_INDEX_HEADER_BYTES);
	ck_assert_mem_eq(buf->data, "COI-CI\n1\4\3\2\1\2\0\0\0"
			 "\xfe\xff\xff\xff\5\0\0\0\2\0\0\0\1\0\0\0", 32);
	memset(&header, 0xff, sizeof(header));
	ck_assert(coi_contact_index_read_header(buf->data, buf->used, GOOD_SIZE,
						&header));
	ck_assert_mem_eq(&header, &good, sizeof(header));
	/* what a killed writer has left behind it */
	ck_assert(coi_contact_index_read_header(buf->data, buf->used,
						GOOD_SIZE + 7, &header));
}
END_TEST

static const struct {
	const char *name;
	size_t size;
	uoff_t file_size;
	/* a byte that is another one; 0: none is */
	unsigned int at;
	unsigned char byte;
} bad_tests[] = {
	{ "nothing", 0, 0, 0, 0 },
	{ "half a header", 31, 31, 0, 0 },
	{ "a header is cut", 31, GOOD_SIZE, 0, 0 },
	{ "a record is cut", 32, GOOD_SIZE - 1, 0, 0 },
	{ "no records", 32, 32, 0, 0 },
	{ "another version", 32, GOOD_SIZE, 7, '2' },
	{ "garbage", 32, GOOD_SIZE, 1, 'x' },
	{ "very many records", 32, GOOD_SIZE, RECORD_COUNT_AT + 3, 0xff },
	{ "one record too many", 32, GOOD_SIZE, RECORD_COUNT_AT, 6 },
	{ "more dead than there are", 32, GOOD_SIZE, DEAD_COUNT_AT, 6 },
	{ "more messages than there are", 32, GOOD_SIZE, MESSAGE_COUNT_AT, 4 },
	{ "the last UID is none", 32, GOOD_SIZE, LAST_UID_AT, 0xff },
};

START_TEST(test_bad_header)
{
	struct coi_contact_index_header header;
	buffer_t *buf = t_buffer_create(64);

	coi_contact_index_append_header(buf, &good);
	if (bad_tests[_i].at != 0)
		buffer_write(buf, bad_tests[_i].at, &bad_tests[_i].byte, 1);
	ck_assert_msg(!coi_contact_index_read_header(buf->data,
		bad_tests[_i].size, bad_tests[_i].file_size, &header), "%s",
		bad_tests[_i].name);
}
END_TEST

static const struct coi_contact_index_record record_tests[] = {
	{ .uid = 1 },
	{ .uid = 0xffffffff, .no_digest = TRUE },
	{ .uid = 2, .blocked = TRUE, .date = 1767225600 },
	{ .uid = 3, .dead = TRUE, .date = 253402300799 },
	{ .uid = 4, .no_digest = TRUE, .blocked = TRUE, .dead = TRUE,
	  .date = 1 },
};

START_TEST(test_record)
{
	struct coi_contact_index_record record = record_tests[_i], again;
	buffer_t *buf = t_buffer_create(64);

	coi_contact_index_digest(HASH, record.digest);
	coi_contact_index_append_record(buf, &record);
	ck_assert_uint_eq(buf->used, COI_CONTACT_INDEX_RECORD_BYTES);
	memset(&again, 0xff, sizeof(again));
	coi_contact_index_read_record(buf->data, &again);
	ck_assert_uint_eq(again.uid, record.uid);
	ck_assert(again.no_digest == record.no_digest);
	ck_assert(again.blocked == record.blocked);
	ck_assert(again.dead == record.dead);
	ck_assert_int_eq(again.date, record.date);
	ck_assert_str_eq(coi_contact_index_hash(again.digest), HASH);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-contact-index");
	TCase *tcase = unit_tcase_add(suite, "C7: the index of messages");

	tcase_add_test(tcase, test_header);
	tcase_add_loop_test(tcase, test_bad_header, 0, N_ELEMENTS(bad_tests));
	tcase_add_loop_test(tcase, test_record, 0, N_ELEMENTS(record_tests));
	return unit_run(suite);
}
