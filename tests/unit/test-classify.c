/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "unit.h"
#include "coi-headers.h"
#include "coi-classify.h"

static const struct {
	const char *name;
	struct coi_headers headers;
	enum coi_mark mark;
} classify_tests[] = {
	{ "S33: nothing", { FALSE, NULL, NULL }, COI_MARK_NONE },
	{ "S33: Chat-Version", { TRUE, NULL, NULL },
	  COI_MARK_CHAT_VERSION },
	{ "S33: Message-ID", { FALSE, "chat$1@a", NULL },
	  COI_MARK_MESSAGE_ID },
	{ "S33, C17: References", { FALSE, NULL, "chat$1@a" },
	  COI_MARK_REFERENCES },
	{ "S33: the first mark that matches", { TRUE, "chat$1@a", "chat$2@a" },
	  COI_MARK_CHAT_VERSION },
	{ "S33: Message-ID before References",
	  { FALSE, "chat$1@a", "chat$2@a" }, COI_MARK_MESSAGE_ID },
	{ "S33, C17: an ordinary id, a chat reference",
	  { FALSE, "1@a", "chat$2@a" }, COI_MARK_REFERENCES },
	{ "S33: ordinary ids", { FALSE, "1@a", "2@a" }, COI_MARK_NONE },
	{ "S33: the prefix alone", { FALSE, "chat$", NULL },
	  COI_MARK_MESSAGE_ID },
	{ "S33: shorter than the prefix", { FALSE, "chat", "cha" },
	  COI_MARK_NONE },
	{ "S33: empty", { FALSE, "", "<" }, COI_MARK_NONE },
	{ "S33: ids are case-sensitive", { FALSE, "Chat$1@a", "CHAT$1@a" },
	  COI_MARK_NONE },
	{ "S33: not at the start", { FALSE, "xchat$1@a", "1@chat$" },
	  COI_MARK_NONE },
	{ "S33: another separator", { FALSE, "chat.1@a", "chat%1@a" },
	  COI_MARK_NONE },
};

START_TEST(test_classify)
{
	struct coi_class class;

	memset(&class, 0xff, sizeof(class));
	coi_classify(&classify_tests[_i].headers, &class);
	ck_assert_msg(class.mark == classify_tests[_i].mark, "%s: got %s",
		      classify_tests[_i].name, coi_mark_name(class.mark));
	ck_assert(coi_class_is_chat(&class) ==
		  (classify_tests[_i].mark != COI_MARK_NONE));
}
END_TEST

/* The way of a real message: header block, then class. */
static const struct {
	const char *name;
	const char *block;
	enum coi_mark mark;
} message_tests[] = {
	{ "C1, S33: what a COI client sends",
	  "From: alice@example.org\r\n"
	  "To: bob@example.org\r\n"
	  "Date: Sun, 22 Nov 2026 04:00:00 +0000\r\n"
	  "Message-ID: <chat$2342abc@example.org>\r\n"
	  "Chat-Version: 1.0\r\n"
	  "MIME-Version: 1.0\r\n\r\nhi\r\n", COI_MARK_CHAT_VERSION },
	{ "S33: chat of another kind, uuid ids",
	  "From: alice@example.org\r\n"
	  "Chat-Version: 1.0\r\n"
	  "Message-ID: <2d5f7c1e-0000-4000-8000-000000000000@localhost>\r\n"
	  "\r\nhi\r\n", COI_MARK_CHAT_VERSION },
	{ "C17, S33: a reply from an ordinary mail program",
	  "From: carol@example.net\r\n"
	  "Subject: Re: Chat\r\n"
	  "Message-ID: <6543@example.net>\r\n"
	  "In-Reply-To: <87654@example.net>\r\n"
	  "References: <chat$2342abc@example.org>\r\n"
	  "\t<87654@example.net>\r\n\r\nhi\r\n", COI_MARK_REFERENCES },
	{ "S33: only the first reference counts",
	  "Message-ID: <6543@example.net>\r\n"
	  "References: <87654@example.net> <chat$2342abc@example.org>\r\n"
	  "\r\n", COI_MARK_NONE },
	{ "S33: In-Reply-To does not count",
	  "Message-ID: <6543@example.net>\r\n"
	  "In-Reply-To: <chat$2342abc@example.org>\r\n\r\n",
	  COI_MARK_NONE },
	{ "S33: the body does not count",
	  "Subject: x\r\n\r\nChat-Version: 1.0\r\n", COI_MARK_NONE },
	{ "S33: an attached message does not count",
	  "Content-Type: message/rfc822\r\n\r\n"
	  "Message-ID: <chat$1@a>\r\n\r\n", COI_MARK_NONE },
	{ "S33: the prefix alone, no brackets",
	  "message-id: chat$\r\n\r\n", COI_MARK_MESSAGE_ID },
	{ "S33: the prefix is in a comment",
	  "Message-ID: (<chat$1@a>) <1@a>\r\n\r\n", COI_MARK_NONE },
};

START_TEST(test_message)
{
	pool_t pool = pool_alloconly_create("test message", 1024);
	const char *block = message_tests[_i].block;
	struct coi_headers headers;
	struct coi_class class;
	struct istream *input;
	const char *error;

	input = i_stream_create_from_data(block, strlen(block));
	ck_assert_int_eq(coi_headers_read(input, pool, &headers, &error), 0);
	coi_classify(&headers, &class);
	ck_assert_msg(class.mark == message_tests[_i].mark, "%s: got %s",
		      message_tests[_i].name, coi_mark_name(class.mark));
	i_stream_unref(&input);
	pool_unref(&pool);
}
END_TEST

static const struct {
	enum coi_mark mark;
	const char *name;
} mark_tests[] = {
	{ COI_MARK_NONE, "none" },
	{ COI_MARK_CHAT_VERSION, "chat-version" },
	{ COI_MARK_MESSAGE_ID, "message-id" },
	{ COI_MARK_REFERENCES, "references" },
};

START_TEST(test_mark_name)
{
	ck_assert_str_eq(coi_mark_name(mark_tests[_i].mark),
			 mark_tests[_i].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-classify");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "S33 C17: classify");
	tcase_add_loop_test(tcase, test_classify, 0,
			    N_ELEMENTS(classify_tests));
	tcase = unit_tcase_add(suite, "S33 C1 C17: messages");
	tcase_add_loop_test(tcase, test_message, 0, N_ELEMENTS(message_tests));
	tcase = unit_tcase_add(suite, "mark names");
	tcase_add_loop_test(tcase, test_mark_name, 0, N_ELEMENTS(mark_tests));
	return unit_run(suite);
}
