#ifndef COI_PUSH_SCHEDULE_H
#define COI_PUSH_SCHEDULE_H

/* Which job is sent next? No job is known here, only lanes: a lane is the row of
   jobs of one subscription at one endpoint, of which the first is sent, and the
   next one after it. Lanes to the same origin stand in one row and take turns,
   and so do the origins that may be sent to. So nobody waits for more than one
   push of each other lane, however many jobs that has.

   Nothing is sent to an origin that fails again and again: after a pause one job
   probes it.

   Time is a parameter, in milliseconds of any clock that does not go back. All
   of it is memory: a lane takes some 100 bytes. */

struct push_schedule;
struct push_lane;

struct push_schedule_limits {
	/* Lanes that are active at the same time: all, ... */
	unsigned int active_max;
	/* ... of one user, ... */
	unsigned int user_active_max;
	/* ... of one origin that has not shown that it takes many requests over
	   one connection, and of one that has. */
	unsigned int origin_active_max;
	unsigned int origin_multiplexed_max;
	/* Failures in a row that make an origin pause, each of them another
	   user's than the one before. */
	unsigned int origin_failures_max;
	unsigned int pause_min_msecs, pause_max_msecs;
};

/* What an attempt says about its origin. */
enum push_origin_result {
	/* Nothing: it was not asked, or not able to answer for itself. */
	PUSH_ORIGIN_RESULT_NONE,
	PUSH_ORIGIN_RESULT_OK,
	/* As OK, and it takes many requests over one connection. */
	PUSH_ORIGIN_RESULT_OK_MULTIPLEXED,
	PUSH_ORIGIN_RESULT_FAILED,
};

struct push_schedule *
push_schedule_init(const struct push_schedule_limits *limits);
void push_schedule_deinit(struct push_schedule **schedule);

/* There is a job in the lane, which may be known already. If it is not, its
   first job is due at the given time. `user' is any number that tells users
   apart; most times. */
void push_schedule_add(struct push_schedule *schedule, uint64_t key,
		       uint64_t user, const char *origin, int64_t due);

/* Returns the lane whose first job is to be sent now, and makes it active, or
   NULL: nothing can be sent now. */
struct push_lane *push_schedule_next(struct push_schedule *schedule,
				     int64_t now);
uint64_t push_lane_get_key(const struct push_lane *lane);

/* The active lane is not any more. `due' is when the job that is the first one
   now is due. `random' is any number. Returns TRUE if the origin has begun to
   pause by that. */
bool push_schedule_finish(struct push_schedule *schedule,
			  struct push_lane **lane,
			  enum push_origin_result result,
			  int64_t now, int64_t due, uint32_t random);
/* The active lane has no job. */
void push_schedule_remove(struct push_schedule *schedule,
			  struct push_lane **lane);

/* Milliseconds after which push_schedule_next() may return something. -1: not
   before something else happens. */
int64_t push_schedule_get_wait(struct push_schedule *schedule, int64_t now);
/* For tests. */
unsigned int push_schedule_count_lanes(const struct push_schedule *schedule);
unsigned int push_schedule_count_active(const struct push_schedule *schedule);

#endif
