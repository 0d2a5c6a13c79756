#ifndef COI_CLASSIFY_H
#define COI_CLASSIFY_H

struct coi_headers;

/* Which of the three marks of S33 a message carries; the first that matches,
   in this order. */
enum coi_mark {
	COI_MARK_NONE,
	COI_MARK_CHAT_VERSION,
	COI_MARK_MESSAGE_ID,
	/* A reply from an ordinary mail program is chat too (C17). */
	COI_MARK_REFERENCES,
};

struct coi_class {
	enum coi_mark mark;
};

/* Total: every header block has a class. */
void coi_classify(const struct coi_headers *headers, struct coi_class *class_r);

static inline bool coi_class_is_chat(const struct coi_class *class)
{
	return class->mark != COI_MARK_NONE;
}

/* The mark's name for logs and events: "none", "chat-version", "message-id",
   "references". */
const char *coi_mark_name(enum coi_mark mark);

/* C8: the group that a message belongs to, from its Message-ID, else from the
   first id in its References. Returns FALSE if there is none. *id_r is
   allocated from the data stack. */
bool coi_group_id_find(const struct coi_headers *headers, const char **id_r);

#endif
