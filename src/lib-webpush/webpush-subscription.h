#ifndef WEBPUSH_SUBSCRIPTION_H
#define WEBPUSH_SUBSCRIPTION_H

#include "webpush-encrypt.h"

struct webpush_endpoint_policy;

/* What a client wants to be woken for, and where: the value of an entry
   P/webpush/subscriptions/<id>. The store keeps a few members more than the
   client sees. */

/* W11 */
enum webpush_msgtype {
	WEBPUSH_MSGTYPE_CHAT,
	WEBPUSH_MSGTYPE_MAIL,
	WEBPUSH_MSGTYPE_ALL,
};

const char *webpush_msgtype_name(enum webpush_msgtype msgtype);

struct webpush_subscription {
	/* What the client sets. NULL: nothing. */
	const char *client, *device;
	enum webpush_msgtype msgtype;
	/* As the client has written it; webpush-endpoint.h makes of it what may
	   be sent to. */
	const char *endpoint;
	struct webpush_receiver receiver;
	/* Ours: it wants to know as well what has been read elsewhere. */
	bool seen;

	/* What the server sets (W13, W14). */
	time_t created;
	bool validated;

	/* What no client sees: the text that it has to send back (W18), and how
	   many wrong ones have been (W20). */
	const char *validation;
	unsigned int wrong_count;
};

/* W9: ids are compared without case, and known in lower case. */
bool webpush_subscription_id_is_valid(const char *id);

/* Reads a value that a client wants to set at `entry', its full name (W10, W11,
   W12). `created' is set to `now'; the caller adds `validation'. What the
   server sets is ignored in `value', as are members that we do not know.
   Returns 0, or -1 if the value is not allowed; then *client_error_r (data
   stack) names entry and member, quotes nothing, and may be sent to the client.
   Strings are allocated from `pool'. */
int webpush_subscription_validate(const char *entry, const char *value,
				  const struct webpush_endpoint_policy *policy,
				  time_t now, pool_t pool,
				  struct webpush_subscription *subscription_r,
				  const char **client_error_r);

/* The value as it is stored. Returns 0, or -1 if we did not write it; then
   *error_r (data stack) says why and quotes nothing. */
int webpush_subscription_parse(const char *value, pool_t pool,
			       struct webpush_subscription *subscription_r,
			       const char **error_r);
void webpush_subscription_format_stored(
	const struct webpush_subscription *subscription, string_t *dest);
/* The value as clients get it (W22). Keys are in base64url without padding,
   however they were written. */
void
webpush_subscription_format(const struct webpush_subscription *subscription,
			    string_t *dest);

/* Whether it is validated and wants messages of this kind (W11, W20). */
bool
webpush_subscription_wants(const struct webpush_subscription *subscription,
			   bool is_chat);

/* Not validated in time: it is to be discarded (W20). */
bool
webpush_subscription_is_expired(const struct webpush_subscription *subscription,
				time_t now, unsigned int timeout_secs);

enum webpush_validation {
	/* The subscription is validated now, if it was not before. */
	WEBPUSH_VALIDATION_OK,
	/* The text is wrong, which is counted: store it. */
	WEBPUSH_VALIDATION_WRONG,
	/* Too late, or wrong too often: discard it (W19, W20). */
	WEBPUSH_VALIDATION_DISCARD,
};

/* What the text that a client has sent makes of its subscription (W18). */
enum webpush_validation
webpush_subscription_try_validation(struct webpush_subscription *subscription,
				    const char *text, time_t now,
				    unsigned int timeout_secs);

#endif
