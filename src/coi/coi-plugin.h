#ifndef COI_PLUGIN_H
#define COI_PLUGIN_H

struct module;

extern const char *coi_plugin_version;
extern const char *coi_plugin_dependencies[];

void coi_plugin_init(struct module *module);
void coi_plugin_deinit(void);

#endif
