/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "strnum.h"
#include "coi-rate.h"

unsigned int coi_rate_wait(uint64_t last_msecs, uint64_t now_msecs,
			   unsigned int window_msecs)
{
	uint64_t passed;

	if (last_msecs == 0)
		return 0;
	if (last_msecs > now_msecs) {
		/* The clock of another host may be ahead by a little; by more
		   it is one that was set back. */
		return last_msecs - now_msecs <= window_msecs ?
			window_msecs : 0;
	}
	passed = now_msecs - last_msecs;
	return passed >= window_msecs ? 0 : window_msecs - passed;
}

void coi_rate_format_stamp(uint64_t msecs, string_t *dest)
{
	/* always as long: it is written over what was there */
	str_printfa(dest, "%020"PRIu64"\n", msecs);
}

uint64_t coi_rate_parse_stamp(const unsigned char *data, size_t size)
{
	uint64_t msecs;

	if (size != COI_RATE_STAMP_BYTES || data[size - 1] != '\n' ||
	    memchr(data, '\0', size) != NULL ||
	    str_to_uint64(t_strndup(data, size - 1), &msecs) < 0)
		return 0;
	return msecs;
}
