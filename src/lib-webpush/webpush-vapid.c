/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-json.h"
#include "webpush-key-private.h"
#include "webpush-text.h"
#include "webpush-vapid.h"

#include <openssl/bn.h>

#define WEBPUSH_JWT_HEADER "{\"typ\":\"JWT\",\"alg\":\"ES256\"}"

/* An ES256 signature (RFC 7518 3.4): two numbers, big-endian. */
#define WEBPUSH_SIGNATURE_HALF_BYTES 32
#define WEBPUSH_SIGNATURE_BYTES (2 * WEBPUSH_SIGNATURE_HALF_BYTES)
/* As libcrypto writes it, in DER: 2 * (2 + 33) + 2 at most. */
#define WEBPUSH_SIGNATURE_DER_MAX_BYTES 80

static bool
webpush_signature_from_der(const unsigned char *der, size_t size,
			   unsigned char out[WEBPUSH_SIGNATURE_BYTES])
{
	ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &der, size);
	bool ok = signature != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(signature), out,
			     WEBPUSH_SIGNATURE_HALF_BYTES) > 0 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(signature),
			     out + WEBPUSH_SIGNATURE_HALF_BYTES,
			     WEBPUSH_SIGNATURE_HALF_BYTES) > 0;

	ECDSA_SIG_free(signature);
	return ok;
}

static bool webpush_sign(const struct webpush_key *key,
			 const void *data, size_t size,
			 unsigned char out[WEBPUSH_SIGNATURE_BYTES])
{
	unsigned char der[WEBPUSH_SIGNATURE_DER_MAX_BYTES];
	size_t der_size = sizeof(der);
	EVP_PKEY *pkey = webpush_key_open(key);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = pkey != NULL && ctx != NULL &&
		EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, pkey,
				      NULL) > 0 &&
		EVP_DigestSign(ctx, der, &der_size, data, size) > 0 &&
		webpush_signature_from_der(der, der_size, out);

	EVP_MD_CTX_free(ctx);
	EVP_PKEY_free(pkey);
	return ok;
}

static void webpush_jwt_append_claims(string_t *dest, const char *origin,
				      const char *subject, time_t now)
{
	string_t *claims = t_str_new(256);

	str_append_c(claims, '{');
	coi_json_append_name(claims, "aud");
	coi_json_append_string(claims, origin);
	coi_json_append_name(claims, "exp");
	str_printfa(claims, "%lld",
		    (long long)now + WEBPUSH_VAPID_LIFETIME_SECS);
	coi_json_append_name(claims, "sub");
	coi_json_append_string(claims, subject);
	str_append_c(claims, '}');
	webpush_base64url_append(dest, str_data(claims), str_len(claims));
}

int webpush_vapid_append(string_t *dest, const struct webpush_key *key,
			 const char *origin, const char *subject, time_t now,
			 const char **error_r)
{
	unsigned char signature[WEBPUSH_SIGNATURE_BYTES];
	string_t *token = t_str_new(512);

	webpush_base64url_append(token, WEBPUSH_JWT_HEADER,
				 strlen(WEBPUSH_JWT_HEADER));
	str_append_c(token, '.');
	webpush_jwt_append_claims(token, origin, subject, now);
	if (!webpush_sign(key, str_data(token), str_len(token), signature)) {
		*error_r = webpush_crypto_error("signing with the VAPID key");
		return -1;
	}
	str_append_c(token, '.');
	webpush_base64url_append(token, signature, sizeof(signature));

	str_append(dest, "vapid t=");
	str_append_str(dest, token);
	str_append(dest, ", k=");
	webpush_base64url_append(dest, key->point, sizeof(key->point));
	return 0;
}
