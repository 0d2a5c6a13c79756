/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "hex-binary.h"
#include "sha2.h"
#include "strnum.h"
#include "coi-limits.h"
#include "coi-token.h"

#define COI_TOKEN_ID_PREFIX "dc-"
/* Bytes of the digest that an id has; as digits they fit into the id of a
   subscription (W9). */
#define COI_TOKEN_ID_BYTES 16

bool coi_token_is_valid(const char *token, const char **problem_r)
{
	const unsigned char *p;

	if (*token == '\0') {
		*problem_r = "a device token must not be empty";
		return FALSE;
	}
	/* first of all, since of one that is longer only the beginning need be
	   there */
	if (strlen(token) > COI_TOKEN_MAX_BYTES) {
		*problem_r = t_strdup_printf(
			"a device token has at most %u bytes",
			COI_TOKEN_MAX_BYTES);
		return FALSE;
	}
	for (p = (const void *)token; *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e) {
			*problem_r = "a device token must be printable ASCII";
			return FALSE;
		}
	}
	return TRUE;
}

const char *coi_token_id(const char *token)
{
	unsigned char digest[SHA256_RESULTLEN];

	sha256_get_digest(token, strlen(token), digest);
	return t_strconcat(COI_TOKEN_ID_PREFIX,
			   binary_to_hex(digest, COI_TOKEN_ID_BYTES), NULL);
}

bool coi_token_id_is_valid(const char *id)
{
	size_t prefix_len = strlen(COI_TOKEN_ID_PREFIX);

	return strncmp(id, COI_TOKEN_ID_PREFIX, prefix_len) == 0 &&
		strspn(id + prefix_len, "0123456789abcdef") ==
			2 * COI_TOKEN_ID_BYTES &&
		strlen(id) == prefix_len + 2 * COI_TOKEN_ID_BYTES;
}

const char *coi_token_format(const char *token, const struct timeval *now)
{
	return t_strdup_printf("%lld-%06ld %s", (long long)now->tv_sec,
			       (long)now->tv_usec, token);
}

/* Seconds, and microseconds so that two of a second differ. */
static bool
coi_token_parse_generation(const char *generation, time_t *renewed_r)
{
	const char *dash = strchr(generation, '-');

	return dash != NULL && strlen(dash + 1) == 6 &&
		strspn(dash + 1, "0123456789") == 6 &&
		strlen(generation) <= COI_PUSH_TOPIC_MAX_LEN &&
		str_to_time(t_strdup_until(generation, dash), renewed_r) == 0;
}

int coi_token_parse(const char *stored, struct coi_token *token_r,
		    const char **error_r)
{
	const char *space = strchr(stored, ' '), *problem;

	i_zero(token_r);
	if (space != NULL)
		token_r->generation = t_strdup_until(stored, space);
	if (space == NULL ||
	    !coi_token_parse_generation(token_r->generation,
					&token_r->renewed) ||
	    !coi_token_is_valid(space + 1, &problem)) {
		*error_r = "no device token of ours";
		return -1;
	}
	token_r->token = space + 1;
	return 0;
}

bool coi_token_is_expired(const struct coi_token *token, time_t now)
{
	return now - token->renewed >= COI_TOKEN_LIFETIME_SECS;
}
