/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "istream.h"
#include "mail-index-private.h"
#include "mail-transaction-log-private.h"
#include "mail-storage-hooks.h"
#include "coi-config.h"
#include "coi-limits.h"
#include "coi-store.h"
#include "storage-user.h"

#define P MAILBOX_ATTRIBUTE_PREFIX_DOVECOT_PVT_SERVER"vendor/vendor.dovecot/"
#define CONFIG P"coi/config/"
#define ENTRY "/private/vendor/vendor.dovecot/coi/config/"

#define PRIVATE MAIL_ATTRIBUTE_TYPE_PRIVATE
#define SHARED MAIL_ATTRIBUTE_TYPE_SHARED

/*
 * What stands behind the plugin: it notes the keys that come through, and can
 * fail a commit.
 */

static MODULE_CONTEXT_DEFINE_INIT(behind_module, &mail_storage_module_register);
#define BEHIND_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, behind_module)

static struct {
	/* "get KEY", "set KEY" */
	string_t *calls;
	/* what it lists */
	const char *const *keys;
	bool fail_commit;
} behind;

static int
behind_attribute_get(struct mailbox *box ATTR_UNUSED,
		     enum mail_attribute_type type ATTR_UNUSED,
		     const char *key, struct mail_attribute_value *value_r)
{
	str_printfa(behind.calls, "get %s;", key);
	value_r->value = "behind";
	return 1;
}

static int
behind_attribute_set(struct mailbox_transaction_context *t ATTR_UNUSED,
		     enum mail_attribute_type type ATTR_UNUSED,
		     const char *key, const struct mail_attribute_value *value)
{
	str_printfa(behind.calls, "set %s=%s;", key,
		    value->value == NULL ? "NIL" : value->value);
	return 0;
}

static struct mailbox_attribute_iter *
behind_iter_init(struct mailbox *box,
		 enum mail_attribute_type type ATTR_UNUSED,
		 const char *prefix ATTR_UNUSED)
{
	struct mailbox_attribute_iter *iter =
		i_new(struct mailbox_attribute_iter, 1);

	iter->box = box;
	return iter;
}

static const char *
behind_iter_next(struct mailbox_attribute_iter *iter ATTR_UNUSED)
{
	if (behind.keys == NULL || *behind.keys == NULL)
		return NULL;
	return *behind.keys++;
}

static int behind_iter_deinit(struct mailbox_attribute_iter *iter)
{
	i_free(iter);
	return 0;
}

static int
behind_commit(struct mailbox_transaction_context *t,
	      struct mail_transaction_commit_changes *changes_r)
{
	union mailbox_module_context *mbox = BEHIND_CONTEXT(t->box);
	struct mailbox *box = t->box;

	if (!behind.fail_commit)
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
	v->attribute_get = behind_attribute_get;
	v->attribute_set = behind_attribute_set;
	v->attribute_iter_init = behind_iter_init;
	v->attribute_iter_next = behind_iter_next;
	v->attribute_iter_deinit = behind_iter_deinit;
	v->transaction_commit = behind_commit;
	MODULE_CONTEXT_SET_SELF(box, behind_module, mbox);
}

static const struct mail_storage_hooks behind_hooks = {
	.mailbox_allocated = behind_mailbox_allocated,
};

/*
 * The user and INBOX of a test
 */

static struct coi_user *cuser;
static struct mailbox *inbox;

static void inbox_setup(void)
{
	i_zero(&behind);
	behind.calls = t_str_new(128);
	storage_hooks_add(&behind_hooks);
	cuser = storage_coi_init(NULL);
	inbox = storage_mailbox_open(cuser->user, "INBOX");
}

static void inbox_teardown(void)
{
	mailbox_free(&inbox);
	storage_user_deinit();
}

static struct mailbox_transaction_context *begin(void)
{
	return mailbox_transaction_begin(inbox, 0, "test");
}

static int
set(struct mailbox_transaction_context *t, const char *key, const char *str)
{
	struct mail_attribute_value value;

	i_zero(&value);
	value.value = str;
	return mailbox_attribute_set(t, PRIVATE, key, &value);
}

/* One SETMETADATA of one entry. */
static int set_one(const char *key, const char *str)
{
	struct mailbox_transaction_context *t = begin();

	if (set(t, key, str) < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	return mailbox_transaction_commit(&t);
}

static const char *get(const char *key)
{
	struct mail_attribute_value value;
	int ret = mailbox_attribute_get(inbox, PRIVATE, key, &value);

	return ret < 0 ? "error" : ret == 0 ? "-" : value.value;
}

/* What is listed below `prefix', each followed by a blank. */
static const char *
list(enum mail_attribute_type type, const char *prefix)
{
	struct mailbox_attribute_iter *iter;
	string_t *str = t_str_new(128);
	const char *key;

	/* without the attributes that core has of its own */
	iter = inbox->v.attribute_iter_init(inbox, type, prefix);
	while ((key = inbox->v.attribute_iter_next(iter)) != NULL)
		str_printfa(str, "%s ", key);
	ck_assert_int_eq(inbox->v.attribute_iter_deinit(iter), 0);
	return str_c(str);
}

static void check_refused(const char *text)
{
	enum mail_error error;
	const char *errstr = mailbox_get_last_error(inbox, &error);

	ck_assert_int_eq(error, MAIL_ERROR_NOTPOSSIBLE);
	ck_assert_str_eq(errstr, text);
	ck_assert_uint_eq(storage_log_count(), 0);
}

/* The keys that INBOX's attribute log notes, each led by its sign, and when the
   first of the last transaction changed. */
static const char *attribute_log(uint32_t *timestamp_r)
{
	struct mail_transaction_log_view *view;
	const struct mail_transaction_header *hdr;
	string_t *str = t_str_new(128);
	const void *data;
	const char *key, *reason;
	bool reset;

	view = mail_transaction_log_view_open(inbox->index->log);
	ck_assert_int_eq(mail_transaction_log_view_set(view, 1, 0,
		inbox->index->log->head->hdr.file_seq, UOFF_T_MAX, &reset,
		&reason), 1);
	while (mail_transaction_log_view_next(view, &hdr, &data) > 0) {
		if ((hdr->type & MAIL_TRANSACTION_TYPE_MASK) !=
		    MAIL_TRANSACTION_ATTRIBUTE_UPDATE)
			continue;
		for (key = data; *key == '+' || *key == '-';
		     key += strlen(key) + 1)
			str_printfa(str, "%s ", key);
		/* a NUL, and zeros up to the next 32 bits */
		memcpy(timestamp_r, CONST_PTR_OFFSET(data,
			((key - (const char *)data) / 4 + 1) * 4),
			sizeof(*timestamp_r));
	}
	mail_transaction_log_view_close(&view);
	return str_c(str);
}

/*
 * Values
 */

/* S13, S14, S17: before anything was set */
START_TEST(test_initial)
{
	ck_assert_str_eq(get(CONFIG"mailbox-root"), "COI");
	ck_assert_str_eq(get(CONFIG"enabled"), "-");
	ck_assert_str_eq(get(CONFIG"message-filter"), "-");
	ck_assert_str_eq(storage_get_state(cuser), "none");
	ck_assert_str_eq(str_c(behind.calls), "");
}
END_TEST

/* S2, S13, S17, S34, S36: all of it, and back */
START_TEST(test_set_and_get)
{
	ck_assert_int_eq(set_one(CONFIG"message-filter", "active"), 0);
	ck_assert_str_eq(get(CONFIG"message-filter"), "active");
	ck_assert_str_eq(get(CONFIG"enabled"), "-");
	ck_assert_str_eq(storage_get_state(cuser), "-|active");
	ck_assert_int_eq(set_one(CONFIG"enabled", "yes"), 0);
	ck_assert_str_eq(get(CONFIG"enabled"), "yes");
	ck_assert_str_eq(storage_get_state(cuser), "yes|active");
	ck_assert_int_eq(set_one(CONFIG"message-filter", NULL), 0);
	ck_assert_str_eq(storage_get_state(cuser), "yes|-");
	ck_assert_int_eq(set_one(CONFIG"enabled", NULL), 0);
	ck_assert_str_eq(get(CONFIG"enabled"), "-");
	ck_assert_str_eq(storage_get_state(cuser), "-|-");
	ck_assert_str_eq(str_c(behind.calls), "");
}
END_TEST

/* S42: another session's change is seen by the next command */
START_TEST(test_no_cache)
{
	ck_assert_str_eq(get(CONFIG"enabled"), "-");
	storage_set_state(cuser, "yes", NULL);
	ck_assert_str_eq(get(CONFIG"enabled"), "yes");
}
END_TEST

/* S16, S18 S19, S36: refused naming entry and value, nothing changed */
static const struct {
	const char *name;
	const char *value;
	const char *error;
} refused_tests[] = {
	{ "enabled", "Yes", "invalid value for "ENTRY"enabled: \"Yes\"" },
	{ "enabled", "no", "invalid value for "ENTRY"enabled: \"no\"" },
	{ "enabled", "", "invalid value for "ENTRY"enabled: \"\"" },
	{ "enabled", "yes ", "invalid value for "ENTRY"enabled: \"yes \"" },
	{ "message-filter", "Seen",
	  "invalid value for "ENTRY"message-filter: Seen" },
	{ "message-filter", "",
	  "invalid value for "ENTRY"message-filter: " },
	{ "mailbox-root", "COI", "unable to set "ENTRY"mailbox-root" },
	{ "mailbox-root", NULL, "unable to set "ENTRY"mailbox-root" },
	{ "unknown", "yes", "unknown entry "ENTRY"unknown" },
	{ "", "yes", "unknown entry "ENTRY },
	{ "enabled/x", NULL, "unknown entry "ENTRY"enabled/x" },
};

START_TEST(test_refused)
{
	uint32_t timestamp;
	const char *key = t_strconcat(CONFIG, refused_tests[_i].name, NULL);

	storage_set_state(cuser, "yes", "seen");
	ck_assert_int_eq(set_one(key, refused_tests[_i].value), -1);
	check_refused(refused_tests[_i].error);
	ck_assert_str_eq(storage_get_state(cuser), "yes|seen");
	ck_assert_str_eq(str_c(behind.calls), "");
	ck_assert_str_eq(attribute_log(&timestamp), "");
}
END_TEST

static int set_stream(const char *key, const void *data, size_t size)
{
	struct mailbox_transaction_context *t = begin();
	struct mail_attribute_value value;
	int ret;

	i_zero(&value);
	value.value_stream = i_stream_create_from_data(data, size);
	ret = mailbox_attribute_set(t, PRIVATE, key, &value);
	i_stream_unref(&value.value_stream);
	if (ret < 0) {
		mailbox_transaction_rollback(&t);
		return -1;
	}
	return mailbox_transaction_commit(&t);
}

/* A value that came as a literal */
START_TEST(test_stream)
{
	ck_assert_int_eq(set_stream(CONFIG"enabled", "yes", 3), 0);
	ck_assert_str_eq(storage_get_state(cuser), "yes|-");
	ck_assert_int_eq(set_stream(CONFIG"enabled", "yes\0", 4), -1);
	check_refused("invalid value for "ENTRY"enabled: \"yes?\"");
	ck_assert_int_eq(set_stream(CONFIG"enabled", "", 0), -1);
	check_refused("invalid value for "ENTRY"enabled: \"\"");
	ck_assert_str_eq(storage_get_state(cuser), "yes|-");
}
END_TEST

/* S7: a value of 1 MB is neither kept nor answered */
START_TEST(test_stream_large)
{
	size_t size = 1024 * 1024;
	char *data = i_malloc(size);
	enum mail_error error;

	memset(data, 'x', size);
	ck_assert_int_eq(set_stream(CONFIG"message-filter", data, size), -1);
	ck_assert_uint_lt(strlen(mailbox_get_last_error(inbox, &error)), 300);
	ck_assert_int_eq(error, MAIL_ERROR_NOTPOSSIBLE);
	ck_assert_str_eq(storage_get_state(cuser), "none");
	i_free(data);
}
END_TEST

/*
 * Transactions
 */

/* S21 S22 S23, S43: all at once, and what it brings with it */
START_TEST(test_commit)
{
	uint32_t timestamp;
	struct mailbox_transaction_context *t = begin();

	ck_assert_int_eq(set(t, CONFIG"message-filter", "seen"), 0);
	ck_assert_int_eq(set(t, CONFIG"enabled", "yes"), 0);
	ck_assert_str_eq(storage_get_state(cuser), "none");
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Chats"));
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);

	ck_assert_str_eq(storage_get_state(cuser), "yes|seen");
	ck_assert(storage_mailbox_exists(cuser->user, "COI/Chats"));
	ck_assert(storage_mailbox_exists(cuser->user, "COI/Contacts"));
	ck_assert(storage_mailbox_exists(cuser->user, "Blocked"));
	ck_assert(storage_mailbox_subscribed(cuser->user, "COI/Chats"));
	ck_assert_str_eq(attribute_log(&timestamp),
			 "+p"CONFIG"message-filter +p"CONFIG"enabled ");
	ck_assert_int_eq(set_one(CONFIG"enabled", NULL), 0);
	ck_assert_str_eq(attribute_log(&timestamp),
			 "+p"CONFIG"message-filter +p"CONFIG"enabled "
			 "-p"CONFIG"enabled ");
	ck_assert(storage_mailbox_exists(cuser->user, "COI/Chats"));
}
END_TEST

/* S34: a filter makes Chats alone, and enables nothing; `none' makes nothing */
static const struct {
	const char *filter;
	bool chats;
} filter_tests[] = {
	{ "none", FALSE },
	{ "active", TRUE },
	{ "seen", TRUE },
	{ NULL, FALSE },
};

START_TEST(test_filter)
{
	ck_assert_int_eq(set_one(CONFIG"message-filter",
				 filter_tests[_i].filter), 0);
	ck_assert(storage_mailbox_exists(cuser->user, "COI/Chats") ==
		  filter_tests[_i].chats);
	ck_assert(storage_mailbox_subscribed(cuser->user, "COI/Chats") ==
		  filter_tests[_i].chats);
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Contacts"));
	ck_assert(!storage_mailbox_exists(cuser->user, "Blocked"));
	ck_assert_str_eq(get(CONFIG"enabled"), "-");
}
END_TEST

/* S18: one is bad, so the client's command fails as a whole */
START_TEST(test_all_or_none)
{
	uint32_t timestamp;
	struct mailbox_transaction_context *t = begin();

	storage_set_state(cuser, NULL, "none");
	ck_assert_int_eq(set(t, CONFIG"enabled", "yes"), 0);
	ck_assert_int_eq(set(t, CONFIG"message-filter", "bad"), -1);
	mailbox_transaction_rollback(&t);
	ck_assert_str_eq(storage_get_state(cuser), "-|none");
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Chats"));
	ck_assert_str_eq(attribute_log(&timestamp), "");

	/* and the next one knows nothing of it */
	ck_assert_int_eq(set_one(CONFIG"message-filter", "active"), 0);
	ck_assert_str_eq(storage_get_state(cuser), "-|active");
}
END_TEST

/* Two transactions of one mailbox do not mix. */
START_TEST(test_two_transactions)
{
	struct mailbox_transaction_context *t1 = begin(), *t2 = begin();

	ck_assert_int_eq(set(t1, CONFIG"enabled", "yes"), 0);
	ck_assert_int_eq(set(t2, CONFIG"message-filter", "seen"), 0);
	mailbox_transaction_rollback(&t1);
	ck_assert_int_eq(mailbox_transaction_commit(&t2), 0);
	ck_assert_str_eq(storage_get_state(cuser), "-|seen");
}
END_TEST

/* INBOX's index cannot be written: the values are what they were. */
static const struct {
	const char *enabled, *filter;
} undo_tests[] = {
	{ NULL, NULL },
	{ "yes", NULL },
	{ NULL, "seen" },
	{ "no", "bad" },
};

START_TEST(test_commit_fails)
{
	uint32_t timestamp;
	const char *before;
	struct mailbox_transaction_context *t;

	storage_set_state(cuser, "x", "x");
	storage_set_state(cuser, undo_tests[_i].enabled,
			  undo_tests[_i].filter);
	before = storage_get_state(cuser);
	behind.fail_commit = TRUE;
	t = begin();
	ck_assert_int_eq(set(t, CONFIG"enabled", "yes"), 0);
	ck_assert_int_eq(set(t, CONFIG"message-filter", "active"), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), -1);
	ck_assert_str_eq(mailbox_get_last_error(inbox, NULL), "no commit");
	ck_assert_str_eq(storage_get_state(cuser), before);
	ck_assert_str_eq(attribute_log(&timestamp), "");
}
END_TEST

/* The store cannot be written: NO, one line in the log, and the index says
   nothing of a change either. */
START_TEST(test_store_fails)
{
	uint32_t timestamp;
	const char *error = NULL;
	enum mail_error code;

	ck_assert_int_eq(coi_store_lock(cuser->store, &error), 0);
	ck_assert_int_eq(coi_store_write(cuser->store, "state", "bad", 3,
					 &error), 0);
	coi_store_unlock(cuser->store);

	ck_assert_int_eq(set_one(CONFIG"message-filter", "none"), -1);
	(void)mailbox_get_last_error(inbox, &code);
	ck_assert_int_eq(code, MAIL_ERROR_TEMP);
	ck_assert_uint_eq(storage_log_count(), 1);
	ck_assert_uint_eq(storage_log_count_with("coi: "), 1);
	ck_assert_str_eq(attribute_log(&timestamp), "");
	storage_log_clear();

	ck_assert_str_eq(get(CONFIG"enabled"), "error");
	ck_assert_uint_eq(storage_log_count(), 1);
	storage_log_clear();
	/* S14: it does not come from the store */
	ck_assert_str_eq(get(CONFIG"mailbox-root"), "COI");
}
END_TEST

/* S21: what cannot be made is not announced: the storage refuses the name. */
START_TEST(test_mailbox_fails)
{
	uint32_t timestamp;
	static const char *settings[] = { "coi_mailbox_root=a/../b", NULL };
	const struct storage_user_settings bad = { .settings = settings };

	inbox_teardown();
	cuser = storage_coi_init(&bad);
	inbox = storage_mailbox_open(cuser->user, "INBOX");
	ck_assert_int_eq(set_one(CONFIG"enabled", "yes"), -1);
	ck_assert_uint_eq(storage_log_count(), 1);
	storage_log_clear();
	ck_assert_str_eq(storage_get_state(cuser), "none");
	ck_assert_str_eq(attribute_log(&timestamp), "");
	/* a way back is always there */
	ck_assert_int_eq(set_one(CONFIG"enabled", NULL), 0);
}
END_TEST

/*
 * dsync
 */

/* S43: values are taken as they are, and nothing comes of them */
static const struct {
	const char *enabled, *filter;
	const char *state;
} dsync_tests[] = {
	{ "yes", "active", "yes|active" },
	{ "no", "bad", "no|bad" },
	{ "", "", "|" },
	{ "1\t2\n3\\4\x7f\xff", NULL, "1\t2\n3\\4\x7f\xff|-" },
};

START_TEST(test_dsync)
{
	struct mailbox_transaction_context *t;

	cuser->user->dsyncing = TRUE;
	t = begin();
	ck_assert_int_eq(set(t, CONFIG"enabled", dsync_tests[_i].enabled), 0);
	ck_assert_int_eq(set(t, CONFIG"message-filter",
			     dsync_tests[_i].filter), 0);
	ck_assert_int_eq(set(t, CONFIG"mailbox-root", "Other"), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	ck_assert_str_eq(storage_get_state(cuser), dsync_tests[_i].state);
	ck_assert_str_eq(get(CONFIG"mailbox-root"), "COI");
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Chats"));
	ck_assert(!storage_mailbox_exists(cuser->user, "COI/Contacts"));
}
END_TEST

/* S43: as a stream, and longer than any value that a client may set */
START_TEST(test_dsync_stream)
{
	const char *value = t_strdup_printf("%0*d",
		2 * COI_CONFIG_VALUE_MAX_BYTES, 0);

	cuser->user->dsyncing = TRUE;
	ck_assert_int_eq(set_stream(CONFIG"message-filter", value,
				    strlen(value)), 0);
	ck_assert_str_eq(get(CONFIG"message-filter"), value);
}
END_TEST

/* S43: when it was changed travels with the value */
START_TEST(test_dsync_timestamp)
{
	uint32_t timestamp;
	struct mailbox_transaction_context *t = begin();
	struct mail_attribute_value value;

	i_zero(&value);
	value.value = "yes";
	value.last_change = 1000000000;
	ck_assert_int_eq(mailbox_attribute_set(t, PRIVATE, CONFIG"enabled",
					       &value), 0);
	ck_assert_int_eq(mailbox_transaction_commit(&t), 0);
	ck_assert_str_eq(attribute_log(&timestamp), "+p"CONFIG"enabled ");
	ck_assert_uint_eq(timestamp, 1000000000);
}
END_TEST

/*
 * Other keys
 */

static const struct {
	enum mail_attribute_type type;
	const char *key;
	/* FALSE: it is ours, and goes nowhere else */
	bool behind;
} key_tests[] = {
	{ PRIVATE, "comment", TRUE },
	{ PRIVATE, P, TRUE },
	{ PRIVATE, P"co", TRUE },
	{ PRIVATE, P"coi", TRUE },
	{ PRIVATE, P"coin", TRUE },
	{ PRIVATE, P"coin/config/enabled", TRUE },
	{ PRIVATE, P"webpush", TRUE },
	{ PRIVATE, P"webpusher/vapid", TRUE },
	{ PRIVATE, P"webpush/vapid", FALSE },
	{ PRIVATE, P"webpush/else", FALSE },
	{ PRIVATE, "coi/config/enabled", TRUE },
	{ PRIVATE, "vendor/vendor.dovecot/coi/config/enabled", TRUE },
	{ SHARED, CONFIG"enabled", TRUE },
	{ PRIVATE, CONFIG"enabled", FALSE },
	{ PRIVATE, CONFIG"unknown", FALSE },
	{ PRIVATE, P"coi/", FALSE },
	{ PRIVATE, P"coi/contacts/x", FALSE },
};

START_TEST(test_keys)
{
	const char *key = key_tests[_i].key;
	struct mailbox_transaction_context *t = begin();
	struct mail_attribute_value value;

	i_zero(&value);
	value.value = "any value";
	(void)mailbox_attribute_set(t, key_tests[_i].type, key, &value);
	(void)mailbox_attribute_get(inbox, key_tests[_i].type, key, &value);
	mailbox_transaction_rollback(&t);
	ck_assert_str_eq(str_c(behind.calls), !key_tests[_i].behind ? "" :
		t_strdup_printf("set %s=any value;get %s;", key, key));
	ck_assert_uint_eq(storage_log_count(), 0);
}
END_TEST

/* Only INBOX has server entries. */
START_TEST(test_other_mailbox)
{
	struct mailbox *box = storage_mailbox_open(cuser->user, "Other");
	struct mail_attribute_value value;

	ck_assert_int_eq(mailbox_attribute_get(box, PRIVATE, CONFIG"enabled",
					       &value), 1);
	ck_assert_str_eq(str_c(behind.calls), "get "CONFIG"enabled;");
	mailbox_free(&box);
}
END_TEST

/*
 * Lists
 */

#define OURS(prefix) \
	prefix"enabled "prefix"mailbox-root "prefix"message-filter "

/* S5: ours, where the prefix may hold them; then those of others */
static const struct {
	enum mail_attribute_type type;
	const char *prefix;
	const char *keys;
} list_tests[] = {
	{ PRIVATE, "", OURS(CONFIG)"x " },
	{ PRIVATE, P, OURS("coi/config/")"x " },
	{ PRIVATE, P"coi/", OURS("config/") },
	{ PRIVATE, CONFIG, OURS("") },
	{ PRIVATE, P"coi", OURS("/config/")"x " },
	{ PRIVATE, CONFIG"enabled", " " },
	{ PRIVATE, CONFIG"x", "" },
	{ PRIVATE, P"webpush/", "" },
	{ PRIVATE, P"webpusher/", "x " },
	{ PRIVATE, "comment", "x " },
	{ SHARED, "", "x " },
	{ SHARED, P"co", "x " },
};

START_TEST(test_list)
{
	static const char *const keys[] = { "x", NULL };

	storage_set_state(cuser, "yes", "none");
	behind.keys = keys;
	ck_assert_str_eq(list(list_tests[_i].type, list_tests[_i].prefix),
			 list_tests[_i].keys);
}
END_TEST

/* S13, S14: what is not set is not listed */
START_TEST(test_list_unset)
{
	ck_assert_str_eq(list(PRIVATE, CONFIG), "mailbox-root ");
	storage_set_state(cuser, NULL, "none");
	ck_assert_str_eq(list(PRIVATE, CONFIG),
			 "mailbox-root message-filter ");
}
END_TEST

/* An attribute dictionary holds keys of ours, from a time without us. */
START_TEST(test_list_foreign_ours)
{
	static const char *const keys[] = {
		"coi/config/enabled", "coin", "coi/config/old", "y", NULL
	};

	behind.keys = keys;
	ck_assert_str_eq(list(PRIVATE, P), "coi/config/mailbox-root coin y ");
}
END_TEST

/* The store fails: the list says so, not "nothing is set". */
START_TEST(test_list_fails)
{
	struct mailbox_attribute_iter *iter;
	const char *error = NULL;

	ck_assert_int_eq(coi_store_lock(cuser->store, &error), 0);
	ck_assert_int_eq(coi_store_write(cuser->store, "state", "bad", 3,
					 &error), 0);
	coi_store_unlock(cuser->store);
	iter = mailbox_attribute_iter_init(inbox, PRIVATE, CONFIG);
	while (mailbox_attribute_iter_next(iter) != NULL) ;
	ck_assert_int_eq(mailbox_attribute_iter_deinit(&iter), -1);
	ck_assert_uint_eq(storage_log_count(), 1);
	storage_log_clear();
}
END_TEST

static TCase *inbox_tcase_add(Suite *suite, const char *name)
{
	TCase *tcase = storage_tcase_add(suite, name);

	tcase_add_checked_fixture(tcase, inbox_setup, inbox_teardown);
	return tcase;
}

int main(void)
{
	Suite *suite = suite_create("coi-metadata");
	TCase *tcase;

	tcase = inbox_tcase_add(suite, "S2 S13 S14 S16 S17 S18 S19 S36 S42: values");
	tcase_add_test(tcase, test_initial);
	tcase_add_test(tcase, test_set_and_get);
	tcase_add_test(tcase, test_no_cache);
	tcase_add_loop_test(tcase, test_refused, 0, N_ELEMENTS(refused_tests));
	tcase_add_test(tcase, test_stream);
	tcase_add_test(tcase, test_stream_large);
	tcase = inbox_tcase_add(suite, "S18 S21 S22 S23 S34 S43: transactions");
	tcase_add_test(tcase, test_commit);
	tcase_add_loop_test(tcase, test_filter, 0, N_ELEMENTS(filter_tests));
	tcase_add_test(tcase, test_all_or_none);
	tcase_add_test(tcase, test_two_transactions);
	tcase_add_loop_test(tcase, test_commit_fails, 0,
			    N_ELEMENTS(undo_tests));
	tcase_add_test(tcase, test_store_fails);
	tcase_add_test(tcase, test_mailbox_fails);
	tcase = inbox_tcase_add(suite, "S43: dsync");
	tcase_add_loop_test(tcase, test_dsync, 0, N_ELEMENTS(dsync_tests));
	tcase_add_test(tcase, test_dsync_stream);
	tcase_add_test(tcase, test_dsync_timestamp);
	tcase = inbox_tcase_add(suite, "S7: other keys");
	tcase_add_loop_test(tcase, test_keys, 0, N_ELEMENTS(key_tests));
	tcase_add_test(tcase, test_other_mailbox);
	tcase = inbox_tcase_add(suite, "S5: lists");
	tcase_add_loop_test(tcase, test_list, 0, N_ELEMENTS(list_tests));
	tcase_add_test(tcase, test_list_unset);
	tcase_add_test(tcase, test_list_foreign_ours);
	tcase_add_test(tcase, test_list_fails);
	return storage_run(suite);
}
