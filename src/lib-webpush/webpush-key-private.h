#ifndef WEBPUSH_KEY_PRIVATE_H
#define WEBPUSH_KEY_PRIVATE_H

#include "webpush-key.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

/* P-256; NULL if libcrypto fails. Made once: it takes as long as an operation on
   it. */
const EC_GROUP *webpush_curve(void);

/* Returns NULL if libcrypto refuses it. The caller calls EVP_PKEY_free(), which
   wipes it. */
EVP_PKEY *webpush_key_open(const struct webpush_key *key);

/* What libcrypto has to say about the failure of `what' (data stack). Empties
   its list of errors. */
const char *webpush_crypto_error(const char *what);

#endif
