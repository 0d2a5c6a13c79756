#ifndef WEBPUSH_PAYLOAD_H
#define WEBPUSH_PAYLOAD_H

/* The JSON that a push carries to the client (W24 to W28). Never longer than
   WEBPUSH_PLAINTEXT_MAX_BYTES, always valid, whatever a stranger has written
   into the message. */

enum webpush_payload_detail {
	/* What finds the message, and nothing that it says. */
	WEBPUSH_PAYLOAD_IDS,
	/* Who writes, and about what. */
	WEBPUSH_PAYLOAD_HEADERS,
	/* The body too, if all of it fits (W28). */
	WEBPUSH_PAYLOAD_CONTENT,
};

/* Texts are decoded (RFC 2047) and in UTF-8; what is not becomes U+FFFD. NULL
   and "" are left out. */
struct webpush_payload {
	/* Normalised, as coi-address.h says. */
	const char *from_email;
	const char *from_name;
	const char *subject;
	/* 0, or not in the years from 1970 to 9999: none */
	time_t date;
	/* With or without the angle brackets. */
	const char *msg_id;
	/* 0: not known */
	uint32_t uid, uid_validity;
	const char *folder;
	const char *group_id;

	/* As in the message's header. */
	const char *content_type, *content_encoding;
	/* The body as it is in the message, but in UTF-8 if it is 8-bit text of
	   another charset. NULL: none. Left out if it holds a NUL or is not
	   UTF-8. */
	const unsigned char *content;
	size_t content_size;

	/* Messages with $Chat that are unread; for subscriptions that want to
	   know. */
	bool has_unseen;
	unsigned int unseen;
};

/* Appends the payload of a message. Returns TRUE if the content is in it. */
bool webpush_payload_format(const struct webpush_payload *payload,
			    enum webpush_payload_detail detail, string_t *dest);

/* Appends the payload that tells that a message which was pushed has been read
   elsewhere: ids and `unseen'. */
void webpush_payload_format_seen(const struct webpush_payload *payload,
				 string_t *dest);

/* Appends the payload of a validation push (W17). `text' has at most
   COI_PUSH_VALIDATION_MAX_BYTES. */
void webpush_payload_format_validation(const char *text, string_t *dest);

#endif
