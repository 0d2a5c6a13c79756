/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "base64.h"
#include "str.h"
#include "webpush-text.h"

static const char webpush_hex_digits[] = "0123456789ABCDEFabcdef";

bool webpush_is_token(const char *str, size_t min, size_t max)
{
	size_t len;

	for (len = 0; webpush_is_alnum(str[len]) || str[len] == '_' ||
	     str[len] == '-'; len++) {
		if (len == max)
			return FALSE;
	}
	return str[len] == '\0' && len >= min;
}

bool webpush_is_uri_text(const char *str)
{
	for (; *str != '\0'; str++) {
		if (*str == '%') {
			if (strspn(str + 1, webpush_hex_digits) < 2)
				return FALSE;
		} else if (!webpush_is_alnum(*str) &&
			   strchr("-._~:/?#[]@!$&'()*+,;=", *str) == NULL) {
			return FALSE;
		}
	}
	return TRUE;
}

int webpush_base64_decode(const char *str, buffer_t *dest)
{
	bool url = strpbrk(str, "-_") != NULL;
	size_t len = strlen(str);

	/* Padding is all there or not at all. */
	if (len > 0 && len % 4 == 0 && str[len - 1] == '=')
		len -= str[len - 2] == '=' ? 2 : 1;
	/* Dovecot overlooks a lone character at the end. */
	if (len % 4 == 1)
		return -1;
	return base64_scheme_decode(url ? &base64url_scheme : &base64_scheme,
				    BASE64_DECODE_FLAG_NO_PADDING |
				    BASE64_DECODE_FLAG_NO_WHITESPACE,
				    str, len, dest) < 0 ? -1 : 0;
}

void webpush_base64url_append(string_t *dest, const void *data, size_t size)
{
	base64url_encode(BASE64_ENCODE_FLAG_NO_PADDING, 0, data, size, dest);
}
