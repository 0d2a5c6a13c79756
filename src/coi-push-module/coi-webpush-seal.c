/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "webpush-text.h"
#include "coi-webpush-seal.h"

#include <sodium.h>

#define COI_WEBPUSH_SEALED "sealed "
#define COI_WEBPUSH_PLAIN "plain "

/* What the secret is used for: another use would have another key. */
#define COI_WEBPUSH_SEAL_CONTEXT "dovecot-coi VAPID key"

#define COI_WEBPUSH_SEALED_BYTES \
	(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + \
	 WEBPUSH_PRIVATE_KEY_BYTES)

/* White space around the secret is that of its file. */
static void
coi_webpush_seal_derive(const char *secret,
			unsigned char key_r[crypto_secretbox_KEYBYTES])
{
	const char *trimmed = t_str_trim(secret, " \t\r\n");

	if (crypto_generichash(key_r, crypto_secretbox_KEYBYTES,
			       (const unsigned char *)trimmed, strlen(trimmed),
			       (const unsigned char *)COI_WEBPUSH_SEAL_CONTEXT,
			       strlen(COI_WEBPUSH_SEAL_CONTEXT)) != 0)
		i_unreached();
}

void coi_webpush_seal(const struct coi_webpush_secrets *secrets,
		      const unsigned char key[WEBPUSH_PRIVATE_KEY_BYTES],
		      string_t *dest)
{
	unsigned char box_key[crypto_secretbox_KEYBYTES];
	unsigned char sealed[COI_WEBPUSH_SEALED_BYTES];

	if (*secrets->current == '\0') {
		str_append(dest, COI_WEBPUSH_PLAIN);
		webpush_base64url_append(dest, key, WEBPUSH_PRIVATE_KEY_BYTES);
		return;
	}
	coi_webpush_seal_derive(secrets->current, box_key);
	randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
	if (crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, key,
				  WEBPUSH_PRIVATE_KEY_BYTES, sealed,
				  box_key) != 0)
		i_unreached();
	sodium_memzero(box_key, sizeof(box_key));
	str_append(dest, COI_WEBPUSH_SEALED);
	webpush_base64url_append(dest, sealed, sizeof(sealed));
}

static bool
coi_webpush_seal_open(const char *secret, const buffer_t *sealed,
		      unsigned char key_r[WEBPUSH_PRIVATE_KEY_BYTES])
{
	const unsigned char *nonce = sealed->data;
	unsigned char box_key[crypto_secretbox_KEYBYTES];
	int ret;

	if (*secret == '\0')
		return FALSE;
	coi_webpush_seal_derive(secret, box_key);
	ret = crypto_secretbox_open_easy(key_r,
		nonce + crypto_secretbox_NONCEBYTES,
		sealed->used - crypto_secretbox_NONCEBYTES, nonce, box_key);
	sodium_memzero(box_key, sizeof(box_key));
	return ret == 0;
}

static int
coi_webpush_unseal_sealed(const struct coi_webpush_secrets *secrets,
			  const char *text,
			  unsigned char key_r[WEBPUSH_PRIVATE_KEY_BYTES],
			  enum coi_webpush_seal *seal_r, const char **error_r)
{
	buffer_t *sealed = t_buffer_create(COI_WEBPUSH_SEALED_BYTES);

	if (webpush_base64_decode(text, sealed) < 0 ||
	    sealed->used != COI_WEBPUSH_SEALED_BYTES) {
		*error_r = "The VAPID key was not written by us";
		return -1;
	}
	*seal_r = COI_WEBPUSH_SEAL_CURRENT;
	if (coi_webpush_seal_open(secrets->current, sealed, key_r))
		return 0;
	*seal_r = COI_WEBPUSH_SEAL_STALE;
	if (coi_webpush_seal_open(secrets->previous, sealed, key_r))
		return 0;
	*error_r = *secrets->current == '\0' ?
		"The VAPID key is sealed, and coi_secret is not set" :
		"Neither coi_secret nor coi_secret_previous opens the VAPID key";
	return -1;
}

static int
coi_webpush_unseal_plain(const struct coi_webpush_secrets *secrets,
			 const char *text,
			 unsigned char key_r[WEBPUSH_PRIVATE_KEY_BYTES],
			 enum coi_webpush_seal *seal_r, const char **error_r)
{
	buffer_t *plain = t_buffer_create(WEBPUSH_PRIVATE_KEY_BYTES);

	if (webpush_base64_decode(text, plain) < 0 ||
	    plain->used != WEBPUSH_PRIVATE_KEY_BYTES) {
		*error_r = "The VAPID key was not written by us";
		return -1;
	}
	memcpy(key_r, plain->data, WEBPUSH_PRIVATE_KEY_BYTES);
	sodium_memzero(buffer_get_modifiable_data(plain, NULL), plain->used);
	*seal_r = *secrets->current == '\0' ?
		COI_WEBPUSH_SEAL_CURRENT : COI_WEBPUSH_SEAL_STALE;
	return 0;
}

int coi_webpush_unseal(const struct coi_webpush_secrets *secrets,
		       const char *stored,
		       unsigned char key_r[WEBPUSH_PRIVATE_KEY_BYTES],
		       enum coi_webpush_seal *seal_r, const char **error_r)
{
	size_t sealed_len = strlen(COI_WEBPUSH_SEALED);
	size_t plain_len = strlen(COI_WEBPUSH_PLAIN);

	if (strncmp(stored, COI_WEBPUSH_SEALED, sealed_len) == 0) {
		return coi_webpush_unseal_sealed(secrets, stored + sealed_len,
						 key_r, seal_r, error_r);
	}
	if (strncmp(stored, COI_WEBPUSH_PLAIN, plain_len) == 0) {
		return coi_webpush_unseal_plain(secrets, stored + plain_len,
						key_r, seal_r, error_r);
	}
	*error_r = "The VAPID key was not written by us";
	return -1;
}
