/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-headers.h"
#include "coi-classify.h"
#include "coi-group.h"

#define ENTRY "/private/vendor/vendor.dovecot/coi/groups/7594"
#define ID "4321dcba1234"
#define NOW 1767225600
#define NOW_STR "2026-01-01T00:00:00Z"
#define LATER 1798761599
#define LATER_STR "2026-12-31T23:59:59Z"

/* C8. NULL: it belongs to no group. */
static const struct {
	const char *message_id, *first_reference;
	const char *id;
} id_tests[] = {
	{ NULL, NULL, NULL },
	{ "chat$group." ID ".S2571BC.2878&8@sample.com", NULL, ID },
	{ "1@a", "chat$group." ID ".434571BC@sample.com", ID },
	{ NULL, "chat$group." ID ".434571BC@sample.com", ID },
	{ "chat$group.AAAAbbbb-_09.x@a", "chat$group." ID ".x@a",
	  "AAAAbbbb-_09" },
	{ "chat$1@a", "chat$1@a", NULL },
	{ "chat$group.12345678901.x@a", NULL, NULL },
	{ "chat$group.123456789012.x@a", NULL, "123456789012" },
	{ "chat$group.1234567890123.x@a", NULL, "1234567890123" },
	{ "chat$group.12345678901.x@a", "chat$group." ID ".x@a", ID },
	{ "chat$group." ID "@a", NULL, NULL },
	{ "chat$group." ID, NULL, NULL },
	{ "chat$group." ID "@a.org", NULL, NULL },
	{ "chat$group.." ID ".x@a", NULL, NULL },
	{ "chat$group.4321 dcba1234.x@a", NULL, NULL },
	{ "chat$group.4321dcb\xc3\xa4" "1234.x@a", NULL, NULL },
	{ "chat$group." ID "+.x@a", NULL, NULL },
	{ "Chat$group." ID ".x@a", NULL, NULL },
	{ "chat$Group." ID ".x@a", NULL, NULL },
	{ "xchat$group." ID ".x@a", NULL, NULL },
};

START_TEST(test_id)
{
	struct coi_headers headers = {
		.message_id = id_tests[_i].message_id,
		.first_reference = id_tests[_i].first_reference,
	};
	const char *id = NULL;
	bool found;

	found = coi_group_id_find(&headers, &id);
	ck_assert_int_eq(found, id_tests[_i].id != NULL);
	ck_assert_msg(null_strcmp(id, id_tests[_i].id) == 0, "row %d: %s", _i,
		      id);
}
END_TEST

/* Computed with another implementation; ids are case-sensitive. */
START_TEST(test_key)
{
	ck_assert_str_eq(coi_group_key(ID), "7594471fc32c11d006ef0a35625527a3"
			 "cafc8842cbc61efe41786149edb39d7c");
	ck_assert_str_ne(coi_group_key(ID), coi_group_key("4321DCBA1234"));
}
END_TEST

static const struct {
	const char *subject;
	/* NULL: no name. */
	const char *name;
} name_tests[] = {
	{ "My Crew", "My Crew" },
	{ "", NULL },
	{ " \t ", NULL },
	{ "Re: My Crew", "My Crew" },
	{ "RE:My Crew", "My Crew" },
	{ "re : AW: Fwd: sv: My Crew", "My Crew" },
	{ "Re[2]: Re(3): Re^4: My Crew", "My Crew" },
	{ "Antw: WG: My Crew", "My Crew" },
	{ "Re:", NULL },
	{ "Re: Re: ", NULL },
	{ "Re", "Re" },
	{ "Reunion: 2026", "Reunion: 2026" },
	{ "Re[x]: My Crew", "Re[x]: My Crew" },
	{ "Re[2: My Crew", "Re[2: My Crew" },
	{ "Re(2]: My Crew", "Re(2]: My Crew" },
	{ "[list] Re: My Crew", "[list] Re: My Crew" },
	{ "  My \t\r\n  Crew  ", "My Crew" },
	{ "=?utf-8?Q?Re=3A_J=C3=B6rg's?= =?utf-8?B?IENyZXc=?=",
	  "J\xc3\xb6rg's Crew" },
	{ "=?iso-8859-1?Q?J=F6rg?=", "J\xc3\xb6rg" },
	{ "=?utf-8?Q?a=00b=0D=0Ac=1B[2J=7F=C2=9B?=", "a b c [2J" },
	{ "J\xc3\xb6rg", "J\xc3\xb6rg" },
	{ "J\xf6rg", "J\xef\xbf\xbdrg" },
	{ "=?utf-8?Q?unfinished", "=?utf-8?Q?unfinished" },
};

START_TEST(test_name)
{
	const char *subject = name_tests[_i].subject;
	const char *name = coi_group_name((const unsigned char *)subject,
					  strlen(subject));

	ck_assert_msg(null_strcmp(name, name_tests[_i].name) == 0, "%s: %s",
		      subject, name == NULL ? "NULL" : name);
}
END_TEST

/* Cut between characters, and not after a space. */
START_TEST(test_name_long)
{
	string_t *subject = t_str_new(512);
	const char *name;
	unsigned int i;

	for (i = 0; i < COI_GROUP_NAME_MAX_BYTES - 1; i++)
		str_append_c(subject, 'x');
	str_append(subject, "\xc3\xb6");
	name = coi_group_name(str_data(subject), str_len(subject));
	ck_assert_int_eq(strlen(name), COI_GROUP_NAME_MAX_BYTES - 1);
	str_truncate(subject, COI_GROUP_NAME_MAX_BYTES - 2);
	str_append(subject, "\xc3\xb6");
	name = coi_group_name(str_data(subject), str_len(subject));
	ck_assert_int_eq(strlen(name), COI_GROUP_NAME_MAX_BYTES);
	str_truncate(subject, COI_GROUP_NAME_MAX_BYTES - 2);
	str_append(subject, "x y");
	name = coi_group_name(str_data(subject), str_len(subject));
	ck_assert_int_eq(strlen(name), COI_GROUP_NAME_MAX_BYTES - 1);
}
END_TEST

static const char *test_format(const struct coi_group *group)
{
	string_t *str = t_str_new(256);

	coi_group_format(group, str);
	return str_c(str);
}

#define STATE(client, rest) \
	"{" client "\"id\":\"" ID "\"" rest ",\"modified\":\"" NOW_STR "\"}"

#define IS_KNOWN "\"known\":true,"

/* What a client's value makes of what is stored. Stored values are read and
   written by this, too. */
static const struct {
	const char *name;
	/* NULL: there is no entry. */
	const char *old;
	const char *value;
	const char *expected;
	bool is_default;
} validate_tests[] = {
	{ "nothing", NULL, "{}", "{\"modified\":\"" NOW_STR "\"}", TRUE },
	{ "C10: mentions", NULL, "{\"notify\":\"mentions\"}",
	  "{\"notify\":\"mentions\",\"modified\":\"" NOW_STR "\"}", FALSE },
	{ "muted", NULL, "{\"notify\":\"all\",\"muted-until\":\""
	  LATER_STR "\"}", "{\"muted-until\":\"" LATER_STR
	  "\",\"modified\":\"" NOW_STR "\"}", FALSE },
	{ "what the server sets is ignored", NULL,
	  "{\"id\":\"x\",\"name\":7,\"participants\":{},\"known\":[],"
	  "\"modified\":false,\"notify\":\"none\",\"other\":1}",
	  "{\"notify\":\"none\",\"modified\":\"" NOW_STR "\"}", FALSE },
	{ "what the server has set stays",
	  "{\"id\":\"" ID "\",\"name\":\"N\",\"participants\":[\"a@b\"],"
	  "\"known\":true,\"modified\":\"2025-01-01T00:00:00Z\"}",
	  "{\"notify\":\"none\",\"known\":false,\"name\":\"M\"}",
	  STATE("\"notify\":\"none\"," IS_KNOWN, ",\"name\":\"N\","
		"\"participants\":[\"a@b\"]"), FALSE },
	{ "what the client had set goes",
	  "{\"notify\":\"none\",\"muted-until\":\"" LATER_STR "\","
	  "\"id\":\"" ID "\"}", "{}", STATE("", ",\"participants\":[]"),
	  FALSE },
	{ "escapes", "{\"id\":\"" ID "\",\"name\":\"a\\\"\\\\\xc3\xb6\"}", "{}",
	  STATE("", ",\"name\":\"a\\\"\\\\\xc3\xb6\",\"participants\":[]"),
	  FALSE },
};

START_TEST(test_validate)
{
	pool_t pool = pool_alloconly_create("test group", 1024);
	struct coi_group old, group, again;
	const char *error = NULL, *formatted;
	int ret;

	if (validate_tests[_i].old != NULL) {
		memset(&old, 0xff, sizeof(old));
		ret = coi_group_parse(validate_tests[_i].old, pool, &old,
				      &error);
		ck_assert_msg(ret == 0, "%s", error);
	}
	memset(&group, 0xff, sizeof(group));
	ret = coi_group_validate(ENTRY, validate_tests[_i].value,
				 validate_tests[_i].old == NULL ? NULL : &old,
				 NOW, &group, &error);
	ck_assert_msg(ret == 0, "%s: %s", validate_tests[_i].name, error);
	formatted = test_format(&group);
	ck_assert_str_eq(formatted, validate_tests[_i].expected);
	ck_assert_int_eq(coi_group_is_default(&group),
			 validate_tests[_i].is_default);
	ck_assert_int_eq(coi_group_parse(formatted, pool, &again, &error), 0);
	ck_assert_str_eq(test_format(&again), formatted);
	pool_unref(&pool);
}
END_TEST

static const struct {
	const char *value;
	const char *reason;
} bad_tests[] = {
	{ "{\"notify\":\"some\"}",
	  "notify must be one of: all, mentions, none" },
	{ "{\"muted-until\":true}",
	  "muted-until must be a time such as 2026-12-31T23:59:59Z" },
	{ "{\"notify\":\"all\",\"notify\":\"all\"}", "a member stands twice" },
	{ "[]", "not a JSON object" },
};

START_TEST(test_bad)
{
	struct coi_group group;
	const char *error;

	ck_assert_int_eq(coi_group_validate(ENTRY, bad_tests[_i].value, NULL,
					    NOW, &group, &error), -1);
	ck_assert_str_eq(error, t_strconcat("invalid value for " ENTRY ": ",
					    bad_tests[_i].reason, NULL));
	ck_assert(coi_group_is_default(&group) && group.modified == 0);
}
END_TEST

/* S41: what only a stored value can get wrong. */
static const struct {
	const char *value;
	const char *error;
} stored_tests[] = {
	{ "{\"id\":7}", "id must be a string of at most 998 bytes" },
	{ "{\"name\":\"a\\u001b\"}", "name must not have control characters" },
	{ "{\"name\":\"a\\u009b\"}", "name must not have control characters" },
	{ "{\"known\":1}", "known must be true or false" },
	{ "{\"participants\":\"a@b\"}",
	  "participants must be an array of at most 256 addresses" },
	{ "{\"participants\":[1]}",
	  "participants must be a string of at most 512 bytes" },
	{ "{\"notify\":7}", "notify must be one of: all, mentions, none" },
};

START_TEST(test_stored)
{
	pool_t pool = pool_alloconly_create("test group", 1024);
	struct coi_group group;
	const char *error;

	ck_assert_int_eq(coi_group_parse(stored_tests[_i].value, pool, &group,
					 &error), -1);
	ck_assert_str_eq(error, stored_tests[_i].error);
	ck_assert(coi_group_is_default(&group));
	pool_unref(&pool);
}
END_TEST

/* A message of the group ID, as its header and whether it is the user's own. */
#define TO_ALL "To: me@x.org, bob@x.org\n"
#define OWN "From: Me <me@x.org>\nTo: alice@x.org, bob@x.org\nSubject: Crew\n"
#define KNOWN(name, participants) \
	STATE(IS_KNOWN, ",\"name\":\"" name "\",\"participants\":[" \
	      participants "]")
#define PENDING(name, participants) \
	STATE("", ",\"name\":\"" name "\",\"participants\":[" participants "]")
#define ME "\"me@x.org\""
#define ALICE "\"alice@x.org\""
#define BOB "\"bob@x.org\""
#define MALLORY "\"mallory@evil.org\""
#define REMOVED "removed"

static const struct {
	const char *name;
	/* NULL: there is no entry. */
	const char *old;
	bool own;
	const char *block;
	/* NULL: unchanged. */
	const char *expected;
} update_tests[] = {
	/* Arriving mail */
	{ "the first message makes a pending group", NULL, FALSE,
	  "From: Alice <Alice@x.org>\n" TO_ALL "Cc: c@x.org\n"
	  "Subject: Re: Crew\n",
	  PENDING("Crew", ALICE "," ME "," BOB ",\"c@x.org\"") },
	{ "without Subject it has no name", NULL, FALSE,
	  "From: alice@x.org\nTo: me@x.org\n",
	  STATE("", ",\"participants\":[" ALICE "," ME "]") },
	{ "doubt about the sender: nothing", NULL, FALSE,
	  "From: alice\n" TO_ALL "Subject: Crew\n", NULL },
	{ "no sender: nothing", NULL, FALSE, TO_ALL "Subject: Crew\n", NULL },
	{ "doubt about a sender whose address can be read",
	  KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: alice@x.org x\nTo: me@x.org\nSubject: Evil\n", NULL },
	{ "two senders: nothing", NULL, FALSE,
	  "From: alice@x.org, bob@x.org\n" TO_ALL, NULL },
	{ "groupleft makes no group", NULL, FALSE,
	  "From: alice@x.org\n" TO_ALL "Chat-Content: groupleft\n", NULL },
	{ "C11: a read receipt makes no group", NULL, FALSE,
	  "From: alice@x.org\nTo: me@x.org\nSubject: Chat: Read receipt\n"
	  "Content-Type: multipart/report; "
	  "report-type=disposition-notification\n", NULL },
	{ "a recipient that cannot be read is left out", NULL, FALSE,
	  "From: alice@x.org\nTo: me@x.org, bob\nSubject: Crew\n",
	  PENDING("Crew", ALICE "," ME) },
	{ "nothing new", KNOWN("Crew", ME "," ALICE "," BOB), FALSE,
	  "From: alice@x.org\n" TO_ALL "Subject: Re: Crew\n", NULL },
	{ "a participant changes the name",
	  KNOWN("Crew", ME "," ALICE "," BOB), FALSE,
	  "From: ALICE@x.org\n" TO_ALL "Subject: New\n",
	  KNOWN("New", ME "," ALICE "," BOB) },
	{ "no Subject changes no name", KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: alice@x.org\nTo: me@x.org\nSubject: Re:\n", NULL },
	{ "a participant adds participants", KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: alice@x.org\nTo: me@x.org; bob@x.org\nSubject: Crew\n",
	  KNOWN("Crew", ME "," ALICE "," BOB) },
	{ "C8: missing recipients remove nobody",
	  KNOWN("Crew", ME "," ALICE "," BOB), FALSE,
	  "From: alice@x.org\nTo: me@x.org\nSubject: Crew\n", NULL },
	{ "a stranger changes nothing of a known group",
	  KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: mallory@evil.org\nTo: me@x.org, eve@evil.org\n"
	  "Subject: Evil\n", NULL },
	{ "nor with the name of a participant", KNOWN("Crew", ME "," ALICE),
	  FALSE, "From: \"alice@x.org\" <mallory@evil.org>\nTo: me@x.org\n"
	  "Subject: Evil\n", NULL },
	{ "nor together with one", KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: alice@x.org, mallory@evil.org\nTo: me@x.org\n"
	  "Subject: Evil\n", NULL },
	{ "nor of a pending one", PENDING("Crew", ALICE "," ME), FALSE,
	  "From: mallory@evil.org\nTo: me@x.org\nSubject: Evil\n", NULL },
	{ "a participant changes a pending one", PENDING("Crew", ALICE "," ME),
	  FALSE, "From: alice@x.org\nTo: me@x.org, bob@x.org\nSubject: New\n",
	  PENDING("New", ALICE "," ME "," BOB) },
	{ "groupleft removes its sender", KNOWN("Crew", ME "," ALICE "," BOB),
	  FALSE, "From: alice@x.org\n" TO_ALL "Subject: Other\n"
	  "Chat-Content: groupleft\n", KNOWN("Crew", ME "," BOB) },
	{ "groupleft of a stranger", KNOWN("Crew", ME "," ALICE), FALSE,
	  "From: mallory@evil.org\nTo: me@x.org\nChat-Content: groupleft\n",
	  NULL },
	{ "groupleft of the last one leaves the entry", KNOWN("Crew", ALICE),
	  FALSE, "From: alice@x.org\nTo: me@x.org\nChat-Content: groupleft\n",
	  KNOWN("Crew", "") },
	{ "nobody is left: everybody is a stranger", KNOWN("Crew", ""), FALSE,
	  "From: alice@x.org\nTo: me@x.org\nSubject: Crew\n", NULL },
	{ "C11: a read receipt changes nothing", KNOWN("Crew", ME "," ALICE),
	  FALSE, "From: alice@x.org\nTo: c@x.org\nSubject: Chat: Read receipt\n"
	  "Content-Type: multipart/report; "
	  "report-type=disposition-notification\n", NULL },
	{ "C10: what the client has set stays",
	  STATE("\"notify\":\"mentions\",", ",\"participants\":[" ALICE "]"),
	  FALSE, "From: alice@x.org\nTo: alice@x.org\nSubject: Crew\n",
	  STATE("\"notify\":\"mentions\",",
		",\"name\":\"Crew\",\"participants\":[" ALICE "]") },
	{ "the client was faster than the first message",
	  "{\"notify\":\"none\"}", FALSE,
	  "From: alice@x.org\nTo: me@x.org\nSubject: Crew\n",
	  STATE("\"notify\":\"none\",",
		",\"name\":\"Crew\",\"participants\":[" ALICE "," ME "]") },

	/* The user's own */
	{ "an own message makes a known group", NULL, TRUE, OWN,
	  KNOWN("Crew", ME "," ALICE "," BOB) },
	{ "C9: so does a group message, whose Subject is no name", NULL, TRUE,
	  "From: me@x.org\nSubject: Group\nChat-Content: group\n",
	  STATE(IS_KNOWN, ",\"participants\":[" ME "]") },
	{ "C9: a group message keeps what is known",
	  PENDING("Crew", ALICE "," ME), TRUE,
	  "From: me@x.org\nSubject: Group\nChat-Content: group\n",
	  KNOWN("Crew", ALICE "," ME) },
	{ "an answer makes a pending group known",
	  PENDING("Crew", ALICE "," ME "," BOB), TRUE,
	  "From: me@x.org\nTo: alice@x.org\nSubject: Re: Crew\n",
	  KNOWN("Crew", ALICE "," ME "," BOB) },
	{ "a stranger's pending group counts not if the user leaves him out",
	  PENDING("Evil", MALLORY "," ME ",\"eve@evil.org\""), TRUE, OWN,
	  KNOWN("Crew", ME "," ALICE "," BOB) },
	{ "nor does its name", PENDING("Evil", MALLORY "," ME), TRUE,
	  "From: me@x.org\nCc: alice@x.org\n",
	  STATE(IS_KNOWN, ",\"participants\":[" ME "," ALICE "]") },
	{ "an own message changes name and participants",
	  KNOWN("Crew", ALICE), TRUE,
	  "From: me@x.org\nTo: bob@x.org\nSubject: New\n",
	  KNOWN("New", ALICE "," ME "," BOB) },
	{ "the same again", KNOWN("Crew", ME "," ALICE "," BOB), TRUE, OWN,
	  NULL },
	{ "C11: an own read receipt does not make it known",
	  PENDING("Evil", MALLORY "," ME), TRUE,
	  "From: me@x.org\nTo: mallory@evil.org\nSubject: Chat: Read receipt\n"
	  "Content-Type: multipart/report; "
	  "report-type=disposition-notification\n", NULL },
	{ "the user leaves", KNOWN("Crew", ME "," ALICE), TRUE,
	  OWN "Chat-Content: groupleft\n", REMOVED },
	{ "the user leaves a pending group", PENDING("Crew", ALICE "," ME),
	  TRUE, OWN "Chat-Content: groupleft\n", REMOVED },
	{ "the user leaves a group without entry", NULL, TRUE,
	  OWN "Chat-Content: groupleft\n", NULL },
};

static enum coi_group_change
test_update_block(const struct coi_group *old, bool own, const char *block,
		  pool_t pool, struct coi_group *group_r)
{
	struct istream *input;
	struct coi_headers headers;
	struct coi_fields fields;
	struct coi_group_message message;
	const char *error;

	input = i_stream_create_from_data(block, strlen(block));
	ck_assert_int_eq(coi_headers_read_fields(input, pool, COI_FIELDS_GROUP,
		&headers, &fields, &error), 0);
	i_stream_unref(&input);
	memset(&message, 0xff, sizeof(message));
	coi_group_message_read(&fields, own, pool, &message);
	return coi_group_update(old, ID, &message, NOW, pool, group_r);
}

START_TEST(test_update)
{
	const char *name = update_tests[_i].name;
	pool_t pool = pool_alloconly_create("test group", 1024);
	struct coi_group old, group;
	enum coi_group_change change;
	const char *error = "", *result = NULL;

	if (update_tests[_i].old != NULL &&
	    coi_group_parse(update_tests[_i].old, pool, &old, &error) < 0)
		ck_abort_msg("%s: %s", name, error);
	change = test_update_block(update_tests[_i].old == NULL ? NULL : &old,
				   update_tests[_i].own, update_tests[_i].block,
				   pool, &group);
	switch (change) {
	case COI_GROUP_UNCHANGED:
		break;
	case COI_GROUP_CHANGED:
		result = test_format(&group);
		break;
	case COI_GROUP_REMOVED:
		result = REMOVED;
		break;
	}
	ck_assert_msg(null_strcmp(result, update_tests[_i].expected) == 0,
		      "%s: %s", name, result == NULL ? "unchanged" : result);
	/* What has been written once is not written again. */
	if (change == COI_GROUP_CHANGED) {
		old = group;
		change = test_update_block(&old, update_tests[_i].own,
					   update_tests[_i].block, pool,
					   &group);
		ck_assert_msg(change == COI_GROUP_UNCHANGED, "%s: again", name);
	}
	pool_unref(&pool);
}
END_TEST

START_TEST(test_many_participants)
{
	pool_t pool = pool_alloconly_create("test group", 1024);
	struct coi_group group, again;
	string_t *block = t_str_new(16384), *longest = t_str_new(1024);
	const char *error, *formatted, **participants;
	unsigned int i;

	str_append(block, "From: a@b\nTo: me@x.org");
	for (i = 0; i < COI_GROUP_PARTICIPANTS_MAX; i++)
		str_printfa(block, ",\n a%u@b", i);
	str_append(block, "\nCc: c@b\n");
	ck_assert_int_eq(test_update_block(NULL, FALSE, str_c(block), pool,
					   &group), COI_GROUP_CHANGED);
	ck_assert_int_eq(group.participant_count, COI_GROUP_PARTICIPANTS_MAX);
	ck_assert_int_eq(test_update_block(&group, FALSE, str_c(block), pool,
					   &again), COI_GROUP_UNCHANGED);

	/* The largest state can be read again. */
	for (i = 0; i < COI_ADDRESS_MAX_BYTES; i++)
		str_append_c(longest, '"');
	participants = p_new(pool, const char *, COI_GROUP_PARTICIPANTS_MAX);
	for (i = 0; i < COI_GROUP_PARTICIPANTS_MAX; i++)
		participants[i] = str_c(longest);
	group.participants = participants;
	formatted = test_format(&group);
	ck_assert_msg(coi_group_parse(formatted, pool, &again, &error) == 0,
		      "%zu bytes", strlen(formatted));
	/* A larger one is not ours. */
	str_append_c(longest, 'x');
	participants[0] = str_c(longest);
	ck_assert_int_eq(coi_group_parse(test_format(&group), pool, &again,
					 &error), -1);
	ck_assert_str_eq(error,
			 "participants must be a string of at most 512 bytes");
	participants = p_new(pool, const char *,
			     COI_GROUP_PARTICIPANTS_MAX + 1);
	for (i = 0; i < COI_GROUP_PARTICIPANTS_MAX + 1; i++)
		participants[i] = "a@b";
	group.participants = participants;
	group.participant_count = COI_GROUP_PARTICIPANTS_MAX + 1;
	ck_assert_int_eq(coi_group_parse(test_format(&group), pool, &again,
					 &error), -1);
	ck_assert_str_eq(error,
		"participants must be an array of at most 256 addresses");
	pool_unref(&pool);
}
END_TEST

/* Whether a group is pending stands at the beginning of its value. */
START_TEST(test_value_is_pending)
{
	static const struct coi_group groups[] = {
		{ .id = ID },
		{ .id = ID, .name = "N", .modified = NOW },
		{ .id = ID, .known = TRUE },
		{ .id = ID, .notify = COI_GROUP_NOTIFY_NONE },
		{ .id = ID, .muted_until = LATER },
		{ .id = ID, .muted_until = LATER, .known = TRUE },
		{ .notify = COI_GROUP_NOTIFY_NONE },
	};
	string_t *value = t_str_new(256);

	coi_group_format(&groups[_i], value);
	ck_assert_int_eq(coi_group_value_is_pending(str_data(value),
						    COI_GROUP_VALUE_HEAD_BYTES),
			 coi_group_is_pending(&groups[_i]));
	ck_assert_int_eq(coi_group_is_pending(&groups[_i]), _i < 2);
	ck_assert(!coi_group_value_is_pending(str_data(value), 5));
	ck_assert(!coi_group_value_is_pending("", 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-group");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "C8: ids and names");
	tcase_add_loop_test(tcase, test_id, 0, N_ELEMENTS(id_tests));
	tcase_add_test(tcase, test_key);
	tcase_add_loop_test(tcase, test_name, 0, N_ELEMENTS(name_tests));
	tcase_add_test(tcase, test_name_long);
	tcase = unit_tcase_add(suite, "C10: state");
	tcase_add_loop_test(tcase, test_validate, 0,
			    N_ELEMENTS(validate_tests));
	tcase_add_loop_test(tcase, test_bad, 0, N_ELEMENTS(bad_tests));
	tcase_add_loop_test(tcase, test_stored, 0, N_ELEMENTS(stored_tests));
	tcase = unit_tcase_add(suite, "C8 C9 C10 C11: updates");
	tcase_add_loop_test(tcase, test_update, 0, N_ELEMENTS(update_tests));
	tcase_add_test(tcase, test_many_participants);
	tcase_add_loop_test(tcase, test_value_is_pending, 0, 7);
	return unit_run(suite);
}
