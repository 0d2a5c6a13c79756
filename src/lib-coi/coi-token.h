#ifndef COI_TOKEN_H
#define COI_TOKEN_H

/* Device tokens of Delta Chat: opaque text by which a notification service that
   the administrator has chosen wakes a device. Clients set them again whenever
   they connect, and a user has as many as devices. Who knows one can wake the
   device, so nobody sees any but the user and who asks for secrets. */

struct coi_token {
	/* points into what was parsed */
	const char *token;
	/* when it was set the last time */
	time_t renewed;
	/* The same as text (data stack), finer, and good for a Topic: what its
	   service has said about another generation is not true any more. */
	const char *generation;
};

/* Whether a client may set it: 1 to COI_TOKEN_MAX_BYTES printable characters of
   ASCII. If not, *problem_r (data stack) tells a client why, without quoting
   it. */
bool coi_token_is_valid(const char *token, const char **problem_r);

/* By what it is known wherever it must not be seen: "dc-" and half of its SHA-256
   in hexadecimal digits (data stack). */
const char *coi_token_id(const char *token);
bool coi_token_id_is_valid(const char *id);

/* As the store has it (data stack). */
const char *coi_token_format(const char *token, const struct timeval *now);
/* Returns 0, or -1 if we have not written it; then *error_r says so. */
int coi_token_parse(const char *stored, struct coi_token *token_r,
		    const char **error_r);

/* Nobody has set it for COI_TOKEN_LIFETIME_SECS. */
bool coi_token_is_expired(const struct coi_token *token, time_t now);

#endif
