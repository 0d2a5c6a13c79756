#ifndef COI_CONTACTS_PLUGIN_H
#define COI_CONTACTS_PLUGIN_H

struct module;

extern const char *coi_contacts_plugin_version;
extern const char *coi_contacts_plugin_dependencies[];

void coi_contacts_plugin_init(struct module *module);
void coi_contacts_plugin_deinit(void);

#endif
