/* Copyright (c) 2026 dovecot-coi authors, see the included COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "env-util.h"
#include "hostpid.h"
#include "lib-signals.h"
#include "module-dir.h"
#include "unlink-directory.h"
#include "master-service.h"
#include "mail-namespace.h"
#include "mail-storage-hooks.h"
#include "mailbox-list-iter.h"
#include "test-mail-storage-common.h"
#include "coi-contacts-plugin.h"
#include "coi-plugin.h"
#include "coi-state.h"
#include "storage-user.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct test_mail_storage_ctx *storage_ctx;
static char *storage_base_dir;
static ARRAY_TYPE(const_string) storage_log;
static pool_t storage_pool;
static failure_callback_t *storage_old_error_handler;

static struct module storage_module = {
	.path = "lib95_coi_plugin.so",
	.name = "coi_plugin",
};

/*
 * Hooks
 */

/* The plugin's own calls of these come here and not into libdovecot-storage:
   test-mail-storage's users have no plugin list, so the plugin's hooks go among
   those that every user has. */
void mail_storage_hooks_add(struct module *module,
			    const struct mail_storage_hooks *hooks)
{
	i_assert(module == &storage_module);
	mail_storage_hooks_add_internal(hooks);
}

void mail_storage_hooks_remove(const struct mail_storage_hooks *hooks)
{
	mail_storage_hooks_remove_internal(hooks);
}

void storage_hooks_add(const struct mail_storage_hooks *hooks)
{
	mail_storage_hooks_add_internal(hooks);
}

/*
 * Log
 */

static void ATTR_FORMAT(2, 0)
storage_log_handler(const struct failure_context *ctx, const char *format,
		    va_list args)
{
	const char *line;

	if (ctx->type < LOG_TYPE_WARNING)
		return;
	line = p_strdup_vprintf(storage_pool, format, args);
	array_push_back(&storage_log, &line);
}

unsigned int storage_log_count(void)
{
	return array_count(&storage_log);
}

unsigned int storage_log_count_with(const char *text)
{
	const char *line;
	unsigned int count = 0;

	array_foreach_elem(&storage_log, line) {
		if (strstr(line, text) != NULL)
			count++;
	}
	return count;
}

void storage_log_clear(void)
{
	array_clear(&storage_log);
}

/* The errors that nobody expected; NULL: none. */
static const char *storage_log_rest(void)
{
	const char *line;
	string_t *str;

	if (array_count(&storage_log) == 0)
		return NULL;
	str = t_str_new(256);
	array_foreach_elem(&storage_log, line)
		str_printfa(str, "\n%s", line);
	return str_c(str);
}

/*
 * Test
 */

static void storage_setup(void)
{
	char *dir = i_strconcat(storage_base_dir, "/XXXXXX", NULL);
	failure_callback_t *fatal, *info, *debug;

	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		i_fatal("mkdtemp(%s) failed: %m", dir);
	i_free(dir);
	/* Dovecot's lock timeouts come by this; libcheck takes it for its own
	   timeout, which here is the parent's business */
	lib_signals_ignore(SIGALRM, FALSE);

	storage_pool = pool_alloconly_create("storage test", 1024);
	p_array_init(&storage_log, storage_pool, 8);
	i_get_failure_handlers(&fatal, &storage_old_error_handler,
			       &info, &debug);
	i_set_error_handler(storage_log_handler);

	storage_ctx = test_mail_storage_init();
	coi_plugin_init(&storage_module);
	coi_contacts_plugin_init(&storage_module);
}

static void storage_teardown(void)
{
	const char *rest = t_strdup(storage_log_rest());

	i_set_error_handler(storage_old_error_handler);
	coi_contacts_plugin_deinit();
	coi_plugin_deinit();
	test_mail_storage_deinit(&storage_ctx);
	if (chdir(storage_base_dir) < 0)
		i_fatal("chdir(%s) failed: %m", storage_base_dir);
	pool_unref(&storage_pool);
	ck_assert_msg(rest == NULL, "unexpected errors:%s", rest);
}

TCase *storage_tcase_add(Suite *suite, const char *name)
{
	TCase *tcase = unit_tcase_add(suite, name);

	tcase_add_checked_fixture(tcase, storage_setup, storage_teardown);
	return tcase;
}

static const char *storage_tmpdir(void)
{
	const char *tmpdir = getenv("TMPDIR");

	return tmpdir == NULL ? "/tmp" : tmpdir;
}

static void storage_make_base_dir(void)
{
	storage_base_dir = i_strconcat(storage_tmpdir(),
				       "/coi-storage-XXXXXX", NULL);
	if (mkdtemp(storage_base_dir) == NULL)
		i_fatal("mkdtemp(%s) failed: %m", storage_base_dir);
}

static void storage_remove_base_dir(void)
{
	const char *error;

	if (chdir(storage_tmpdir()) < 0)
		i_fatal("chdir(%s) failed: %m", storage_tmpdir());
	if (unlink_directory(storage_base_dir, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		i_fatal("unlink_directory(%s) failed: %s", storage_base_dir,
			error);
	i_free(storage_base_dir);
}

int storage_run(Suite *suite)
{
	const enum master_service_flags flags =
		MASTER_SERVICE_FLAG_STANDALONE |
		MASTER_SERVICE_FLAG_DONT_SEND_STATS |
		MASTER_SERVICE_FLAG_NO_CONFIG_SETTINGS |
		MASTER_SERVICE_FLAG_NO_SSL_INIT |
		MASTER_SERVICE_FLAG_NO_INIT_DATASTACK_FRAME;
	char *args[] = { (char *)"storage-test", NULL };
	char **argv = args;
	int argc = 1, failed;
	SRunner *runner;

	/* else it may be looked up in the DNS, which takes its time */
	env_put(MY_HOSTDOMAIN_ENV, "localhost");
	master_service = master_service_init("storage-test", flags,
					     &argc, &argv, "");
	storage_make_base_dir();
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	storage_remove_base_dir();
	master_service_deinit(&master_service);
	return failed == 0 ? 0 : 1;
}

/*
 * User
 */

static void
storage_add_settings(ARRAY_TYPE(const_string) *input,
		     const struct storage_user_settings *set)
{
	const char *str;

	if (set->prefix != NULL) {
		str = t_strconcat("namespace/inbox/prefix=", set->prefix, NULL);
		array_push_back(input, &str);
	}
	if (set->second_prefix != NULL) {
		/* replaces the list (2.4), or adds to it (2.3) */
		str = "namespace=inbox second";
		array_push_back(input, &str);
		str = t_strconcat("namespace/second/prefix=",
				  set->second_prefix, NULL);
		array_push_back(input, &str);
	}
	if (set->settings != NULL) {
		array_append(input, set->settings,
			     str_array_length(set->settings));
	}
}

struct mail_user *storage_user_init(const struct storage_user_settings *_set)
{
	static const struct storage_user_settings default_set;
	const struct storage_user_settings *set =
		_set != NULL ? _set : &default_set;
	struct test_mail_storage_settings storage_set;
	ARRAY_TYPE(const_string) input;

	t_array_init(&input, 8);
	storage_add_settings(&input, set);
	array_append_zero(&input);

	i_zero(&storage_set);
	storage_set.driver = set->driver == NULL ? "sdbox" : set->driver;
	storage_set.hierarchy_sep = set->separator;
	storage_set.extra_input = array_front(&input);
	test_mail_storage_init_user(storage_ctx, &storage_set);
	return storage_ctx->user;
}

struct coi_user *storage_coi_init(const struct storage_user_settings *set)
{
	struct coi_user *cuser = coi_user_get(storage_user_init(set));

	ck_assert_ptr_nonnull(cuser);
	return cuser;
}

void storage_user_deinit(void)
{
	test_mail_storage_deinit_user(storage_ctx);
	/* that went to /, which need not be readable */
	if (chdir(storage_ctx->home_root) < 0)
		i_fatal("chdir(%s) failed: %m", storage_ctx->home_root);
}

static struct mailbox *
storage_mailbox_alloc(struct mail_user *user, const char *vname)
{
	struct mail_namespace *ns =
		mail_namespace_find(user->namespaces, vname);

	return mailbox_alloc(ns->list, vname, 0);
}

struct mailbox *storage_mailbox_open(struct mail_user *user, const char *vname)
{
	struct mailbox *box = storage_mailbox_alloc(user, vname);

	if (!storage_mailbox_exists(user, vname))
		ck_assert_int_eq(mailbox_create(box, NULL, FALSE), 0);
	ck_assert_int_eq(mailbox_open(box), 0);
	ck_assert_int_eq(mailbox_sync(box, MAILBOX_SYNC_FLAG_FULL_READ), 0);
	return box;
}

bool storage_mailbox_exists(struct mail_user *user, const char *vname)
{
	struct mailbox *box = storage_mailbox_alloc(user, vname);
	enum mailbox_existence existence;

	ck_assert_int_eq(mailbox_exists(box, FALSE, &existence), 0);
	mailbox_free(&box);
	return existence == MAILBOX_EXISTENCE_SELECT;
}

bool storage_mailbox_subscribed(struct mail_user *user, const char *vname)
{
	struct mail_namespace *ns =
		mail_namespace_find(user->namespaces, vname);
	struct mailbox_list_iterate_context *iter;
	bool subscribed;

	iter = mailbox_list_iter_init(ns->list, vname,
				      MAILBOX_LIST_ITER_SELECT_SUBSCRIBED);
	subscribed = mailbox_list_iter_next(iter) != NULL;
	ck_assert_int_eq(mailbox_list_iter_deinit(&iter), 0);
	return subscribed;
}

/*
 * State
 */

void storage_set_state(struct coi_user *cuser, const char *enabled,
		       const char *message_filter)
{
	const struct coi_state_change changes[] = {
		{ COI_CONFIG_ENABLED, enabled },
		{ COI_CONFIG_MESSAGE_FILTER, message_filter },
	};
	struct coi_config old;
	const char *error;

	if (coi_state_update(cuser->store, pool_datastack_create(), changes,
			     N_ELEMENTS(changes), &old, &error) < 0)
		ck_abort_msg("coi_state_update() failed: %s", error);
}

const char *storage_get_state(struct coi_user *cuser)
{
	struct coi_config config;
	const char *error;
	int ret;

	ret = coi_state_read(cuser->store, pool_datastack_create(), &config,
			     &error);
	if (ret <= 0)
		return ret < 0 ? "error" : "none";
	return t_strdup_printf("%s|%s",
		config.enabled == NULL ? "-" : config.enabled,
		config.message_filter == NULL ? "-" : config.message_filter);
}
