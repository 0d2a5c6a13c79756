#ifndef COI_WEBPUSH_SEAL_H
#define COI_WEBPUSH_SEAL_H

#include "webpush-key.h"

/* A private key as it is stored: sealed with a secret of the administrator's
   (libsodium's secretbox; its key is a hash of the secret), or as it is if there
   is none. */

enum coi_webpush_seal {
	/* Sealed with the secret, or there is none. */
	COI_WEBPUSH_SEAL_CURRENT,
	/* Sealed with the previous secret, or not at all though there is one:
	   it is to be written anew. */
	COI_WEBPUSH_SEAL_STALE,
};

struct coi_webpush_secrets {
	/* "": none */
	const char *current, *previous;
};

/* Appends the value for the store. */
void coi_webpush_seal(const struct coi_webpush_secrets *secrets,
		      const unsigned char key[WEBPUSH_PRIVATE_KEY_BYTES],
		      string_t *dest);

/* Reads one. Returns 0, or -1 if none of the secrets opens it, or we have not
   written it; then *error_r (data stack) says so. The caller wipes the key. */
int coi_webpush_unseal(const struct coi_webpush_secrets *secrets,
		       const char *stored,
		       unsigned char key_r[WEBPUSH_PRIVATE_KEY_BYTES],
		       enum coi_webpush_seal *seal_r, const char **error_r);

#endif
