#ifndef COI_PUSH_SETTINGS_H
#define COI_PUSH_SETTINGS_H

#include "coi-push-config.h"

struct setting_parser_info;

/* The settings of the worker. */
struct coi_push_settings {
	pool_t pool;
	const char *coi_push_queue_dir;
	unsigned int coi_push_queue_max;
	unsigned int coi_push_deadline;
	unsigned int coi_push_timeout;
	const char *coi_push_proxy_url;
	const char *coi_push_ca_file;
	const char *coi_push_dns_servers;
	const char *coi_push_ports;
	bool coi_push_insecure;
	const char *coi_deltachat_push_url;

	/* made of the above by the check */
	struct coi_push_ports parsed_ports;
};

/* The table of them, for the worker and for doveconf (2.4). */
extern const struct setting_parser_info coi_push_setting_parser_info;

#endif
