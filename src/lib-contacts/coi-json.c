/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "coi-limits.h"
#include "coi-time.h"
#include "coi-json.h"

/* jansson calls itself for each level, and allows 2048 of them. */
static bool coi_json_is_too_deep(const char *value, size_t size)
{
	unsigned int depth = 0;
	bool quoted = FALSE;
	size_t i;

	for (i = 0; i < size; i++) {
		switch (value[i]) {
		case '\\':
			/* Outside of strings it is an error anyway. */
			i++;
			break;
		case '"':
			quoted = !quoted;
			break;
		case '{':
		case '[':
			if (!quoted && ++depth > COI_JSON_DEPTH_MAX)
				return TRUE;
			break;
		case '}':
		case ']':
			if (!quoted && depth > 0)
				depth--;
			break;
		}
	}
	return FALSE;
}

int coi_json_parse(const char *value, size_t size, size_t max_bytes,
		   json_t **root_r, const char **reason_r)
{
	json_error_t error;
	json_t *root;

	if (size > max_bytes) {
		*reason_r = t_strdup_printf("longer than %zu bytes", max_bytes);
		return -1;
	}
	if (coi_json_is_too_deep(value, size)) {
		*reason_r = t_strdup_printf("more than %u levels",
					    COI_JSON_DEPTH_MAX);
		return -1;
	}
	root = json_loadb(value, size, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL) {
		*reason_r = json_error_code(&error) ==
			json_error_duplicate_key ? "a member stands twice" :
			t_strdup_printf("not JSON (line %d, column %d)",
					error.line, error.column);
		return -1;
	}
	if (!json_is_object(root)) {
		json_decref(root);
		*reason_r = "not a JSON object";
		return -1;
	}
	*root_r = root;
	return 0;
}

/* Returns NULL if it is missing or null. */
static const json_t *coi_json_get(const json_t *root, const char *name)
{
	const json_t *json = json_object_get(root, name);

	return json == NULL || json_is_null(json) ? NULL : json;
}

int coi_json_get_bool(const json_t *root, const char *name, bool *value_r,
		      const char **reason_r)
{
	const json_t *json = coi_json_get(root, name);

	if (json == NULL)
		return 0;
	if (!json_is_boolean(json)) {
		*reason_r = t_strdup_printf("%s must be true or false", name);
		return -1;
	}
	*value_r = json_is_true(json);
	return 0;
}

int coi_json_get_word(const json_t *root, const char *name,
		      const char *const *words, unsigned int *value_r,
		      const char **reason_r)
{
	const json_t *json = coi_json_get(root, name);
	const char *word;
	unsigned int i;

	if (json == NULL)
		return 0;
	word = json_string_value(json);
	for (i = 0; word != NULL && words[i] != NULL; i++) {
		if (strcmp(word, words[i]) == 0) {
			*value_r = i;
			return 0;
		}
	}
	*reason_r = t_strdup_printf("%s must be one of: %s", name,
				    t_strarray_join(words, ", "));
	return -1;
}

int coi_json_get_time(const json_t *root, const char *name, time_t *value_r,
		      const char **reason_r)
{
	const json_t *json = coi_json_get(root, name);
	const char *str;
	time_t value;

	if (json == NULL)
		return 0;
	str = json_string_value(json);
	/* 0 stands for "none" with us. */
	if (str == NULL || coi_time_parse_rfc3339(str, &value) < 0 ||
	    value == 0) {
		*reason_r = t_strdup_printf(
			"%s must be a time such as 2026-12-31T23:59:59Z", name);
		return -1;
	}
	*value_r = value;
	return 0;
}

int coi_json_check_string(const json_t *json, const char *name,
			  size_t max_bytes, const char **value_r,
			  const char **reason_r)
{
	const char *str = json_string_value(json);
	const unsigned char *p;

	if (str == NULL || strlen(str) > max_bytes) {
		*reason_r = t_strdup_printf(
			"%s must be a string of at most %zu bytes",
			name, max_bytes);
		return -1;
	}
	for (p = (const unsigned char *)str; *p != '\0'; p++) {
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0)) {
			*reason_r = t_strdup_printf(
				"%s must not have control characters", name);
			return -1;
		}
	}
	*value_r = str;
	return 0;
}

int coi_json_get_string(const json_t *root, const char *name, size_t max_bytes,
			const char **value_r, const char **reason_r)
{
	const json_t *json = coi_json_get(root, name);

	if (json == NULL)
		return 0;
	return coi_json_check_string(json, name, max_bytes, value_r, reason_r);
}

void coi_json_append_name(string_t *dest, const char *name)
{
	i_assert(str_len(dest) > 0);
	if (str_c(dest)[str_len(dest) - 1] != '{')
		str_append_c(dest, ',');
	coi_json_append_string(dest, name);
	str_append_c(dest, ':');
}

void coi_json_append_string(string_t *dest, const char *str)
{
	str_append_c(dest, '"');
	for (; *str != '\0'; str++) {
		if ((unsigned char)*str < 0x20) {
			str_printfa(dest, "\\u%04x", (unsigned char)*str);
			continue;
		}
		if (*str == '"' || *str == '\\')
			str_append_c(dest, '\\');
		str_append_c(dest, *str);
	}
	str_append_c(dest, '"');
}

void coi_json_append_time(string_t *dest, time_t value)
{
	str_append_c(dest, '"');
	coi_time_append_rfc3339(dest, value);
	str_append_c(dest, '"');
}
