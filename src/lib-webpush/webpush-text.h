#ifndef WEBPUSH_TEXT_H
#define WEBPUSH_TEXT_H

/* The kinds of text that keys, names and addresses come in. */

/* Whatever the locale says. */
static inline bool webpush_is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
		(c >= 'a' && c <= 'z');
}

/* From `min' to `max' of the characters [0-9A-Za-z_-], which are those of
   base64url too. */
bool webpush_is_token(const char *str, size_t min, size_t max);

/* Whether only characters stand in it that may stand in a URI (RFC 3986 2),
   each `%' before two hexadecimal digits. */
bool webpush_is_uri_text(const char *str);

/* Reads base64 or base64url, with or without padding (W10), and appends the
   bytes. Returns 0, or -1 if it is neither. */
int webpush_base64_decode(const char *str, buffer_t *dest);

/* Appends base64url without padding. */
void webpush_base64url_append(string_t *dest, const void *data, size_t size);

#endif
