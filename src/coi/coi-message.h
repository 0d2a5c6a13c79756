#ifndef COI_MESSAGE_H
#define COI_MESSAGE_H

#include "coi-classify.h"
#include "coi-fields.h"

struct mail;

/* What the headers of a message say. */
struct coi_message {
	struct coi_class class;
	/* C8; NULL: it belongs to no group. */
	const char *group_id;
	struct coi_fields fields;
};

/* Reads them in one pass, with the `wanted' fields (COI_FIELD_FLAG()s, 0: none).
   Strings are allocated from `pool'. Returns 0, or -1 with *error_r (data stack)
   if they cannot be read. */
int coi_message_read(struct mail *mail, unsigned int wanted, pool_t pool,
		     struct coi_message *message_r, const char **error_r);

#endif
