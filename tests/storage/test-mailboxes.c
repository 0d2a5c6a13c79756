/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "mail-namespace.h"
#include "storage-user.h"

/* S14: <root> as a client must name it, and what hangs on it */
static const struct {
	const char *prefix;
	const char *separator;
	const char *second_prefix;
	const char *root_setting;
	const char *blocked_setting;

	const char *root;
	const char *chats;
	const char *blocked;
} name_tests[] = {
	{ "", "/", NULL, "COI", "Blocked",
	  "COI", "COI/Chats", "Blocked" },
	{ "", ".", NULL, "COI", "Blocked",
	  "COI", "COI.Chats", "Blocked" },
	{ "", ".", NULL, "a/b", "Junk/Blocked",
	  "a.b", "a.b.Chats", "Junk.Blocked" },
	{ "INBOX/", "/", NULL, "COI", "Blocked",
	  "INBOX/COI", "INBOX/COI/Chats", "INBOX/Blocked" },
	{ "INBOX.", ".", NULL, "COI", "Blocked",
	  "INBOX.COI", "INBOX.COI.Chats", "INBOX.Blocked" },
	{ "INBOX.", ".", NULL, "a/b", "Blocked",
	  "INBOX.a.b", "INBOX.a.b.Chats", "INBOX.Blocked" },
	/* the admin may write the prefix too, with '/' whatever it is */
	{ "INBOX/", "/", NULL, "INBOX/COI", "INBOX/Blocked",
	  "INBOX/COI", "INBOX/COI/Chats", "INBOX/Blocked" },
	{ "INBOX.", ".", NULL, "INBOX/COI", "INBOX/Blocked",
	  "INBOX.COI", "INBOX.COI.Chats", "INBOX.Blocked" },
	/* the beginning of a prefix is none */
	{ "INBOX/", "/", NULL, "INBOXes", "IN/BOX",
	  "INBOX/INBOXes", "INBOX/INBOXes/Chats", "INBOX/IN/BOX" },
	/* a namespace of its own */
	{ "", "/", "chat/", "chat/COI", "Blocked",
	  "chat/COI", "chat/COI/Chats", "Blocked" },
	{ "", "/", "chat/", "COI", "chat/Blocked",
	  "COI", "COI/Chats", "chat/Blocked" },
	{ "INBOX/", "/", "chat/", "chat/COI", "Blocked",
	  "chat/COI", "chat/COI/Chats", "INBOX/Blocked" },
	/* names are UTF-8, and stay as they are */
	{ "", "/", NULL, "\xc3\x84 b", "\xe2\x82\xac",
	  "\xc3\x84 b", "\xc3\x84 b/Chats", "\xe2\x82\xac" },
};

START_TEST(test_names)
{
	const char *settings[] = {
		t_strconcat("coi_mailbox_root=",
			    name_tests[_i].root_setting, NULL),
		t_strconcat("coi_mailbox_blocked=",
			    name_tests[_i].blocked_setting, NULL),
		t_strconcat("namespace/second/separator=",
			    name_tests[_i].separator, NULL),
		NULL
	};
	const struct storage_user_settings set = {
		.prefix = name_tests[_i].prefix,
		.separator = name_tests[_i].separator,
		.second_prefix = name_tests[_i].second_prefix,
		.settings = settings,
	};
	struct coi_user *cuser = storage_coi_init(&set);

	ck_assert_str_eq(coi_mailboxes_get_root(cuser), name_tests[_i].root);
	ck_assert_str_eq(coi_mailboxes_get_vname(cuser, COI_MAILBOX_CHATS),
			 name_tests[_i].chats);
	ck_assert_str_eq(coi_mailboxes_get_vname(cuser, COI_MAILBOX_CONTACTS),
			 t_strdup_printf("%s%sContacts", name_tests[_i].root,
					 name_tests[_i].separator));
	ck_assert_str_eq(coi_mailboxes_get_vname(cuser, COI_MAILBOX_BLOCKED),
			 name_tests[_i].blocked);
	storage_user_deinit();
}
END_TEST

START_TEST(test_is)
{
	static const struct {
		const char *vname;
		bool chats;
	} tests[] = {
		{ "COI/Chats", TRUE },
		{ "COI/chats", FALSE },
		{ "COI/Contacts", FALSE },
		{ "COI", FALSE },
		{ "Chats", FALSE },
		{ "COI/Chats/x", FALSE },
		{ "INBOX", FALSE },
	};
	struct coi_user *cuser = storage_coi_init(NULL);
	struct mailbox *box;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		box = mailbox_alloc(cuser->user->namespaces->list,
				    tests[i].vname, 0);
		ck_assert_msg(coi_mailboxes_is(cuser, box, COI_MAILBOX_CHATS) ==
			      tests[i].chats, "%s", tests[i].vname);
		mailbox_free(&box);
	}
	storage_user_deinit();
}
END_TEST

static const char *const drivers[] = { "sdbox", "mdbox", "maildir" };

static void ensure(struct coi_user *cuser, enum coi_mailbox which)
{
	enum mail_error error;
	const char *client_error;

	ck_assert_msg(coi_mailboxes_ensure(cuser, which, &error,
					   &client_error) == 0,
		      "%s", coi_mailboxes_get_vname(cuser, which));
	ck_assert(!cuser->own_mailbox_change);
	ck_assert(storage_mailbox_exists(cuser->user,
		coi_mailboxes_get_vname(cuser, which)));
}

/* S21 S22 S23, S34, C12: each exists afterwards, also when it did before; Chats
   alone is subscribed; nobody is enabled by it (S31) */
START_TEST(test_ensure)
{
	const struct storage_user_settings set = {
		.driver = drivers[_i],
		.separator = "/",
	};
	struct coi_user *cuser = storage_coi_init(&set);
	enum coi_mailbox which;
	unsigned int round;

	for (round = 0; round < 2; round++) {
		for (which = 0; which < COI_MAILBOX_COUNT; which++) {
			ensure(cuser, which);
			ck_assert(storage_mailbox_subscribed(cuser->user,
				coi_mailboxes_get_vname(cuser, which)) ==
				(which == COI_MAILBOX_CHATS));
		}
	}
	ck_assert_str_eq(storage_get_state(cuser), "none");
	storage_user_deinit();
}
END_TEST

/* S22 S23: it exists, and the client had unsubscribed it */
START_TEST(test_ensure_subscribes)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct mailbox *box;

	box = storage_mailbox_open(cuser->user, "COI/Chats");
	ck_assert_int_eq(mailbox_set_subscribed(box, FALSE), 0);
	mailbox_free(&box);
	ensure(cuser, COI_MAILBOX_CHATS);
	ck_assert(storage_mailbox_subscribed(cuser->user, "COI/Chats"));
	storage_user_deinit();
}
END_TEST

/* S21: so far it is only the parent of another one */
START_TEST(test_ensure_in_noselect)
{
	struct coi_user *cuser = storage_coi_init(NULL);
	struct mailbox *box;

	box = storage_mailbox_open(cuser->user, "COI/Chats/x");
	mailbox_free(&box);
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Chats"));
	ensure(cuser, COI_MAILBOX_CHATS);
	storage_user_deinit();
}
END_TEST

/* A name that the storage refuses: an answer for the client, one line in the
   log, no mailbox. */
START_TEST(test_ensure_fails)
{
	static const char *settings[] = { "coi_mailbox_root=a/../b", NULL };
	const struct storage_user_settings set = { .settings = settings };
	struct coi_user *cuser = storage_coi_init(&set);
	const char *client_error = NULL;
	enum mail_error error = MAIL_ERROR_NONE;

	ck_assert_int_eq(coi_mailboxes_ensure(cuser, COI_MAILBOX_CHATS, &error,
					      &client_error), -1);
	ck_assert(error != MAIL_ERROR_NONE);
	ck_assert_ptr_nonnull(client_error);
	ck_assert(!cuser->own_mailbox_change);
	ck_assert_uint_eq(storage_log_count(), 1);
	ck_assert_uint_eq(storage_log_count_with("coi: Creating mailbox "
						 "a/../b/Chats failed: "), 1);
	storage_log_clear();
	storage_user_deinit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-mailboxes");
	TCase *tcase;

	tcase = storage_tcase_add(suite, "S14: names");
	tcase_add_loop_test(tcase, test_names, 0, N_ELEMENTS(name_tests));
	tcase_add_test(tcase, test_is);
	tcase = storage_tcase_add(suite, "S21 S22 S23 S31 S34 C12: ensure");
	tcase_add_loop_test(tcase, test_ensure, 0, N_ELEMENTS(drivers));
	tcase_add_test(tcase, test_ensure_subscribes);
	tcase_add_test(tcase, test_ensure_in_noselect);
	tcase_add_test(tcase, test_ensure_fails);
	return storage_run(suite);
}
