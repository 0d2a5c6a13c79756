/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-config.h"

#define ENTRY "/private/vendor/vendor.dovecot/coi/config/"

static const struct {
	const char *name;
	enum coi_config_key key;
} key_tests[] = {
	{ "enabled", COI_CONFIG_ENABLED },
	{ "mailbox-root", COI_CONFIG_MAILBOX_ROOT },
	{ "message-filter", COI_CONFIG_MESSAGE_FILTER },
};

START_TEST(test_key)
{
	enum coi_config_key key;

	ck_assert_str_eq(coi_config_key_name(key_tests[_i].key),
			 key_tests[_i].name);
	ck_assert(coi_config_key_find(key_tests[_i].name, &key));
	ck_assert_int_eq(key, key_tests[_i].key);
}
END_TEST

START_TEST(test_key_unknown)
{
	static const char *const names[] = {
		"", "Enabled", "enable", "enabled ", "enabled/", "mailbox",
	};
	enum coi_config_key key;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(names); i++) {
		ck_assert_msg(!coi_config_key_find(names[i], &key), "\"%s\"",
			      names[i]);
	}
}
END_TEST

static const struct {
	const char *name;
	enum coi_config_key key;
	const char *value;
	/* NULL: it is allowed. */
	const char *error;
} validate_tests[] = {
#define ENABLED(value) COI_CONFIG_ENABLED, value, \
	"invalid value for " ENTRY "enabled: "
#define FILTER(value) COI_CONFIG_MESSAGE_FILTER, value, \
	"invalid value for " ENTRY "message-filter: "
#define ROOT(value) COI_CONFIG_MAILBOX_ROOT, value, \
	"unable to set " ENTRY "mailbox-root"
	{ "S17: yes", COI_CONFIG_ENABLED, "yes", NULL },
	{ "S17: NIL", COI_CONFIG_ENABLED, NULL, NULL },
	{ "S18, S19: the specification's example", ENABLED("true") "\"true\"" },
	{ "S18, S19: no", ENABLED("no") "\"no\"" },
	{ "S18: upper case", ENABLED("YES") "\"YES\"" },
	{ "S18: mixed case", ENABLED("Yes") "\"Yes\"" },
	{ "S19: empty", ENABLED("") "\"\"" },
	{ "S19: space before", ENABLED(" yes") "\" yes\"" },
	{ "S19: space after", ENABLED("yes ") "\"yes \"" },
	{ "S19: longer", ENABLED("yess") "\"yess\"" },
	{ "S19: shorter", ENABLED("ye") "\"ye\"" },
	{ "S19: quotes", ENABLED("\"yes\"") "\"\"yes\"\"" },
	{ "S19: line feed", ENABLED("yes\r\n* BYE") "\"yes??* BYE\"" },
	{ "S19: control characters", ENABLED("\001\033[2J\177")
	  "\"??[2J?\"" },
	{ "S19: C1 control in UTF-8", ENABLED("a\xc2\x9b" "b\xc2\x80\xc2\xa0")
	  "\"a??b??\xc2\xa0\"" },
	{ "S19: UTF-8", ENABLED("j\xc3\xa1") "\"j\xc3\xa1\"" },
	{ "S19: not UTF-8", ENABLED("j\xe1 \xff") "\"j? ?\"" },
	{ "S19: percent signs", ENABLED("%s%n") "\"%s%n\"" },

	{ "S16: another root", ROOT("Chat") },
	{ "S16: the same root", ROOT("COI") },
	{ "S16: empty", ROOT("") },
	{ "S16: NIL", ROOT(NULL) },

	{ "S35: none", COI_CONFIG_MESSAGE_FILTER, "none", NULL },
	{ "S35: active", COI_CONFIG_MESSAGE_FILTER, "active", NULL },
	{ "S35: seen", COI_CONFIG_MESSAGE_FILTER, "seen", NULL },
	{ "S36: NIL", COI_CONFIG_MESSAGE_FILTER, NULL, NULL },
	{ "S36: the specification's example", FILTER("inactive") "inactive" },
	{ "S36: case", FILTER("Seen") "Seen" },
	{ "S36: case", FILTER("ACTIVE") "ACTIVE" },
	{ "S36: empty", FILTER("") },
	{ "S36: line feed", FILTER("seen\n") "seen?" },
	{ "S36: a value of another entry", FILTER("yes") "yes" },
#undef ENABLED
#undef FILTER
#undef ROOT
};

START_TEST(test_validate)
{
	enum coi_config_key key = validate_tests[_i].key;
	const char *entry = t_strconcat(ENTRY, coi_config_key_name(key), NULL);
	const char *error = NULL;
	int ret;

	ret = coi_config_validate(key, entry, validate_tests[_i].value, &error);
	ck_assert_msg(ret == (validate_tests[_i].error == NULL ? 0 : -1),
		      "%s: returned %d", validate_tests[_i].name, ret);
	ck_assert_msg(null_strcmp(error, validate_tests[_i].error) == 0,
		      "%s: %s", validate_tests[_i].name, error);
}
END_TEST

static const struct {
	const char *name;
	size_t len, quoted;
	bool dots;
} long_tests[] = {
	{ "as long as is quoted", COI_ERROR_VALUE_MAX_BYTES,
	  COI_ERROR_VALUE_MAX_BYTES, FALSE },
	{ "one more", COI_ERROR_VALUE_MAX_BYTES + 1,
	  COI_ERROR_VALUE_MAX_BYTES - 3, TRUE },
	{ "1 MB", 1024 * 1024, COI_ERROR_VALUE_MAX_BYTES - 3, TRUE },
};

START_TEST(test_validate_long)
{
	string_t *value = t_str_new(long_tests[_i].len + 1);
	const char *error, *expected;
	size_t i;

	for (i = 0; i < long_tests[_i].len; i++)
		str_append_c(value, 'x');
	expected = t_strdup_printf("invalid value for %smessage-filter: %s%s",
		ENTRY, t_strndup(str_data(value), long_tests[_i].quoted),
		long_tests[_i].dots ? "..." : "");
	ck_assert_int_eq(coi_config_validate(COI_CONFIG_MESSAGE_FILTER,
		ENTRY "message-filter", str_c(value), &error), -1);
	ck_assert_msg(strcmp(error, expected) == 0, "%s: %s",
		      long_tests[_i].name, error);
}
END_TEST

static const struct {
	const char *enabled;
	bool expected;
} enabled_tests[] = {
	{ "yes", TRUE },
	{ NULL, FALSE },
	{ "", FALSE },
	{ "no", FALSE },
	{ "Yes", FALSE },
	{ "true", FALSE },
	{ "yes ", FALSE },
};

START_TEST(test_is_enabled)
{
	struct coi_config config = { .enabled = enabled_tests[_i].enabled };

	ck_assert(coi_config_is_enabled(&config) == enabled_tests[_i].expected);
}
END_TEST

static const struct {
	const char *value;
	enum coi_filter default_filter, expected;
	const char *error;
} filter_tests[] = {
	{ NULL, COI_FILTER_NONE, COI_FILTER_NONE, NULL },
	{ NULL, COI_FILTER_SEEN, COI_FILTER_SEEN, NULL },
	{ "none", COI_FILTER_ACTIVE, COI_FILTER_NONE, NULL },
	{ "active", COI_FILTER_NONE, COI_FILTER_ACTIVE, NULL },
	{ "seen", COI_FILTER_NONE, COI_FILTER_SEEN, NULL },
	/* S41: never a silent default */
	{ "", COI_FILTER_NONE, COI_FILTER_NONE,
	  "stored message-filter is invalid: " },
	{ "Active", COI_FILTER_NONE, COI_FILTER_NONE,
	  "stored message-filter is invalid: Active" },
	{ "a\nb", COI_FILTER_NONE, COI_FILTER_NONE,
	  "stored message-filter is invalid: a?b" },
};

START_TEST(test_get_filter)
{
	struct coi_config config = {
		.message_filter = filter_tests[_i].value
	};
	enum coi_filter filter;
	const char *error = NULL;
	int ret;

	ret = coi_config_get_filter(&config, filter_tests[_i].default_filter,
				    &filter, &error);
	ck_assert_int_eq(ret, filter_tests[_i].error == NULL ? 0 : -1);
	ck_assert_msg(null_strcmp(error, filter_tests[_i].error) == 0, "%s",
		      error);
	if (ret == 0)
		ck_assert_int_eq(filter, filter_tests[_i].expected);
}
END_TEST

START_TEST(test_filter_names)
{
	enum coi_filter filter;

	ck_assert_str_eq(coi_filter_name(COI_FILTER_NONE), "none");
	ck_assert_str_eq(coi_filter_name(COI_FILTER_ACTIVE), "active");
	ck_assert_str_eq(coi_filter_name(COI_FILTER_SEEN), "seen");
	ck_assert(!coi_filter_parse("inactive", &filter));
}
END_TEST

/* What is written, and that it reads back. */
static const struct {
	struct coi_config config;
	const char *state;
} format_tests[] = {
	{ { NULL, NULL, FALSE, FALSE, FALSE }, "" },
	{ { "yes", NULL, FALSE, FALSE, FALSE }, "enabled\tyes\n" },
	{ { NULL, "seen", FALSE, FALSE, FALSE }, "message-filter\tseen\n" },
	{ { "yes", "active", FALSE, FALSE, FALSE }, "enabled\tyes\nmessage-filter\tactive\n" },
	/* S43: what dsync brings is kept, byte for byte. */
	{ { "", "", FALSE, FALSE, FALSE }, "enabled\t\nmessage-filter\t\n" },
	{ { "a\tb\nc\rd\001e\001", "\xff\xc3\xa4 ", FALSE, FALSE, FALSE },
	  "enabled\ta\001tb\001nc\001rd\0011e\0011\n"
	  "message-filter\t\xff\xc3\xa4 \n" },
	{ { "x\nmessage-filter\tactive\n", NULL, FALSE, FALSE, FALSE },
	  "enabled\tx\001nmessage-filter\001tactive\001n\n" },
	{ { "yes", NULL, TRUE, FALSE, FALSE }, "enabled\tyes\nhas-blocked\tyes\n" },
	{ { NULL, NULL, FALSE, TRUE, FALSE }, "has-subscriptions\tyes\n" },
	{ { .has_seen_subscriptions = TRUE },
	  "has-seen-subscriptions\tyes\n" },
	{ { "yes", NULL, TRUE, TRUE, TRUE },
	  "enabled\tyes\nhas-blocked\tyes\nhas-subscriptions\tyes\n"
	  "has-seen-subscriptions\tyes\n" },
};

START_TEST(test_format)
{
	pool_t pool = pool_alloconly_create("test format", 1024);
	const struct coi_config *config = &format_tests[_i].config;
	string_t *state = t_str_new(128);
	struct coi_config parsed;
	const char *error;

	coi_config_format(config, state);
	ck_assert_str_eq(str_c(state), format_tests[_i].state);
	ck_assert_int_eq(coi_config_parse(str_data(state), str_len(state),
					  pool, &parsed, &error), 0);
	ck_assert(null_strcmp(parsed.enabled, config->enabled) == 0);
	ck_assert(null_strcmp(parsed.message_filter,
			      config->message_filter) == 0);
	ck_assert(parsed.has_blocked == config->has_blocked);
	ck_assert(parsed.has_subscriptions == config->has_subscriptions);
	ck_assert(parsed.has_seen_subscriptions ==
		  config->has_seen_subscriptions);
	pool_unref(&pool);
}
END_TEST

#define STATE(s) (s), sizeof(s) - 1
static const struct {
	const char *name;
	const char *state;
	size_t size;
	struct coi_config expected;
	const char *error;
} parse_tests[] = {
	{ "unknown keys are ignored",
	  STATE("a\tb\nenabled\tyes\n\tc\nhas-subscriptions\t1\na\tb\n"),
	  { "yes", NULL, FALSE, FALSE, FALSE }, NULL },
	{ "S14: mailbox-root is not kept in the state",
	  STATE("mailbox-root\tx\nmailbox-root\ty\n"), { NULL, NULL, FALSE, FALSE, FALSE }, NULL },
	{ "an unknown key's value is not looked into",
	  STATE("future\ta\tb\001\nmessage-filter\tseen\n"),
	  { NULL, "seen", FALSE, FALSE, FALSE }, NULL },
	{ "any order", STATE("message-filter\tseen\nenabled\tyes\n"),
	  { "yes", "seen", FALSE, FALSE, FALSE }, NULL },
	{ "no LF at the end", STATE("enabled\tyes"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: no LF at the end" },
	{ "cut in the second line",
	  STATE("enabled\tyes\nmessage-fil"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 2: no LF at the end" },
	{ "no TAB", STATE("enabled\tyes\nmessage-filter seen\n"),
	  { NULL, NULL, FALSE, FALSE, FALSE }, "line 2: no TAB" },
	{ "empty line", STATE("\nenabled\tyes\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: no TAB" },
	{ "NUL", STATE("enabled\ty\0s\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: NUL byte" },
	{ "NUL in an unknown line", STATE("enabled\tyes\nx\t\0\n"),
	  { NULL, NULL, FALSE, FALSE, FALSE }, "line 2: NUL byte" },
	{ "a block of NULs, as a crash may leave it", STATE("\0\0\0\0"),
	  { NULL, NULL, FALSE, FALSE, FALSE }, "line 1: no LF at the end" },
	{ "key twice", STATE("enabled\tyes\nenabled\tyes\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 2: key occurs twice" },
	{ "raw TAB in a value", STATE("enabled\tyes\t\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: value is not escaped as we do it" },
	{ "CRLF", STATE("enabled\tyes\r\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: value is not escaped as we do it" },
	{ "escaped NUL", STATE("enabled\tyes\0010\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: value is not escaped as we do it" },
	{ "escape that is cut", STATE("enabled\tyes\001\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: value is not escaped as we do it" },
	{ "unknown escape", STATE("enabled\tye\001s\n"), { NULL, NULL, FALSE, FALSE, FALSE },
	  "line 1: value is not escaped as we do it" },
};

START_TEST(test_parse)
{
	pool_t pool = pool_alloconly_create("test parse", 1024);
	const char *error = NULL;
	struct coi_config config;
	int ret;

	memset(&config, 0xff, sizeof(config));
	ret = coi_config_parse((const unsigned char *)parse_tests[_i].state,
			       parse_tests[_i].size, pool, &config, &error);
	ck_assert_msg(ret == (parse_tests[_i].error == NULL ? 0 : -1),
		      "%s: returned %d", parse_tests[_i].name, ret);
	ck_assert_msg(null_strcmp(error, parse_tests[_i].error) == 0,
		      "%s: %s", parse_tests[_i].name, error);
	ck_assert_msg(null_strcmp(config.enabled,
				  parse_tests[_i].expected.enabled) == 0,
		      "%s: enabled", parse_tests[_i].name);
	ck_assert_msg(null_strcmp(config.message_filter,
				  parse_tests[_i].expected.message_filter) == 0,
		      "%s: message-filter", parse_tests[_i].name);
	pool_unref(&pool);
}
END_TEST

/* S41: a file as large as allowed is read, a larger one is not ours. */
START_TEST(test_parse_size)
{
	pool_t pool = pool_alloconly_create("test parse size", 8192);
	string_t *state = t_str_new(COI_STATE_MAX_BYTES + 2);
	struct coi_config config;
	const char *error;

	str_append(state, "enabled\t");
	while (str_len(state) < COI_STATE_MAX_BYTES - 1)
		str_append_c(state, 'x');
	str_append_c(state, '\n');
	ck_assert_int_eq(coi_config_parse(str_data(state), str_len(state),
					  pool, &config, &error), 0);
	ck_assert_uint_eq(strlen(config.enabled),
			  COI_STATE_MAX_BYTES - strlen("enabled\t\n"));

	str_insert(state, strlen("enabled\t"), "x");
	ck_assert_int_eq(coi_config_parse(str_data(state), str_len(state),
					  pool, &config, &error), -1);
	ck_assert_str_eq(error, "4097 bytes, more than 4096");
	ck_assert_ptr_null(config.enabled);
	pool_unref(&pool);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-config");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "S13: keys");
	tcase_add_loop_test(tcase, test_key, 0, N_ELEMENTS(key_tests));
	tcase_add_test(tcase, test_key_unknown);
	tcase = unit_tcase_add(suite, "S16 S17 S18 S19 S35 S36: validate");
	tcase_add_loop_test(tcase, test_validate, 0,
			    N_ELEMENTS(validate_tests));
	tcase_add_loop_test(tcase, test_validate_long, 0,
			    N_ELEMENTS(long_tests));
	tcase = unit_tcase_add(suite, "S20: is enabled");
	tcase_add_loop_test(tcase, test_is_enabled, 0,
			    N_ELEMENTS(enabled_tests));
	tcase = unit_tcase_add(suite, "S25 S35 S36 S41: filter in force");
	tcase_add_loop_test(tcase, test_get_filter, 0,
			    N_ELEMENTS(filter_tests));
	tcase_add_test(tcase, test_filter_names);
	tcase = unit_tcase_add(suite, "S41 S43: state file");
	tcase_add_loop_test(tcase, test_format, 0, N_ELEMENTS(format_tests));
	tcase_add_loop_test(tcase, test_parse, 0, N_ELEMENTS(parse_tests));
	tcase_add_test(tcase, test_parse_size);
	return unit_run(suite);
}
