/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "unit.h"
#include "coi-limits.h"
#include "webpush-key.h"
#include "webpush-text.h"
#include "webpush-vapid.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* RFC 8292 2.4 */
#define ORIGIN "https://push.example.net"
#define SUBJECT "mailto:push@example.com"
#define EXP 1453523768
#define JWT_INPUT \
	"eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2gu" \
	"ZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNo" \
	"QGV4YW1wbGUuY29tIn0"
#define JWT_SIGNATURE \
	"i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmys" \
	"azNjjvW2L9OkSSHzvoD1oA"
#define JWT_KEY \
	"BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RC" \
	"PCfA5aq9ojSwk5Y2EmClBPs"

/* The application server's of RFC 8291 appendix A: RFC 8292 keeps its own to
   itself. */
#define PRIVATE_KEY "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define PUBLIC_KEY \
	"BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS" \
	"6TlzAC8wEqKK6PBru3jl7A8"

static const buffer_t *test_decode(const char *base64)
{
	buffer_t *buf = t_buffer_create(256);

	ck_assert_int_eq(webpush_base64_decode(base64, buf), 0);
	return buf;
}

static EVP_PKEY *judge_read_key(const char *base64)
{
	const buffer_t *point = test_decode(base64);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;
	char group[] = "P-256";
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						 group, 0),
		OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						  (void *)point->data,
						  point->used),
		OSSL_PARAM_construct_end()
	};

	ck_assert_int_eq(EVP_PKEY_fromdata_init(ctx), 1);
	ck_assert_int_eq(EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY,
					   params), 1);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

/* Whether it is an ES256 signature of the input. */
static bool judge_verify(const char *input, const char *signature,
			 const char *key)
{
	const buffer_t *bytes = test_decode(signature);
	const unsigned char *data = bytes->data;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	EVP_PKEY *pkey = judge_read_key(key);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	int der_size, ret;

	ck_assert_uint_eq(bytes->used, 64);
	ECDSA_SIG_set0(sig, BN_bin2bn(data, 32, NULL),
		       BN_bin2bn(data + 32, 32, NULL));
	der_size = i2d_ECDSA_SIG(sig, &der);
	ck_assert_int_gt(der_size, 0);
	EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, pkey, NULL);
	ret = EVP_DigestVerify(ctx, der, der_size,
			       (const unsigned char *)input, strlen(input));
	OPENSSL_free(der);
	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	ECDSA_SIG_free(sig);
	return ret == 1;
}

START_TEST(test_judge)
{
	ck_assert(judge_verify(JWT_INPUT, JWT_SIGNATURE, JWT_KEY));
	ck_assert(!judge_verify(JWT_INPUT"A", JWT_SIGNATURE, JWT_KEY));
	ck_assert(!judge_verify(JWT_INPUT, JWT_SIGNATURE, PUBLIC_KEY));
}
END_TEST

/* Returns the token. */
static const char *test_sign(const char *origin, const char *subject, time_t now)
{
	static const char prefix[] = "vapid t=", suffix[] = ", k="PUBLIC_KEY;
	struct webpush_key key;
	string_t *str = t_str_new(512);
	const char *error, *header;

	ck_assert_int_eq(webpush_key_init(test_decode(PRIVATE_KEY)->data, &key,
					  &error), 1);
	ck_assert_int_eq(webpush_vapid_append(str, &key, origin, subject, now,
					      &error), 0);
	header = str_c(str);
	ck_assert(strncmp(header, prefix, strlen(prefix)) == 0);
	ck_assert_uint_gt(str_len(str), strlen(prefix) + strlen(suffix));
	ck_assert_str_eq(header + str_len(str) - strlen(suffix), suffix);
	return t_strdup_until(header + strlen(prefix),
			      header + str_len(str) - strlen(suffix));
}

/* All of the RFC's token but the signature, which is random. */
START_TEST(test_rfc8292)
{
	const char *token = test_sign(ORIGIN, SUBJECT,
				      EXP - WEBPUSH_VAPID_LIFETIME_SECS);
	const char *signature = strrchr(token, '.');

	ck_assert_str_eq(t_strdup_until(token, signature), JWT_INPUT);
	ck_assert(judge_verify(JWT_INPUT, signature + 1, PUBLIC_KEY));
}
END_TEST

START_TEST(test_lifetime)
{
	ck_assert_int_gt(WEBPUSH_VAPID_LIFETIME_SECS, 0);
	ck_assert_int_le(WEBPUSH_VAPID_LIFETIME_SECS, 24*60*60);
}
END_TEST

/* In one of 128 signatures a number is shorter than 32 bytes. */
START_TEST(test_many)
{
	const char *token, *signature;
	unsigned int i;

	for (i = 0; i < 600; i++) T_BEGIN {
		token = test_sign("https://push.example.net:8443",
				  "https://example.com/\"\\", 1800000000);
		signature = strrchr(token, '.');
		ck_assert_uint_eq(strlen(signature + 1), 86);
		ck_assert(judge_verify(t_strdup_until(token, signature),
				       signature + 1, PUBLIC_KEY));
	} T_END;
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-vapid");
	TCase *tcase = unit_tcase_add(suite, "W30: VAPID");

	tcase_add_test(tcase, test_judge);
	tcase_add_test(tcase, test_rfc8292);
	tcase_add_test(tcase, test_lifetime);
	tcase_add_test(tcase, test_many);
	return unit_run(suite);
}
