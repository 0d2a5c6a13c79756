#ifndef COI_ADDRESS_H
#define COI_ADDRESS_H

struct coi_fields;

/* Mail addresses in the one form in which they are compared, and the hash by
   which contacts are known (C3).

   Normalised: local part and domain with an `@' between them; without display
   name, comments, route, quotes and their backslashes; UTF-8; lower-cased as
   Unicode says; NFC; without control characters. An internationalised domain
   stands in its U-label form (with the umlaut itself), because the client
   specification hashes UTF-8; xn--bcher-kva.example is turned into it. Labels
   that IDNA2008 forbids (emoji) are decoded as well; what cannot be decoded
   stays as it is. */

enum coi_address_verdict {
	/* There is no address: no field, an empty one, an empty group. */
	COI_ADDRESS_NONE,
	/* Doubt (C5): something in it is no address, or it exceeds a limit. */
	COI_ADDRESS_UNPARSABLE,
	COI_ADDRESS_LIST,
};

struct coi_addresses {
	enum coi_address_verdict verdict;
	/* Normalised, each one once, in the order of the message. With
	   UNPARSABLE those that could be read: good enough for the recipients
	   of a message, not for its sender. */
	const char *const *list;
	unsigned int count;
};

/* Total: reads the value of an address field (From, To, Cc), raw as it stands
   in the message. Semicolons between addresses count as commas, as the client
   specification writes them, and empty elements are skipped. More than
   `max_count' addresses are UNPARSABLE; the list ends there. The list is
   allocated from `pool'. */
void coi_addresses_parse(pool_t pool, const unsigned char *data, size_t size,
			 unsigned int max_count,
			 struct coi_addresses *addresses_r);
/* The sender of a message: reads COI_FIELDS_SENDER of coi-fields.h, all From
   fields together. */
void coi_addresses_read_from(const struct coi_fields *fields, pool_t pool,
			     struct coi_addresses *addresses_r);
bool coi_addresses_have(const struct coi_addresses *addresses,
			const char *address);

/* Normalises one address that a person typed. Returns 0, or -1 if it is not
   exactly one address. *address_r is allocated from the data stack. */
int coi_address_normalize(const char *text, const char **address_r);

/* The COI-From-Hash of a normalised address (data stack), valid as coi-entry.h
   says. */
const char *coi_address_hash(const char *address);
/* The hash of the same address with its domain in A-label form, under which a
   client may know it that takes addresses as they stand in messages; NULL if
   the domain is the same in both forms. */
const char *coi_address_hash_alabel(const char *address);

/* Reads a hash as it stands in a message header: hexadecimal digits of any
   case, or base64 of the 32 bytes without padding. Returns FALSE if it is
   neither. *hash_r is allocated from the data stack. */
bool coi_hash_parse(const unsigned char *data, size_t size,
		    const char **hash_r);

#endif
