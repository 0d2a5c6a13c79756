#ifndef COI_JSON_H
#define COI_JSON_H

#include <jansson.h>

/* The little JSON that entry values are made of. Reading is jansson's work,
   within our limits; writing needs no memory but the string's. */

/* Parses a value that must be one object. Returns 0, or -1 if it is not, is
   longer than `max_bytes', nests deeper than COI_JSON_DEPTH_MAX or has a member
   twice; then *reason_r (data stack) says so and quotes nothing of the value.
   The caller calls json_decref(*root_r). */
int coi_json_parse(const char *value, size_t size, size_t max_bytes,
		   json_t **root_r, const char **reason_r);

/* Each reads one member of an object, and leaves *value_r as it is if the
   member is missing or null. Returns 0, or -1 if it is of another kind; then
   *reason_r (data stack) names the member. */
int coi_json_get_bool(const json_t *root, const char *name, bool *value_r,
		      const char **reason_r);
/* The index of the member's value in `words', which ends with NULL. */
int coi_json_get_word(const json_t *root, const char *name,
		      const char *const *words, unsigned int *value_r,
		      const char **reason_r);
/* RFC 3339, in the years 1970 to 9999. */
int coi_json_get_time(const json_t *root, const char *name, time_t *value_r,
		      const char **reason_r);
/* A string without control characters of at most `max_bytes'. *value_r is
   valid as long as `root' is. */
int coi_json_get_string(const json_t *root, const char *name, size_t max_bytes,
			const char **value_r, const char **reason_r);
/* The same for a string that is an element of the array `name'. */
int coi_json_check_string(const json_t *json, const char *name,
			  size_t max_bytes, const char **value_r,
			  const char **reason_r);

/* Appends `"name":' and before it what separates it from what `dest' ends
   with: the `{' of the object, or another member. */
void coi_json_append_name(string_t *dest, const char *name);
/* `str' must be UTF-8. */
void coi_json_append_string(string_t *dest, const char *str);
/* RFC 3339 in UTC, to the second. */
void coi_json_append_time(string_t *dest, time_t value);

#endif
