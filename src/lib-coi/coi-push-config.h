#ifndef COI_PUSH_CONFIG_H
#define COI_PUSH_CONFIG_H

#include "coi-limits.h"
#include "net.h"

/* What the settings of Web Push mean. Here and not in lib-webpush, because every
   mail process judges its settings, and few of them push. */

/* What a push tells (coi_push_content). */
enum coi_push_content {
	/* The content of chat, the headers of mail. */
	COI_PUSH_CONTENT_CHAT,
	COI_PUSH_CONTENT_YES,
	COI_PUSH_CONTENT_HEADERS,
	COI_PUSH_CONTENT_NO,
};

struct coi_push_ports {
	in_port_t ports[COI_PUSH_PORTS_MAX];
	unsigned int count;
};

/* "chat", "yes", "headers" or "no". Returns FALSE for any other word. */
bool coi_push_content_parse(const char *name,
			    enum coi_push_content *content_r);

/* Port numbers with spaces or commas between them. Returns FALSE if there is
   none, there are more than COI_PUSH_PORTS_MAX, or something else stands
   there. */
bool coi_push_ports_parse(const char *str, struct coi_push_ports *ports_r);

/* Whether the administrator may give it as whom to ask: a mailto: or https: URI
   (W30, RFC 8292 2.1) of at most COI_PUSH_SUBJECT_MAX_BYTES. */
bool coi_push_subject_is_valid(const char *subject);

/* Whether a URL can be where device tokens go: http or https, a host, and
   whatever else the worker takes (webpush_endpoint_parse_admin(), which is the
   stricter one of the two about the host's name). */
bool coi_push_url_is_valid(const char *url);

#endif
