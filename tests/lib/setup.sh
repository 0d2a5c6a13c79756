# shellcheck shell=bash
# What tests/run, .ci/run and demo/run share: packages, a work directory, a
# build, and the namespace in which a private Dovecot runs. Sourced by them.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL=C.UTF-8
export DEBIAN_FRONTEND=noninteractive
umask 022

coi_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
coi_prog=$(basename "$(dirname "$0")")/$(basename "$0")

# Who builds and runs: the account that dovecot-core makes for the code that
# nobody trusts. It owns no file and, unlike nobody, is not shared with other
# services, nor does a container ever leave it unmapped.
coi_user=dovenull

# shellcheck disable=SC2034 # used by those who source this
coi_packages=(autoconf automake libtool make gcc libc6-dev pkg-config check
	libc-ares-dev libcurl4-openssl-dev libidn2-dev libjansson-dev
	libsodium-dev libsqlite3-dev libssl-dev libunistring-dev
	dovecot-dev dovecot-imapd dovecot-lmtpd dovecot-sieve
	python3 python3-pytest python3-pytest-xdist)
# What the tests of push need besides: they drive a push service and a judge.
# shellcheck disable=SC2034
coi_push_packages=(curl nodejs openssl python3-cryptography python3-h2)

coi_work=
coi_copy= # of the tree, in the root of another Debian
coi_policy=
coi_child=
coi_kill_signal=KILL

coi_die()
{
	echo "$coi_prog: $*" >&2
	exit 1
}

coi_say()
{
	echo "== $*"
}

# Ends what coi_run is running, and waits for the end of its namespace.
coi_kill()
{
	local init

	init=$(cat "/proc/$coi_child/task/$coi_child/children" 2>/dev/null)
	kill -"$coi_kill_signal" -- "-$coi_child" 2>/dev/null
	wait "$coi_child" 2>/dev/null
	for init in $init; do
		timeout 10 tail --pid="$init" -s 0.1 -f /dev/null
	done
}

# Runs on every exit. Mounts need no undoing: they die with their namespace.
coi_cleanup()
{
	trap - EXIT
	trap '' INT TERM HUP
	if [ -n "$coi_child" ]; then coi_kill; fi
	if [ -n "$coi_policy" ]; then rm -f "$coi_policy"; fi
	if [ -n "$coi_copy" ]; then rm -rf --one-file-system "$coi_copy"; fi
	if [ -n "$coi_work" ]; then rm -rf --one-file-system "$coi_work"; fi
}
trap coi_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

coi_need_root()
{
	[ "$(id -u)" = 0 ] ||
		coi_die "must run as root (packages, namespaces); Dovecot itself then runs as $coi_user"
	command -v apt-get >/dev/null || coi_die "needs Debian: there is no apt-get"
}

# Debian's major version of this machine.
coi_debian()
{
	# shellcheck source=/dev/null
	(. /etc/os-release && echo "$VERSION_ID")
}

coi_codename()
{
	case $1 in
	12) echo bookworm ;;
	13) echo trixie ;;
	*) coi_die "Debian $1 is not supported, only 12 and 13" ;;
	esac
}

# coi_run COMMAND...: in a process group of its own and waited for, so that a
# signal is answered at once, not when the command is done, and ends all of it.
coi_run()
{
	local status=0

	set -m
	"$@" </dev/null &
	coi_child=$!
	set +m
	wait "$coi_child" || status=$?
	coi_child=
	return "$status"
}

coi_missing_packages()
{
	local package

	for package; do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
			echo "$package"
	done
}

# Installing or upgrading Dovecot's packages must neither start nor restart
# the machine's own Dovecot: policy-rc.d is Debian's way to say so.
coi_deny_services()
{
	[ -e /usr/sbin/policy-rc.d ] && return
	coi_policy=/usr/sbin/policy-rc.d
	printf '#!/bin/sh\nexit 101\n' >"$coi_policy"
	chmod 755 "$coi_policy"
}

coi_apt()
{
	apt-get -q -y -o Acquire::Retries=5 -o DPkg::Lock::Timeout=300 "$@"
}

# coi_need_packages PACKAGE...: installs what is not there yet.
coi_need_packages()
{
	local missing try log

	mapfile -t missing < <(coi_missing_packages "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	coi_say "installing ${missing[*]}"
	coi_make_work
	log=$coi_work/apt.log
	coi_deny_services
	coi_kill_signal=TERM # dpkg is not to be cut off
	for try in 1 2 3; do
		if coi_run coi_apt update >"$log" 2>&1 &&
		   coi_run coi_apt install --no-install-recommends "${missing[@]}" >>"$log" 2>&1; then
			break
		fi
		[ "$try" -lt 3 ] || { tail -n 20 "$log" >&2
			coi_die "apt-get cannot install: ${missing[*]}"; }
	done
	coi_kill_signal=KILL
	if [ -n "$coi_policy" ]; then rm -f "$coi_policy"; coi_policy=; fi
}

# coi_need_judge: what tests/push/package.json names, in build/judge, once for each
# lock file. As who runs this, whom npm may be configured for: where it gets them
# from stands in no file of ours, what they are in the lock file. No code of theirs
# is run for it.
coi_need_judge()
{
	local source=$coi_top/tests/push judge=$coi_top/build/judge part log

	! cmp -s "$source/package-lock.json" "$judge/package-lock.json" || return 0
	# Elsewhere than in Debian npm comes with nodejs.
	command -v npm >/dev/null || coi_need_packages nodejs npm
	coi_say "installing the judge of pushes (npm ci)"
	coi_make_work
	part=$coi_work/judge
	log=$coi_work/npm.log
	mkdir "$part"
	cp "$source"/package{,-lock}.json "$part"
	if ! coi_run env -C "$part" npm ci --ignore-scripts --no-audit --no-fund \
		--no-update-notifier --cache "$coi_work/npm" >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		coi_die "npm cannot install what tests/push/package-lock.json names"
	fi
	rm -rf "$judge"
	mkdir -p "$coi_top/build"
	mv "$part" "$judge"
}

# The work directory: short, since the paths of unix sockets are limited, and
# not below the repository, which may lie where coi_user cannot go.
coi_make_work()
{
	[ -z "$coi_work" ] || return 0
	coi_work=$(mktemp -d "${COI_TMPDIR:-/var/tmp}/coi.XXXXXX") ||
		coi_die "cannot write to ${COI_TMPDIR:-/var/tmp}"
	chmod 755 "$coi_work"
}

coi_own()
{
	chown -R "$coi_user:$(id -gn "$coi_user")" "$@"
}

# coi_copy_source DESTINATION: the tree without what was built in it.
coi_copy_source()
{
	local list=$coi_work/sources

	mkdir -p "$1"
	if [ -e "$coi_top/.git" ] && command -v git >/dev/null; then
		git -c safe.directory='*' -C "$coi_top" ls-files -z \
			--cached --others --exclude-standard >"$list" ||
			coi_die "git cannot list the files of $coi_top"
	else
		(cd "$coi_top" && find . \( -path ./build -o -path ./.git \) -prune \
			-o ! -type d -print0) >"$list"
	fi
	# A file may be deleted here and still be in git's index.
	(cd "$coi_top" &&
		while IFS= read -r -d '' file; do
			[ ! -e "$file" ] || printf '%s\0' "$file"
		done <"$list" | tar --null -T - -cf -) | tar -C "$1" --no-same-owner -xf - ||
		coi_die "cannot copy the sources to $1"
	rm -f "$list"
}

# coi_as_user COMMAND...: as coi_user, in a clean environment.
coi_as_user()
{
	setpriv --reuid "$coi_user" --regid "$(id -gn "$coi_user")" --clear-groups \
		--no-new-privs env -i PATH="$PATH" LC_ALL="$LC_ALL" CI="${CI-}" \
		HOME="$coi_work/home" TMPDIR="$coi_work/tmp" COI_WORK="$coi_work/s" \
		PYTHONDONTWRITEBYTECODE=1 "$@"
}

# coi_logged LOG WHAT COMMAND...: quiet unless it fails.
coi_logged()
{
	local log=$1 what=$2

	shift 2
	coi_run coi_as_user "$@" >"$log" 2>&1 && return
	tail -n 40 "$log" >&2
	coi_die "$what failed"
}

# coi_prepare: a fresh copy of the tree in $coi_work/src, that coi_user owns, with
# the judge if it was needed.
coi_prepare()
{
	coi_make_work
	coi_copy_source "$coi_work/src"
	rm -rf "$coi_work/src/tests/push/node_modules"
	if [ -d "$coi_top/build/judge" ]; then
		cp -a "$coi_top/build/judge/node_modules" "$coi_work/src/tests/push/"
	fi
	mkdir "$coi_work/home" "$coi_work/tmp" "$coi_work/s" "$coi_work/stage"
	coi_own "$coi_work"/{src,home,tmp,s,stage}
	coi_logged "$coi_work/tmp/autoreconf.log" autoreconf \
		env -C "$coi_work/src" autoreconf -fi
}

# coi_configure BUILD-DIRECTORY ARGUMENT...: configures there, and builds. (make
# distcheck builds without push.)
coi_configure()
{
	local build=$1

	shift
	mkdir -p "$build"
	coi_own "$build"
	coi_logged "$coi_work/tmp/configure.log" configure \
		env -C "$build" "$coi_work/src/configure" "$@"
	coi_logged "$coi_work/tmp/make.log" make make -C "$build" -j"$(nproc)"
}

# coi_build: the plugins, as an admin would have them, in $coi_work/stage.
coi_build()
{
	coi_configure "$coi_work/build" --enable-werror
	coi_logged "$coi_work/tmp/install.log" "make install" \
		make -C "$coi_work/build" install DESTDIR="$coi_work/stage"
	# Dovecot's own modules and ours in one directory: doveadm's plugins and
	# 2.4's settings are looked for in no other place.
	cp -a /usr/lib/dovecot/modules "$coi_work/modules"
	cp -a "$coi_work/stage/usr/lib/dovecot/modules/." "$coi_work/modules/"
}

coi_need_namespaces()
{
	unshare --mount --pid --fork --kill-child --mount-proc true 2>/dev/null ||
		coi_die "cannot make a mount and pid namespace here (unshare fails): run it where CAP_SYS_ADMIN is to be had"
}

# coi_enter [--net] COMMAND...: runs COMMAND as coi_user where the plugins are
# installed, and where its mounts and processes end with it. With --net on a
# loopback of its own too, if the machine allows that.
coi_enter()
{
	local net=()

	coi_need_namespaces
	if [ "$1" = --net ]; then
		shift
		unshare --net true 2>/dev/null && net=(--net)
	fi
	coi_run unshare --mount "${net[@]}" --propagation private --pid --fork \
		--kill-child --mount-proc \
		bash "$coi_top/tests/lib/inside.sh" "$coi_work" "$@"
}

# The version of the machine's Dovecot, as it names itself.
coi_dovecot_version()
{
	echo "Dovecot $(dovecot --version) on Debian $(coi_debian)"
}
