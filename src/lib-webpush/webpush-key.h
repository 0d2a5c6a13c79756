#ifndef WEBPUSH_KEY_H
#define WEBPUSH_KEY_H

/* Keys on the curve P-256, as bytes: that of a subscription (p256dh), the fresh
   one of each push (W29) and the user's own (VAPID, W6). */

#define WEBPUSH_PRIVATE_KEY_BYTES 32
/* A public key: an uncompressed point, 0x04 and two coordinates. */
#define WEBPUSH_POINT_BYTES 65

struct webpush_key {
	/* Big-endian. */
	unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES];
	unsigned char point[WEBPUSH_POINT_BYTES];
};

/* Makes a key of its private part, which is one that was stored, or random
   bytes for a new one. Returns 1; 0 if these bytes are no key (one in 2^32 is
   not: take other random bytes); -1 if libcrypto fails, then *error_r (data
   stack) says how. The caller calls webpush_key_wipe(). */
int webpush_key_init(const unsigned char private_key[WEBPUSH_PRIVATE_KEY_BYTES],
		     struct webpush_key *key_r, const char **error_r);
void webpush_key_wipe(struct webpush_key *key);
/* Frees what is kept for all keys. */
void webpush_keys_deinit(void);

/* Whether it is an uncompressed point on the curve. */
bool webpush_point_is_valid(const unsigned char *data, size_t size);
/* Appends it as PEM (SubjectPublicKeyInfo) without a line feed at the end, as
   P/webpush/vapid shows it. As P/webpush/vapid-raw it is
   webpush_base64url_append(). */
void webpush_point_append_pem(string_t *dest,
	const unsigned char point[WEBPUSH_POINT_BYTES]);

#endif
