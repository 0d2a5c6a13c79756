/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "webpush-key-private.h"
#include "webpush-encrypt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#define WEBPUSH_SECRET_BYTES 32
#define WEBPUSH_AES_KEY_BYTES 16
#define WEBPUSH_NONCE_BYTES 12

/* RFC 8188 2: the delimiter of the last record. */
#define WEBPUSH_DELIMITER 0x02

/* The names of what is derived, each with the NUL at its end. */
#define WEBPUSH_INFO_KEY "WebPush: info"
#define WEBPUSH_INFO_AES_KEY "Content-Encoding: aes128gcm"
#define WEBPUSH_INFO_NONCE "Content-Encoding: nonce"

struct webpush_secrets {
	unsigned char ecdh[WEBPUSH_SECRET_BYTES];
	unsigned char ikm[WEBPUSH_SECRET_BYTES];
	unsigned char aes_key[WEBPUSH_AES_KEY_BYTES];
	unsigned char nonce[WEBPUSH_NONCE_BYTES];
};

/* The first coordinate of the product. EC_POINT_mul() is what computes it in
   EVP_PKEY_derive() too, in constant time; but that takes keys that each make a
   curve of their own, which costs nearly as much again. */
static bool webpush_multiply(const EC_GROUP *group, EC_POINT *point,
			     const BIGNUM *scalar, BIGNUM *x,
			     unsigned char secret_r[WEBPUSH_SECRET_BYTES])
{
	return EC_POINT_mul(group, point, NULL, point, scalar, NULL) == 1 &&
		EC_POINT_get_affine_coordinates(group, point, x, NULL,
						NULL) == 1 &&
		BN_bn2binpad(x, secret_r, WEBPUSH_SECRET_BYTES) > 0;
}

/* RFC 8291 3.1. Reading the point looks whether it is on the curve, whose order
   is prime: there is no small subgroup to look for. */
static bool webpush_ecdh(const struct webpush_receiver *receiver,
			 const struct webpush_key *key,
			 unsigned char secret_r[WEBPUSH_SECRET_BYTES])
{
	const EC_GROUP *group = webpush_curve();
	EC_POINT *point = group == NULL ? NULL : EC_POINT_new(group);
	BIGNUM *scalar = BN_secure_new(), *x = BN_secure_new();
	bool ok = point != NULL && scalar != NULL && x != NULL &&
		EC_POINT_oct2point(group, point, receiver->point,
				   WEBPUSH_POINT_BYTES, NULL) == 1 &&
		BN_bin2bn(key->private_key, WEBPUSH_PRIVATE_KEY_BYTES,
			  scalar) != NULL &&
		webpush_multiply(group, point, scalar, x, secret_r);

	BN_clear_free(x);
	BN_clear_free(scalar);
	EC_POINT_clear_free(point);
	return ok;
}

/* HKDF with SHA-256 (RFC 5869). */
static bool webpush_hkdf(EVP_KDF_CTX *ctx, const void *salt, size_t salt_size,
			 const unsigned char ikm[WEBPUSH_SECRET_BYTES],
			 const void *info, size_t info_size,
			 unsigned char *out, size_t out_size)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[5];

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
						     digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
						      (void *)salt, salt_size);
	params[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
						      (void *)ikm,
						      WEBPUSH_SECRET_BYTES);
	params[3] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
						      (void *)info, info_size);
	params[4] = OSSL_PARAM_construct_end();
	return EVP_KDF_derive(ctx, out, out_size, params) > 0;
}

/* RFC 8291 3.4 */
static bool webpush_derive_all(EVP_KDF_CTX *ctx,
			       const struct webpush_receiver *receiver,
			       const struct webpush_key *key,
			       const unsigned char salt[WEBPUSH_SALT_BYTES],
			       struct webpush_secrets *secrets)
{
	unsigned char info[sizeof(WEBPUSH_INFO_KEY) + 2 * WEBPUSH_POINT_BYTES];
	unsigned char *points = info + sizeof(WEBPUSH_INFO_KEY);

	memcpy(info, WEBPUSH_INFO_KEY, sizeof(WEBPUSH_INFO_KEY));
	memcpy(points, receiver->point, WEBPUSH_POINT_BYTES);
	memcpy(points + WEBPUSH_POINT_BYTES, key->point, WEBPUSH_POINT_BYTES);

	return webpush_hkdf(ctx, receiver->auth, sizeof(receiver->auth),
			    secrets->ecdh, info, sizeof(info),
			    secrets->ikm, sizeof(secrets->ikm)) &&
		webpush_hkdf(ctx, salt, WEBPUSH_SALT_BYTES, secrets->ikm,
			     WEBPUSH_INFO_AES_KEY, sizeof(WEBPUSH_INFO_AES_KEY),
			     secrets->aes_key, sizeof(secrets->aes_key)) &&
		webpush_hkdf(ctx, salt, WEBPUSH_SALT_BYTES, secrets->ikm,
			     WEBPUSH_INFO_NONCE, sizeof(WEBPUSH_INFO_NONCE),
			     secrets->nonce, sizeof(secrets->nonce));
}

static bool webpush_derive(const struct webpush_receiver *receiver,
			   const struct webpush_key *key,
			   const unsigned char salt[WEBPUSH_SALT_BYTES],
			   struct webpush_secrets *secrets)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	bool ok = ctx != NULL && webpush_derive_all(ctx, receiver, key, salt,
						    secrets);

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok;
}

/* Writes size + 1 + WEBPUSH_TAG_BYTES. */
static bool webpush_seal(const struct webpush_secrets *secrets,
			 const void *plaintext, size_t size, unsigned char *out)
{
	static const unsigned char delimiter = WEBPUSH_DELIMITER;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int len;
	bool ok = ctx != NULL &&
		EVP_EncryptInit_ex2(ctx, EVP_aes_128_gcm(), secrets->aes_key,
				    secrets->nonce, NULL) > 0 &&
		/* NULL would mean something else to it. */
		(size == 0 ||
		 EVP_EncryptUpdate(ctx, out, &len, plaintext, size) > 0) &&
		EVP_EncryptUpdate(ctx, out + size, &len, &delimiter, 1) > 0 &&
		EVP_EncryptFinal_ex(ctx, out + size + 1, &len) > 0 &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG,
				    WEBPUSH_TAG_BYTES, out + size + 1) > 0;

	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

/* RFC 8188 2.1 */
static unsigned char *
webpush_write_header(unsigned char *out, const struct webpush_key *key,
		     const unsigned char salt[WEBPUSH_SALT_BYTES])
{
	memcpy(out, salt, WEBPUSH_SALT_BYTES);
	out += WEBPUSH_SALT_BYTES;
	*out++ = 0;
	*out++ = 0;
	*out++ = WEBPUSH_BODY_MAX_BYTES >> 8;
	*out++ = WEBPUSH_BODY_MAX_BYTES & 0xff;
	*out++ = WEBPUSH_POINT_BYTES;
	memcpy(out, key->point, WEBPUSH_POINT_BYTES);
	return out + WEBPUSH_POINT_BYTES;
}

int webpush_encrypt(const struct webpush_receiver *receiver,
		    const struct webpush_key *key,
		    const unsigned char salt[WEBPUSH_SALT_BYTES],
		    const void *plaintext, size_t size,
		    buffer_t *dest, const char **error_r)
{
	struct webpush_secrets secrets;
	size_t start = dest->used;
	unsigned char *out;
	int ret = 0;

	if (size > WEBPUSH_PLAINTEXT_MAX_BYTES) {
		*error_r = t_strdup_printf(
			"plaintext of %zu bytes is longer than %u", size,
			WEBPUSH_PLAINTEXT_MAX_BYTES);
		return -1;
	}
	/* @UNSAFE */
	out = buffer_append_space_unsafe(dest, WEBPUSH_HEADER_BYTES + size + 1 +
					 WEBPUSH_TAG_BYTES);
	out = webpush_write_header(out, key, salt);
	if (!webpush_ecdh(receiver, key, secrets.ecdh)) {
		*error_r = webpush_crypto_error(
			"ECDH with the subscription's key");
		ret = -1;
	} else if (!webpush_derive(receiver, key, salt, &secrets)) {
		*error_r = webpush_crypto_error("HKDF");
		ret = -1;
	} else if (!webpush_seal(&secrets, plaintext, size, out)) {
		*error_r = webpush_crypto_error("AES-GCM");
		ret = -1;
	}
	OPENSSL_cleanse(&secrets, sizeof(secrets));
	if (ret < 0)
		buffer_set_used_size(dest, start);
	return ret;
}
