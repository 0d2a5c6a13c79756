/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "storage-user.h"

#define NAME_51 "123456789012345678901234567890123456789012345678901"
#define NAME_255 NAME_51 NAME_51 NAME_51 NAME_51 NAME_51

START_TEST(test_defaults)
{
	const struct coi_settings *coi_set = storage_coi_init(NULL)->set;

	ck_assert(coi_set->coi);
	ck_assert_str_eq(coi_set->coi_mailbox_root, "COI");
	ck_assert_str_eq(coi_set->coi_mailbox_blocked, "Blocked");
	ck_assert_int_eq(coi_set->parsed_default_filter, COI_FILTER_NONE);
	ck_assert_uint_eq(coi_set->coi_idle_delay, 5);
	storage_user_deinit();
}
END_TEST

static const char *const good_settings[] = {
	"coi=yes",
	"coi_mailbox_root=Messages",
	"coi_mailbox_root=a/b/c",
	"coi_mailbox_root=" "\xc3\x84pfel",
	"coi_mailbox_root=INBOX/COI",
	"coi_mailbox_root=" NAME_255,
	"coi_mailbox_blocked=Junk/Blocked",
	"coi_default_filter=none",
	"coi_default_filter=active",
	"coi_default_filter=seen",
	"coi_idle_delay=0",
	"coi_idle_delay=100 msecs",
	"coi_idle_delay=500 msecs",
	"coi_push_subject=mailto:push@example.org",
	"coi_push_subject=https://example.org/",
	"coi_push_subscription_limit=1",
	"coi_push_subscription_limit=100",
	"coi_push_validation_timeout=1 secs",
	"coi_push_ttl=0",
	"coi_push_ttl=28 days",
	"coi_push_content=no",
	"coi_push_ports=443, 8443",
	"coi_push_insecure=yes",
	"coi_secret=1234567890123456",
	"coi_secret_previous= 1234567890123456 ",
};

START_TEST(test_good)
{
	const char *settings[] = { good_settings[_i], NULL };
	const struct storage_user_settings set = { .settings = settings };

	ck_assert_msg(coi_user_get(storage_user_init(&set)) != NULL,
		      "%s", good_settings[_i]);
	storage_user_deinit();
}
END_TEST

/* The values arrive in the struct. */
START_TEST(test_values)
{
	static const char *settings[] = {
		"coi_mailbox_root=Messages",
		"coi_mailbox_blocked=No",
		"coi_default_filter=seen",
		"coi_idle_delay=70 msecs",
		NULL
	};
	const struct storage_user_settings set = { .settings = settings };
	const struct coi_settings *coi_set = storage_coi_init(&set)->set;

	ck_assert_str_eq(coi_set->coi_mailbox_root, "Messages");
	ck_assert_str_eq(coi_set->coi_mailbox_blocked, "No");
	ck_assert_int_eq(coi_set->parsed_default_filter, COI_FILTER_SEEN);
	ck_assert_uint_eq(coi_set->coi_idle_delay, 70);
	storage_user_deinit();
}
END_TEST

/* S41: one error that names setting and value; COI is off, the user is there */
static const struct {
	const char *key;
	const char *value;
} bad_settings[] = {
	{ "coi", "maybe" },
	{ "coi_mailbox_root", "" },
	{ "coi_mailbox_root", "/COI" },
	{ "coi_mailbox_root", "COI/" },
	{ "coi_mailbox_root", "a//b" },
	{ "coi_mailbox_root", "INBOX" },
	{ "coi_mailbox_root", "inbox" },
	{ "coi_mailbox_root", "a\tb" },
	{ "coi_mailbox_root", "a\x7f" },
	{ "coi_mailbox_root", "a\xff" },
	{ "coi_mailbox_root", NAME_255 "6" },
	{ "coi_mailbox_blocked", "" },
	{ "coi_mailbox_blocked", "Inbox" },
	{ "coi_mailbox_blocked", "a//b" },
	{ "coi_default_filter", "" },
	{ "coi_default_filter", "Active" },
	{ "coi_default_filter", "all" },
	{ "coi_idle_delay", "soon" },
	{ "coi_idle_delay", "501 msecs" },
	{ "coi_idle_delay", "3600000 msecs" },
	{ "coi_idle_delay", "-1" },
	{ "coi_push_subject", "push@example.org" },
	{ "coi_push_subscription_limit", "0" },
	{ "coi_push_subscription_limit", "101" },
	{ "coi_push_validation_timeout", "0" },
	{ "coi_push_ttl", "2505600 secs" },
	{ "coi_push_content", "all" },
	{ "coi_push_ports", "" },
	{ "coi_push_ports", "65536" },
	{ "coi_push_insecure", "maybe" },
	{ "coi_secret", "secret" },
	/* which are not shown, but stand in the names */
	{ "coi_secret_previous", "previous" },
};

START_TEST(test_bad)
{
	const char *key = bad_settings[_i].key;
	const char *value = bad_settings[_i].value;
	const char *settings[] = { t_strconcat(key, "=", value, NULL), NULL };
	const struct storage_user_settings set = { .settings = settings };
	struct mail_user *user = storage_user_init(&set);
	struct mailbox *box;

	ck_assert_msg(coi_user_get(user) == NULL, "%s", settings[0]);
	ck_assert_uint_eq(storage_log_count(), 1);
	ck_assert_msg(storage_log_count_with("coi: COI is off: ") == 1 &&
		      storage_log_count_with(key) == 1 &&
		      storage_log_count_with(t_strcut(value, ' ')) == 1,
		      "%s: the error does not name them", settings[0]);
	storage_log_clear();

	box = storage_mailbox_open(user, "INBOX");
	mailbox_free(&box);
	storage_user_deinit();
}
END_TEST

/* S26: switched off by the admin, which is no error */
START_TEST(test_off)
{
	static const char *settings[] = { "coi=no", NULL };
	const struct storage_user_settings set = { .settings = settings };

	ck_assert_ptr_null(coi_user_get(storage_user_init(&set)));
	ck_assert_uint_eq(storage_log_count(), 0);
	storage_user_deinit();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-settings");
	TCase *tcase;

	tcase = storage_tcase_add(suite, "defaults");
	tcase_add_test(tcase, test_defaults);
	tcase = storage_tcase_add(suite, "good values");
	tcase_add_loop_test(tcase, test_good, 0, N_ELEMENTS(good_settings));
	tcase_add_test(tcase, test_values);
	tcase = storage_tcase_add(suite, "S41: bad values");
	tcase_add_loop_test(tcase, test_bad, 0, N_ELEMENTS(bad_settings));
	tcase = storage_tcase_add(suite, "S26: coi = no");
	tcase_add_test(tcase, test_off);
	return storage_run(suite);
}
