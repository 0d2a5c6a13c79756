/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-headers.h"
#include "coi-classify.h"

#include <ctype.h>

/* S33: unlike header names, ids are compared exactly. */
#define COI_ID_PREFIX "chat$"

/* C8 */
#define COI_GROUP_ID_PREFIX "chat$group."
#define COI_GROUP_ID_MIN_LEN 12

static bool coi_id_is_chat(const char *id)
{
	return id != NULL &&
		strncmp(id, COI_ID_PREFIX, strlen(COI_ID_PREFIX)) == 0;
}

void coi_classify(const struct coi_headers *headers, struct coi_class *class_r)
{
	i_zero(class_r);
	if (headers->chat_version)
		class_r->mark = COI_MARK_CHAT_VERSION;
	else if (coi_id_is_chat(headers->message_id))
		class_r->mark = COI_MARK_MESSAGE_ID;
	else if (coi_id_is_chat(headers->first_reference))
		class_r->mark = COI_MARK_REFERENCES;
	else
		class_r->mark = COI_MARK_NONE;
}

const char *coi_mark_name(enum coi_mark mark)
{
	switch (mark) {
	case COI_MARK_NONE:
		return "none";
	case COI_MARK_CHAT_VERSION:
		return "chat-version";
	case COI_MARK_MESSAGE_ID:
		return "message-id";
	case COI_MARK_REFERENCES:
		return "references";
	}
	i_unreached();
}

static bool coi_group_id_parse(const char *msgid, const char **id_r)
{
	const char *id, *p;

	if (msgid == NULL || strncmp(msgid, COI_GROUP_ID_PREFIX,
				     strlen(COI_GROUP_ID_PREFIX)) != 0)
		return FALSE;
	id = msgid + strlen(COI_GROUP_ID_PREFIX);
	for (p = id; i_isalnum(*p) || *p == '_' || *p == '-'; p++) ;
	if (*p != '.' || p - id < COI_GROUP_ID_MIN_LEN)
		return FALSE;
	*id_r = t_strdup_until(id, p);
	return TRUE;
}

bool coi_group_id_find(const struct coi_headers *headers, const char **id_r)
{
	return coi_group_id_parse(headers->message_id, id_r) ||
		coi_group_id_parse(headers->first_reference, id_r);
}
