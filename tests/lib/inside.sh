#!/bin/bash
# inside.sh WORK COMMAND...: what coi_enter runs as the first process of the
# namespace. It stays there as root, so that the kernel ends it (and with it
# all others) when its parent dies: a process that changes its uid loses that.
# shellcheck source=tests/lib/setup.sh
. "$(dirname "$0")/setup.sh"

coi_work=$1
shift
trap - EXIT

mount --bind "$coi_work/modules" /usr/lib/dovecot/modules ||
	coi_die "cannot mount over /usr/lib/dovecot/modules"
# The loopback of a new network namespace is down; ip(8) may not be installed.
python3 - <<'END' || coi_die "cannot bring up the loopback interface"
import fcntl, socket, struct
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    request = struct.pack("16sh14x", b"lo", 0)
    flags, = struct.unpack_from("h", fcntl.ioctl(s, 0x8913, request), 16)
    if not flags & 1:  # IFF_UP
        fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", flags | 1))
END
cd "$coi_work/src" || exit 1
coi_as_user "$@"
