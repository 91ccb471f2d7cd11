//! netevd.socket and the strict example, line by line, and probes that several units share.

use super::Probe::{Root, Script, Told};
use super::Row;

pub(super) const REQUIRES: &str = "systemctl show --value -p Requires netevd | grep -o netevd.socket";
pub(super) const AFTER: &str = "systemctl show --value -p After netevd | tr ' ' '\\n' | \
    grep -oE 'NetworkManager|dbus.socket|netevd.socket|networkd' | LC_ALL=C sort | xargs";
/// Which name spaces of the process are not those of process 1.
pub(super) const NAMESPACES: &str = "for n in cgroup ipc mnt net pid user uts; do \
    [ $(readlink /proc/$P/ns/$n) = $(readlink /proc/1/ns/$n) ] || echo $n; done | xargs";
/// Where not even root could write in the process's place.
pub(super) const WRITES: &str = "for d in /etc /usr /boot / /sys; do \
    touch $R$d/x 2>&1 | grep -q 'Read-only' && echo $d; done | xargs";
/// A device of the machine's, and of the process's.
pub(super) const HARDWARE: &str = "mknod /dev/netevd-test c 1 3; ls /dev | grep -c netevd-test; \
    ls $R/dev | grep -c netevd-test; rm /dev/netevd-test";

pub(super) const SOCKET: &[Row] = &[
    ("Description=netevd, sockets of the worker", &[Told("Description", "netevd, sockets of the worker")]),
    ("PartOf=netevd.service", &[Told("PartOf", "netevd.service")]),
    (
        "ListenSequentialPacket=%t/netevd-priv/channel.sock",
        &[Root("ss -Hlx src /run/netevd-priv/channel.sock | cut -d' ' -f1", "u_seq")],
    ),
    ("SocketUser=root", &[Root("stat -c '%U' /run/netevd-priv/channel.sock", "root")]),
    ("SocketGroup=netevd-priv", &[Root("stat -c '%G' /run/netevd-priv/channel.sock", "netevd-priv")]),
    ("SocketMode=0660", &[Root("stat -c '%a' /run/netevd-priv/channel.sock", "660")]),
    ("DirectoryMode=0755", &[Root("stat -c '%U %a' /run/netevd-priv", "root 755")]),
    ("RemoveOnStop=yes", &[Told("RemoveOnStop", "yes")]),
    // confinement.rs reads the socket's own buffer; recovery.rs that its messages come.
    (
        "ListenNetlink=route 263633",
        &[Root("systemctl show --value -p Listen netevd.socket | grep -o 'route 263633'", "route 263633")],
    ),
    ("ReceiveBuffer=16M", &[Told("ReceiveBuffer", "16777216")]),
];

pub(super) const STRICT_TEXT: &str = include_str!("../../../systemd/examples/netevd-strict.conf");

pub(super) const STRICT: &[Row] = &[
    (
        "ReadWritePaths=",
        &[Script("(echo x >/var/lib/given/file) 2>&1 | grep -o 'Read-only.*'", "Read-only file system")],
    ),
    (
        "ReadOnlyPaths=/run",
        &[Script(
            "(echo x >/run/given/file) 2>&1 | grep -o 'Read-only.*'; echo x >/run/netevd/file && echo own",
            "Read-only file system\nown",
        )],
    ),
    ("RestrictAddressFamilies=", &[Script(FAMILIES, "done done EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT")]),
    (
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK",
        &[Script(FAMILIES, "done done EAFNOSUPPORT EAFNOSUPPORT EAFNOSUPPORT")],
    ),
    (
        "IPAddressDeny=any",
        &[Root(
            "sh -c 'echo $$ >$0/cgroup.procs; exec ping -c 1 -W 1 127.0.0.1' $C | grep -o '100% packet loss'",
            "100% packet loss",
        )],
    ),
    ("SystemCallFilter=~@privileged", &[Script("$TRY capset", "EPERM")]),
    ("MemoryDenyWriteExecute=yes", &[Script("$TRY write-and-execute", "EPERM or EACCES")]),
    ("PrivateIPC=yes", &[Root(NAMESPACES, "ipc mnt uts")]),
    ("UMask=0077", &[Script("umask", "0077")]),
];

const FAMILIES: &str = "for f in unix netlink inet inet6 packet; do $TRY socket-$f; done | xargs";
