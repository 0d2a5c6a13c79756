#ifndef COI_CONTACT_H
#define COI_CONTACT_H

struct coi_fields;

/* What a user wants of one contact, known by its hash (C3): as the value of an
   entry below P/coi/contacts, and as headers of a contact message (C2). */

enum coi_contact_notify {
	COI_CONTACT_NOTIFY_ALL,
	COI_CONTACT_NOTIFY_NONE,
};

/* All zero is the default, which is not stored. */
struct coi_contact {
	bool blocked;
	enum coi_contact_notify notify;
	/* 0: not muted. May be in the past. */
	time_t muted_until;
	/* Set by the server; 0: never. */
	time_t modified;
};

/* Reads a value that a client wants to set at `entry', its full name. Members
   that the server sets, and members that we do not know, are ignored.
   `modified' is set to `now'. Returns 0, or -1 if the value is not allowed;
   then *client_error_r (data stack) names entry and member, and may be sent to
   the client as it is. */
int coi_contact_validate(const char *entry, const char *value, time_t now,
			 struct coi_contact *contact_r,
			 const char **client_error_r);

/* The value as it is stored and as clients get it. Returns 0, or -1 if we did
   not write it; then *error_r (data stack) says why. */
int coi_contact_parse(const char *value, struct coi_contact *contact_r,
		      const char **error_r);
void coi_contact_format(const struct coi_contact *contact, string_t *dest);
/* `modified' alone does not make an entry. */
bool coi_contact_is_default(const struct coi_contact *contact);

/* What the header of a contact message says. */
struct coi_contact_headers {
	/* Chat-Content is `contact' (C2). `profile' is about the user. */
	bool is_contact;
	/* COI-Blocked is there, with whatever value (C4). */
	bool blocked;
	/* The hashes that it is about, each one once, lower-case hexadecimal;
	   those that cannot be read are left out. */
	const char *const *hashes;
	unsigned int hash_count;
	/* 0: there is no Date that can be read. */
	time_t date;
};

/* Reads COI_FIELDS_CONTACT of coi-fields.h. Total. */
void coi_contact_headers_read(const struct coi_fields *fields, pool_t pool,
			      struct coi_contact_headers *headers_r);

/* C7: of several messages the newer Date wins, then the higher UID. A message
   without Date is older than any with one. Like strcmp(). */
int coi_contact_version_cmp(time_t date1, uint32_t uid1,
			    time_t date2, uint32_t uid2);

/* Rewrites the header of a contact message for a client that set `blocked' by
   METADATA: appends it to `dest' with COI-Blocked added or taken away, and
   everything else byte for byte (C6). `data' is the header block as far as its
   empty line; what follows that is copied. Returns TRUE if something changed.
   */
bool coi_contact_rewrite(const unsigned char *data, size_t size, bool blocked,
			 string_t *dest);

/* Bytes of randomness that make a Message-ID unique. */
#define COI_CONTACT_RANDOM_BYTES 16

struct coi_contact_message {
	time_t now;
	unsigned char random[COI_CONTACT_RANDOM_BYTES];
	/* The user's own address. */
	const char *from_mailbox, *from_domain;
	const char *hash;
	bool blocked;
};

/* Appends the contact message that the server writes for a hash that has none
   (C1), with CRLFs. What cannot stand in an address becomes "user" and
   "localhost". */
void coi_contact_write_message(const struct coi_contact_message *message,
			       string_t *dest);

#endif
