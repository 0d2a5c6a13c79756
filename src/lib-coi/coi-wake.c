/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-wake.h"

/* No first delay needs more doublings to reach the maximum. */
#define COI_WAKE_DOUBLINGS_MAX 7

void coi_wake_init(struct coi_wake *wake, unsigned int first_delay_msecs)
{
	i_zero(wake);
	wake->first_delay_msecs = first_delay_msecs;
}

/* How long nothing was told before `now_msecs'. */
static uint64_t coi_wake_quiet(const struct coi_wake *wake, uint64_t now_msecs)
{
	if (now_msecs >= wake->told_msecs)
		return now_msecs - wake->told_msecs;
	/* A timer may be early by a little; by more it is the clock that was
	   set back. */
	return wake->told_msecs - now_msecs <= COI_WAKE_DELAY_MAX_MSECS ?
		0 : UINT64_MAX;
}

static unsigned int coi_wake_delay(const struct coi_wake *wake)
{
	unsigned int msecs;

	if (wake->doublings == 0)
		return wake->first_delay_msecs;
	msecs = I_MAX(wake->first_delay_msecs, COI_WAKE_DELAY_GROWING_MSECS);
	return I_MIN(msecs << wake->doublings, COI_WAKE_DELAY_MAX_MSECS);
}

unsigned int coi_wake_next(struct coi_wake *wake, uint64_t now_msecs)
{
	uint64_t quiet = coi_wake_quiet(wake, now_msecs);
	uint64_t undone = quiet / COI_WAKE_CALM_MSECS;
	unsigned int delay;

	if (wake->told_msecs == 0 || quiet >= COI_WAKE_QUIET_MSECS ||
	    undone > wake->doublings)
		wake->doublings = 0;
	else {
		wake->doublings = I_MIN(wake->doublings + 1 - undone,
					COI_WAKE_DOUBLINGS_MAX);
	}
	delay = coi_wake_delay(wake);
	wake->told_msecs = now_msecs + delay;
	return delay;
}
