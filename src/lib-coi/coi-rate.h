#ifndef COI_RATE_H
#define COI_RATE_H

/* Something that is done at most once in a while, by whichever process: when it
   was done last stands in a stamp that all of them read. Times are in msecs
   since the epoch, and clocks may be set. */

/* Bytes of a stamp: digits and LF. */
#define COI_RATE_STAMP_BYTES 21

/* What was done at `last_msecs' (0: never) is wanted again at `now_msecs'.
   Returns after how many msecs it may be done: 0: now; never more than the
   window. */
unsigned int coi_rate_wait(uint64_t last_msecs, uint64_t now_msecs,
			   unsigned int window_msecs);

/* Appends the stamp. */
void coi_rate_format_stamp(uint64_t msecs, string_t *dest);
/* Reads one; 0 if it is none that we write. */
uint64_t coi_rate_parse_stamp(const unsigned char *data, size_t size);

#endif
