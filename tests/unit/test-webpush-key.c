/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "str.h"
#include "unit.h"
#include "webpush-key.h"
#include "webpush-text.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

/* The curve's generator, whose private key is 1, and its order. */
#define GENERATOR \
	"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" \
	"4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
/* The other point with the same x coordinate. */
#define GENERATOR_NEGATIVE \
	"046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296" \
	"b01cbd1c01e58065711814b583f061e9d431cca994cea1313449bf97c840ae0a"

static const unsigned char *test_from_hex(const char *hex, size_t *size_r)
{
	buffer_t *buf = t_buffer_create(128);

	ck_assert_int_eq(hex_to_binary(hex, buf), 0);
	*size_r = buf->used;
	return buf->data;
}

static const struct {
	const char *name;
	const char *private_key;
	/* NULL: it is no key. */
	const char *point;
} key_tests[] = {
	{ "1", "0000000000000000000000000000000000000000000000000000000000000001",
	  GENERATOR },
	{ "order - 1",
	  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550",
	  GENERATOR_NEGATIVE },
	/* RFC 8291 appendix A */
	{ "the application server's",
	  "c9f58f89813e9f8e872e71f42aa64e1757c9254dcc62b72ddc010bb4043ea11c",
	  "04fe33f4ab0dea71914db55823f73b54948f41306d920732dbb9a59a53286482"
	  "200e597a7b7bc260ba1c227998580992e93973002f3012a28ae8f06bbb78e5ec"
	  "0f" },
	{ "0", "0000000000000000000000000000000000000000000000000000000000000000",
	  NULL },
	{ "order",
	  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
	  NULL },
	{ "largest",
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	  NULL },
};

START_TEST(test_key)
{
	struct webpush_key key;
	const char *error;
	size_t size;
	const unsigned char *private_key =
		test_from_hex(key_tests[_i].private_key, &size);
	int ret;

	ck_assert_uint_eq(size, WEBPUSH_PRIVATE_KEY_BYTES);
	ret = webpush_key_init(private_key, &key, &error);
	ck_assert_msg(ret == (key_tests[_i].point != NULL ? 1 : 0), "%s",
		      key_tests[_i].name);
	if (ret > 0) {
		ck_assert_str_eq(binary_to_hex(key.point, sizeof(key.point)),
				 key_tests[_i].point);
		ck_assert_mem_eq(key.private_key, private_key, size);
		ck_assert(webpush_point_is_valid(key.point, sizeof(key.point)));
	}
	webpush_key_wipe(&key);
	while (size-- > 0)
		ck_assert_uint_eq(key.private_key[size], 0);
}
END_TEST

static const struct {
	const char *name;
	const char *point;
} bad_point_tests[] = {
	{ "nothing", "" },
	{ "infinity", "00" },
	{ "compressed", "036b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a1"
	  "3945d898c296" },
	{ "hybrid", "076b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945"
	  "d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837b"
	  "f51f5" },
	{ "compressed, but as long", "036b17d1f2e12c4247f8bce6e563a440f277037d8"
	  "12deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b3"
	  "15ececbb6406837bf51f5" },
	{ "not on the curve", "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33"
	  "a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececb"
	  "b6406837bf51f4" },
	{ "zero", "0400000000000000000000000000000000000000000000000000000000000"
	  "0000000000000000000000000000000000000000000000000000000000000000000"
	  "00" },
	{ "beyond the field", "04ffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
	  "ffffffffffffff" },
	{ "a byte more", GENERATOR "00" },
};

START_TEST(test_bad_point)
{
	size_t size;
	const unsigned char *point =
		test_from_hex(bad_point_tests[_i].point, &size);

	ck_assert_msg(!webpush_point_is_valid(point, size), "%s",
		      bad_point_tests[_i].name);
}
END_TEST

/* libcrypto reads what we write. */
START_TEST(test_pem)
{
	string_t *pem = t_str_new(256);
	size_t size, point_size;
	const unsigned char *point = test_from_hex(GENERATOR, &size);
	unsigned char again[WEBPUSH_POINT_BYTES];
	EVP_PKEY *pkey;
	BIO *bio;

	webpush_point_append_pem(pem, point);
	ck_assert_str_eq(str_c(pem), "-----BEGIN PUBLIC KEY-----\n"
		"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt\n"
		"6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==\n"
		"-----END PUBLIC KEY-----");

	bio = BIO_new_mem_buf(str_data(pem), str_len(pem));
	pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	ck_assert_ptr_nonnull(pkey);
	ck_assert_int_eq(EVP_PKEY_get_octet_string_param(pkey,
		OSSL_PKEY_PARAM_PUB_KEY, again, sizeof(again), &point_size), 1);
	ck_assert_uint_eq(point_size, size);
	ck_assert_mem_eq(again, point, size);
	EVP_PKEY_free(pkey);
	BIO_free(bio);
}
END_TEST

/* NULL: it is no base64. */
static const struct {
	const char *str;
	const char *hex;
} base64_tests[] = {
	{ "", "" },
	{ "+/+/", "fbffbf" },
	{ "-_-_", "fbffbf" },
	{ "AA", "00" },
	{ "AA==", "00" },
	{ "AAA", "0000" },
	{ "AAA=", "0000" },
	{ "_w", "ff" },
	{ "_w==", "ff" },
	{ "/w==", "ff" },
	{ "BTBZMqHH6r4Tts7J_aSIgg", "05305932a1c7eabe13b6cec9fda48882" },
	{ "A", NULL },
	{ "A=", NULL },
	{ "A===", NULL },
	{ "====", NULL },
	{ "=", NULL },
	{ "AA=", NULL },
	{ "AA===", NULL },
	{ "AAAA=", NULL },
	{ "AAAA====", NULL },
	{ "AA==AA==", NULL },
	{ "+-AA", NULL },
	{ "AA AA", NULL },
	{ "AAAA\n", NULL },
	{ "AA!A", NULL },
};

START_TEST(test_base64)
{
	buffer_t *bytes = t_buffer_create(64);
	const char *str = base64_tests[_i].str;
	int ret = webpush_base64_decode(str, bytes);

	ck_assert_msg(ret == (base64_tests[_i].hex != NULL ? 0 : -1), "'%s'",
		      str);
	if (ret == 0) {
		ck_assert_str_eq(binary_to_hex(bytes->data, bytes->used),
				 base64_tests[_i].hex);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("webpush-key");
	TCase *tcase = unit_tcase_add(suite, "W6 W10: keys");

	tcase_add_loop_test(tcase, test_key, 0, N_ELEMENTS(key_tests));
	tcase_add_loop_test(tcase, test_bad_point, 0,
			    N_ELEMENTS(bad_point_tests));
	tcase_add_test(tcase, test_pem);
	tcase_add_loop_test(tcase, test_base64, 0, N_ELEMENTS(base64_tests));
	return unit_run(suite);
}
