/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hash.h"
#include "llist.h"
#include "priorityq.h"
#include "coi-push-schedule.h"

enum push_lane_place {
	/* Until it is due: in `waiting'. */
	PUSH_LANE_WAITING,
	/* In the row of its origin. */
	PUSH_LANE_READY,
	/* Until another lane of its user is done. */
	PUSH_LANE_HELD,
	PUSH_LANE_ACTIVE,
};

struct push_lane {
	struct priorityq_item item;
	enum push_lane_place place;
	uint64_t key, user;
	int64_t due;
	/* of those that are due together the first one comes first */
	uint64_t serial;
	struct push_origin *origin;
	/* READY and HELD */
	struct push_lane *prev, *next;
};

struct push_lane_list {
	struct push_lane *head, *tail;
};

/* Exists as long as it has lanes. */
struct push_origin {
	struct priorityq_item item;
	/* In the row of those that can be sent to. */
	struct push_origin *prev, *next;
	bool runnable;

	char *name;
	unsigned int lanes, active;
	bool multiplexed;
	struct push_lane_list ready;

	unsigned int failures;
	/* whose push the last one was */
	uint64_t failed_user;
	/* 0: it does not pause, and is not in `paused'. */
	int64_t pause_end;
	unsigned int pause_msecs;
	/* The pause is over, and one job may be sent. */
	bool probing;
};

/* Exists as long as it has active lanes. */
struct push_user {
	uint64_t key;
	unsigned int active;
	struct push_lane_list held;
};

struct push_schedule {
	struct push_schedule_limits limits;
	HASH_TABLE(uint64_t *, struct push_lane *) lanes;
	HASH_TABLE(uint64_t *, struct push_user *) users;
	HASH_TABLE(char *, struct push_origin *) origins;

	/* of lanes, and of origins that pause */
	struct priorityq *waiting, *paused;
	struct push_origin *runnable_head, *runnable_tail;
	unsigned int active;
	uint64_t last_serial;
};

static unsigned int push_key_hash(const uint64_t *key)
{
	return (unsigned int)(*key ^ (*key >> 32));
}

static int push_key_cmp(const uint64_t *key1, const uint64_t *key2)
{
	return *key1 == *key2 ? 0 : 1;
}

static int push_time_cmp(int64_t time1, int64_t time2)
{
	return time1 < time2 ? -1 : (time1 > time2 ? 1 : 0);
}

static int push_lane_cmp(const void *p1, const void *p2)
{
	const struct push_lane *lane1 = p1, *lane2 = p2;
	int ret = push_time_cmp(lane1->due, lane2->due);

	return ret != 0 ? ret : push_time_cmp(lane1->serial, lane2->serial);
}

static int push_origin_cmp(const void *p1, const void *p2)
{
	const struct push_origin *origin1 = p1, *origin2 = p2;

	return push_time_cmp(origin1->pause_end, origin2->pause_end);
}

struct push_schedule *
push_schedule_init(const struct push_schedule_limits *limits)
{
	struct push_schedule *schedule = i_new(struct push_schedule, 1);

	schedule->limits = *limits;
	hash_table_create(&schedule->lanes, default_pool, 0,
			  push_key_hash, push_key_cmp);
	hash_table_create(&schedule->users, default_pool, 0,
			  push_key_hash, push_key_cmp);
	hash_table_create(&schedule->origins, default_pool, 0,
			  str_hash, strcmp);
	schedule->waiting = priorityq_init(push_lane_cmp, 128);
	schedule->paused = priorityq_init(push_origin_cmp, 16);
	return schedule;
}

void push_schedule_deinit(struct push_schedule **_schedule)
{
	struct push_schedule *schedule = *_schedule;
	struct hash_iterate_context *iter;
	struct push_lane *lane;
	struct push_origin *origin;
	struct push_user *user;
	uint64_t *key;
	char *name;

	*_schedule = NULL;
	iter = hash_table_iterate_init(schedule->lanes);
	while (hash_table_iterate(iter, schedule->lanes, &key, &lane))
		i_free(lane);
	hash_table_iterate_deinit(&iter);
	iter = hash_table_iterate_init(schedule->users);
	while (hash_table_iterate(iter, schedule->users, &key, &user))
		i_free(user);
	hash_table_iterate_deinit(&iter);
	iter = hash_table_iterate_init(schedule->origins);
	while (hash_table_iterate(iter, schedule->origins, &name, &origin)) {
		i_free(origin->name);
		i_free(origin);
	}
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&schedule->lanes);
	hash_table_destroy(&schedule->users);
	hash_table_destroy(&schedule->origins);
	priorityq_deinit(&schedule->waiting);
	priorityq_deinit(&schedule->paused);
	i_free(schedule);
}

static unsigned int push_origin_active_max(const struct push_schedule *schedule,
					   const struct push_origin *origin)
{
	if (origin->pause_end != 0)
		return 0;
	if (origin->probing)
		return 1;
	return origin->multiplexed ? schedule->limits.origin_multiplexed_max :
		schedule->limits.origin_active_max;
}

/* Has to be called whenever something has changed that it depends on. */
static void push_origin_update(struct push_schedule *schedule,
			       struct push_origin *origin)
{
	bool runnable = origin->ready.head != NULL &&
		origin->active < push_origin_active_max(schedule, origin);

	if (runnable == origin->runnable)
		return;
	origin->runnable = runnable;
	if (runnable) {
		DLLIST2_APPEND(&schedule->runnable_head,
			       &schedule->runnable_tail, origin);
	} else {
		DLLIST2_REMOVE(&schedule->runnable_head,
			       &schedule->runnable_tail, origin);
	}
}

static struct push_origin *
push_origin_ref(struct push_schedule *schedule, const char *name)
{
	struct push_origin *origin;

	origin = hash_table_lookup(schedule->origins, name);
	if (origin == NULL) {
		origin = i_new(struct push_origin, 1);
		origin->name = i_strdup(name);
		hash_table_insert(schedule->origins, origin->name, origin);
	}
	origin->lanes++;
	return origin;
}

static void push_origin_unref(struct push_schedule *schedule,
			      struct push_origin *origin)
{
	i_assert(origin->lanes > 0);

	if (--origin->lanes > 0) {
		push_origin_update(schedule, origin);
		return;
	}
	i_assert(origin->active == 0 && origin->ready.head == NULL);
	if (origin->runnable) {
		DLLIST2_REMOVE(&schedule->runnable_head,
			       &schedule->runnable_tail, origin);
	}
	if (origin->pause_end != 0)
		priorityq_remove(schedule->paused, &origin->item);
	hash_table_remove(schedule->origins, origin->name);
	i_free(origin->name);
	i_free(origin);
}

static void push_lane_wait(struct push_schedule *schedule,
			   struct push_lane *lane, int64_t due)
{
	lane->place = PUSH_LANE_WAITING;
	lane->due = due;
	lane->serial = schedule->last_serial++;
	priorityq_add(schedule->waiting, &lane->item);
}

static void
push_lane_make_ready(struct push_schedule *schedule, struct push_lane *lane)
{
	lane->place = PUSH_LANE_READY;
	DLLIST2_APPEND(&lane->origin->ready.head, &lane->origin->ready.tail,
		       lane);
	push_origin_update(schedule, lane->origin);
}

void push_schedule_add(struct push_schedule *schedule, uint64_t key,
		       uint64_t user, const char *origin, int64_t due)
{
	struct push_lane *lane;

	lane = hash_table_lookup(schedule->lanes, &key);
	if (lane != NULL)
		return;
	lane = i_new(struct push_lane, 1);
	lane->key = key;
	lane->user = user;
	lane->origin = push_origin_ref(schedule, origin);
	hash_table_insert(schedule->lanes, &lane->key, lane);
	push_lane_wait(schedule, lane, due);
}

static void push_schedule_end_pauses(struct push_schedule *schedule, int64_t now)
{
	struct push_origin *origin;
	struct priorityq_item *item;

	while ((item = priorityq_peek(schedule->paused)) != NULL) {
		origin = (struct push_origin *)item;
		if (origin->pause_end > now)
			return;
		(void)priorityq_pop(schedule->paused);
		origin->pause_end = 0;
		origin->probing = TRUE;
		push_origin_update(schedule, origin);
	}
}

static void push_schedule_end_waits(struct push_schedule *schedule, int64_t now)
{
	struct push_lane *lane;
	struct priorityq_item *item;

	while ((item = priorityq_peek(schedule->waiting)) != NULL) {
		lane = (struct push_lane *)item;
		if (lane->due > now)
			return;
		(void)priorityq_pop(schedule->waiting);
		push_lane_make_ready(schedule, lane);
	}
}

/* Returns FALSE if its user has enough of them, and holds it. */
static bool push_lane_activate(struct push_schedule *schedule,
			       struct push_lane *lane)
{
	struct push_user *user;

	user = hash_table_lookup(schedule->users, &lane->user);
	if (user == NULL) {
		user = i_new(struct push_user, 1);
		user->key = lane->user;
		hash_table_insert(schedule->users, &user->key, user);
	}
	if (user->active == schedule->limits.user_active_max) {
		lane->place = PUSH_LANE_HELD;
		DLLIST2_APPEND(&user->held.head, &user->held.tail, lane);
		return FALSE;
	}
	lane->place = PUSH_LANE_ACTIVE;
	user->active++;
	lane->origin->active++;
	schedule->active++;
	return TRUE;
}

/* The origin goes to the end of its row, and its first lane is taken. */
static struct push_lane *
push_origin_take(struct push_schedule *schedule, struct push_origin *origin)
{
	struct push_lane *lane = origin->ready.head;

	DLLIST2_REMOVE(&schedule->runnable_head, &schedule->runnable_tail,
		       origin);
	origin->runnable = FALSE;
	DLLIST2_REMOVE(&origin->ready.head, &origin->ready.tail, lane);
	if (!push_lane_activate(schedule, lane))
		lane = NULL;
	push_origin_update(schedule, origin);
	return lane;
}

struct push_lane *push_schedule_next(struct push_schedule *schedule,
				     int64_t now)
{
	struct push_lane *lane;

	push_schedule_end_pauses(schedule, now);
	push_schedule_end_waits(schedule, now);
	while (schedule->runnable_head != NULL &&
	       schedule->active < schedule->limits.active_max) {
		lane = push_origin_take(schedule, schedule->runnable_head);
		if (lane != NULL)
			return lane;
	}
	return NULL;
}

uint64_t push_lane_get_key(const struct push_lane *lane)
{
	return lane->key;
}

static void push_user_release(struct push_schedule *schedule,
			      struct push_user *user)
{
	struct push_lane *lane = user->held.head;

	if (lane != NULL) {
		DLLIST2_REMOVE(&user->held.head, &user->held.tail, lane);
		push_lane_make_ready(schedule, lane);
	}
}

static void
push_lane_deactivate(struct push_schedule *schedule, struct push_lane *lane)
{
	struct push_user *user;

	i_assert(lane->place == PUSH_LANE_ACTIVE);

	user = hash_table_lookup(schedule->users, &lane->user);
	schedule->active--;
	lane->origin->active--;
	push_user_release(schedule, user);
	if (--user->active == 0) {
		/* what made the others ready may wait for long */
		while (user->held.head != NULL)
			push_user_release(schedule, user);
		hash_table_remove(schedule->users, &user->key);
		i_free(user);
	}
}

static void
push_origin_pause(struct push_schedule *schedule, struct push_origin *origin,
		  int64_t now, uint32_t random)
{
	unsigned int msecs = origin->pause_msecs * 2;

	msecs = I_MIN(I_MAX(msecs, schedule->limits.pause_min_msecs),
		      schedule->limits.pause_max_msecs);
	origin->pause_msecs = msecs;
	origin->probing = FALSE;
	/* half as much again at most, so that not all come back together */
	origin->pause_end = now + msecs + random % (msecs / 2 + 1);
	priorityq_add(schedule->paused, &origin->item);
}

/* Of failures of one user's the origin is not to blame, or not proved to be: an
   endpoint that nobody is at any more answers with 5xx at some services. Each
   lane backs off by itself anyway. */
static bool
push_origin_has_failed(struct push_schedule *schedule,
		       struct push_origin *origin, uint64_t user)
{
	if (origin->failures > 0 && origin->failed_user == user)
		return FALSE;
	origin->failed_user = user;
	origin->failures++;
	return origin->pause_end == 0 &&
		(origin->probing ||
		 origin->failures >= schedule->limits.origin_failures_max);
}

/* Returns TRUE if it begins to pause. */
static bool
push_origin_judge(struct push_schedule *schedule, const struct push_lane *lane,
		  enum push_origin_result result, int64_t now, uint32_t random)
{
	struct push_origin *origin = lane->origin;

	switch (result) {
	case PUSH_ORIGIN_RESULT_NONE:
		return FALSE;
	case PUSH_ORIGIN_RESULT_OK_MULTIPLEXED:
		origin->multiplexed = TRUE;
		/* fall through */
	case PUSH_ORIGIN_RESULT_OK:
		origin->failures = 0;
		origin->pause_msecs = 0;
		origin->probing = FALSE;
		if (origin->pause_end != 0) {
			/* it was asked before the pause began */
			origin->pause_end = 0;
			priorityq_remove(schedule->paused, &origin->item);
		}
		return FALSE;
	case PUSH_ORIGIN_RESULT_FAILED:
		break;
	}
	if (!push_origin_has_failed(schedule, origin, lane->user))
		return FALSE;
	push_origin_pause(schedule, origin, now, random);
	return TRUE;
}

bool push_schedule_finish(struct push_schedule *schedule,
			  struct push_lane **_lane,
			  enum push_origin_result result,
			  int64_t now, int64_t due, uint32_t random)
{
	struct push_lane *lane = *_lane;
	bool paused;

	*_lane = NULL;
	push_lane_deactivate(schedule, lane);
	paused = push_origin_judge(schedule, lane, result, now, random);
	push_lane_wait(schedule, lane, due);
	push_origin_update(schedule, lane->origin);
	return paused;
}

void push_schedule_remove(struct push_schedule *schedule,
			  struct push_lane **_lane)
{
	struct push_lane *lane = *_lane;

	*_lane = NULL;
	push_lane_deactivate(schedule, lane);
	hash_table_remove(schedule->lanes, &lane->key);
	push_origin_unref(schedule, lane->origin);
	i_free(lane);
}

static int64_t push_wait_min(int64_t wait, int64_t at, int64_t now)
{
	int64_t until = I_MAX(at - now, 0);

	return wait == -1 ? until : I_MIN(wait, until);
}

int64_t push_schedule_get_wait(struct push_schedule *schedule, int64_t now)
{
	const struct priorityq_item *item;
	int64_t wait = -1;

	if (schedule->active >= schedule->limits.active_max)
		return -1;
	if (schedule->runnable_head != NULL)
		return 0;
	item = priorityq_peek(schedule->waiting);
	if (item != NULL) {
		wait = push_wait_min(wait, ((const struct push_lane *)item)->due,
				     now);
	}
	item = priorityq_peek(schedule->paused);
	if (item != NULL) {
		wait = push_wait_min(wait,
			((const struct push_origin *)item)->pause_end, now);
	}
	return wait;
}

unsigned int push_schedule_count_lanes(const struct push_schedule *schedule)
{
	return hash_table_count(schedule->lanes);
}

unsigned int push_schedule_count_active(const struct push_schedule *schedule)
{
	return schedule->active;
}
