/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strfuncs.h"
#include "unit.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-fields.h"
#include "coi-address.h"

#define BUECHER "b\xc3\xbc" "cher.example"
#define UML_u "\xc3\xbc"
#define UML_U "\xc3\x9c"

/* C3, C5. `expected' are the addresses with spaces between them; they have none
   themselves here. */
static const struct {
	const char *name;
	const char *value;
	enum coi_address_verdict verdict;
	const char *expected;
} list_tests[] = {
#define LIST COI_ADDRESS_LIST
#define NONE COI_ADDRESS_NONE
#define BAD COI_ADDRESS_UNPARSABLE
	{ "C3: plain", "john.doe@example.com", LIST, "john.doe@example.com" },
	{ "C3: upper case", "John.DOE@EXAMPLE.Com", LIST,
	  "john.doe@example.com" },
	{ "angle brackets", "<a@b.org>", LIST, "a@b.org" },
	{ "display name", "John Doe <john.doe@example.com>", LIST,
	  "john.doe@example.com" },
	{ "display name in quotes", "\"Doe, John\" <john.doe@example.com>",
	  LIST, "john.doe@example.com" },
	{ "display name that looks like an address",
	  "\"ceo@bank.example\" <a@b.org>", LIST, "a@b.org" },
	{ "display name with a bare at sign", "ceo@bank <a@b.org>", BAD,
	  "ceo@bank" },
	{ "display name in encoded words", "=?utf-8?Q?J=C3=B6rg?= <a@b.org>",
	  LIST, "a@b.org" },
	{ "display name, raw UTF-8", "J\xc3\xb6rg <a@b.org>", LIST, "a@b.org" },
	{ "display name, not UTF-8", "J\xf6rg <a@b.org>", LIST, "a@b.org" },
	{ "display name with brackets", "\"<x@y.org>\" <a@b.org>", LIST,
	  "a@b.org" },
	{ "display name as a comment", "a@b.org (John Doe)", LIST, "a@b.org" },
	{ "comments everywhere", "(x) a (y, z@w) @ (\\)) b (c(d)) . org (e)",
	  LIST, "a@b.org" },
	{ "white space", " \t <  a @ b . org  >  ", LIST, "a@b.org" },
	{ "route", "<@x.org,@y.org:a@b.org>", LIST, "a@b.org" },

	/* Quotes */
	{ "C3: quotes are removed", "\"john.doe\"@example.com", LIST,
	  "john.doe@example.com" },
	{ "C3: so are their backslashes", "<\"jo\\hn.doe\"@example.com>", LIST,
	  "john.doe@example.com" },
	{ "quoted at sign", "\"a@c.org\"@b.org", LIST, "a@c.org@b.org" },
	{ "quoted comma and semicolon", "\"a,b;c\"@b.org", LIST,
	  "a,b;c@b.org" },
	{ "quotes that do not end", "\"a@b.org", BAD, "" },
	{ "quoted tab", "\"a\tb\"@b.org", BAD, "" },
	{ "dots that RFC 5322 forbids", ".a..b.@b.org", LIST, ".a..b.@b.org" },

	/* Unicode */
	{ "C3: lower-cased as Unicode says",
	  "J\xc3\x96RG.\xce\xa9.\xc3\x9f@b.org", LIST,
	  "j\xc3\xb6rg.\xcf\x89.\xc3\x9f@b.org" },
	{ "C3: NFC", "Jo\xcc\x88rg@b.org", LIST, "j\xc3\xb6rg@b.org" },
	{ "C3: NFC after lower-casing", "JO\xcc\x88RG@b.org", LIST,
	  "j\xc3\xb6rg@b.org" },
	{ "a final sigma", "\xce\x9f\xce\x94\xce\x9f\xce\xa3@b.org", LIST,
	  "\xce\xbf\xce\xb4\xce\xbf\xcf\x82@b.org" },
	{ "not UTF-8", "J\xf6rg@b.org", BAD, "" },
	{ "domain that is not UTF-8", "a@b\xfc" "cher.example", BAD, "" },
	{ "C1 control", "a\xc2\x9b@b.org", BAD, "" },
	{ "control character", "a\x01@b.org", BAD, "" },
	{ "DEL", "\"a\x7f\"@b.org", BAD, "" },
	{ "C3: no newline", "\"a\r\nb\nc\"@b.org", LIST, "abc@b.org" },
	{ "bare CR", "\"a\rb\"@b.org", BAD, "" },

	/* C3: internationalised domains */
	{ "U-label", "a@" BUECHER, LIST, "a@" BUECHER },
	{ "A-label", "a@xn--bcher-kva.example", LIST, "a@" BUECHER },
	{ "both count once", "a@" BUECHER ", a@xn--bcher-kva.example", LIST,
	  "a@" BUECHER },
	{ "A-label in upper case", "a@XN--BCHER-KVA.Example", LIST,
	  "a@" BUECHER },
	{ "U-label in upper case", "a@B" UML_U "CHER.EXAMPLE", LIST,
	  "a@" BUECHER },
	{ "decomposed U-label", "a@bu\xcc\x88" "cher.example", LIST,
	  "a@" BUECHER },
	{ "ideographic full stop", "a@b" UML_u "cher\xe3\x80\x82" "example",
	  LIST, "a@" BUECHER },
	{ "sharp s is not ss (IDNA2008)", "a@xn--strae-oqa.de", LIST,
	  "a@stra\xc3\x9f" "e.de" },
	{ "A-label in the middle", "a@x.xn--bcher-kva.example", LIST,
	  "a@x." BUECHER },
	{ "emoji, U-label", "a@\xe2\x9d\xa4.ws", LIST, "a@\xe2\x9d\xa4.ws" },
	{ "emoji, A-label", "a@xn--qei.ws", LIST, "a@\xe2\x9d\xa4.ws" },
	{ "no A-label", "a@xn--0.pt", LIST, "a@xn--0.pt" },
	{ "A-label of what is mapped", "a@xn--bshevkrj", LIST,
	  "a@xn--bshevkrj" },
	{ "A-label of ASCII does not stand for it", "a@xn--google-.com", LIST,
	  "a@xn--google-.com" },
	{ "A-label of a control character", "a@xn--a.org", LIST,
	  "a@xn--a.org" },
	/* A modifier letter, which is mapped to r where it is no A-label. */
	{ "A-label of what would be mapped", "a@xn--c-h6a.org", LIST,
	  "a@xn--c-h6a.org" },
	{ "a longer one, which libidn2 takes for an A-label",
	  "a@xn--bcheher-kvaconr-kvJr-kvJaconvalian", LIST,
	  "a@xn--bcheher-kvaconr-kvjr-kvjaconvalian" },
	{ "names that IDNA forbids", "a@_x.-y.ab--c.org", LIST,
	  "a@_x.-y.ab--c.org" },
	{ "local part that looks like an A-label", "xn--bcher-kva@b.org", LIST,
	  "xn--bcher-kva@b.org" },
	{ "semicolon in a domain literal", "a@[x;y]; b@c.org", LIST,
	  "a@[x;y] b@c.org" },
	{ "domain literal", "a@[IPv6:2001:DB8::1]", LIST,
	  "a@[ipv6:2001:db8::1]" },

	/* Several */
	{ "two", "a@b.org, X <c@d.org>", LIST, "a@b.org c@d.org" },
	{ "semicolon after a route", "<@x.org:a@b.org>; c@d.org", LIST,
	  "a@b.org c@d.org" },
	{ "the same twice", "a@b.org, A@B.ORG", LIST, "a@b.org" },
	{ "semicolons of the client specification",
	  "alice@example.com; \"B;\" <bob@example.com>;", LIST,
	  "alice@example.com bob@example.com" },
	{ "empty elements", ",, a@b.org, ,c@d.org,\t", LIST,
	  "a@b.org c@d.org" },
	{ "group syntax", "Crew: a@b.org, C <c@d.org>;", LIST,
	  "a@b.org c@d.org" },
	{ "group and others", "x@y.org, Crew: a@b.org; , c@d.org", LIST,
	  "x@y.org a@b.org c@d.org" },
	{ "group that does not end", "Crew: a@b.org", BAD, "a@b.org" },
	{ "one good, one bad", "a@b.org, c", BAD, "a@b.org" },
	{ "one bad, one good", "c, a@b.org", BAD, "a@b.org" },

	/* None */
	{ "empty", "", NONE, "" },
	{ "white space only", " \t ", NONE, "" },
	{ "commas only", " ,;, ", NONE, "" },
	{ "empty group", "undisclosed-recipients:;", NONE, "" },
	{ "empty group with a space", "undisclosed recipients: ;", NONE, "" },

	/* C5: doubt */
	{ "no domain", "alice", BAD, "" },
	{ "no local part", "@b.org", BAD, "" },
	{ "null path", "<>", BAD, "" },
	{ "comment only", "(a@b.org)", BAD, "" },
	{ "garbage after it", "a@b.org c@d.org", BAD, "a@b.org" },
	{ "bracket that does not end", "<a@b.org", BAD, "" },
	{ "comment that does not end", "a@b.org (x", BAD, "" },
	{ "our own end in the message", "a@b.org x, end@coi.invalid", BAD,
	  "a@b.org" },
#undef LIST
#undef NONE
#undef BAD
};

static void
test_parse(const char *name, const char *value, size_t size,
	   unsigned int max_count, enum coi_address_verdict verdict,
	   const char *expected)
{
	pool_t pool = pool_alloconly_create("test address", 1024);
	struct coi_addresses addresses;
	string_t *list = t_str_new(128);
	unsigned int i;

	memset(&addresses, 0xff, sizeof(addresses));
	coi_addresses_parse(pool, (const unsigned char *)value, size, max_count,
			    &addresses);
	for (i = 0; i < addresses.count; i++) {
		if (i > 0)
			str_append_c(list, ' ');
		str_append(list, addresses.list[i]);
	}
	ck_assert_msg(addresses.verdict == verdict, "%s: verdict %d: %s", name,
		      addresses.verdict, str_c(list));
	ck_assert_msg(strcmp(str_c(list), expected) == 0, "%s: %s", name,
		      str_c(list));
	pool_unref(&pool);
}

START_TEST(test_list)
{
	const char *value = list_tests[_i].value;

	test_parse(list_tests[_i].name, value, strlen(value), 16,
		   list_tests[_i].verdict, list_tests[_i].expected);
}
END_TEST

/* What is normalised stays as it is, unless it needs its quotes back. */
START_TEST(test_idempotent)
{
	const char *const *address;

	if (strpbrk(list_tests[_i].expected, ",;") != NULL ||
	    strstr(list_tests[_i].expected, "@c.org@") != NULL)
		return;
	address = t_strsplit_spaces(list_tests[_i].expected, " ");
	for (; *address != NULL; address++) {
		test_parse(*address, *address, strlen(*address), 1,
			   COI_ADDRESS_LIST, *address);
	}
}
END_TEST

START_TEST(test_nul)
{
	test_parse("NUL", "a\0b@c.org", 9, 16, COI_ADDRESS_UNPARSABLE, "");
	test_parse("quoted NUL", "\"a\0b\"@c.org", 11, 16,
		   COI_ADDRESS_UNPARSABLE, "a\xef\xbf\xbd" "b@c.org");
	test_parse("NUL in the display name", "A\0B <b@c.org>", 13, 16,
		   COI_ADDRESS_UNPARSABLE, "");
}
END_TEST

START_TEST(test_limits)
{
	string_t *value = t_str_new(1024);
	unsigned int i;

	test_parse("as many as allowed", "a@b.org,c@d.org", 15, 2,
		   COI_ADDRESS_LIST, "a@b.org c@d.org");
	test_parse("one more", "a@b.org,c@d.org,e@f.org", 23, 2,
		   COI_ADDRESS_UNPARSABLE, "a@b.org c@d.org");
	test_parse("one more, but the same", "a@b.org,c@d.org,a@b.org", 23, 2,
		   COI_ADDRESS_LIST, "a@b.org c@d.org");

	for (i = 0; i < COI_ADDRESS_MAX_BYTES - strlen("@b.org"); i++)
		str_append_c(value, 'x');
	str_append(value, "@b.org");
	test_parse("as long as allowed", str_c(value), str_len(value), 1,
		   COI_ADDRESS_LIST, str_c(value));
	str_insert(value, 0, "x");
	test_parse("one byte more", str_c(value), str_len(value), 1,
		   COI_ADDRESS_UNPARSABLE, "");
}
END_TEST

/* C5: the sender is read from all From fields, within the limits. */
START_TEST(test_from)
{
	struct coi_fields fields;
	struct coi_field_value *from = &fields.values[COI_FIELD_FROM];
	struct coi_addresses addresses;
	string_t *value = t_str_new(256);
	unsigned int i;

	i_zero(&fields);
	coi_addresses_read_from(&fields, pool_datastack_create(), &addresses);
	ck_assert_int_eq(addresses.verdict, COI_ADDRESS_NONE);

	for (i = 0; i < COI_FROM_ADDRESSES_MAX; i++)
		str_printfa(value, "a%u@b.org,", i);
	from->present = TRUE;
	from->data = str_data(value);
	from->size = str_len(value);
	coi_addresses_read_from(&fields, pool_datastack_create(), &addresses);
	ck_assert_int_eq(addresses.verdict, COI_ADDRESS_LIST);
	ck_assert_int_eq(addresses.count, COI_FROM_ADDRESSES_MAX);
	ck_assert(coi_addresses_have(&addresses, "a7@b.org"));
	ck_assert(!coi_addresses_have(&addresses, "a7@b.or"));

	from->too_long = TRUE;
	coi_addresses_read_from(&fields, pool_datastack_create(), &addresses);
	ck_assert_int_eq(addresses.verdict, COI_ADDRESS_UNPARSABLE);

	from->too_long = FALSE;
	str_append(value, "one@more.org");
	from->data = str_data(value);
	from->size = str_len(value);
	coi_addresses_read_from(&fields, pool_datastack_create(), &addresses);
	ck_assert_int_eq(addresses.verdict, COI_ADDRESS_UNPARSABLE);
}
END_TEST

/* C3: the first two are the client specification's, the others were computed
   with another implementation. `alabel' is that of the domain's other form. */
static const struct {
	const char *text;
	const char *hash, *alabel;
} hash_tests[] = {
	{ "john.doe@coi-dev.org",
	  "74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  NULL },
	{ "john.doe@example.com",
	  "834d1654133366cef4d81e81a7099f413b1b85b9fc9dd62140491303dec56532",
	  NULL },
	{ "\"John.Doe\" <\"John.Doe\"@COI-DEV.org>",
	  "74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  NULL },
	{ "user@" BUECHER,
	  "49c2ff3af4c439fd57e62a5d4276eacc7eefdab165fcb98d85348b96bbb09be8",
	  "3eeb3ad5ce372d2549fa41da7aa8145c1f7c189ee4162355a1a5a8c6afeda9e5" },
	{ "User@XN--bcher-KVA.example",
	  "49c2ff3af4c439fd57e62a5d4276eacc7eefdab165fcb98d85348b96bbb09be8",
	  "3eeb3ad5ce372d2549fa41da7aa8145c1f7c189ee4162355a1a5a8c6afeda9e5" },
	{ "j\xc3\xb6rg@stra\xc3\x9f" "e.de",
	  "a1d313f95c03bfce70074a6d2e0e5d61c2c562a8383673a3bcd88d1099d3574d",
	  "5ff640934c3c90061eea42dd5c2f82fa883946ea76c07a36910bdd1884d7a315" },
	{ "a@\xe2\x9d\xa4.ws",
	  "014f9084463786a4735c52e656eb6c238a5a0bb83c7e979929625279cb966c64",
	  NULL },
};

START_TEST(test_hash)
{
	const char *address;

	ck_assert_int_eq(coi_address_normalize(hash_tests[_i].text, &address),
			 0);
	ck_assert_str_eq(coi_address_hash(address), hash_tests[_i].hash);
	ck_assert_msg(null_strcmp(coi_address_hash_alabel(address),
				  hash_tests[_i].alabel) == 0, "%s", address);
}
END_TEST

START_TEST(test_normalize)
{
	static const char *const bad[] = {
		"", "alice", "a@b.org, c@d.org", "a@b.org c", "Crew:;",
	};
	const char *address;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(bad); i++) {
		ck_assert_msg(coi_address_normalize(bad[i], &address) < 0,
			      "%s", bad[i]);
	}
}
END_TEST

#define HEX \
	"74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0"
#define BASE64 "dLPERsGJWABFqUK5C3RhEovDNLO2fp9jwMBhiSSMm7A"
static const struct {
	const char *text;
	/* NULL: it is no hash. */
	const char *hash;
	bool valid_name;
} parse_tests[] = {
	{ HEX, HEX, TRUE },
	{ "74B3C446C189580045A942B90B7461128BC334B3B67E9F63C0C06189248C9BB0",
	  HEX, FALSE },
	{ BASE64, HEX, FALSE },
	{ BASE64 "=", NULL, FALSE },
	{ BASE64 "A", NULL, FALSE },
	{ "", NULL, FALSE },
	{ HEX "0", NULL, FALSE },
	{ " " HEX, NULL, FALSE },
	{ "74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb",
	  NULL, FALSE },
	{ "74b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bbg",
	  NULL, FALSE },
	{ "/4b3c446c189580045a942b90b7461128bc334b3b67e9f63c0c06189248c9bb0",
	  NULL, FALSE },
	{ "dLPERsGJWABFqUK5C3RhEovDNLO2fp9jwMBhiSSMm7", NULL, FALSE },
	{ "dLPERsGJWABFqUK5C3RhEovDNLO2fp9jwMBhiSSMm7!", NULL, FALSE },
	/* As long as base64, but white space makes it too few bytes. */
	{ "dLPERsGJWABFqUK5C3RhEovDNLO2fp9jwMBhiSS Mm7", NULL, FALSE },
};

START_TEST(test_hash_parse)
{
	const char *text = parse_tests[_i].text;
	const char *hash = NULL;
	bool found;

	found = coi_hash_parse((const unsigned char *)text, strlen(text),
			       &hash);
	ck_assert_msg(found == (parse_tests[_i].hash != NULL), "%s", text);
	ck_assert_msg(null_strcmp(hash, parse_tests[_i].hash) == 0, "%s: %s",
		      text, hash);
	ck_assert_msg(coi_hash_is_valid(text) == parse_tests[_i].valid_name,
		      "%s", text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("coi-address");
	TCase *tcase;

	tcase = unit_tcase_add(suite, "C3 C5: address lists");
	tcase_add_loop_test(tcase, test_list, 0, N_ELEMENTS(list_tests));
	tcase_add_loop_test(tcase, test_idempotent, 0, N_ELEMENTS(list_tests));
	tcase_add_test(tcase, test_nul);
	tcase_add_test(tcase, test_limits);
	tcase_add_test(tcase, test_from);
	tcase = unit_tcase_add(suite, "C3: hashes");
	tcase_add_loop_test(tcase, test_hash, 0, N_ELEMENTS(hash_tests));
	tcase_add_test(tcase, test_normalize);
	tcase_add_loop_test(tcase, test_hash_parse, 0, N_ELEMENTS(parse_tests));
	return unit_run(suite);
}
