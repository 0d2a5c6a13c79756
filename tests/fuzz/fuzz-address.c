/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "coi-entry.h"
#include "coi-address.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

static void fuzz_check_address(const char *address)
{
	struct coi_addresses again;
	const unsigned char *p;

	i_assert(strchr(address, '@') != NULL);
	i_assert(strlen(address) <= COI_ADDRESS_MAX_BYTES);
	for (p = (const void *)address; *p != '\0'; p++)
		i_assert(*p >= 0x20 && *p != 0x7f);
	i_assert(coi_hash_is_valid(coi_address_hash(address)));
	(void)coi_address_hash_alabel(address);

	/* Either it needs its quotes back, or it is normalised for good. */
	coi_addresses_parse(pool_datastack_create(), (const void *)address,
			    strlen(address), 1, &again);
	if (again.verdict == COI_ADDRESS_LIST && strchr(address, '"') == NULL &&
	    strpbrk(address, "()<>,;:\\ ") == NULL)
		i_assert(strcmp(again.list[0], address) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct coi_addresses addresses;
	pool_t pool = pool_alloconly_create("fuzz", 1024);
	const char *hash;
	unsigned int i;

	T_BEGIN {
		coi_addresses_parse(pool, data, size, COI_FROM_ADDRESSES_MAX,
				    &addresses);
		i_assert(addresses.verdict != COI_ADDRESS_LIST ||
			 addresses.count > 0);
		i_assert(addresses.verdict != COI_ADDRESS_NONE ||
			 addresses.count == 0);
		for (i = 0; i < addresses.count; i++)
			fuzz_check_address(addresses.list[i]);
		if (coi_hash_parse(data, size, &hash))
			i_assert(coi_hash_is_valid(hash));
	} T_END;
	pool_unref(&pool);
	return 0;
}
