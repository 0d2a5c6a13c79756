#ifndef COI_FIELDS_H
#define COI_FIELDS_H

struct message_header_line;

/* Raw values of the header fields that contacts and groups are made of. They
   are collected in the same pass that coi-headers.h makes. */

enum coi_field {
	COI_FIELD_CC,
	COI_FIELD_CHAT_CONTENT,
	COI_FIELD_COI_BLOCKED,
	COI_FIELD_COI_FROM_HASH,
	COI_FIELD_CONTENT_TRANSFER_ENCODING,
	COI_FIELD_CONTENT_TYPE,
	COI_FIELD_DATE,
	COI_FIELD_FROM,
	COI_FIELD_SUBJECT,
	COI_FIELD_TO,

	COI_FIELD_COUNT
};
#define COI_FIELD_FLAG(field) (1U << (field))

/* What blocking needs to know of a message that arrives. */
#define COI_FIELDS_SENDER COI_FIELD_FLAG(COI_FIELD_FROM)
/* What a group needs to know. */
#define COI_FIELDS_GROUP (COI_FIELD_FLAG(COI_FIELD_FROM) | \
			  COI_FIELD_FLAG(COI_FIELD_TO) | \
			  COI_FIELD_FLAG(COI_FIELD_CC) | \
			  COI_FIELD_FLAG(COI_FIELD_SUBJECT) | \
			  COI_FIELD_FLAG(COI_FIELD_CHAT_CONTENT) | \
			  COI_FIELD_FLAG(COI_FIELD_CONTENT_TYPE))
/* What a push tells of a message (W24). */
#define COI_FIELDS_PUSH (COI_FIELD_FLAG(COI_FIELD_FROM) | \
			 COI_FIELD_FLAG(COI_FIELD_SUBJECT) | \
			 COI_FIELD_FLAG(COI_FIELD_DATE) | \
			 COI_FIELD_FLAG(COI_FIELD_CONTENT_TYPE) | \
			 COI_FIELD_FLAG(COI_FIELD_CONTENT_TRANSFER_ENCODING))
/* What a contact message says (C2, C3, C4, C7). */
#define COI_FIELDS_CONTACT (COI_FIELD_FLAG(COI_FIELD_CHAT_CONTENT) | \
			    COI_FIELD_FLAG(COI_FIELD_COI_BLOCKED) | \
			    COI_FIELD_FLAG(COI_FIELD_COI_FROM_HASH) | \
			    COI_FIELD_FLAG(COI_FIELD_DATE))

struct coi_field_value {
	/* The field occurs, with whatever value. */
	bool present;
	/* It had more bytes than coi-limits.h allows; data ends there. */
	bool too_long;
	/* Unfolded, without surrounding white space, otherwise as it stands in
	   the message: comments, NULs, 8-bit bytes. NULL if size is 0. */
	const unsigned char *data;
	size_t size;
};

/* Of Cc, COI-From-Hash, From and To all occurrences, with commas between them;
   of the others the first one that is not empty. Of COI-Blocked only `present'
   is set: its value means nothing (C4). */
struct coi_fields {
	struct coi_field_value values[COI_FIELD_COUNT];
};

struct coi_fields_collector {
	pool_t pool;
	/* COI_FIELD_FLAG()s */
	unsigned int wanted;
	struct coi_fields *fields;
	/* The field that is being read; COI_FIELD_COUNT: none that matters. */
	enum coi_field current;
	buffer_t *buffers[COI_FIELD_COUNT];
};

/* Collects `wanted' fields into *fields_r, whose data is allocated from
   `pool'. Feed it each line of message_parse_header_next(), then finish it. */
void coi_fields_collector_init(struct coi_fields_collector *collector,
			       pool_t pool, unsigned int wanted,
			       struct coi_fields *fields_r);
void coi_fields_collector_feed(struct coi_fields_collector *collector,
			       const struct message_header_line *hdr);
void coi_fields_collector_finish(struct coi_fields_collector *collector);

/* The values of Chat-Content that the server acts on; C18 lists more. */
enum coi_content {
	/* There is no such field, or it is empty. */
	COI_CONTENT_NONE,
	COI_CONTENT_CONTACT,
	COI_CONTENT_PROFILE,
	COI_CONTENT_GROUP,
	COI_CONTENT_GROUPLEFT,
	/* Any other word. */
	COI_CONTENT_OTHER,
};

/* Reads the word in Chat-Content, without case and without its parameters. */
enum coi_content coi_fields_get_content(const struct coi_fields *fields);
/* C11: whether Content-Type says that this is a read receipt. */
bool coi_fields_is_receipt(const struct coi_fields *fields);

#endif
