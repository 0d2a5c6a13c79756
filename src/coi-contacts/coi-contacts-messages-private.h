#ifndef COI_CONTACTS_MESSAGES_PRIVATE_H
#define COI_CONTACTS_MESSAGES_PRIVATE_H

#include "seq-range-array.h"
#include "sha2.h"
#include "coi-contact-index.h"

struct coi_user;
struct istream;
struct mail_save_context;
struct mailbox;
struct mailbox_transaction_context;

struct coi_contacts_wanted {
	const char *hash;
	unsigned char digest[COI_CONTACT_DIGEST_BYTES];
	bool blocked;

	/* there is a message that names the hash */
	bool found;
};

/* A message, whole. */
struct coi_contacts_text {
	unsigned char digest[SHA256_RESULTLEN];
};

struct coi_contacts_writer {
	struct coi_user *cuser;
	ARRAY(struct coi_contacts_wanted) wanted;
	/* with which bytes their digests begin: most records are passed over */
	bool first_bytes[UCHAR_MAX + 1];
	/* one of them is to be blocked */
	bool blocks_any;

	struct mailbox *box;
	/* UIDs of the messages that say of one of them what they shall, of
	   those that say otherwise, and of those that shall block */
	ARRAY_TYPE(seq_range) same, others, blocking;
	/* those that there is another one for */
	ARRAY_TYPE(seq_range) replaced;
	/* what there is that says what it shall */
	ARRAY(struct coi_contacts_text) texts;
	/* data stack; the store's or a stream's, for the log. NULL: the mailbox
	   has the error. */
	const char *error;
};

/* All return 0, or -1 on error: w->error, or if that is NULL the mailbox, says
   which. */

/* Fills same, others and blocking, and `found' of what is wanted. */
int coi_contacts_writer_find(struct coi_contacts_writer *w);
/* Saves all that say otherwise again, as they shall be (C6), and fills
   `replaced'. */
int coi_contacts_writer_replace_all(struct coi_contacts_writer *w,
				    struct mailbox_transaction_context *t);
/* Expunges those that were replaced. */
int coi_contacts_writer_expunge(struct coi_contacts_writer *w);
int coi_contacts_writer_save(struct mail_save_context **ctx,
			     struct istream *input);

#endif
