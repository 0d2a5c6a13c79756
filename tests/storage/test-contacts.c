/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "sort.h"
#include "istream.h"
#include "mail-storage-hooks.h"
#include "coi-contact-index.h"
#include "coi-entries.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "storage-user.h"

#include <stdio.h>
#include <unistd.h>
#include <sys/stat.h>

#define CONTACTS \
	MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER \
	"vendor/vendor.dovecot/coi/contacts/"
#define BLOCKED "{\"blocked\":true}"
#define MUTED "{\"notify\":\"none\"}"
#define INDEX "contacts.index"
#define RECORD_AT(n) \
	(COI_CONTACT_INDEX_HEADER_BYTES + (n) * COI_CONTACT_INDEX_RECORD_BYTES)

static struct coi_user *cuser;
static struct mailbox *inbox;

/*
 * A commit of INBOX that fails
 */

static MODULE_CONTEXT_DEFINE_INIT(behind_module, &mail_storage_module_register);
#define BEHIND_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, behind_module)

static bool fail_commit;

static int
behind_commit(struct mailbox_transaction_context *t,
	      struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *mbox = BEHIND_CONTEXT(t->box);
	struct mailbox *box = t->box;

	if (!fail_commit || !box->inbox_user)
		return mbox->super.transaction_commit(t, changes_r);
	mbox->super.transaction_rollback(t);
	mail_storage_set_error(box->storage, MAIL_ERROR_TEMP, "no commit");
	return -1;
}

static void behind_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	union mailbox_module_context *mbox;

	mbox = p_new(box->pool, union mailbox_module_context, 1);
	mbox->super = *v;
	box->vlast = &mbox->super;
	v->transaction_commit = behind_commit;
	MODULE_CONTEXT_SET_SELF(box, behind_module, mbox);
}

static const struct mail_storage_hooks behind_hooks = {
	.mailbox_allocated = behind_mailbox_allocated,
};

/*
 * The user of a test
 */

static void contacts_setup(void)
{
	fail_commit = FALSE;
	storage_hooks_add(&behind_hooks);
	cuser = storage_coi_init(NULL);
	inbox = storage_mailbox_open(cuser->user, "INBOX");
}

static void contacts_teardown(void)
{
	mailbox_free(&inbox);
	storage_user_deinit();
}

/* The hash of a contact with this number. */
static const char *hash(unsigned int num)
{
	return t_strdup_printf("%064x", num);
}

static void store_lock(void)
{
	const char *error = NULL;

	ck_assert_msg(coi_store_lock(cuser->store, &error) == 0, "%s", error);
}

/* `size' may cut it; NULL removes it. */
static void store_put(const char *key, const void *data, size_t size)
{
	const char *error = NULL;
	int ret;

	store_lock();
	ret = data == NULL ? coi_store_remove(cuser->store, key, &error) :
		coi_store_write(cuser->store, key, data, size, &error);
	ck_assert_msg(ret >= 0, "%s", error);
	coi_store_unlock(cuser->store);
}

static buffer_t *store_get(const char *key)
{
	buffer_t *buf = t_buffer_create(1024);
	const char *error = NULL;

	ck_assert_msg(coi_store_read(cuser->store, key, 1024 * 1024, buf,
				     &error) >= 0, "%s", error);
	return buf;
}

/* SETMETADATA of one contact. */
static int set(unsigned int num, const char *str)
{
	struct mailbox_transaction_context *t =
		mailbox_transaction_begin(inbox, 0, "test");
	struct mail_attribute_value value;

	i_zero(&value);
	value.value = str;
	if (mailbox_attribute_set(t, MAIL_ATTRIBUTE_TYPE_PRIVATE,
				  t_strconcat(CONTACTS, hash(num), NULL),
				  &value) < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	return mailbox_transaction_commit(&t);
}

/* "" if there is none; without `modified' */
static const char *get(unsigned int num)
{
	const char *value, *modified, *error = NULL;

	ck_assert_msg(coi_entries_read(cuser->store, COI_ENTRY_CONTACT,
				       hash(num), &value, &error) >= 0,
		      "%s", error);
	if (value == NULL)
		return "";
	modified = strstr(value, ",\"modified\"");
	ck_assert_ptr_nonnull(modified);
	return t_strconcat(t_strdup_until(value, modified), "}", NULL);
}

/*
 * Messages
 */

static struct mailbox *open_contacts(void)
{
	return storage_mailbox_open(cuser->user, "COI/Contacts");
}

static void
append_to(struct mailbox_transaction_context *t, unsigned int num1,
	  unsigned int num2, bool blocked, unsigned int day)
{
	string_t *str = t_str_new(512);
	struct mail_save_context *ctx;
	struct istream *input;

	str_printfa(str, "From: <a@example.org>\r\n"
		    "Date: %02u Feb 2026 12:00:00 +0000\r\n"
		    "Chat-Version: 1.0\r\nChat-Content: contact\r\n"
		    "COI-From-Hash: %s\r\n", day, hash(num1));
	if (num2 != 0)
		str_printfa(str, "COI-From-Hash: %s\r\n", hash(num2));
	str_append(str, blocked ? "COI-Blocked: yes\r\n\r\n" : "\r\n");
	input = i_stream_create_from_data(str_data(str), str_len(str));
	ctx = mailbox_save_alloc(t);
	ck_assert_int_eq(mailbox_save_begin(&ctx, input), 0);
	while (i_stream_read(input) > 0)
		ck_assert_int_eq(mailbox_save_continue(ctx), 0);
	ck_assert_int_eq(mailbox_save_finish(&ctx), 0);
	i_stream_unref(&input);
}

/* A client's APPEND of a message that names one contact or two. */
static void
append(unsigned int num1, unsigned int num2, bool blocked, unsigned int day)
{
	struct mailbox *box = open_contacts();
	struct mailbox_transaction_context *t;

	t = mailbox_transaction_begin(box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      "test");
	append_to(t, num1, num2, blocked, day);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	mailbox_free(&box);
}

/* A client's EXPUNGE of the first messages. */
static void expunge(unsigned int count)
{
	struct mailbox *box = open_contacts();
	struct mailbox_transaction_context *t;
	struct mail *mail;
	unsigned int seq;

	t = mailbox_transaction_begin(box, 0, "test");
	mail = mail_alloc(t, 0, NULL);
	for (seq = 1; seq <= count; seq++) {
		mail_set_seq(mail, seq);
		mail_expunge(mail);
	}
	mail_free(&mail);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	ck_assert_int_eq(mailbox_sync(box, 0), 0);
	mailbox_free(&box);
}

/* Each message, whole, and after each a "|". */
static const char *messages(void)
{
	struct mailbox *box = open_contacts();
	struct mailbox_transaction_context *t;
	string_t *str = t_str_new(512);
	struct mailbox_status status;
	const unsigned char *data;
	struct istream *input;
	struct mail *mail;
	size_t size;
	uint32_t seq;

	mailbox_get_open_status(box, STATUS_MESSAGES, &status);
	t = mailbox_transaction_begin(box, 0, "test");
	mail = mail_alloc(t, 0, NULL);
	for (seq = 1; seq <= status.messages; seq++) {
		mail_set_seq(mail, seq);
		ck_assert_int_eq(mail_get_stream(mail, NULL, NULL, &input), 0);
		while (i_stream_read_more(input, &data, &size) > 0) {
			str_append_data(str, data, size);
			i_stream_skip(input, size);
		}
		str_append_c(str, '|');
	}
	mail_free(&mail);
	(void)mailbox_transaction_commit(&t);
	mailbox_free(&box);
	return str_c(str);
}

/*
 * How many there are
 */

static const struct {
	/* NULL: there is no such file */
	const char *count;
	/* what it is after one more; one fewer */
	const char *up, *down;
} count_tests[] = {
	{ "3\n", "4\n", "2\n" },
	{ NULL, "4\n", "" },
	{ "", "4\n", "" },
	{ "3", "4\n", "3" },
	{ "x\n", "4\n", "x\n" },
	{ "-1\n", "4\n", "-1\n" },
	{ "3\n3\n", "4\n", "3\n3\n" },
	{ "99999999999999999999\n", "4\n", "99999999999999999999\n" },
	/* too high, as a writer that was killed leaves it */
	{ "4\n", "4\n", "3\n" },
	{ "4294967295\n", "4\n", "4294967294\n" },
	/* never lower than 0 */
	{ "0\n", "1\n", "0\n" },
};

static int write_entry(unsigned int num, const char *old, const char *value,
		       unsigned int max)
{
	const char *error = NULL;
	int ret;

	store_lock();
	ret = old != NULL || value == NULL ? 1 :
		coi_entries_count_up(cuser->store, COI_ENTRY_CONTACT, 1, max,
				     &error);
	if (ret > 0) {
		ck_assert_msg(coi_entries_write(cuser->store,
			COI_ENTRY_CONTACT, hash(num), value, &error) == 0,
			"%s", error);
	}
	if (old != NULL && value == NULL)
		ret = coi_entries_count_down(cuser->store, COI_ENTRY_CONTACT,
					     1, &error) < 0 ? -1 : 1;
	ck_assert_msg(ret >= 0, "%s", error);
	coi_store_unlock(cuser->store);
	return ret;
}

static void put_count(const char *count)
{
	store_put("contacts.count", count, count == NULL ? 0 : strlen(count));
}

/* S7: the number is counted anew when it is gone or none, and before it refuses
   anything */
START_TEST(test_count)
{
	const char *count = count_tests[_i].count;
	unsigned int num, true_count;
	const char *error;

	for (num = 1; num <= 3; num++)
		ck_assert_int_eq(write_entry(num, NULL, MUTED, 3), 1);
	put_count(count);
	ck_assert_int_eq(write_entry(4, NULL, MUTED, 4), 1);
	ck_assert_str_eq(str_c(store_get("contacts.count")),
			 count_tests[_i].up);
	ck_assert_int_eq(write_entry(4, MUTED, NULL, 4), 1);
	put_count(count);
	ck_assert_int_eq(write_entry(3, MUTED, NULL, 3), 1);
	ck_assert_str_eq(str_c(store_get("contacts.count")),
			 count_tests[_i].down);
	ck_assert_int_eq(coi_entries_count(cuser->store, COI_ENTRY_CONTACT,
					   &true_count, &error), 0);
	ck_assert_uint_eq(true_count, 2);
}
END_TEST

START_TEST(test_count_refuses)
{
	unsigned int num;

	for (num = 1; num <= 3; num++)
		ck_assert_int_eq(write_entry(num, NULL, MUTED, 3), 1);
	ck_assert_int_eq(write_entry(4, NULL, MUTED, 3), 0);
	ck_assert_str_eq(get(4), "");
	ck_assert_str_eq(str_c(store_get("contacts.count")), "3\n");
	/* changing one, and what is not limited */
	ck_assert_int_eq(write_entry(3, MUTED, BLOCKED, 3), 1);
	ck_assert_int_eq(write_entry(4, NULL, MUTED, 0), 1);
	put_count(NULL);
	ck_assert_int_eq(write_entry(5, NULL, MUTED, 4), 0);
	/* one goes while there is no number: it does not become too low */
	ck_assert_int_eq(write_entry(4, MUTED, NULL, 3), 1);
	ck_assert_int_eq(write_entry(4, NULL, MUTED, 3), 0);
}
END_TEST

/* S7: room for several at once */
START_TEST(test_room)
{
	static const struct {
		unsigned int adding, max;
		int ret;
	} tests[] = {
		{ 1, 3, 1 }, { 2, 3, 0 }, { 1, 2, 0 }, { 1, 1, 0 },
		{ 4, 3, 0 }, { 1000, 0, 1 }, { UINT_MAX, UINT_MAX, 0 },
	};
	const char *error;
	unsigned int i;

	for (i = 1; i <= 2; i++)
		ck_assert_int_eq(write_entry(i, NULL, MUTED, 0), 1);
	store_lock();
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		put_count("9\n");
		ck_assert_msg(coi_entries_count_up(cuser->store,
			COI_ENTRY_CONTACT, tests[i].adding, tests[i].max,
			&error) == tests[i].ret, "%u", i);
	}
	coi_store_unlock(cuser->store);
}
END_TEST

/*
 * Lists
 */

/* S5: only what is an entry is listed */
START_TEST(test_list)
{
	static const char *const others[] = {
		"contacts/00/x", "contacts/00/.hidden", "contacts/file",
		"contacts/.00/x", "contacts/zz/README", "groups/00/x",
	};
	const char *found, *temp, *error = NULL;
	struct coi_entries_iter *iter;
	ARRAY_TYPE(const_string) list;
	unsigned int i;

	for (i = 1; i <= 3; i++)
		ck_assert_int_eq(write_entry(i, NULL, MUTED, 0), 1);
	for (i = 0; i < N_ELEMENTS(others); i++)
		store_put(others[i], "x", 1);
	temp = t_strconcat("contacts/00/", hash(4), ".tmp.host.1.2", NULL);
	store_put(temp, "x", 1);

	t_array_init(&list, 4);
	iter = coi_entries_iter_init(cuser->store, COI_ENTRY_CONTACT);
	while ((found = coi_entries_iter_next(iter)) != NULL) {
		found = t_strdup(found);
		array_push_back(&list, &found);
	}
	ck_assert_int_eq(coi_entries_iter_deinit(&iter, &error), 0);
	array_sort(&list, i_strcmp_p);
	ck_assert_uint_eq(array_count(&list), 3);
	for (i = 0; i < 3; i++)
		ck_assert_str_eq(array_idx_elem(&list, i), hash(i + 1));
}
END_TEST

START_TEST(test_list_nothing)
{
	struct coi_entries_iter *iter;
	const char *error = NULL;

	iter = coi_entries_iter_init(cuser->store, COI_ENTRY_GROUP);
	ck_assert_ptr_null(coi_entries_iter_next(iter));
	ck_assert_ptr_null(coi_entries_iter_next(iter));
	ck_assert_int_eq(coi_entries_iter_deinit(&iter, &error), 0);
}
END_TEST

/* S41: a list that is not whole is none */
START_TEST(test_list_fails)
{
	struct coi_entries_iter *iter;
	const char *error = NULL, *path;
	unsigned int count;

	ck_assert_int_eq(write_entry(1, NULL, MUTED, 0), 1);
	path = coi_store_key_path(cuser->store, "contacts/00");
	ck_assert_int_eq(unlink(coi_store_key_path(cuser->store,
		t_strconcat("contacts/00/", hash(1), NULL))), 0);
	ck_assert_int_eq(rmdir(path), 0);
	/* a link to itself is no directory for a reason worth telling */
	ck_assert_int_eq(symlink(path, path), 0);
	iter = coi_entries_iter_init(cuser->store, COI_ENTRY_CONTACT);
	while (coi_entries_iter_next(iter) != NULL) ;
	ck_assert_int_eq(coi_entries_iter_deinit(&iter, &error), -1);
	ck_assert_ptr_nonnull(strstr(error, "contacts/00) failed"));
	ck_assert_int_eq(coi_entries_count(cuser->store, COI_ENTRY_CONTACT,
					   &count, &error), -1);
}
END_TEST

/*
 * INBOX's index cannot be written
 */

/* S2 C6: both sides are what they were, and nothing of it comes back */
START_TEST(test_commit_fails)
{
	const char *before;

	append(1, 0, FALSE, 1);
	append(2, 0, TRUE, 1);
	ck_assert_int_eq(set(3, MUTED), 0);
	before = messages();
	fail_commit = TRUE;
	ck_assert_int_eq(set(1, BLOCKED), -1);
	ck_assert_int_eq(set(2, MUTED), -1);
	ck_assert_int_eq(set(3, NULL), -1);
	ck_assert_int_eq(set(4, MUTED), -1);
	fail_commit = FALSE;
	storage_log_clear();
	ck_assert_int_eq(set(9, MUTED), 0);
	ck_assert_str_eq(get(1), "");
	ck_assert_str_eq(get(2), BLOCKED);
	ck_assert_str_eq(get(3), MUTED);
	ck_assert_str_eq(get(4), "");
	ck_assert_uint_eq(strlen(messages()), strlen(before));
	ck_assert_int_eq(set(1, BLOCKED), 0);
	ck_assert_str_eq(get(1), BLOCKED);
}
END_TEST

/* a message that the server wrote for it blocks nobody */
START_TEST(test_commit_fails_new)
{
	fail_commit = TRUE;
	ck_assert_int_eq(set(1, BLOCKED), -1);
	fail_commit = FALSE;
	storage_log_clear();
	ck_assert_int_eq(set(2, MUTED), 0);
	ck_assert_str_eq(get(1), "");
	ck_assert_ptr_null(strstr(messages(), "COI-Blocked"));
}
END_TEST

/*
 * The index of messages
 */

static size_t index_records(void)
{
	return (store_get(INDEX)->used - COI_CONTACT_INDEX_HEADER_BYTES) /
		COI_CONTACT_INDEX_RECORD_BYTES;
}

static unsigned int index_dead(void)
{
	struct coi_contact_index_header header;
	buffer_t *buf = store_get(INDEX);

	ck_assert(coi_contact_index_read_header(buf->data, buf->used, buf->used,
						&header));
	ck_assert_uint_eq(header.message_count,
			  header.record_count - header.dead_count);
	return header.dead_count;
}

/* C7: records of messages that are gone do not pile up */
START_TEST(test_compaction)
{
	const unsigned int count = 4 * COI_CONTACT_INDEX_DEAD_MIN;
	const unsigned int limit = COI_CONTACT_INDEX_DEAD_MIN + count / 2;
	struct mailbox *box = open_contacts();
	struct mailbox_transaction_context *t;
	unsigned int num;

	t = mailbox_transaction_begin(box, MAILBOX_TRANSACTION_FLAG_EXTERNAL,
				      "test");
	for (num = 1; num <= count; num++) T_BEGIN {
		/* few: each entry is written to disk */
		append_to(t, num, 0, num == limit + 1 || num == limit + 2, 1);
	} T_END;
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	mailbox_free(&box);
	ck_assert_uint_eq(index_records(), count);
	expunge(limit);
	ck_assert_uint_eq(index_records(), count);
	ck_assert_uint_eq(index_dead(), limit);
	ck_assert_str_eq(get(limit + 1), BLOCKED);
	expunge(1);
	ck_assert_uint_eq(index_records(), count - limit - 1);
	ck_assert_uint_eq(index_dead(), 0);
	ck_assert_str_eq(get(limit + 1), "");
	ck_assert_str_eq(get(limit + 2), BLOCKED);
}
END_TEST

/* C4: without the index no block is lost, and it is what it was */
START_TEST(test_rebuild)
{
	buffer_t *before;

	append(1, 2, TRUE, 1);
	append(3, 0, FALSE, 1);
	ck_assert_int_eq(set(4, BLOCKED), 0);
	before = store_get(INDEX);
	store_put(INDEX, NULL, 0);
	ck_assert_int_eq(set(5, MUTED), 0);
	ck_assert_mem_eq(store_get(INDEX)->data, before->data, before->used);
	ck_assert_str_eq(get(1), BLOCKED);
	ck_assert_str_eq(get(2), BLOCKED);
	ck_assert_str_eq(get(4), BLOCKED);
	expunge(1);
	ck_assert_str_eq(get(1), "");
	ck_assert_str_eq(get(2), "");
	ck_assert_str_eq(get(4), BLOCKED);
}
END_TEST

/* C7: a writer that was killed between two records of a message that is gone
   leaves the second one no voice */
START_TEST(test_killed_between_records)
{
	buffer_t *before;
	unsigned char *data;

	append(1, 2, TRUE, 20);
	before = store_get(INDEX);
	expunge(1);
	ck_assert_str_eq(get(2), "");
	data = buffer_get_modifiable_data(before, NULL);
	data[RECORD_AT(0) + 4] |= 0x04; /* dead */
	store_put(INDEX, data, before->used);
	append(2, 0, FALSE, 10);
	ck_assert_str_eq(get(2), "");
	append(2, 0, TRUE, 11);
	append(2, 0, FALSE, 12);
	ck_assert_str_eq(get(2), "");
	ck_assert_uint_eq(index_dead(), 2);
}
END_TEST

/* C6: a record that is wrong loses no message */
START_TEST(test_wrong_record)
{
	const char *before;
	buffer_t *buf;
	unsigned char *data;

	append(1, 0, TRUE, 1);
	before = messages();
	buf = store_get(INDEX);
	data = buffer_get_modifiable_data(buf, NULL);
	data[RECORD_AT(0) + 4] &= ~0x02; /* blocked */
	store_put(INDEX, data, buf->used);
	ck_assert_int_eq(set(1, BLOCKED), 0);
	ck_assert_str_eq(messages(), before);
	ck_assert_int_eq(set(1, NULL), 0);
	ck_assert_str_eq(get(1), "");
	ck_assert_ptr_null(strstr(messages(), "COI-Blocked"));
	ck_assert_uint_gt(strlen(messages()), 0);
}
END_TEST

static TCase *contacts_tcase_add(Suite *suite, const char *name)
{
	TCase *tcase = storage_tcase_add(suite, name);

	tcase_add_checked_fixture(tcase, contacts_setup, contacts_teardown);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("coi-contacts");
	TCase *tcase;

	tcase = contacts_tcase_add(suite, "S7: numbers of entries");
	tcase_add_loop_test(tcase, test_count, 0, N_ELEMENTS(count_tests));
	tcase_add_test(tcase, test_count_refuses);
	tcase_add_test(tcase, test_room);
	tcase = contacts_tcase_add(suite, "S5 S41: lists");
	tcase_add_test(tcase, test_list);
	tcase_add_test(tcase, test_list_nothing);
	tcase_add_test(tcase, test_list_fails);
	tcase = contacts_tcase_add(suite, "S2 C6: undo");
	tcase_add_test(tcase, test_commit_fails);
	tcase_add_test(tcase, test_commit_fails_new);
	tcase = contacts_tcase_add(suite, "C4 C6 C7: the index of messages");
	tcase_add_test(tcase, test_compaction);
	tcase_add_test(tcase, test_rebuild);
	tcase_add_test(tcase, test_killed_between_records);
	tcase_add_test(tcase, test_wrong_record);
	return storage_run(suite);
}
