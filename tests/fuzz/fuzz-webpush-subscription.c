/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "str.h"
#include "webpush-endpoint.h"
#include "webpush-subscription.h"

#define FUZZ_P256DH \
	"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyP" \
	"js7Vd8pZGH6SRpkNtoIAiw4"

static const in_port_t fuzz_ports[] = { 443, 8443 };
static const struct webpush_endpoint_policy policy = {
	.ports = fuzz_ports, .port_count = N_ELEMENTS(fuzz_ports)
};

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

/* What a client may set can be stored, and reads back the same. */
static void fuzz_value(const char *value)
{
	struct webpush_subscription subscription, again;
	pool_t pool = pool_datastack_create();
	string_t *str = t_str_new(256), *str2 = t_str_new(256);
	const unsigned char *p;
	const char *error;

	if (webpush_subscription_parse(value, pool, &subscription,
				       &error) == 0)
		webpush_subscription_format_stored(&subscription, str);
	if (webpush_subscription_validate("e", value, &policy, 1767225600, pool,
					  &subscription, &error) < 0) {
		for (p = (const void *)error; *p != '\0'; p++)
			i_assert(*p >= 0x20 && *p < 0x7f);
		return;
	}
	str_truncate(str, 0);
	webpush_subscription_format_stored(&subscription, str);
	if (webpush_subscription_parse(str_c(str), pool, &again, &error) < 0)
		i_panic("%s", error);
	webpush_subscription_format_stored(&again, str2);
	i_assert(str_equals(str, str2));
	i_assert(!webpush_subscription_wants(&again, TRUE));
}

/* What stands in a good value, and the rest of the input in the place of one
   part of it, which the first byte names; none: it is the whole value. */
static const char *fuzz_get_value(const uint8_t *data, size_t size)
{
	const char *parts[] = {
		"\"client\":\"a\"", "\"chat\"", "https://push.example.net/p",
		FUZZ_P256DH, "BTBZMqHH6r4Tts7J_aSIgg"
	};
	const char *rest = t_strndup(data + 1, size - 1);

	if (data[0] >= N_ELEMENTS(parts))
		return rest;
	parts[data[0]] = rest;
	return t_strdup_printf("{%s,\"msgtype\":%s,\"resource\":{"
			       "\"endpoint\":\"%s\",\"keys\":{"
			       "\"p256dh\":\"%s\",\"auth\":\"%s\"}}}",
			       parts[0], parts[1], parts[2], parts[3],
			       parts[4]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0) T_BEGIN {
		fuzz_value(fuzz_get_value(data, size));
		(void)webpush_subscription_id_is_valid(
			t_strndup(data + 1, size - 1));
	} T_END;
	return 0;
}
