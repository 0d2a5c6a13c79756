/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-address.h"
#include "coi-contact.h"
#include "coi-group.h"
#include "coi-limits.h"
#include "coi-notify.h"

#include <ctype.h>

enum coi_notify coi_notify_contact(const struct coi_contact *contact,
				   time_t now)
{
	return contact->notify == COI_CONTACT_NOTIFY_NONE ||
		contact->muted_until > now ? COI_NOTIFY_NO : COI_NOTIFY_YES;
}

enum coi_notify coi_notify_group(const struct coi_group *group, time_t now)
{
	switch (group->notify) {
	case COI_GROUP_NOTIFY_ALL:
		break;
	case COI_GROUP_NOTIFY_MENTIONS:
		return COI_NOTIFY_MENTION;
	case COI_GROUP_NOTIFY_NONE:
		return COI_NOTIFY_NO;
	}
	return group->muted_until > now ? COI_NOTIFY_MENTION : COI_NOTIFY_YES;
}

static bool
coi_mention_is(const char *text, size_t size, const char *const *addresses)
{
	const char *address;

	return size > 0 && size <= COI_ADDRESS_MAX_BYTES &&
		coi_address_normalize(t_strndup(text, size), &address) == 0 &&
		str_array_find(addresses, address);
}

/*
 * Plain text
 */

/* Of a word: an @ in the middle of one is that of an address. */
static bool coi_mention_is_word(char c)
{
	return i_isalnum(c) || c == '_' || c == '-' || (c & 0x80) != 0;
}

/* Ends an address, unless it stands within quotes. */
#define COI_MENTION_ADDRESS_ENDS " \t\r\n,;<>()[]\""

/* As strcspn(), but looks at no more than `max' bytes and one: a text of nothing
   but mentions would be read again and again. */
static size_t
coi_mention_span(const char *text, const char *ends, size_t max)
{
	size_t len = 0;

	while (len <= max && text[len] != '\0' &&
	       strchr(ends, text[len]) == NULL)
		len++;
	return len;
}

/* The address ends before white space and punctuation. */
static size_t coi_mention_address_len(const char *text)
{
	size_t len = coi_mention_span(text, COI_MENTION_ADDRESS_ENDS,
				      COI_ADDRESS_MAX_BYTES);

	while (len > 0 && strchr(".:!?'", text[len - 1]) != NULL)
		len--;
	return len;
}

/* `text' stands behind an @. Returns what stands behind the name and its colon,
   NULL if there is no such thing. */
static const char *coi_mention_skip_name(const char *text)
{
	size_t len;

	if (*text == '"') {
		len = coi_mention_span(++text, "\"\r\n",
				       COI_MENTION_NAME_MAX_BYTES);
		return len <= COI_MENTION_NAME_MAX_BYTES && text[len] == '"' &&
			text[len + 1] == ':' ? text + len + 2 : NULL;
	}
	len = coi_mention_span(text, ":@\" \t\r\n",
			       COI_MENTION_NAME_MAX_BYTES);
	return len > 0 && len <= COI_MENTION_NAME_MAX_BYTES &&
		text[len] == ':' ? text + len + 1 : NULL;
}

static bool
coi_mention_at(const char *text, const char *const *addresses)
{
	const char *address = coi_mention_skip_name(text);

	if (address != NULL &&
	    coi_mention_is(address, coi_mention_address_len(address),
			   addresses))
		return TRUE;
	return strncmp(text, "all", 3) == 0 && !coi_mention_is_word(text[3]) &&
		text[3] != '@' &&
		/* somebody's name */
		!(text[3] == ':' && coi_mention_is_word(text[4]));
}

bool coi_mention_in_plain(const char *text, const char *const *addresses)
{
	const char *p;
	unsigned int count = 0;
	bool found = FALSE;

	for (p = strchr(text, '@');
	     p != NULL && !found && count < COI_MENTIONS_MAX;
	     p = strchr(p + 1, '@')) {
		if (p > text && coi_mention_is_word(p[-1]))
			continue;
		count++;
		T_BEGIN {
			found = coi_mention_at(p + 1, addresses);
		} T_END;
	}
	return found;
}

/*
 * HTML
 */

struct coi_mention_tag {
	bool mention;
	const char *href;
};

static bool coi_mention_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

static const char *coi_mention_skip_space(const char *p)
{
	while (coi_mention_is_space(*p))
		p++;
	return p;
}

/* Reads the value behind `='. Returns what stands behind it. */
static const char *coi_mention_read_value(const char *p, const char **value_r)
{
	const char quote = *p;
	size_t len;

	if (quote == '"' || quote == '\'') {
		p++;
		len = strcspn(p, quote == '"' ? "\"" : "'");
		*value_r = t_strndup(p, len);
		return p[len] == '\0' ? p + len : p + len + 1;
	}
	len = strcspn(p, " \t\r\n\f>");
	*value_r = t_strndup(p, len);
	return p + len;
}

static void
coi_mention_tag_add(struct coi_mention_tag *tag, const char *name,
		    const char *value)
{
	if (strcasecmp(name, "class") == 0) {
		tag->mention = str_array_icase_find(
			t_strsplit_spaces(value, " \t\r\n\f"), "mention");
	} else if (strcasecmp(name, "href") == 0) {
		tag->href = coi_mention_skip_space(value);
	}
}

/* Reads the attributes as far as the tag's end. Returns that. */
static const char *
coi_mention_read_tag(const char *p, struct coi_mention_tag *tag_r)
{
	const char *name, *value;
	size_t len;

	i_zero(tag_r);
	for (;;) {
		p = coi_mention_skip_space(p);
		while (*p == '/')
			p = coi_mention_skip_space(p + 1);
		if (*p == '\0' || *p == '>')
			return p;
		len = strcspn(p, "=/> \t\r\n\f");
		name = t_strndup(p, len);
		p = coi_mention_skip_space(p + len);
		value = "";
		if (*p == '=') {
			p = coi_mention_skip_space(p + 1);
			p = coi_mention_read_value(p, &value);
		} else if (len == 0) {
			return p;
		}
		coi_mention_tag_add(tag_r, name, value);
	}
}

static int coi_mention_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An address in a mailto: URI (RFC 6068): percent-encoded, headers behind it. */
static bool
coi_mention_is_mailto(const char *href, const char *const *addresses)
{
	size_t prefix_len = strlen("mailto:");
	string_t *address = t_str_new(64);
	int high, low;

	if (strncasecmp(href, "mailto:", prefix_len) != 0)
		return FALSE;
	for (href += prefix_len; *href != '\0' && *href != '?'; href++) {
		if (*href == '%' && (high = coi_mention_hex(href[1])) >= 0 &&
		    (low = coi_mention_hex(href[2])) >= 0 && high + low > 0) {
			str_append_c(address, high << 4 | low);
			href += 2;
		} else {
			str_append_c(address, *href);
		}
	}
	return coi_mention_is(str_c(address), str_len(address), addresses);
}

bool coi_mention_in_html(const char *text, const char *const *addresses)
{
	struct coi_mention_tag tag;
	const char *p = text;
	unsigned int count = 0;
	bool found = FALSE;

	while (!found && count < COI_MENTIONS_MAX &&
	       (p = strchr(p, '<')) != NULL) T_BEGIN {
		p++;
		if ((*p == 'a' || *p == 'A') && coi_mention_is_space(p[1])) {
			count++;
			p = coi_mention_read_tag(p + 1, &tag);
			found = tag.mention && tag.href != NULL &&
				coi_mention_is_mailto(tag.href, addresses);
		}
	} T_END;
	return found;
}
