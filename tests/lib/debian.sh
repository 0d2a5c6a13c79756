# shellcheck shell=bash
# Runs something of this tree in a root of another Debian. Sourced by
# tests/run after setup.sh.
# shellcheck disable=SC2154 # variables of setup.sh

# coi_sources CODENAME: lines for sources.list, where this machine gets the
# same archives of its own release. None, if apt knows of none.
coi_sources()
{
	local origin uri release component own

	own=$(coi_codename "$(coi_debian)")
	# shellcheck disable=SC2016 # the fields are apt's
	apt-get indextargets 'Created-By: Packages' \
		--format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' |
		while read -r origin uri release component; do
			case $origin/$component/$release in
			Debian/main/"$own"-updates | Debian/main/"$own"-security)
				echo "deb $uri $1${release#"$own"} main" ;;
			esac
		done | sort -u
}

# coi_make_root ROOT CODENAME: by debootstrap, in a namespace of its own for
# what it mounts.
coi_make_root()
{
	local log=$coi_work/debootstrap.log

	coi_need_packages debootstrap
	coi_run coi_apt update >"$log" 2>&1 || true # for coi_sources
	coi_say "making a root of Debian $2 in $1"
	rm -rf --one-file-system "$1.part"
	mkdir -p "$1.part"
	if ! coi_run unshare --mount --propagation private --pid --fork --kill-child \
		debootstrap --variant=minbase --include=ca-certificates "$2" "$1.part" \
		>"$log" 2>&1; then
		tail -n 20 "$log" >&2
		coi_die "debootstrap cannot make a root of Debian $2"
	fi
	coi_sources "$2" >"$1.part/etc/apt/sources.list.d/coi.list"
	mv "$1.part" "$1"
}

# coi_other_debian VERSION COMMAND...: COMMAND (relative to the tree) with a
# copy of this tree in a root of that Debian; its results come back here.
coi_other_debian()
{
	local version=$1 name root status=0

	shift
	name=$(coi_codename "$version") || exit 1
	root=${COI_DEBIAN_ROOT:-$coi_top/build/debian$version}
	coi_need_namespaces
	coi_make_work
	[ -e "$root/etc/debian_version" ] || coi_make_root "$root" "$name"
	root=$(cd "$root" && pwd -P)
	coi_copy=$(mktemp -d "$root/var/tmp/coi.XXXXXX") ||
		coi_die "cannot write to $root"
	chmod 755 "$coi_copy"
	coi_copy_source "$coi_copy/tree"
	# npm is configured here, not there.
	if [ -d "$coi_top/build/judge" ]; then
		mkdir -p "$coi_copy/tree/build"
		cp -a "$coi_top/build/judge" "$coi_copy/tree/build/"
	fi
	coi_run unshare --mount --propagation private --pid --fork --kill-child \
		--mount-proc bash "$coi_top/tests/lib/chroot.sh" \
		"$root" "${coi_copy#"$root"}" "$@" || status=$?
	if [ -d "$coi_copy/tree/build/results" ]; then
		mkdir -p "$coi_top/build/results"
		cp -a "$coi_copy/tree/build/results/." "$coi_top/build/results/"
	fi
	return "$status"
}
