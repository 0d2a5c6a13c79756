# What dovecot-coi's configure needs beyond autoconf's own macros.

# COI_DOVECOT
# -----------
# Finds dovecot-config, which tells where Dovecot keeps its headers,
# libraries and modules. Debian puts it in /usr/lib/dovecot, a build from
# source in PREFIX/lib/dovecot.
AC_DEFUN([COI_DOVECOT], [
  AC_ARG_WITH([dovecot],
    [AS_HELP_STRING([--with-dovecot=DIR],
      [directory that holds dovecot-config])], [], [with_dovecot=])
  AC_ARG_WITH([moduledir],
    [AS_HELP_STRING([--with-moduledir=DIR],
      [where to install the modules (default: Dovecot's own directory)])],
    [], [with_moduledir=])

  AC_MSG_CHECKING([for dovecot-config])
  coi_dirs="$with_dovecot"
  AS_IF([test -z "$coi_dirs"], [
    coi_dirs="/usr/lib/dovecot /usr/local/lib/dovecot"
    AS_IF([test "x$prefix" != xNONE], [coi_dirs="$coi_dirs $prefix/lib/dovecot"])
  ])
  coi_dovecot_config=
  for coi_dir in $coi_dirs; do
    AS_IF([test -z "$coi_dovecot_config" && test -f "$coi_dir/dovecot-config"],
      [coi_dovecot_config="$coi_dir/dovecot-config"])
  done
  AS_IF([test -z "$coi_dovecot_config"], [
    AC_MSG_RESULT([no])
    AC_MSG_ERROR([no dovecot-config in $coi_dirs: install Debian's package dovecot-dev, or give --with-dovecot=DIR])
  ])
  AC_MSG_RESULT([$coi_dovecot_config])

  # Its flags are those of Dovecot's own build (optimisation, LTO); only
  # the places are of use here.
  . "$coi_dovecot_config"
  AS_IF([test -n "$with_moduledir"], [dovecot_moduledir="$with_moduledir"])

  coi_save_CPPFLAGS="$CPPFLAGS"
  CPPFLAGS="$CPPFLAGS $LIBDOVECOT_INCLUDE -DHAVE_CONFIG_H"
  AC_CHECK_HEADER([lib.h], [],
    [AC_MSG_ERROR([Dovecot's headers do not compile ($LIBDOVECOT_INCLUDE): install Debian's package dovecot-dev])],
    [AC_INCLUDES_DEFAULT])
  AC_MSG_CHECKING([for Dovecot's version])
  AC_COMPUTE_INT([coi_major], [DOVECOT_VERSION_MAJOR], [@%:@include "lib.h"], [coi_major=0])
  AC_COMPUTE_INT([coi_minor], [DOVECOT_VERSION_MINOR], [@%:@include "lib.h"], [coi_minor=0])
  CPPFLAGS="$coi_save_CPPFLAGS"
  COI_DOVECOT_VERSION="$coi_major.$coi_minor"
  AC_MSG_RESULT([$COI_DOVECOT_VERSION])
  AS_CASE([$COI_DOVECOT_VERSION], [2.3|2.4], [],
    [AC_MSG_ERROR([Dovecot $COI_DOVECOT_VERSION is not supported: dovecot-coi builds for 2.3 and 2.4])])

  # Since 2.4 doveconf must know every setting: a module of its own tells it.
  AM_CONDITIONAL([HAVE_SETTINGS_MODULE], [test "$COI_DOVECOT_VERSION" = 2.4])
  AC_SUBST([COI_DOVECOT_VERSION])
  AC_SUBST([LIBDOVECOT])
  AC_SUBST([LIBDOVECOT_INCLUDE])
  AC_SUBST([LIBDOVECOT_STORAGE])
  AC_SUBST([LIBDOVECOT_LDA])
  AC_SUBST([dovecot_pkglibdir])
  AC_SUBST([dovecot_moduledir])
])

# COI_LIBRARIES
# -------------
# The libraries of the pure room: JSON, Unicode, internationalised domains.
# libunistring brings no file for pkg-config.
AC_DEFUN([COI_LIBRARIES], [
  PKG_PROG_PKG_CONFIG
  # 2.11 tells errors apart by number.
  PKG_CHECK_MODULES([JANSSON], [jansson >= 2.11], [],
    [AC_MSG_ERROR([no jansson 2.11 or newer: install Debian's package libjansson-dev])])
  PKG_CHECK_MODULES([IDN2], [libidn2 >= 2.0.5], [],
    [AC_MSG_ERROR([no libidn2 2.0.5 or newer: install Debian's package libidn2-dev])])
  AC_CHECK_HEADER([unicase.h], [],
    [AC_MSG_ERROR([no unicase.h: install Debian's package libunistring-dev])])
  AC_CHECK_LIB([unistring], [u8_tolower], [:],
    [AC_MSG_ERROR([no libunistring: install Debian's package libunistring-dev])])
  COI_LIBS_CFLAGS="$JANSSON_CFLAGS $IDN2_CFLAGS"
  COI_LIBS="$JANSSON_LIBS $IDN2_LIBS -lunistring"
  AC_SUBST([COI_LIBS_CFLAGS])
  AC_SUBST([COI_LIBS])
])

# COI_CHECK
# ---------
# libcheck, for `make check' only.
AC_DEFUN([COI_CHECK], [
  PKG_CHECK_MODULES([CHECK], [check >= 0.10], [have_check=yes], [have_check=no])
  AS_IF([test "$have_check" = no],
    [AC_MSG_WARN([no libcheck: `make check' needs Debian's package check])])
  AM_CONDITIONAL([HAVE_CHECK], [test "$have_check" = yes])
])

# COI_PUSH
# --------
# Web Push: its pure room, the plugin and the worker.
AC_DEFUN([COI_PUSH], [
  AC_ARG_WITH([push],
    [AS_HELP_STRING([--without-push],
      [build no Web Push (which needs libcrypto, libsodium, libcurl, SQLite, c-ares)])],
    [], [with_push=yes])
  AS_IF([test "$with_push" != no], [
    # 3.0 is the first that takes keys as bytes without deprecated calls.
    PKG_CHECK_MODULES([CRYPTO], [libcrypto >= 3.0], [],
      [AC_MSG_ERROR([no libcrypto 3.0 or newer, which Web Push needs: install Debian's package libssl-dev, or give --without-push])])
    # 7.85 is the first that takes protocols by name.
    PKG_CHECK_MODULES([CURL], [libcurl >= 7.85], [],
      [AC_MSG_ERROR([no libcurl 7.85 or newer, which Web Push needs: install Debian's package libcurl4-openssl-dev, or give --without-push])])
    # 3.24 is the first with UPSERT.
    PKG_CHECK_MODULES([SQLITE], [sqlite3 >= 3.24], [],
      [AC_MSG_ERROR([no SQLite 3.24 or newer, which Web Push needs: install Debian's package libsqlite3-dev, or give --without-push])])
    # 1.16 is the first with ares_getaddrinfo().
    PKG_CHECK_MODULES([CARES], [libcares >= 1.16], [],
      [AC_MSG_ERROR([no c-ares 1.16 or newer, which Web Push needs: install Debian's package libc-ares-dev, or give --without-push])])
    PUSH_CFLAGS="$CRYPTO_CFLAGS -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED"
    PUSH_LIBS="$CRYPTO_LIBS"
    PKG_CHECK_MODULES([SODIUM], [libsodium >= 1.0.18], [],
      [AC_MSG_ERROR([no libsodium 1.0.18 or newer, which Web Push needs: install Debian's package libsodium-dev, or give --without-push])])
    WORKER_CFLAGS="$CURL_CFLAGS $SQLITE_CFLAGS $CARES_CFLAGS"
    WORKER_LIBS="$CURL_LIBS $SQLITE_LIBS $CARES_LIBS"
  ])
  AM_CONDITIONAL([HAVE_PUSH], [test "$with_push" != no])
  AC_SUBST([PUSH_CFLAGS])
  AC_SUBST([PUSH_LIBS])
  AC_SUBST([WORKER_CFLAGS])
  AC_SUBST([WORKER_LIBS])
  AC_SUBST([dovecot_pkglibexecdir])
])

# COI_FUZZERS
# -----------
# libFuzzer is clang's: give CC=clang too.
AC_DEFUN([COI_FUZZERS], [
  AC_ARG_ENABLE([fuzzers],
    [AS_HELP_STRING([--enable-fuzzers], [build the fuzzers (needs CC=clang)])],
    [], [enable_fuzzers=no])
  AM_CONDITIONAL([ENABLE_FUZZERS], [test "$enable_fuzzers" = yes])
])

# COI_WARNINGS
# ------------
# The warnings that Dovecot is built with; --enable-werror makes them errors.
AC_DEFUN([COI_WARNINGS], [
  AC_ARG_ENABLE([werror],
    [AS_HELP_STRING([--enable-werror], [treat compiler warnings as errors])],
    [], [enable_werror=no])
  COI_CFLAGS="-std=gnu99 -Wall -Wextra -Wmissing-prototypes -Wmissing-declarations -Wpointer-arith -Wchar-subscripts -Wformat=2 -Wbad-function-cast -Wstrict-aliasing=2 -Wvla -Wundef -Wshadow -fno-builtin-strftime"
  AS_IF([test "$enable_werror" = yes], [COI_CFLAGS="$COI_CFLAGS -Werror"])
  AC_SUBST([COI_CFLAGS])
])
