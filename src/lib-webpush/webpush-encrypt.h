#ifndef WEBPUSH_ENCRYPT_H
#define WEBPUSH_ENCRYPT_H

#include "webpush-key.h"

/* RFC 8291: the content of a push can be read by nobody but the client that
   has subscribed. One record of RFC 8188's aes128gcm, without padding. */

#define WEBPUSH_AUTH_BYTES 16
#define WEBPUSH_SALT_BYTES 16

/* salt, record size, length of the key's name, the key's name: our point */
#define WEBPUSH_HEADER_BYTES (WEBPUSH_SALT_BYTES + 4 + 1 + WEBPUSH_POINT_BYTES)
#define WEBPUSH_TAG_BYTES 16
/* W28: what every push service takes (RFC 8030 7.2), and what remains of that:
   the delimiter takes one more byte. 3993. */
#define WEBPUSH_BODY_MAX_BYTES 4096
#define WEBPUSH_PLAINTEXT_MAX_BYTES \
	(WEBPUSH_BODY_MAX_BYTES - WEBPUSH_HEADER_BYTES - 1 - WEBPUSH_TAG_BYTES)

/* What a subscription says about its client. */
struct webpush_receiver {
	unsigned char point[WEBPUSH_POINT_BYTES];
	unsigned char auth[WEBPUSH_AUTH_BYTES];
};

/* Appends the body of a push. `key' and `salt' are fresh for each push, and
   not used again (W29). Returns 0, or -1 if the plaintext is too long, the
   receiver's point is none, or libcrypto fails; then *error_r (data stack) says
   so and `dest' is as it was. */
int webpush_encrypt(const struct webpush_receiver *receiver,
		    const struct webpush_key *key,
		    const unsigned char salt[WEBPUSH_SALT_BYTES],
		    const void *plaintext, size_t size,
		    buffer_t *dest, const char **error_r);

#endif
