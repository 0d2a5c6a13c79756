/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-entry.h"

#define HASH \
	"74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0"

#define TOKEN_ID "dc-0123456789abcdef0123456789abcdef"

static const struct {
	const char *name;
	/* NULL: it is none */
	const char *rest;
	enum coi_entry_class class;
} find_tests[] = {
	{ "coi/contacts/"HASH, HASH, COI_ENTRY_CONTACT },
	{ "coi/groups/"HASH, HASH, COI_ENTRY_GROUP },
	{ "coi/contacts/", "", COI_ENTRY_CONTACT },
	{ "coi/contacts/../state", "../state", COI_ENTRY_CONTACT },
	{ "coi/groups/a/b", "a/b", COI_ENTRY_GROUP },
	{ "webpush/subscriptions/phone00001", "phone00001",
	  COI_ENTRY_SUBSCRIPTION },
	{ "webpush/subscriptions/phone00001/validate", "phone00001/validate",
	  COI_ENTRY_SUBSCRIPTION },
	{ "webpush/tokens/"TOKEN_ID, TOKEN_ID, COI_ENTRY_TOKEN },
	{ "webpush/tokens", "tokens", COI_ENTRY_VAPID },
	{ "webpush/vapid", "vapid", COI_ENTRY_VAPID },
	{ "webpush/vapid-raw", "vapid-raw", COI_ENTRY_VAPID },
	{ "webpush/subscriptions", "subscriptions", COI_ENTRY_VAPID },
	{ "webpush", NULL, 0 },
	{ "coi/contacts", NULL, 0 },
	{ "coi/contacts2/"HASH, NULL, 0 },
	{ "coi/config/enabled", NULL, 0 },
	{ "coi/Contacts/"HASH, NULL, 0 },
	{ "/coi/contacts/"HASH, NULL, 0 },
	{ "", NULL, 0 },
};

START_TEST(test_find)
{
	enum coi_entry_class class = COI_ENTRY_CLASS_COUNT;
	const char *rest = NULL;
	bool found;

	found = coi_entry_find(find_tests[_i].name, &class, &rest);
	ck_assert_msg(found == (find_tests[_i].rest != NULL), "%s",
		      find_tests[_i].name);
	if (!found)
		return;
	ck_assert_str_eq(rest, find_tests[_i].rest);
	ck_assert_int_eq(class, find_tests[_i].class);
}
END_TEST

static const struct {
	const char *hash;
	bool valid;
} hash_tests[] = {
	{ HASH, TRUE },
	{ "0000000000000000000000000000000000000000000000000000000000000000",
	  TRUE },
	{ HASH"0", FALSE },
	{ HASH"/", FALSE },
	{ "4b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  FALSE },
	{ "74B3C446C189580045A942B90B7461128BC334B3B67E9F63C0C06189248C9BB0",
	  FALSE },
	{ "g4b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  FALSE },
	{ "../../46c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  FALSE },
	{ "", FALSE },
};

START_TEST(test_hash)
{
	ck_assert_msg(coi_hash_is_valid(hash_tests[_i].hash) ==
		      hash_tests[_i].valid, "%s", hash_tests[_i].hash);
}
END_TEST

/* W9 */
static const struct {
	enum coi_entry_class class;
	const char *id;
	bool valid;
} id_tests[] = {
	{ COI_ENTRY_CONTACT, HASH, TRUE },
	{ COI_ENTRY_GROUP, HASH, TRUE },
	{ COI_ENTRY_GROUP, "phone00001", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "phone00001", TRUE },
	{ COI_ENTRY_SUBSCRIPTION, "0123456789abcdefghijklmnopqrstuvwxyz", TRUE },
	{ COI_ENTRY_SUBSCRIPTION, "-_-_-_-_-_", TRUE },
	{ COI_ENTRY_SUBSCRIPTION, "phone0001", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "0123456789abcdefghijklmnopqrstuvwxyz_", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "Phone00001", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "phone.0001", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "phone/0001", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "../../../state", FALSE },
	{ COI_ENTRY_SUBSCRIPTION, "", FALSE },
	{ COI_ENTRY_TOKEN, TOKEN_ID, TRUE },
	{ COI_ENTRY_TOKEN, TOKEN_ID"0", FALSE },
	{ COI_ENTRY_TOKEN, "dc-0123456789abcdef0123456789abcde", FALSE },
	{ COI_ENTRY_TOKEN, "dc-0123456789ABCDEF0123456789abcdef", FALSE },
	{ COI_ENTRY_TOKEN, "dd-0123456789abcdef0123456789abcdef", FALSE },
	{ COI_ENTRY_TOKEN, "dc-../../../../../../../../../../state", FALSE },
	{ COI_ENTRY_TOKEN, "phone00001", FALSE },
	{ COI_ENTRY_TOKEN, "", FALSE },
	/* the worker knows it as any other */
	{ COI_ENTRY_SUBSCRIPTION, TOKEN_ID, TRUE },
	{ COI_ENTRY_VAPID, "vapid", TRUE },
	{ COI_ENTRY_VAPID, "vapid-raw", FALSE },
	{ COI_ENTRY_VAPID, "", FALSE },
};

START_TEST(test_id)
{
	ck_assert_msg(coi_entry_id_is_valid(id_tests[_i].class,
					    id_tests[_i].id) ==
		      id_tests[_i].valid, "%s", id_tests[_i].id);
}
END_TEST

START_TEST(test_store)
{
	ck_assert_str_eq(coi_entry_store_key(COI_ENTRY_CONTACT, HASH),
			 "contacts/74/"HASH);
	ck_assert_str_eq(coi_entry_store_key(COI_ENTRY_GROUP, HASH),
			 "groups/74/"HASH);
	ck_assert_str_eq(coi_entry_store_key(COI_ENTRY_SUBSCRIPTION,
					     "phone00001"),
			 "subscriptions/ph/phone00001");
	ck_assert_str_eq(coi_entry_store_key(COI_ENTRY_TOKEN, TOKEN_ID),
			 "tokens/dc/"TOKEN_ID);
	ck_assert_str_eq(coi_entry_store_key(COI_ENTRY_VAPID, "vapid"),
			 "keys/va/vapid");
	ck_assert_str_eq(coi_entry_store_dir(COI_ENTRY_CONTACT), "contacts");
	ck_assert_str_eq(coi_entry_store_dir(COI_ENTRY_GROUP), "groups");
	ck_assert_str_eq(coi_entry_class_name(COI_ENTRY_CONTACT),
			 "coi/contacts");
	ck_assert_str_eq(coi_entry_class_name(COI_ENTRY_GROUP), "coi/groups");
	ck_assert_uint_eq(coi_entry_value_max_bytes(COI_ENTRY_CONTACT),
			  COI_CONTACT_VALUE_MAX_BYTES);
	ck_assert_uint_eq(coi_entry_value_max_bytes(COI_ENTRY_GROUP),
			  COI_GROUP_VALUE_MAX_BYTES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-entry");
	TCase *tcase = unit_tcase_add(suite, "S7 C3 W9: names of entries");

	tcase_add_loop_test(tcase, test_find, 0, N_ELEMENTS(find_tests));
	tcase_add_loop_test(tcase, test_hash, 0, N_ELEMENTS(hash_tests));
	tcase_add_loop_test(tcase, test_id, 0, N_ELEMENTS(id_tests));
	tcase_add_test(tcase, test_store);
	return unit_run(suite);
}
