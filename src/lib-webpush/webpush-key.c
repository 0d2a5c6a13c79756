/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "base64.h"
#include "str.h"
#include "webpush-key-private.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#define WEBPUSH_PEM_LINE_LEN 64

/* All that stands before the point in a SubjectPublicKeyInfo of P-256: the
   lengths and the names id-ecPublicKey and prime256v1 (RFC 5480 2.1). */
static const unsigned char webpush_spki_prefix[] = {
	0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02,
	0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03,
	0x42, 0x00
};

const char *webpush_crypto_error(const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return t_strdup_printf("%s failed: %s", what,
			       reason == NULL ? "unknown error" : reason);
}

static EC_GROUP *webpush_the_curve = NULL;

const EC_GROUP *webpush_curve(void)
{
	if (webpush_the_curve == NULL) {
		webpush_the_curve =
			EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	}
	return webpush_the_curve;
}

void webpush_keys_deinit(void)
{
	EC_GROUP_free(webpush_the_curve);
	webpush_the_curve = NULL;
}

/* Returns 1, 0 if the scalar is no private key, -1 on failure. */
static int webpush_key_set_point(const EC_GROUP *group, const BIGNUM *scalar,
				 struct webpush_key *key)
{
	EC_POINT *point;
	int ret = -1;

	if (BN_is_zero(scalar) ||
	    BN_cmp(scalar, EC_GROUP_get0_order(group)) >= 0)
		return 0;
	point = EC_POINT_new(group);
	if (point != NULL &&
	    EC_POINT_mul(group, point, scalar, NULL, NULL, NULL) == 1 &&
	    EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED,
			       key->point, sizeof(key->point), NULL) ==
	    sizeof(key->point))
		ret = 1;
	EC_POINT_free(point);
	return ret;
}

int webpush_key_init(const unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES],
		     struct webpush_key *key_r, const char **error_r)
{
	const EC_GROUP *group = webpush_curve();
	BIGNUM *scalar = BN_secure_new();
	int ret = -1;

	i_zero(key_r);
	if (group != NULL && scalar != NULL &&
	    BN_bin2bn(private_key, WEBPUSH_PRIVATE_KEY_BYTES, scalar) != NULL)
		ret = webpush_key_set_point(group, scalar, key_r);
	if (ret > 0) {
		memcpy(key_r->private_key, private_key,
		       sizeof(key_r->private_key));
	} else if (ret < 0) {
		*error_r = webpush_crypto_error("computing a public key");
	}
	BN_clear_free(scalar);
	return ret;
}

void webpush_key_wipe(struct webpush_key *key)
{
	OPENSSL_cleanse(key, sizeof(*key));
}

bool webpush_point_is_valid(const unsigned char *data, size_t size)
{
	const EC_GROUP *group = webpush_curve();
	EC_POINT *point;
	bool valid;

	if (size != WEBPUSH_POINT_BYTES ||
	    data[0] != POINT_CONVERSION_UNCOMPRESSED)
		return FALSE;
	point = group == NULL ? NULL : EC_POINT_new(group);
	/* It looks whether the point is on the curve. */
	valid = point != NULL &&
		EC_POINT_oct2point(group, point, data, size, NULL) == 1;
	EC_POINT_free(point);
	ERR_clear_error();
	return valid;
}

void webpush_point_append_pem(string_t *dest,
	const unsigned char point[WEBPUSH_POINT_BYTES])
{
	unsigned char der[sizeof(webpush_spki_prefix) + WEBPUSH_POINT_BYTES];

	memcpy(der, webpush_spki_prefix, sizeof(webpush_spki_prefix));
	memcpy(der + sizeof(webpush_spki_prefix), point, WEBPUSH_POINT_BYTES);
	str_append(dest, "-----BEGIN PUBLIC KEY-----\n");
	base64_scheme_encode(&base64_scheme, 0, WEBPUSH_PEM_LINE_LEN,
			     der, sizeof(der), dest);
	str_append(dest, "\n-----END PUBLIC KEY-----");
}

/* libcrypto takes numbers in the byte order of the machine. */
static bool
webpush_key_to_native(const unsigned char *private_key, unsigned char *native)
{
	BIGNUM *scalar = BN_secure_new();
	bool ok = scalar != NULL &&
		BN_bin2bn(private_key, WEBPUSH_PRIVATE_KEY_BYTES,
			  scalar) != NULL &&
		BN_bn2nativepad(scalar, native, WEBPUSH_PRIVATE_KEY_BYTES) > 0;

	BN_clear_free(scalar);
	return ok;
}

static EVP_PKEY *webpush_key_from_params(OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) <= 0)
		pkey = NULL;
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

EVP_PKEY *webpush_key_open(const struct webpush_key *key)
{
	unsigned char native[WEBPUSH_PRIVATE_KEY_BYTES];
	char group[] = "prime256v1";
	OSSL_PARAM params[4];
	EVP_PKEY *pkey = NULL;

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
						     group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
						      (void *)key->point,
						      sizeof(key->point));
	params[2] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_PRIV_KEY,
					    native, sizeof(native));
	params[3] = OSSL_PARAM_construct_end();
	if (webpush_key_to_native(key->private_key, native))
		pkey = webpush_key_from_params(params);
	OPENSSL_cleanse(native, sizeof(native));
	return pkey;
}
