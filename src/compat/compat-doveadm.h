#ifndef COMPAT_DOVEADM_H
#define COMPAT_DOVEADM_H

/* One way to write a mail command of doveadm for Dovecot 2.3, which hands
   parameters over one by one, and 2.4, where a command asks for them. With this
   it asks in both, by doveadm_cmd_param_*(). On 2.3 each parameter needs a short
   option, even if only the long one is told to anybody.

   There is no compat-doveadm.c: it would become part of the mail plugins too,
   which are loaded where there is no doveadm. */

#include "doveadm-mail.h"

#if DOVECOT_VERSION_MAJOR == 2 && DOVECOT_VERSION_MINOR < 4

/* The head of a command's init function: COMPAT_DOVEADM_INIT(name, ctx) */
#  define COMPAT_DOVEADM_INIT(name, ctx) \
	static void name(struct doveadm_mail_cmd_context *ctx, \
			 const char *const args[] ATTR_UNUSED)

static inline bool
compat_doveadm_parse_arg(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED,
			 int c ATTR_UNUSED)
{
	return TRUE;
}

/* Prepares a command that was just allocated. */
static inline void compat_doveadm_cmd_init(struct doveadm_mail_cmd_context *ctx)
{
	ctx->v.parse_arg = compat_doveadm_parse_arg;
}

#else

#  define COMPAT_DOVEADM_INIT(name, ctx) \
	static void name(struct doveadm_mail_cmd_context *ctx)

static inline void
compat_doveadm_cmd_init(struct doveadm_mail_cmd_context *ctx ATTR_UNUSED)
{
}

#endif

#endif
