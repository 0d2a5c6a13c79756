/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "strnum.h"
#include "coi-push-config.h"

static const char *const coi_push_content_names[] = {
	[COI_PUSH_CONTENT_CHAT] = "chat",
	[COI_PUSH_CONTENT_YES] = "yes",
	[COI_PUSH_CONTENT_HEADERS] = "headers",
	[COI_PUSH_CONTENT_NO] = "no",
};

bool coi_push_content_parse(const char *name, enum coi_push_content *content_r)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(coi_push_content_names); i++) {
		if (strcmp(name, coi_push_content_names[i]) == 0) {
			*content_r = i;
			return TRUE;
		}
	}
	return FALSE;
}

static bool
coi_push_ports_add(struct coi_push_ports *ports, const char *word)
{
	unsigned int port;

	if (ports->count == COI_PUSH_PORTS_MAX ||
	    str_to_uint(word, &port) < 0 || port == 0 || port > 65535)
		return FALSE;
	ports->ports[ports->count++] = port;
	return TRUE;
}

bool coi_push_ports_parse(const char *str, struct coi_push_ports *ports_r)
{
	bool ok = TRUE;

	i_zero(ports_r);
	T_BEGIN {
		const char *const *words = t_strsplit_spaces(str, ", ");

		for (; *words != NULL && ok; words++)
			ok = coi_push_ports_add(ports_r, *words);
	} T_END;
	return ok && ports_r->count > 0;
}

static bool coi_push_is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		(c >= 'A' && c <= 'F');
}

/* RFC 3986 2 */
static bool coi_push_is_uri_text(const char *str)
{
	for (; *str != '\0'; str++) {
		if (*str == '%') {
			if (!coi_push_is_hex(str[1]) || !coi_push_is_hex(str[2]))
				return FALSE;
		} else if ((*str < '0' || *str > '9') &&
			   (*str < 'a' || *str > 'z') &&
			   (*str < 'A' || *str > 'Z') &&
			   strchr("-._~:/?#[]@!$&'()*+,;=", *str) == NULL) {
			return FALSE;
		}
	}
	return TRUE;
}

/* What stands between the brackets of an IPv6 address, too. */
static bool coi_push_host_is_valid(const char *authority)
{
	size_t len = strspn(authority, "0123456789abcdefghijklmnopqrstuvwxyz"
			    "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-");
	struct ip_addr ip;
	in_port_t port;
	const char *end;

	if (*authority == '[') {
		end = strchr(authority, ']');
		if (end == NULL || net_addr2ip(t_strdup_until(authority + 1,
							      end), &ip) < 0)
			return FALSE;
		authority = end + 1;
	} else {
		if (len == 0)
			return FALSE;
		authority += len;
	}
	return *authority == '\0' ||
		(*authority == ':' && authority[1] != '0' &&
		 net_str2port(authority + 1, &port) == 0);
}

bool coi_push_url_is_valid(const char *url)
{
	const char *rest = url;
	bool valid;

	if (strlen(url) > COI_PUSH_ENDPOINT_MAX_BYTES ||
	    !coi_push_is_uri_text(url) || strchr(url, '#') != NULL)
		return FALSE;
	if (strncasecmp(url, "https://", strlen("https://")) == 0)
		rest += strlen("https://");
	else if (strncasecmp(url, "http://", strlen("http://")) == 0)
		rest += strlen("http://");
	else
		return FALSE;
	T_BEGIN {
		valid = coi_push_host_is_valid(t_strdup_until(rest,
			rest + strcspn(rest, "/?")));
	} T_END;
	return valid;
}

bool coi_push_subject_is_valid(const char *subject)
{
	size_t len = strlen(subject), prefix_len;

	prefix_len = strlen("mailto:");
	if (strncmp(subject, "mailto:", prefix_len) != 0) {
		prefix_len = strlen("https://");
		if (strncmp(subject, "https://", prefix_len) != 0)
			return FALSE;
	}
	return len > prefix_len && len <= COI_PUSH_SUBJECT_MAX_BYTES &&
		coi_push_is_uri_text(subject);
}
