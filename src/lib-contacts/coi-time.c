/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "iso8601-date.h"
#include "str.h"
#include "coi-time.h"

#define COI_SECS_PER_DAY (24*60*60)

struct coi_time {
	/* month: 0 .. 11, day of the month: 1 .. 31, weekday: 0 = Sunday */
	unsigned int year, month, mday, wday;
	unsigned int hour, min, sec;
};

static unsigned int coi_month_days(unsigned int year, unsigned int month)
{
	static const unsigned char days[] = {
		31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31
	};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month] + (leap && month == 1 ? 1 : 0);
}

static unsigned int coi_year_days(unsigned int year)
{
	return 337 + coi_month_days(year, 1);
}

static void coi_time_split(time_t value, struct coi_time *time_r)
{
	unsigned int days, secs;

	i_assert(value >= 0 && value <= COI_TIME_MAX);
	days = value / COI_SECS_PER_DAY;
	secs = value % COI_SECS_PER_DAY;

	time_r->hour = secs / 3600;
	time_r->min = secs / 60 % 60;
	time_r->sec = secs % 60;
	/* 1 January 1970 was a Thursday. */
	time_r->wday = (days + 4) % 7;
	for (time_r->year = 1970; days >= coi_year_days(time_r->year);
	     time_r->year++)
		days -= coi_year_days(time_r->year);
	for (time_r->month = 0;
	     days >= coi_month_days(time_r->year, time_r->month);
	     time_r->month++)
		days -= coi_month_days(time_r->year, time_r->month);
	time_r->mday = days + 1;
}

int coi_time_parse_rfc3339(const char *str, time_t *time_r)
{
	time_t value;
	int timezone_offset;

	if (!iso8601_date_parse((const unsigned char *)str, strlen(str),
				&value, &timezone_offset) ||
	    value < 0 || value > COI_TIME_MAX)
		return -1;
	*time_r = value;
	return 0;
}

void coi_time_append_rfc3339(string_t *dest, time_t value)
{
	struct coi_time t;

	coi_time_split(value, &t);
	str_printfa(dest, "%04u-%02u-%02uT%02u:%02u:%02uZ", t.year,
		    t.month + 1, t.mday, t.hour, t.min, t.sec);
}

void coi_time_append_rfc5322(string_t *dest, time_t value)
{
	static const char *const days[] = {
		"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"
	};
	static const char *const months[] = {
		"Jan", "Feb", "Mar", "Apr", "May", "Jun",
		"Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
	};
	struct coi_time t;

	coi_time_split(value, &t);
	str_printfa(dest, "%s, %02u %s %04u %02u:%02u:%02u +0000",
		    days[t.wday], t.mday, months[t.month], t.year,
		    t.hour, t.min, t.sec);
}
