/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "message-size.h"
#include "str.h"
#include "mail-namespace.h"
#include "coi-message.h"
#include "coi-save.h"
#include "storage-user.h"

#include <unistd.h>

#define MAIL(headers) headers"Subject: x\r\n\r\nbody\r\n"
#define CHAT MAIL("Chat-Version: 1.0\r\n")
#define CHAT_BY_ID MAIL("Message-ID: <chat$1@example.org>\r\n")
#define CHAT_REPLY MAIL("References: <chat$1@example.org>\r\n <2@a>\r\n")
#define PLAIN MAIL("Message-ID: <1@example.org>\r\n")

static const char *const drivers[] = { "sdbox", "mdbox", "maildir" };

static struct coi_user *cuser;

static struct mailbox *user_init(unsigned int driver)
{
	const struct storage_user_settings set = {
		.driver = drivers[driver],
		.separator = "/",
	};

	cuser = storage_coi_init(&set);
	return storage_mailbox_open(cuser->user, "INBOX");
}

static void user_deinit(struct mailbox **box)
{
	mailbox_free(box);
	storage_user_deinit();
}

/* As IMAP APPEND does; the message arrives in two parts. */
static int
append(struct mailbox_transaction_context *t, const char *mail,
       const char *keyword)
{
	const char *keywords[] = { keyword, NULL };
	struct mail_save_context *ctx = mailbox_save_alloc(t);
	struct mail_keywords *kw = NULL;
	struct istream *input;
	ssize_t ret;

	if (keyword != NULL) {
		kw = mailbox_keywords_create_valid(t->box, keywords);
		mailbox_save_set_flags(ctx, MAIL_FLAGGED, kw);
		mailbox_keywords_unref(&kw);
	}
	input = i_stream_create_from_data(mail, strlen(mail));
	ck_assert_int_eq(mailbox_save_begin(&ctx, input), 0);
	do {
		ck_assert_int_eq(mailbox_save_continue(ctx), 0);
	} while ((ret = i_stream_read(input)) > 0);
	i_stream_unref(&input);
	return mailbox_save_finish(&ctx);
}

static struct mailbox_transaction_context *begin(struct mailbox *box)
{
	return mailbox_transaction_begin(box,
		MAILBOX_TRANSACTION_FLAG_EXTERNAL, "test");
}

static void append_one(struct mailbox *box, const char *mail)
{
	struct mailbox_transaction_context *t = begin(box);

	ck_assert_int_eq(append(t, mail, NULL), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
}

static void append_mail_keywords(string_t *str, struct mail *mail)
{
	/* the index numbers them by their first use: put them in order */
	const char *const *keywords = mail_get_keywords(mail);
	ARRAY_TYPE(const_string) names;

	t_array_init(&names, 8);
	array_append(&names, keywords, str_array_length(keywords));
	array_sort(&names, i_strcmp_p);
	array_append_zero(&names);
	if ((mail_get_flags(mail) & MAIL_FLAGGED) != 0)
		str_append(str, "F,");
	str_append(str, t_strarray_join(array_front(&names), ","));
	str_append_c(str, ';');
}

/* with which the mailbox is opened that is read */
static enum mailbox_flags seen_box_flags = 0;

/* What another session sees: the keywords of each mail in turn, "F" for one
   that is flagged. */
static const char *
seen_keywords(const char *vname, enum mailbox_sync_flags flags)
{
	struct mailbox *box;
	struct mailbox_transaction_context *t;
	string_t *str = t_str_new(64);
	struct mailbox_status status;
	struct mail *mail;
	uint32_t seq;

	box = mailbox_alloc(mail_namespace_find(cuser->user->namespaces,
						vname)->list, vname,
			    seen_box_flags);
	ck_assert_int_eq(mailbox_sync(box, flags), 0);
	mailbox_get_open_status(box, STATUS_MESSAGES, &status);
	t = mailbox_transaction_begin(box, 0, "test");
	mail = mail_alloc(t, 0, NULL);
	for (seq = 1; seq <= status.messages; seq++) {
		mail_set_seq(mail, seq);
		append_mail_keywords(str, mail);
	}
	mail_free(&mail);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	mailbox_free(&box);
	return str_c(str);
}

#define check_keywords(vname, expected) \
	ck_assert_str_eq(seen_keywords(vname, 0), expected)

/* S37: by every mark that a message can have */
static const struct {
	const char *mail;
	bool chat;
} mark_tests[] = {
	{ CHAT, TRUE },
	{ CHAT_BY_ID, TRUE },
	{ CHAT_REPLY, TRUE },
	{ PLAIN, FALSE },
	{ MAIL(""), FALSE },
	{ "", FALSE },
	{ "\r\nChat-Version: 1.0\r\n", FALSE },
	/* no end of the headers */
	{ "Chat-Version: 1.0", TRUE },
	{ "Subject: x\nMessage-ID: <chat$1@a>\n\n", TRUE },
};

START_TEST(test_marks)
{
	struct mailbox *box = user_init(0);

	storage_set_state(cuser, "yes", NULL);
	append_one(box, mark_tests[_i].mail);
	check_keywords("INBOX", mark_tests[_i].chat ? "$Chat;" : ";");
	user_deinit(&box);
}
END_TEST

/* S37: in every mailbox and whatever the filter is; it is there when the
   command is answered, and after the index was made anew */
START_TEST(test_append)
{
	struct mailbox *other, *box = user_init(_i);

	storage_set_state(cuser, "yes", "none");
	append_one(box, CHAT);
	check_keywords("INBOX", "$Chat;");
	other = storage_mailbox_open(cuser->user, "Other");
	append_one(other, CHAT);
	mailbox_free(&other);
	check_keywords("Other", "$Chat;");
	ck_assert_str_eq(seen_keywords("INBOX",
		MAILBOX_SYNC_FLAG_FORCE_RESYNC |
		MAILBOX_SYNC_FLAG_FULL_READ), "$Chat;");
	storage_log_clear();
	user_deinit(&box);
}
END_TEST

/* S37: chat and others in one transaction (MULTIAPPEND), with keywords and
   flags of their own */
START_TEST(test_append_many)
{
	struct mailbox *box = user_init(_i);
	struct mailbox_transaction_context *t;

	storage_set_state(cuser, "yes", NULL);
	append_one(box, PLAIN);
	t = begin(box);
	ck_assert_int_eq(append(t, PLAIN, NULL), 0);
	ck_assert_int_eq(append(t, CHAT, NULL), 0);
	ck_assert_int_eq(append(t, PLAIN, "own"), 0);
	ck_assert_int_eq(append(t, CHAT_BY_ID, "own"), 0);
	ck_assert_int_eq(append(t, CHAT, "$Chat"), 0);
	ck_assert_int_eq(append(t, PLAIN, NULL), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	check_keywords("INBOX", ";;$Chat;F,own;F,$Chat,own;F,$Chat;;");
	append_one(box, CHAT);
	check_keywords("INBOX", ";;$Chat;F,own;F,$Chat,own;F,$Chat;;$Chat;");
	user_deinit(&box);
}
END_TEST

/* What is rolled back leaves neither mail nor anything else. */
START_TEST(test_append_rollback)
{
	struct mailbox *box = user_init(_i);
	struct mailbox_transaction_context *t;

	storage_set_state(cuser, "yes", NULL);
	t = begin(box);
	ck_assert_int_eq(append(t, CHAT, NULL), 0);
	mailbox_transaction_rollback(&t);
	check_keywords("INBOX", "");
	append_one(box, PLAIN);
	check_keywords("INBOX", ";");
	user_deinit(&box);
}
END_TEST

/* S20, S26 S27, S41, S43: nobody asked for it */
static const struct {
	const char *enabled, *filter;
	bool dsyncing;
	bool chat;
	/* S41 */
	unsigned int errors;
} off_tests[] = {
	{ "yes", "active", FALSE, TRUE, 0 },
	{ NULL, "active", FALSE, FALSE, 0 },
	{ "Yes", "active", FALSE, FALSE, 0 },
	{ "yes", "bad", FALSE, FALSE, 1 },
	{ "yes", "active", TRUE, FALSE, 0 },
};

START_TEST(test_off)
{
	struct mailbox *box = user_init(_i % N_ELEMENTS(drivers));
	unsigned int i = _i / N_ELEMENTS(drivers);

	storage_set_state(cuser, off_tests[i].enabled, off_tests[i].filter);
	cuser->user->dsyncing = off_tests[i].dsyncing;
	append_one(box, CHAT);
	check_keywords("INBOX", off_tests[i].chat ? "$Chat;" : ";");
	ck_assert_uint_eq(storage_log_count(), off_tests[i].errors);
	storage_log_clear();
	user_deinit(&box);
}
END_TEST

/* S42: the next message obeys what was set between */
START_TEST(test_switched)
{
	struct mailbox *box = user_init(0);

	append_one(box, CHAT);
	storage_set_state(cuser, "yes", NULL);
	append_one(box, CHAT);
	storage_set_state(cuser, NULL, NULL);
	append_one(box, CHAT);
	check_keywords("INBOX", ";$Chat;;");
	user_deinit(&box);
}
END_TEST

static void
copy_mails(struct mailbox *src, struct mailbox *dest, bool save)
{
	struct mailbox_transaction_context *src_t, *dest_t;
	struct mail_save_context *ctx;
	struct mail *mail;
	struct mailbox_status status;
	uint32_t seq;

	ck_assert_int_eq(mailbox_sync(src, 0), 0);
	mailbox_get_open_status(src, STATUS_MESSAGES, &status);
	src_t = mailbox_transaction_begin(src, 0, "test");
	dest_t = begin(dest);
	mail = mail_alloc(src_t, 0, NULL);
	for (seq = 1; seq <= status.messages; seq++) {
		mail_set_seq(mail, seq);
		ctx = mailbox_save_alloc(dest_t);
		mailbox_save_copy_flags(ctx, mail);
		ck_assert_int_eq(save ? mailbox_save_using_mail(&ctx, mail) :
				 mailbox_copy(&ctx, mail), 0);
	}
	mail_free(&mail);
	ck_assert_int_eq(mailbox_transaction_commit(&dest_t), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&src_t), 0);
}

/* A copy is what its original was: old mail and mail whose $Chat the user took
   away stay so. With a link to the same file, or with a file of its own as from
   another storage. */
START_TEST(test_copy)
{
	struct mailbox *other, *box = user_init(_i % N_ELEMENTS(drivers));

	append_one(box, CHAT);
	storage_set_state(cuser, "yes", NULL);
	append_one(box, CHAT);
	other = storage_mailbox_open(cuser->user, "Other");
	other->disable_reflink_copy_to = _i >= (int)N_ELEMENTS(drivers);
	copy_mails(box, other, FALSE);
	mailbox_free(&other);
	check_keywords("Other", ";$Chat;");
	user_deinit(&box);
}
END_TEST

/* S37: a delivery knows what it delivers, and every save of it says so; what
   the message looks like is not asked again. */
static const struct {
	bool chat;
	const char *keywords;
} delivery_tests[] = {
	{ TRUE, "F,$Chat,own;$Chat;" },
	{ FALSE, "F,own;;" },
};

START_TEST(test_delivery)
{
	struct mailbox *other, *box = user_init(_i % N_ELEMENTS(drivers));
	unsigned int i = _i / N_ELEMENTS(drivers);
	struct mailbox_transaction_context *t = begin(box);

	ck_assert_int_eq(append(t, delivery_tests[i].chat ? PLAIN : CHAT,
				"own"), 0);
	ck_assert_int_eq(append(t, delivery_tests[i].chat ? PLAIN : CHAT,
				NULL), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	storage_set_state(cuser, "yes", NULL);
	cuser->delivering = TRUE;
	cuser->delivering_chat = delivery_tests[i].chat;
	other = storage_mailbox_open(cuser->user, "Other");
	copy_mails(box, other, TRUE);
	mailbox_free(&other);
	/* Sieve, or the next recipient, copies what it sees: not $Chat */
	seen_box_flags = MAILBOX_FLAG_POST_SESSION;
	check_keywords("Other", "F,own;;");
	seen_box_flags = 0;
	/* a move of our own does see it */
	check_keywords("Other", delivery_tests[i].keywords);
	cuser->delivering = cuser->delivering_chat = FALSE;
	check_keywords("Other", delivery_tests[i].keywords);
	ck_assert_str_eq(seen_keywords("Other",
		MAILBOX_SYNC_FLAG_FORCE_RESYNC |
		MAILBOX_SYNC_FLAG_FULL_READ), delivery_tests[i].keywords);
	storage_log_clear();
	user_deinit(&box);
}
END_TEST

/* S33: the class of a stored message; reading it takes nothing from those who
   read it next */
static const struct {
	const char *mail;
	enum coi_mark mark;
} classify_tests[] = {
	{ CHAT, COI_MARK_CHAT_VERSION },
	{ CHAT_BY_ID, COI_MARK_MESSAGE_ID },
	{ CHAT_REPLY, COI_MARK_REFERENCES },
	{ PLAIN, COI_MARK_NONE },
	{ "\r\n", COI_MARK_NONE },
};

START_TEST(test_classify)
{
	struct mailbox *box = user_init(0);
	struct mailbox_transaction_context *t;
	struct istream *input;
	struct message_size hdr_size, body_size;
	struct coi_message message;
	const char *error;
	struct mail *mail;
	unsigned int round;

	append_one(box, classify_tests[_i].mail);
	ck_assert_int_eq(mailbox_sync(box, 0), 0);
	t = mailbox_transaction_begin(box, 0, "test");
	mail = mail_alloc(t, 0, NULL);
	mail_set_seq(mail, 1);
	for (round = 0; round < 2; round++) {
		ck_assert_int_eq(coi_message_read(mail, 0,
			pool_datastack_create(), &message, &error), 0);
		ck_assert_int_eq(message.class.mark, classify_tests[_i].mark);
	}
	ck_assert_int_eq(mail_get_stream(mail, &hdr_size, &body_size, &input),
			 0);
	ck_assert_uint_eq(input->v_offset, 0);
	ck_assert_uint_eq(hdr_size.virtual_size + body_size.virtual_size,
			  strlen(classify_tests[_i].mail));
	mail_free(&mail);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	user_deinit(&box);
}
END_TEST

/* S41: a mail whose text is gone is an error, not "no chat" */
START_TEST(test_classify_fails)
{
	struct mailbox *box = user_init(0);
	struct mailbox_transaction_context *t;
	struct coi_message message;
	const char *error = NULL;
	struct mail *mail;

	append_one(box, CHAT);
	ck_assert_int_eq(mailbox_sync(box, 0), 0);
	t = mailbox_transaction_begin(box, 0, "test");
	mail = mail_alloc(t, 0, NULL);
	mail_set_seq(mail, 1);
	ck_assert_int_eq(unlink(t_strconcat(mailbox_get_path(box), "/u.1",
					    NULL)), 0);
	ck_assert_int_eq(coi_message_read(mail, 0, pool_datastack_create(),
					  &message, &error), -1);
	ck_assert_ptr_nonnull(error);
	mail_free(&mail);
	mailbox_transaction_rollback(&t);
	user_deinit(&box);
	/* what Dovecot says about it */
	storage_log_clear();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-save");
	const int count = N_ELEMENTS(drivers);
	TCase *tcase;

	tcase = storage_tcase_add(suite, "S33 S37: APPEND");
	tcase_add_loop_test(tcase, test_marks, 0, N_ELEMENTS(mark_tests));
	tcase_add_loop_test(tcase, test_append, 0, count);
	tcase_add_loop_test(tcase, test_append_many, 0, count);
	tcase_add_loop_test(tcase, test_append_rollback, 0, count);
	tcase = storage_tcase_add(suite, "S20 S26 S27 S41 S42 S43: off");
	tcase_add_loop_test(tcase, test_off, 0,
			    count * N_ELEMENTS(off_tests));
	tcase_add_test(tcase, test_switched);
	tcase = storage_tcase_add(suite, "S37: copies and deliveries");
	tcase_add_loop_test(tcase, test_copy, 0, 2 * count);
	tcase_add_loop_test(tcase, test_delivery, 0,
			    count * N_ELEMENTS(delivery_tests));
	tcase = storage_tcase_add(suite, "S33 S41: classify");
	tcase_add_loop_test(tcase, test_classify, 0,
			    N_ELEMENTS(classify_tests));
	tcase_add_test(tcase, test_classify_fails);
	return storage_run(suite);
}
