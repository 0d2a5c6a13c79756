/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "istream.h"
#include "test-common.h"
#include "coi-limits.h"
#include "coi-headers.h"
#include "coi-classify.h"
#include "coi-fields.h"
#include "coi-contact.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

static void fuzz_check_id(const char *id)
{
	i_assert(id == NULL ||
		 (*id != '\0' && strlen(id) <= COI_HEADER_VALUE_MAX_BYTES &&
		  strpbrk(id, " \t\r\n<>") == NULL));
}

/* The first byte is the size of the stream's buffer, so that fields are cut
   into pieces everywhere. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coi_headers headers;
	struct coi_fields fields;
	struct coi_contact_headers contact;
	struct coi_class class;
	struct istream *input;
	const char *error;
	pool_t pool;

	if (size == 0)
		return 0;
	pool = pool_alloconly_create("fuzz", 1024);
	input = test_istream_create_data(data + 1, size - 1);
	test_istream_set_max_buffer_size(input, 3 + data[0]);
	if (coi_headers_read_fields(input, pool, UINT_MAX, &headers, &fields,
				    &error) < 0)
		i_panic("%s", error);
	fuzz_check_id(headers.message_id);
	fuzz_check_id(headers.first_reference);
	coi_classify(&headers, &class);
	T_BEGIN {
		coi_contact_headers_read(&fields, pool, &contact);
		i_assert(contact.hash_count <= COI_CONTACT_HASHES_MAX);
		(void)coi_fields_is_receipt(&fields);
	} T_END;
	i_stream_unref(&input);
	pool_unref(&pool);
	return 0;
}
