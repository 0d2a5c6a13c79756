#!/bin/bash
# chroot.sh ROOT DIRECTORY COMMAND...: runs COMMAND in ROOT, in the tree below
# DIRECTORY, as the first process of a namespace with which all that is mounted
# here goes away. What it writes it writes below DIRECTORY too.
# shellcheck source=tests/lib/setup.sh
. "$(dirname "$0")/setup.sh"

root=$1
directory=$2
shift 2
trap - EXIT

# The root becomes a mount point: COMMAND makes namespaces of its own in it,
# and a change of propagation wants one.
mount --bind "$root" "$root" || coi_die "cannot mount in $root"
cd "$root" || exit 1
mount -t proc proc proc || coi_die "cannot mount proc in $root"
mount --rbind /dev dev || coi_die "cannot mount /dev in $root"
cp -L --remove-destination /etc/resolv.conf etc/resolv.conf ||
	coi_die "cannot write to $root/etc"
chroot . env -C "$directory/tree" COI_TMPDIR="$directory" "$@"
