#ifndef COI_PUSH_DATABASE_H
#define COI_PUSH_DATABASE_H

/* The SQL of coi-push-queue, and the only file that knows SQLite.

   An error of any statement is logged and remembered: then nothing can be
   committed before push_database_rollback(), which also moves a database that
   is damaged aside, and begins a new one. */

/* The columns that describe a job, in the order of enum push_job_column. */
#define PUSH_JOB_COLUMNS \
	"j.seq, j.lane, j.id, j.user, j.subscription, j.origin, j.queued, " \
	"j.deadline, j.next_attempt, j.attempts, j.status, j.shrunk"

enum push_query {
	PUSH_QUERY_COUNT,
	PUSH_QUERY_LAST,
	PUSH_QUERY_HAS_ID,
	PUSH_QUERY_COUNT_USER,
	PUSH_QUERY_INSERT_JOB,
	PUSH_QUERY_INSERT_CONTENT,
	PUSH_QUERY_FIRST,
	PUSH_QUERY_RETRY,
	PUSH_QUERY_LIST,
	PUSH_QUERY_LIST_USER,
	PUSH_QUERY_LIST_LANES,
	PUSH_QUERY_LARGEST_UID,
	PUSH_QUERY_OLDEST_OF_UID,
	PUSH_QUERY_LONGEST_LANE,
	PUSH_QUERY_OLDEST_OF_LANE,
	PUSH_QUERY_EXPIRED,
	PUSH_QUERY_DELETE_JOB,
	PUSH_QUERY_DELETE_CONTENT,
	PUSH_QUERY_DELETE_LANE,
	PUSH_QUERY_DELETE_LANE_CONTENT,
	PUSH_QUERY_DELETE_USER,
	PUSH_QUERY_DELETE_USER_CONTENT,
	PUSH_QUERY_DELETE_SUBSCRIPTION,
	PUSH_QUERY_DELETE_SUBSCRIPTION_CONTENT,
	PUSH_QUERY_IS_GONE,
	PUSH_QUERY_LIST_GONE,
	PUSH_QUERY_NOTE_GONE,
	PUSH_QUERY_FORGET,
	PUSH_QUERY_EXPIRE_GONE,
	PUSH_QUERY_LIMIT_USER_GONE,
	PUSH_QUERY_LIMIT_GONE,
	PUSH_QUERY_NOTE_FAILING,
	PUSH_QUERY_FORGET_FAILING,
	PUSH_QUERY_HAS_FAILING,
	PUSH_QUERY_FAILING_SINCE,
	PUSH_QUERY_EXPIRE_FAILING,
	PUSH_QUERY_LIMIT_FAILING,

	PUSH_QUERY_LAST_QUERY
};

struct push_database;
struct push_statement;

/* Opens the database of a directory, makes both if they are not there. Returns
   0, or -1 with *error_r (data stack). */
int push_database_open(const char *dir, unsigned int pages_max,
		       struct event *event, struct push_database **db_r,
		       const char **error_r);
/* What has not been committed is lost. */
void push_database_close(struct push_database **db);

/* There has been an error since the last rollback. */
bool push_database_has_failed(const struct push_database *db);
/* Begins a transaction, unless there is one. Returns 0, or -1. */
int push_database_begin(struct push_database *db);
bool push_database_has_begun(const struct push_database *db);
/* Returns 0 if all is on the disk, or -1 with all of the transaction lost. */
int push_database_commit(struct push_database *db);
void push_database_rollback(struct push_database *db);
/* Gives memory and disk back. Returns TRUE if there is more to give back. */
bool push_database_tidy(struct push_database *db);

/* A statement is one of those above; it is in use until it has ended. */
struct push_statement *
push_database_query(struct push_database *db, enum push_query query);
/* The next parameter. */
void push_statement_bind_int(struct push_statement *stmt, int64_t value);
void push_statement_bind_text(struct push_statement *stmt, const char *value);
/* Returns 1 if there is a row, 0 if there is none any more, -1. */
int push_statement_step(struct push_statement *stmt);
int64_t push_statement_int(struct push_statement *stmt, unsigned int column);
const char *push_statement_text(struct push_statement *stmt,
				unsigned int column, pool_t pool);
void push_statement_end(struct push_statement **stmt);
/* For a statement without rows: step and end. Returns how many rows it has
   changed, or -1. */
int push_statement_run(struct push_statement **stmt);

#endif
