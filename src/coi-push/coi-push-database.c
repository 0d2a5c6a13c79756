/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "coi-limits.h"
#include "coi-push-database.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sqlite3.h>

#define PUSH_DATABASE_NAME "queue.sqlite"
/* One is enough to be looked into: damage must not fill the disk. */
#define PUSH_DATABASE_DAMAGED_SUFFIX ".damaged"

/* The version of the tables. */
#define PUSH_DATABASE_VERSION 1

/* Milliseconds to wait for the worker that is just ending. */
#define PUSH_DATABASE_BUSY_MSECS 10000

struct push_statement {
	struct push_database *db;
	sqlite3_stmt *stmt;
	int bound;
	bool used;
};

struct push_database {
	sqlite3 *db;
	char *path;
	unsigned int pages_max;
	struct event *event;
	struct push_statement statements[PUSH_QUERY_LAST_QUERY];

	bool begun, failed, damaged;
	/* it is said once, until a transaction succeeds */
	bool failure_logged;
};

/* Each row is in two tables: what the scheduling needs is small and may be
   rewritten, the job's own line is neither. All of a transaction is synced to
   the disk at its end; other processes have no business here, hence the
   exclusive lock, which saves a shared memory file. */
static const char push_database_pragmas[] =
	"PRAGMA page_size = 4096;"
	"PRAGMA auto_vacuum = INCREMENTAL;"
	"PRAGMA locking_mode = EXCLUSIVE;"
	"PRAGMA journal_mode = WAL;"
	"PRAGMA synchronous = FULL;"
	"PRAGMA secure_delete = ON;"
	"PRAGMA temp_store = MEMORY;"
	"PRAGMA cache_size = -2048;"
	"PRAGMA cell_size_check = ON;"
	"PRAGMA trusted_schema = OFF;";

static const char push_database_schema[] =
	"BEGIN;"
	"CREATE TABLE job ("
	" seq INTEGER PRIMARY KEY, lane INTEGER NOT NULL, id TEXT NOT NULL,"
	" user TEXT NOT NULL, subscription TEXT NOT NULL,"
	" origin TEXT NOT NULL, queued INTEGER NOT NULL,"
	" deadline INTEGER NOT NULL, next_attempt INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL, status INTEGER NOT NULL,"
	" shrunk INTEGER NOT NULL, uid INTEGER NOT NULL);"
	"CREATE UNIQUE INDEX job_id ON job (id);"
	"CREATE INDEX job_lane ON job (lane);"
	"CREATE INDEX job_user ON job (user);"
	"CREATE INDEX job_deadline ON job (deadline);"
	"CREATE TABLE content ("
	" seq INTEGER PRIMARY KEY, line TEXT NOT NULL);"
	"CREATE TABLE gone ("
	" user TEXT NOT NULL, subscription TEXT NOT NULL,"
	" hash TEXT NOT NULL, noted INTEGER NOT NULL,"
	" PRIMARY KEY (user, subscription, hash)) WITHOUT ROWID;"
	"CREATE INDEX gone_noted ON gone (noted);"
	"PRAGMA user_version = 1;"
	"COMMIT;";

/* Not in every queue of that version. */
static const char push_database_more_schema[] =
	"CREATE TABLE IF NOT EXISTS failing ("
	" lane INTEGER PRIMARY KEY, since INTEGER NOT NULL,"
	" last INTEGER NOT NULL);"
	"CREATE INDEX IF NOT EXISTS failing_last ON failing (last);";

#define PUSH_DELETE_CONTENT_OF(condition) \
	"DELETE FROM content WHERE seq IN (SELECT seq FROM job WHERE " \
	condition ")"

static const char *const push_queries[] = {
	[PUSH_QUERY_COUNT] = "SELECT COUNT(*) FROM job",
	[PUSH_QUERY_LAST] = "SELECT MAX(seq) FROM job",
	[PUSH_QUERY_HAS_ID] = "SELECT 1 FROM job WHERE id = ?1",
	[PUSH_QUERY_COUNT_USER] = "SELECT COUNT(*) FROM "
		"(SELECT 1 FROM job WHERE user = ?1 LIMIT ?2)",
	[PUSH_QUERY_INSERT_JOB] = "INSERT INTO job (seq, lane, id, user, "
		"subscription, origin, queued, deadline, uid, next_attempt, "
		"attempts, status, shrunk) "
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?7, 0, 0, 0)",
	[PUSH_QUERY_INSERT_CONTENT] =
		"INSERT INTO content (seq, line) VALUES (?1, ?2)",
	[PUSH_QUERY_FIRST] = "SELECT "PUSH_JOB_COLUMNS", c.line FROM job j "
		"JOIN content c USING (seq) WHERE j.lane = ?1 "
		"ORDER BY j.seq LIMIT 1",
	[PUSH_QUERY_RETRY] = "UPDATE job SET attempts = ?1, next_attempt = ?2, "
		"status = ?3, shrunk = ?4 WHERE seq = ?5",
	[PUSH_QUERY_LIST] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE seq > ?1 ORDER BY seq LIMIT ?2",
	[PUSH_QUERY_LIST_USER] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE user = ?3 AND seq > ?1 ORDER BY seq LIMIT ?2",
	[PUSH_QUERY_LIST_LANES] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE seq IN (SELECT MIN(seq) FROM job GROUP BY lane) "
		"ORDER BY seq",
	[PUSH_QUERY_LARGEST_UID] = "SELECT uid FROM job GROUP BY uid "
		"ORDER BY COUNT(*) DESC LIMIT 1",
	[PUSH_QUERY_OLDEST_OF_UID] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE uid = ?1 ORDER BY seq LIMIT ?2",
	[PUSH_QUERY_LONGEST_LANE] = "SELECT lane FROM job WHERE user = ?1 "
		"GROUP BY lane ORDER BY COUNT(*) DESC LIMIT 1",
	[PUSH_QUERY_OLDEST_OF_LANE] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE lane = ?1 ORDER BY seq LIMIT ?2",
	[PUSH_QUERY_EXPIRED] = "SELECT "PUSH_JOB_COLUMNS" FROM job j "
		"WHERE deadline <= ?1 LIMIT ?2",
	[PUSH_QUERY_DELETE_JOB] = "DELETE FROM job WHERE seq = ?1",
	[PUSH_QUERY_DELETE_CONTENT] = "DELETE FROM content WHERE seq = ?1",
	[PUSH_QUERY_DELETE_LANE] = "DELETE FROM job WHERE lane = ?1",
	[PUSH_QUERY_DELETE_LANE_CONTENT] =
		PUSH_DELETE_CONTENT_OF("lane = ?1"),
	[PUSH_QUERY_DELETE_USER] = "DELETE FROM job WHERE user = ?1",
	[PUSH_QUERY_DELETE_USER_CONTENT] =
		PUSH_DELETE_CONTENT_OF("user = ?1"),
	[PUSH_QUERY_DELETE_SUBSCRIPTION] =
		"DELETE FROM job WHERE user = ?1 AND subscription = ?2",
	[PUSH_QUERY_DELETE_SUBSCRIPTION_CONTENT] =
		PUSH_DELETE_CONTENT_OF("user = ?1 AND subscription = ?2"),
	[PUSH_QUERY_IS_GONE] = "SELECT 1 FROM gone "
		"WHERE user = ?1 AND subscription = ?2 AND hash = ?3",
	[PUSH_QUERY_LIST_GONE] =
		"SELECT subscription, hash FROM gone WHERE user = ?1",
	[PUSH_QUERY_NOTE_GONE] = "INSERT OR REPLACE INTO gone "
		"(user, subscription, hash, noted) VALUES (?1, ?2, ?3, ?4)",
	[PUSH_QUERY_FORGET] = "DELETE FROM gone "
		"WHERE user = ?1 AND subscription = ?2 AND hash = ?3",
	[PUSH_QUERY_EXPIRE_GONE] = "DELETE FROM gone WHERE noted <= ?1",
	[PUSH_QUERY_LIMIT_USER_GONE] = "DELETE FROM gone "
		"WHERE user = ?1 AND (subscription, hash) IN (SELECT "
		"subscription, hash FROM gone WHERE user = ?1 "
		"ORDER BY noted DESC LIMIT -1 OFFSET ?2)",
	[PUSH_QUERY_LIMIT_GONE] = "DELETE FROM gone WHERE noted < (SELECT "
		"noted FROM gone ORDER BY noted DESC LIMIT 1 OFFSET ?1)",
	[PUSH_QUERY_NOTE_FAILING] = "INSERT INTO failing (lane, since, last) "
		"VALUES (?1, ?2, ?2) "
		"ON CONFLICT (lane) DO UPDATE SET last = ?2",
	[PUSH_QUERY_FORGET_FAILING] = "DELETE FROM failing WHERE lane = ?1",
	[PUSH_QUERY_HAS_FAILING] = "SELECT 1 FROM failing LIMIT 1",
	[PUSH_QUERY_FAILING_SINCE] = "SELECT since FROM failing WHERE lane = ?1",
	[PUSH_QUERY_EXPIRE_FAILING] = "DELETE FROM failing WHERE last <= ?1",
	[PUSH_QUERY_LIMIT_FAILING] = "DELETE FROM failing WHERE last < (SELECT "
		"last FROM failing ORDER BY last DESC LIMIT 1 OFFSET ?1)",
};

static void push_database_fail(struct push_database *db, const char *what)
{
	int ret = sqlite3_errcode(db->db);

	db->failed = TRUE;
	if (ret == SQLITE_CORRUPT || ret == SQLITE_NOTADB)
		db->damaged = TRUE;
	if (!db->failure_logged) {
		e_error(db->event, "%s: %s failed: %s (%d)", db->path, what,
			sqlite3_errmsg(db->db),
			sqlite3_extended_errcode(db->db));
		db->failure_logged = TRUE;
	}
}

/* Statements that need no values and whose rows are not looked at. */
static int push_database_exec(struct push_database *db, const char *sql,
			      const char **error_r)
{
	if (sqlite3_exec(db->db, sql, NULL, NULL, NULL) == SQLITE_OK)
		return 0;
	*error_r = t_strdup_printf("%s: %s", db->path, sqlite3_errmsg(db->db));
	return -1;
}

/* The first column of the first row (data stack), or NULL. */
static const char *
push_database_ask(struct push_database *db, const char *sql)
{
	sqlite3_stmt *stmt;
	const char *value = NULL;

	if (sqlite3_prepare_v2(db->db, sql, -1, &stmt, NULL) != SQLITE_OK)
		return NULL;
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		value = t_strdup((const char *)sqlite3_column_text(stmt, 0));
		if (value == NULL)
			value = "";
	}
	sqlite3_finalize(stmt);
	return value;
}

/* Returns 1, 0 if it is damaged, -1 if it cannot be read. */
static int push_database_check(struct push_database *db, const char **error_r)
{
	const char *check;
	struct stat st;

	if (stat(db->path, &st) == 0 &&
	    st.st_size > COI_PUSH_QUEUE_CHECK_MAX_BYTES)
		return 1;
	check = push_database_ask(db, "PRAGMA quick_check(1)");
	if (check == NULL) {
		*error_r = t_strdup_printf("%s: %s", db->path,
					   sqlite3_errmsg(db->db));
		return -1;
	}
	if (strcmp(check, "ok") == 0)
		return 1;
	*error_r = t_strdup_printf("%s: %s", db->path,
				   t_str_replace(check, '\n', ' '));
	return 0;
}

/* Returns 1, 0 if it has the tables of another version, or another program, -1 if
   it cannot be read. */
static int push_database_check_version(struct push_database *db,
				       const char **error_r)
{
	const char *version = push_database_ask(db, "PRAGMA user_version");

	if (version == NULL) {
		*error_r = t_strdup_printf("%s: %s", db->path,
					   sqlite3_errmsg(db->db));
		return -1;
	}
	if (strcmp(version, t_strdup_printf("%d", PUSH_DATABASE_VERSION)) == 0)
		return 1;
	*error_r = t_strdup_printf("%s: not a queue of this version",
				   db->path);
	return 0;
}

/* Returns 1 if it can be used, 0 if it is damaged, -1 if it cannot be opened. */
static int push_database_prepare(struct push_database *db, const char **error_r)
{
	const char *version;
	int ret;

	if (push_database_exec(db, push_database_pragmas, error_r) < 0)
		return -1;
	if (db->pages_max > 0 &&
	    push_database_exec(db, t_strdup_printf("PRAGMA max_page_count = %u",
						   db->pages_max), error_r) < 0)
		return -1;
	version = push_database_ask(db, "PRAGMA user_version");
	if (version != NULL && strcmp(version, "0") == 0 &&
	    push_database_exec(db, push_database_schema, error_r) < 0)
		return -1;
	ret = push_database_check_version(db, error_r);
	if (ret > 0)
		ret = push_database_check(db, error_r);
	if (ret <= 0)
		return ret;
	return push_database_exec(db, push_database_more_schema, error_r) < 0 ?
		-1 : 1;
}

static void push_database_close_file(struct push_database *db)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(db->statements); i++) {
		sqlite3_finalize(db->statements[i].stmt);
		db->statements[i].stmt = NULL;
	}
	(void)sqlite3_close(db->db);
	db->db = NULL;
}

/* As push_database_prepare(). */
static int
push_database_open_file(struct push_database *db, const char **error_r)
{
	int ret;

	if (sqlite3_open_v2(db->path, &db->db, SQLITE_OPEN_READWRITE |
			    SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX |
			    SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK) {
		*error_r = t_strdup_printf("%s: %s", db->path,
			db->db == NULL ? "out of memory" :
			sqlite3_errmsg(db->db));
		ret = -1;
	} else {
		(void)sqlite3_busy_timeout(db->db, PUSH_DATABASE_BUSY_MSECS);
		ret = push_database_prepare(db, error_r);
	}
	if (ret < 0 && db->db != NULL &&
	    (sqlite3_errcode(db->db) == SQLITE_CORRUPT ||
	     sqlite3_errcode(db->db) == SQLITE_NOTADB))
		ret = 0;
	if (ret <= 0)
		push_database_close_file(db);
	return ret;
}

/* With its journal, which may hold what can still be read. */
static void push_database_move_aside(struct push_database *db)
{
	static const char *const suffixes[] = { "", "-wal" };
	const char *from, *to;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(suffixes); i++) {
		from = t_strconcat(db->path, suffixes[i], NULL);
		to = t_strconcat(db->path, PUSH_DATABASE_DAMAGED_SUFFIX,
				 suffixes[i], NULL);
		if (rename(from, to) < 0 && errno != ENOENT) {
			e_error(db->event, "rename(%s, %s) failed: %m",
				from, to);
		}
	}
	e_error(db->event, "The queue was damaged, its jobs are lost: "
		"moved to %s%s", db->path, PUSH_DATABASE_DAMAGED_SUFFIX);
}

static int push_database_begin_anew(struct push_database *db,
				    const char **error_r)
{
	int ret = push_database_open_file(db, error_r);

	if (ret == 0) {
		e_error(db->event, "%s", *error_r);
		push_database_move_aside(db);
		ret = push_database_open_file(db, error_r);
	}
	return ret > 0 ? 0 : -1;
}

/* Others must not even see which users have jobs. */
static int push_database_make_dir(const char *dir, const char **error_r)
{
	struct stat st;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		*error_r = t_strdup_printf("mkdir(%s) failed: %m", dir);
		return -1;
	}
	if (stat(dir, &st) < 0) {
		*error_r = t_strdup_printf("stat(%s) failed: %m", dir);
		return -1;
	}
	if (!S_ISDIR(st.st_mode) || (st.st_mode & 077) != 0) {
		*error_r = t_strdup_printf(
			"%s must be a directory with mode 0700", dir);
		return -1;
	}
	return 0;
}

int push_database_open(const char *dir, unsigned int pages_max,
		       struct event *event, struct push_database **db_r,
		       const char **error_r)
{
	struct push_database *db;
	unsigned int i;

	if (push_database_make_dir(dir, error_r) < 0)
		return -1;
	db = i_new(struct push_database, 1);
	db->path = i_strconcat(dir, "/"PUSH_DATABASE_NAME, NULL);
	db->pages_max = pages_max;
	db->event = event;
	for (i = 0; i < N_ELEMENTS(db->statements); i++)
		db->statements[i].db = db;
	if (push_database_begin_anew(db, error_r) < 0) {
		push_database_close(&db);
		return -1;
	}
	*db_r = db;
	return 0;
}

void push_database_close(struct push_database **_db)
{
	struct push_database *db = *_db;

	*_db = NULL;
	if (db->db != NULL)
		push_database_close_file(db);
	i_free(db->path);
	i_free(db);
}

bool push_database_has_failed(const struct push_database *db)
{
	return db->failed;
}

bool push_database_has_begun(const struct push_database *db)
{
	return db->begun;
}

static int push_database_command(struct push_database *db, const char *sql)
{
	if (db->db == NULL)
		return -1;
	if (sqlite3_exec(db->db, sql, NULL, NULL, NULL) != SQLITE_OK) {
		push_database_fail(db, sql);
		return -1;
	}
	return 0;
}

int push_database_begin(struct push_database *db)
{
	if (db->failed)
		return -1;
	if (!db->begun) {
		if (push_database_command(db, "BEGIN IMMEDIATE") < 0)
			return -1;
		db->begun = TRUE;
	}
	return 0;
}

int push_database_commit(struct push_database *db)
{
	if (db->failed)
		return -1;
	if (db->begun) {
		if (push_database_command(db, "COMMIT") < 0)
			return -1;
		db->begun = FALSE;
	}
	if (db->failure_logged) {
		e_info(db->event, "%s: it can be written again", db->path);
		db->failure_logged = FALSE;
	}
	return 0;
}

static void push_database_replace(struct push_database *db)
{
	const char *error;

	if (db->db != NULL) {
		push_database_close_file(db);
		push_database_move_aside(db);
	}
	if (push_database_begin_anew(db, &error) < 0) {
		e_error(db->event, "Cannot begin a new queue: %s", error);
		return;
	}
	db->damaged = FALSE;
}

void push_database_rollback(struct push_database *db)
{
	/* some errors have rolled it back already */
	if (db->db != NULL && sqlite3_get_autocommit(db->db) == 0)
		(void)sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
	db->begun = FALSE;
	if (db->damaged)
		push_database_replace(db);
	db->failed = db->damaged;
}

bool push_database_tidy(struct push_database *db)
{
	const char *left;

	i_assert(!db->begun);

	/* the journal still has what was deleted */
	if (push_database_command(db, t_strdup_printf(
			"PRAGMA incremental_vacuum(%d)",
			COI_PUSH_QUEUE_TIDY_PAGES)) < 0 ||
	    push_database_command(db, "PRAGMA wal_checkpoint(TRUNCATE)") < 0) {
		/* the next job may fit in nevertheless */
		push_database_rollback(db);
		return FALSE;
	}
	(void)sqlite3_db_release_memory(db->db);
	left = push_database_ask(db, "PRAGMA freelist_count");
	return left != NULL && strcmp(left, "0") != 0;
}

struct push_statement *
push_database_query(struct push_database *db, enum push_query query)
{
	struct push_statement *stmt = &db->statements[query];

	i_assert(!stmt->used);
	stmt->used = TRUE;
	stmt->bound = 0;
	if (stmt->stmt == NULL && db->db != NULL && !db->failed &&
	    sqlite3_prepare_v3(db->db, push_queries[query], -1,
			       SQLITE_PREPARE_PERSISTENT, &stmt->stmt,
			       NULL) != SQLITE_OK)
		push_database_fail(db, push_queries[query]);
	return stmt;
}

void push_statement_bind_int(struct push_statement *stmt, int64_t value)
{
	stmt->bound++;
	if (stmt->stmt != NULL)
		(void)sqlite3_bind_int64(stmt->stmt, stmt->bound, value);
}

void push_statement_bind_text(struct push_statement *stmt, const char *value)
{
	stmt->bound++;
	if (stmt->stmt != NULL) {
		(void)sqlite3_bind_text(stmt->stmt, stmt->bound, value, -1,
					SQLITE_STATIC);
	}
}

int push_statement_step(struct push_statement *stmt)
{
	if (stmt->stmt == NULL || stmt->db->failed)
		return -1;
	switch (sqlite3_step(stmt->stmt)) {
	case SQLITE_ROW:
		return 1;
	case SQLITE_DONE:
		return 0;
	}
	push_database_fail(stmt->db, sqlite3_sql(stmt->stmt));
	return -1;
}

int64_t push_statement_int(struct push_statement *stmt, unsigned int column)
{
	return sqlite3_column_int64(stmt->stmt, column);
}

const char *push_statement_text(struct push_statement *stmt,
				unsigned int column, pool_t pool)
{
	const unsigned char *text = sqlite3_column_text(stmt->stmt, column);

	return p_strdup(pool, text == NULL ? "" : (const char *)text);
}

void push_statement_end(struct push_statement **_stmt)
{
	struct push_statement *stmt = *_stmt;

	*_stmt = NULL;
	stmt->used = FALSE;
	if (stmt->stmt != NULL) {
		(void)sqlite3_reset(stmt->stmt);
		(void)sqlite3_clear_bindings(stmt->stmt);
	}
}

int push_statement_run(struct push_statement **_stmt)
{
	struct push_statement *stmt = *_stmt;
	int ret = push_statement_step(stmt);

	if (ret == 0)
		ret = sqlite3_changes(stmt->db->db);
	push_statement_end(_stmt);
	return ret;
}
