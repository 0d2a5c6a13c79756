#ifndef COI_WEBPUSH_MESSAGE_H
#define COI_WEBPUSH_MESSAGE_H

#include "coi-address.h"
#include "coi-fields.h"
#include "coi-headers.h"
#include "webpush-payload.h"

struct mail;

/* A message as a push needs to know it. */
struct coi_webpush_message {
	struct mail *mail;
	pool_t pool;

	struct coi_headers headers;
	/* COI_FIELDS_PUSH */
	struct coi_fields fields;
	struct coi_addresses from;
};

/* Reads its headers in one pass. Strings are allocated from `pool'. Returns 0,
   or -1 with *error_r (data stack). */
int coi_webpush_message_read(struct mail *mail, pool_t pool,
			     struct coi_webpush_message *message_r,
			     const char **error_r);

/* What undelivered pushes of one chat are known by: they give way to its newest
   one (data stack). NULL: each mail is one by itself. */
const char *
coi_webpush_message_get_chat(const struct coi_webpush_message *message,
			     bool is_chat, const char *group_id);

/* Fills what the headers say into the payload (W24). */
void coi_webpush_message_get_headers(const struct coi_webpush_message *message,
				     struct webpush_payload *payload);
/* Fills in the body, if it may fit (W28). Returns 0, or -1 with *error_r (data
   stack) if it cannot be read. */
int coi_webpush_message_get_content(const struct coi_webpush_message *message,
				    struct webpush_payload *payload,
				    const char **error_r);

/* Whether the text of the message, or its first COI_MENTION_TEXT_MAX_BYTES,
   mentions one of the addresses (C10). Returns 1, 0, or -1 with *error_r (data
   stack). */
int coi_webpush_message_mentions(const struct coi_webpush_message *message,
				 const char *const *addresses,
				 const char **error_r);

#endif
