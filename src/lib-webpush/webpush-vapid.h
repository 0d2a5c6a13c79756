#ifndef WEBPUSH_VAPID_H
#define WEBPUSH_VAPID_H

#include "webpush-key.h"

/* RFC 8292: tells a push service who sends, by a token (JWT) signed with the
   user's own key, the one that the client has subscribed with. */

/* Seconds for which a token is valid; W30 allows a day. */
#define WEBPUSH_VAPID_LIFETIME_SECS (12*60*60)

/* Appends the value of the Authorization header for pushes to `origin', which
   is that of webpush-endpoint.h. The signature is another one each time, since
   libcrypto takes random numbers for it. Returns 0, or -1 if libcrypto fails;
   then *error_r (data stack) says how and `dest' is as it was. */
int webpush_vapid_append(string_t *dest, const struct webpush_key *key,
			 const char *origin, const char *subject, time_t now,
			 const char **error_r);

#endif
