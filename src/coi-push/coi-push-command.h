#ifndef COI_PUSH_COMMAND_H
#define COI_PUSH_COMMAND_H

/* What a client of the worker wants, read from a line of push-protocol.h. Knows no
   connection. */

enum push_command_type {
	PUSH_COMMAND_JOB,
	PUSH_COMMAND_GONE,
	PUSH_COMMAND_FORGET,
	PUSH_COMMAND_CANCEL,
	PUSH_COMMAND_QUEUE,
};

struct push_command {
	enum push_command_type type;
	/* JOB: for push_job_parse(), which alone knows what makes a job. */
	const char *job_line;
	/* All others. Any text; NULL if the command has no such field. */
	const char *user;
	const char *subscription_id;
	const char *endpoint_hash;
};

/* `args' are the line's fields, as t_strsplit_tabescaped() has made them. Returns
   0, or -1 if this is no command. The strings live as long as `args', but
   job_line is allocated from the data stack. */
int push_command_parse(const char *const *args, struct push_command *command_r);

/* The id of a job, also if nothing else in its line is right (data stack); NULL if
   that has none. */
const char *push_command_find_job_id(const char *job_line);

#endif
