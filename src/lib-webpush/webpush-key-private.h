#ifndef WEBPUSH_KEY_PRIVATE_H
#define WEBPUSH_KEY_PRIVATE_H

#include "webpush-key.h"

#include <openssl/evp.h>

/* Returns NULL if libcrypto refuses it. `private_key' may be NULL. The caller
   calls EVP_PKEY_free(), which wipes it. */
EVP_PKEY *
webpush_key_open(const unsigned char point[WEBPUSH_POINT_BYTES],
		 const unsigned char *private_key);

/* What libcrypto has to say about the failure of `what' (data stack). Empties
   its list of errors. */
const char *webpush_crypto_error(const char *what);

#endif
