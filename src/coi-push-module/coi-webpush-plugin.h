#ifndef COI_WEBPUSH_PLUGIN_H
#define COI_WEBPUSH_PLUGIN_H

struct module;

extern const char *coi_push_plugin_version;
extern const char *coi_push_plugin_dependencies[];

void coi_push_plugin_init(struct module *module);
void coi_push_plugin_deinit(void);

#endif
