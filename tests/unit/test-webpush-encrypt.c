/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hmac.h"
#include "sha2.h"
#include "str.h"
#include "unit.h"
#include "webpush-encrypt.h"
#include "webpush-text.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

/* RFC 8291 5 and appendix A */
#define PLAINTEXT "When I grow up, I want to be a watermelon"
#define AS_PRIVATE "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
#define UA_PRIVATE "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94"
#define UA_PUBLIC \
	"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyP" \
	"js7Vd8pZGH6SRpkNtoIAiw4"
#define AUTH "BTBZMqHH6r4Tts7J_aSIgg"
#define SALT "DGv6ra1nlYgDCS1FRnbzlw"
#define BODY \
	"DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml" \
	"mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT" \
	"pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"

/* RFC 8188 3.1 */
#define RFC8188_KEY "yqdlZ-tYemfogSmv7Ws5PQ"
#define RFC8188_BODY \
	"I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-" \
	"ly8Thjg"
#define RFC8188_PLAINTEXT "I am the walrus"

static const buffer_t *test_decode(const char *base64)
{
	buffer_t *buf = t_buffer_create(256);

	ck_assert_int_eq(webpush_base64_decode(base64, buf), 0);
	return buf;
}

static void
test_keys_init(struct webpush_receiver *receiver_r, struct webpush_key *key_r,
	       unsigned char salt_r[WEBPUSH_SALT_BYTES])
{
	const char *error;

	memcpy(receiver_r->point, test_decode(UA_PUBLIC)->data,
	       sizeof(receiver_r->point));
	memcpy(receiver_r->auth, test_decode(AUTH)->data,
	       sizeof(receiver_r->auth));
	memcpy(salt_r, test_decode(SALT)->data, WEBPUSH_SALT_BYTES);
	ck_assert_int_eq(webpush_key_init(test_decode(AS_PRIVATE)->data, key_r,
					  &error), 1);
}

/* The judge: the receiver's side, made of other parts than the sender's: HMAC
   of Dovecot, and the curve's own arithmetic. */

/* HKDF of at most one digest: extract with the salt, expand with the info. */
static const unsigned char *
judge_hkdf(const void *salt, size_t salt_size, const void *ikm, size_t ikm_size,
	   const void *info, size_t info_size)
{
	const buffer_t *prk = t_hmac_data(&hash_method_sha256, salt, salt_size,
					  ikm, ikm_size);
	buffer_t *input = t_buffer_create(info_size + 1);

	buffer_append(input, info, info_size);
	buffer_append_c(input, 1);
	return t_hmac_data(&hash_method_sha256, prk->data, prk->used,
			   input->data, input->used)->data;
}

static void judge_ecdh(const char *private_key, const unsigned char *point,
		       unsigned char secret_r[32])
{
	const buffer_t *bytes = test_decode(private_key);
	EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	EC_POINT *peer = EC_POINT_new(group), *shared = EC_POINT_new(group);
	BIGNUM *scalar = BN_bin2bn(bytes->data, bytes->used, NULL);
	BIGNUM *x = BN_new();

	ck_assert_int_eq(EC_POINT_oct2point(group, peer, point, 65, NULL), 1);
	ck_assert_int_eq(EC_POINT_mul(group, shared, NULL, peer, scalar, NULL),
			 1);
	ck_assert_int_eq(EC_POINT_get_affine_coordinates(group, shared, x, NULL,
							 NULL), 1);
	ck_assert_int_eq(BN_bn2binpad(x, secret_r, 32), 32);
	BN_free(x);
	BN_free(scalar);
	EC_POINT_free(peer);
	EC_POINT_free(shared);
	EC_GROUP_free(group);
}

/* RFC 8188 with a single record. Returns the plaintext, or NULL. */
static const buffer_t *judge_open(const buffer_t *body, const void *ikm,
				  size_t ikm_size)
{
	const unsigned char *data = body->data, *aes_key, *nonce;
	size_t pos, size;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	buffer_t *plain = t_buffer_create(4096);
	unsigned char *out;
	int len, ret;

	/* A record of 4096 bytes at most. */
	ck_assert_mem_eq(data + 16, "\x00\x00\x10\x00", 4);
	pos = 21 + data[20];
	ck_assert_uint_gt(body->used, pos + 16);
	size = body->used - pos - 16;
	ck_assert_uint_le(size + 16, 4096);
	aes_key = judge_hkdf(data, 16, ikm, ikm_size,
			     "Content-Encoding: aes128gcm", 28);
	nonce = judge_hkdf(data, 16, ikm, ikm_size,
			   "Content-Encoding: nonce", 24);

	out = buffer_append_space_unsafe(plain, size);
	EVP_DecryptInit_ex2(ctx, EVP_aes_128_gcm(), aes_key, nonce, NULL);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16,
			    (void *)(data + pos + size));
	EVP_DecryptUpdate(ctx, out, &len, data + pos, size);
	ret = EVP_DecryptFinal_ex(ctx, out + len, &len);
	EVP_CIPHER_CTX_free(ctx);
	if (ret <= 0)
		return NULL;
	/* The delimiter of the last record, and no padding. */
	ck_assert_uint_eq(out[size - 1], 2);
	buffer_set_used_size(plain, size - 1);
	return plain;
}

/* RFC 8291 */
static const buffer_t *judge_decrypt(const buffer_t *body)
{
	const unsigned char *data = body->data;
	const buffer_t *auth = test_decode(AUTH);
	buffer_t *info = t_buffer_create(256);
	unsigned char secret[32];

	ck_assert_uint_eq(data[20], 65);
	judge_ecdh(UA_PRIVATE, data + 21, secret);
	buffer_append(info, "WebPush: info", 14);
	buffer_append_buf(info, test_decode(UA_PUBLIC), 0, SIZE_MAX);
	buffer_append(info, data + 21, 65);
	return judge_open(body, judge_hkdf(auth->data, auth->used, secret,
					   sizeof(secret), info->data,
					   info->used), 32);
}

START_TEST(test_judge)
{
	const buffer_t *key = test_decode(RFC8188_KEY), *plain;

	plain = judge_open(test_decode(RFC8188_BODY), key->data, key->used);
	ck_assert_ptr_nonnull(plain);
	ck_assert_uint_eq(plain->used, strlen(RFC8188_PLAINTEXT));
	ck_assert_mem_eq(plain->data, RFC8188_PLAINTEXT, plain->used);

	plain = judge_decrypt(test_decode(BODY));
	ck_assert_ptr_nonnull(plain);
	ck_assert_uint_eq(plain->used, strlen(PLAINTEXT));
	ck_assert_mem_eq(plain->data, PLAINTEXT, plain->used);
}
END_TEST

START_TEST(test_rfc8291)
{
	struct webpush_receiver receiver;
	struct webpush_key key;
	unsigned char salt[WEBPUSH_SALT_BYTES];
	buffer_t *body = t_buffer_create(256);
	string_t *str = t_str_new(256);
	const char *error;

	test_keys_init(&receiver, &key, salt);
	ck_assert_int_eq(webpush_encrypt(&receiver, &key, salt, PLAINTEXT,
					 strlen(PLAINTEXT), body, &error), 0);
	webpush_base64url_append(str, body->data, body->used);
	ck_assert_str_eq(str_c(str), BODY);
}
END_TEST

static const size_t size_tests[] = {
	0, 1, 15, 16, 17, 31, 32, 33, 255, 256, 3992, 3993
};

START_TEST(test_size)
{
	size_t size = size_tests[_i];
	struct webpush_receiver receiver;
	struct webpush_key key;
	unsigned char salt[WEBPUSH_SALT_BYTES];
	unsigned char *plaintext = t_malloc_no0(size + 1);
	buffer_t *body = t_buffer_create(16);
	const buffer_t *again;
	const char *error;

	test_keys_init(&receiver, &key, salt);
	memset(plaintext, 'x', size);
	ck_assert_int_eq(webpush_encrypt(&receiver, &key, salt,
					 size == 0 ? NULL : plaintext, size,
					 body, &error), 0);
	ck_assert_uint_eq(body->used, 86 + size + 1 + 16);
	ck_assert_uint_le(body->used, 4096);
	again = judge_decrypt(body);
	ck_assert_ptr_nonnull(again);
	ck_assert_uint_eq(again->used, size);
	ck_assert(memcmp(again->data, plaintext, size) == 0);
	/* Who changes it, is found out. */
	((unsigned char *)buffer_get_modifiable_data(body, NULL))
		[body->used - 17] ^= 1;
	ck_assert_ptr_null(judge_decrypt(body));
}
END_TEST

START_TEST(test_too_long)
{
	static const unsigned char plaintext[WEBPUSH_PLAINTEXT_MAX_BYTES + 1];
	struct webpush_receiver receiver;
	struct webpush_key key;
	unsigned char salt[WEBPUSH_SALT_BYTES];
	buffer_t *body = t_buffer_create(16);
	const char *error;

	ck_assert_uint_eq(WEBPUSH_PLAINTEXT_MAX_BYTES, 3993);
	test_keys_init(&receiver, &key, salt);
	ck_assert_int_eq(webpush_encrypt(&receiver, &key, salt, plaintext,
					 sizeof(plaintext), body, &error), -1);
	ck_assert_str_eq(error, "plaintext of 3994 bytes is longer than 3993");
	ck_assert_uint_eq(body->used, 0);
}
END_TEST

START_TEST(test_bad_receiver)
{
	struct webpush_receiver receiver;
	struct webpush_key key;
	unsigned char salt[WEBPUSH_SALT_BYTES];
	buffer_t *body = t_buffer_create(16);
	const char *error;

	test_keys_init(&receiver, &key, salt);
	receiver.point[64] ^= 1;
	buffer_append(body, "before", 6);
	ck_assert_int_eq(webpush_encrypt(&receiver, &key, salt, "x", 1, body,
					 &error), -1);
	ck_assert_str_eq(error, "ECDH with the subscription's key failed: "
			 "point is not on curve");
	ck_assert_uint_eq(body->used, 6);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-encrypt");
	TCase *tcase = unit_tcase_add(suite, "W28 W29: encryption");

	tcase_add_test(tcase, test_judge);
	tcase_add_test(tcase, test_rfc8291);
	tcase_add_loop_test(tcase, test_size, 0, N_ELEMENTS(size_tests));
	tcase_add_test(tcase, test_too_long);
	tcase_add_test(tcase, test_bad_receiver);
	return unit_run(suite);
}
