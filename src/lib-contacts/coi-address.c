/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "base64.h"
#include "hex-binary.h"
#include "message-address.h"
#include "sha3.h"
#include "str.h"
#include "unichar.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-fields.h"
#include "coi-address.h"

#include <ctype.h>
#include <idn2.h>
#include <unicase.h>
#include <uninorm.h>

/* message_address_parse() stops silently at what it cannot read. Only if it has
   read to the end it finds this address there. */
#define COI_ADDRESS_END_MAILBOX "end"
#define COI_ADDRESS_END_DOMAIN "coi.invalid"
#define COI_ADDRESS_END COI_ADDRESS_END_MAILBOX "@" COI_ADDRESS_END_DOMAIN

/* Where in an address list a byte stands. */
struct coi_address_scanner {
	unsigned int comment_depth;
	bool escaped;
	bool quoted;
	bool angle;
	bool literal;
	bool group;
	/* Nothing but white space since the last separator. */
	bool empty;
};

/* Returns TRUE if `c' separates two addresses, or would if they were written
   with commas. */
static bool
coi_address_scan(struct coi_address_scanner *scanner, unsigned char c)
{
	if (scanner->escaped) {
		scanner->escaped = FALSE;
		return FALSE;
	}
	if (c == '\\') {
		scanner->escaped = TRUE;
	} else if (scanner->quoted) {
		scanner->quoted = c != '"';
	} else if (c == '(') {
		scanner->comment_depth++;
	} else if (scanner->comment_depth > 0) {
		if (c == ')')
			scanner->comment_depth--;
	} else if (c == '"') {
		scanner->quoted = TRUE;
	} else if (scanner->literal) {
		scanner->literal = c != ']';
	} else if (c == '[') {
		scanner->literal = TRUE;
	} else if (scanner->angle) {
		scanner->angle = c != '>';
	} else if (c == '<') {
		scanner->angle = TRUE;
	} else if (c == ':') {
		scanner->group = TRUE;
	} else if (scanner->group && c == ';') {
		scanner->group = FALSE;
	} else {
		return c == ',' || c == ';';
	}
	return FALSE;
}

/* The list as message_address_parse() wants it: with commas, without empty
   elements, and with our own address at its end. */
static string_t *
coi_addresses_prepare(const unsigned char *data, size_t size)
{
	struct coi_address_scanner scanner;
	string_t *list = t_str_new(size + 32);
	size_t i;

	i_zero(&scanner);
	scanner.empty = TRUE;
	for (i = 0; i < size; i++) {
		if (!coi_address_scan(&scanner, data[i])) {
			str_append_c(list, data[i]);
			if (data[i] != ' ' && data[i] != '\t')
				scanner.empty = FALSE;
		} else if (!scanner.empty) {
			str_append_c(list, ',');
			scanner.empty = TRUE;
		}
	}
	if (!scanner.empty)
		str_append_c(list, ',');
	str_append(list, COI_ADDRESS_END);
	return list;
}

/* UTF-8 without control characters, C1 included. */
static bool coi_address_is_text(const char *str)
{
	const unsigned char *p;

	if (!uni_utf8_str_is_valid(str))
		return FALSE;
	for (p = (const unsigned char *)str; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			return FALSE;
	}
	return TRUE;
}

static bool coi_address_is_ascii(const char *str)
{
	for (; *str != '\0'; str++) {
		if ((unsigned char)*str >= 0x80)
			return FALSE;
	}
	return TRUE;
}

/* Returns NULL if it cannot be done. */
static const char *coi_utf8_lower_nfc(const char *str)
{
	uint8_t *result;
	const char *lower;
	size_t size;

	if (coi_address_is_ascii(str))
		return t_str_lcase(str);
	result = u8_tolower((const uint8_t *)str, strlen(str), NULL,
			    UNINORM_NFC, NULL, &size);
	if (result == NULL)
		return NULL;
	lower = t_strndup(result, size);
	i_free(result);
	return lower;
}

/* Returns NULL if IDNA2008 does not allow the domain. */
static const char *coi_domain_to_alabel(const char *domain)
{
	char *result;
	const char *alabel;

	if (idn2_to_ascii_8z(domain, &result,
			     IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return NULL;
	alabel = t_strdup(result);
	idn2_free(result);
	return alabel;
}

/* Decodes without asking whether the result is allowed. Returns NULL if there
   is nothing to decode it to. */
static const char *coi_domain_to_ulabel(const char *domain)
{
	char *result;
	const char *ulabel;

	if (idn2_to_unicode_8z8z(domain, &result, 0) != IDN2_OK)
		return NULL;
	ulabel = t_strdup(result);
	idn2_free(result);
	return ulabel;
}

/* To A-labels and back: that maps different spellings of a U-label, and refuses
   A-labels of what must not stand for itself. Returns NULL if IDNA2008 does not
   allow the domain. */
static const char *coi_domain_map(const char *domain)
{
	const char *alabel = coi_domain_to_alabel(domain);

	return alabel == NULL ? NULL : coi_domain_to_ulabel(alabel);
}

/* libidn2 takes some A-labels of what would be mapped to something else. */
static bool coi_domain_is_mapped(const char *domain)
{
	const char *again;

	if (coi_address_is_ascii(domain))
		return TRUE;
	again = coi_domain_map(domain);
	return again != NULL && strcmp(again, domain) == 0;
}

/* Returns NULL if it cannot be done. */
static const char *coi_domain_normalize(const char *domain)
{
	const char *lower = coi_utf8_lower_nfc(domain);
	const char *mapped, *ulabel, *again;

	if (lower == NULL || *lower == '[' ||
	    (coi_address_is_ascii(lower) && strstr(lower, "xn--") == NULL))
		return lower;

	mapped = coi_domain_map(lower);
	if (mapped != NULL && coi_domain_is_mapped(mapped))
		return mapped;
	/* Only what IDNA2008 forbids in either form is decoded without it. */
	ulabel = coi_domain_to_ulabel(lower);
	if (ulabel == NULL || !coi_address_is_text(ulabel) ||
	    coi_domain_to_alabel(ulabel) != NULL)
		return lower;
	again = coi_utf8_lower_nfc(ulabel);
	return again != NULL && strcmp(again, ulabel) == 0 ? ulabel : lower;
}

static bool coi_address_build(pool_t pool, const struct message_address *addr,
			      const char **address_r)
{
	const char *mailbox, *domain, *address;

	if (addr->invalid_syntax || *addr->mailbox == '\0' ||
	    *addr->domain == '\0' || !coi_address_is_text(addr->mailbox) ||
	    !coi_address_is_text(addr->domain))
		return FALSE;
	mailbox = coi_utf8_lower_nfc(addr->mailbox);
	domain = coi_domain_normalize(addr->domain);
	if (mailbox == NULL || domain == NULL)
		return FALSE;
	address = t_strconcat(mailbox, "@", domain, NULL);
	if (strlen(address) > COI_ADDRESS_MAX_BYTES)
		return FALSE;
	*address_r = p_strdup(pool, address);
	return TRUE;
}

static bool coi_address_is_end(const struct message_address *addr)
{
	return addr->mailbox != NULL && addr->domain != NULL &&
		strcmp(addr->mailbox, COI_ADDRESS_END_MAILBOX) == 0 &&
		strcmp(addr->domain, COI_ADDRESS_END_DOMAIN) == 0;
}

bool coi_addresses_have(const struct coi_addresses *addresses,
			const char *address)
{
	unsigned int i;

	for (i = 0; i < addresses->count; i++) {
		if (strcmp(addresses->list[i], address) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Returns FALSE unless all of it is addresses. */
static bool
coi_addresses_collect(pool_t pool, const struct message_address *addr,
		      unsigned int max_count, const char **list,
		      struct coi_addresses *addresses)
{
	const char *address;
	bool good = TRUE, ended = FALSE;

	for (; addr != NULL; addr = addr->next) {
		/* It is the last one, but for a group that does not end. */
		ended = coi_address_is_end(addr);
		if (ended)
			continue;
		/* The begin or the end of a group. */
		if (addr->domain == NULL)
			continue;
		if (!coi_address_build(pool, addr, &address)) {
			good = FALSE;
		} else if (coi_addresses_have(addresses, address)) {
			continue;
		} else if (addresses->count == max_count) {
			return FALSE;
		} else {
			list[addresses->count++] = address;
		}
	}
	return good && ended;
}

static void
coi_addresses_parse_real(pool_t pool, const unsigned char *data, size_t size,
			 unsigned int max_count,
			 struct coi_addresses *addresses_r)
{
	const struct message_address *addr;
	const char **list;
	string_t *value;
	bool good;

	value = coi_addresses_prepare(data, size);
	addr = message_address_parse(pool_datastack_create(), str_data(value),
				     str_len(value), UINT_MAX, 0);
	list = p_new(pool, const char *, max_count);
	addresses_r->list = list;
	good = coi_addresses_collect(pool, addr, max_count, list, addresses_r);
	if (!good || memchr(data, '\0', size) != NULL)
		addresses_r->verdict = COI_ADDRESS_UNPARSABLE;
	else if (addresses_r->count > 0)
		addresses_r->verdict = COI_ADDRESS_LIST;
}

void coi_addresses_parse(pool_t pool, const unsigned char *data, size_t size,
			 unsigned int max_count,
			 struct coi_addresses *addresses_r)
{
	i_zero(addresses_r);
	if (size == 0)
		return;
	/* The caller's pool may be the data stack itself. */
	if (pool->datastack_pool) {
		coi_addresses_parse_real(pool, data, size, max_count,
					 addresses_r);
	} else T_BEGIN {
		coi_addresses_parse_real(pool, data, size, max_count,
					 addresses_r);
	} T_END;
}

void coi_addresses_read_from(const struct coi_fields *fields, pool_t pool,
			     struct coi_addresses *addresses_r)
{
	const struct coi_field_value *from = &fields->values[COI_FIELD_FROM];

	coi_addresses_parse(pool, from->data, from->size,
			    COI_FROM_ADDRESSES_MAX, addresses_r);
	if (from->too_long)
		addresses_r->verdict = COI_ADDRESS_UNPARSABLE;
}

int coi_address_normalize(const char *text, const char **address_r)
{
	struct coi_addresses addresses;

	coi_addresses_parse(pool_datastack_create(),
			    (const unsigned char *)text, strlen(text), 1,
			    &addresses);
	if (addresses.verdict != COI_ADDRESS_LIST)
		return -1;
	*address_r = addresses.list[0];
	return 0;
}

const char *coi_address_hash(const char *address)
{
	unsigned char digest[SHA256_RESULTLEN];

	sha3_256_get_digest(address, strlen(address), digest);
	return binary_to_hex(digest, sizeof(digest));
}

const char *coi_address_hash_alabel(const char *address)
{
	const char *domain = strrchr(address, '@');
	const char *alabel;

	i_assert(domain != NULL);
	domain++;
	if (coi_address_is_ascii(domain))
		return NULL;
	alabel = coi_domain_to_alabel(domain);
	if (alabel == NULL)
		return NULL;
	return coi_address_hash(t_strconcat(t_strdup_until(address, domain),
					    alabel, NULL));
}

bool coi_hash_parse(const unsigned char *data, size_t size,
		    const char **hash_r)
{
	buffer_t *digest;
	const char *hash;

	if (size == COI_HASH_LEN) {
		hash = t_str_lcase(t_strndup(data, size));
		if (!coi_hash_is_valid(hash))
			return FALSE;
		*hash_r = hash;
		return TRUE;
	}
	/* C3: an earlier implementation wrote base64. */
	if (size != MAX_BASE64_ENCODED_SIZE(SHA256_RESULTLEN) - 1)
		return FALSE;
	digest = t_buffer_create(SHA256_RESULTLEN);
	if (base64_scheme_decode(&base64_scheme, BASE64_DECODE_FLAG_NO_PADDING,
				 data, size, digest) < 0 ||
	    digest->used != SHA256_RESULTLEN)
		return FALSE;
	*hash_r = binary_to_hex(digest->data, digest->used);
	return TRUE;
}
