#ifndef COI_TIME_H
#define COI_TIME_H

/* Points of time as text, in UTC, without asking the system for its clock or
   its time zone. Seconds since 1970; years up to 9999, since both formats have
   four digits for them. */

/* 9999-12-31T23:59:59Z */
#define COI_TIME_MAX 253402300799

/* Reads RFC 3339. Returns 0, or -1 if it is none, or not in the years from 1970
   to 9999. */
int coi_time_parse_rfc3339(const char *str, time_t *time_r);
/* "2026-01-31T23:59:59Z" */
void coi_time_append_rfc3339(string_t *dest, time_t value);
/* "Sat, 31 Jan 2026 23:59:59 +0000" */
void coi_time_append_rfc5322(string_t *dest, time_t value);

#endif
