//! netevd-priv.service, line by line. The helper runs nothing and answers requests alone, so what it
//! may is seen from outside, and tried by a unit with the same lines and another program.

use super::Probe::{Filtered, Root, Told, Twin};
use super::{NARROW, Row};

const INACCESSIBLE: &str = "stat -c %a $R/boot $R/etc $R/media $R/mnt $R/opt $R/srv $R/var | xargs";

pub(super) const ROWS: &[Row] = &[
    (
        "Description=netevd, privileged helper (rules and routes)",
        &[Told("Description", "netevd, privileged helper (rules and routes)")],
    ),
    (
        "Documentation=file:/usr/share/doc/netevd/README.md",
        &[Root("test -s /usr/share/doc/netevd/README.md && echo there", "there")],
    ),
    ("PartOf=netevd.service", &[Told("PartOf", "netevd.service")]),
    ("BindsTo=netevd.socket", &[Told("BindsTo", "netevd.socket")]),
    (
        "After=netevd.socket",
        &[Root("systemctl show --value -p After netevd-priv | grep -o netevd.socket", "netevd.socket")],
    ),
    (
        "Before=netevd.service",
        &[Root("systemctl show --value -p Before netevd-priv | grep -o netevd.service", "netevd.service")],
    ),
    ("StartLimitIntervalSec=0", &[Told("StartLimitIntervalUSec", "0")]),
    ("Type=exec", &[Told("Type", "exec")]),
    (
        "ExecStartPre=+/usr/bin/netevd policy --output %t/netevd-priv/policy",
        &[Root("stat -c '%U %a' /run/netevd-priv/policy", "root 644")],
    ),
    (
        "ExecStart=/usr/lib/netevd/netevd-priv --connect %t/netevd-priv/channel.sock --policy %t/netevd-priv/policy",
        &[Root(
            "tr '\\0' ' ' </proc/$P/cmdline",
            "/usr/lib/netevd/netevd-priv --connect /run/netevd-priv/channel.sock --policy /run/netevd-priv/policy",
        )],
    ),
    ("Restart=always", &[Told("Restart", "always")]),
    ("RestartSec=250ms", &[Told("RestartUSec", "250ms")]),
    ("TimeoutStartSec=30s", &[Told("TimeoutStartUSec", "30s")]),
    // What it does is seen in recovery.rs.
    (
        "ExecStopPost=+:/bin/sh -c 'test \"$EXIT_STATUS\" != 2 || exec sleep 5'",
        &[Root("systemctl show -p ExecStopPostEx netevd-priv | grep -o 'flags=[^;]*'", STOP_POST)],
    ),
    ("TimeoutStopSec=10s", &[Told("TimeoutStopUSec", "10s")]),
    ("User=netevd-priv", &[Root("ps -o user:20= -p $P", "netevd-priv")]),
    (
        "Group=netevd-priv",
        &[Root("ps -o group:20= -p $P; awk '/^Groups/ { print NF - 1 }' /proc/$P/status", "netevd-priv\n1")],
    ),
    ("UMask=0077", &[Root("grep Umask /proc/$P/status | cut -f2", "0077")]),
    (
        "CapabilityBoundingSet=CAP_NET_ADMIN",
        &[
            Told("CapabilityBoundingSet", "cap_net_admin"),
            Root(CAPABILITIES, "0000000000001000 0000000000001000"),
        ],
    ),
    (
        "AmbientCapabilities=CAP_NET_ADMIN",
        &[
            Told("AmbientCapabilities", "cap_net_admin"),
            Root(CAPABILITIES, "0000000000001000 0000000000001000"),
        ],
    ),
    ("NoNewPrivileges=yes", &[Root("grep NoNewPrivs /proc/$P/status | cut -f2", "1")]),
    ("ProtectSystem=strict", &[Root(super::others::WRITES, "/etc /usr /boot / /sys")]),
    (
        "ReadOnlyPaths=/run",
        &[Root(
            "touch $R/run/x $R/run/netevd-priv/x 2>&1 | grep -o 'Read-only.*'",
            "Read-only file system\nRead-only file system",
        )],
    ),
    ("ProtectHome=yes", &[Root("stat -c %a $R/home $R/root $R/run/user | xargs", "0 0 0")]),
    ("PrivateTmp=yes", &[Root("ls $R/tmp | wc -l; ls /tmp/outside", "0\n/tmp/outside")]),
    ("PrivateMounts=yes", &[Root(super::others::NAMESPACES, "ipc mnt uts")]),
    (
        "InaccessiblePaths=-/boot -/etc -/media -/mnt -/opt -/srv -/var",
        &[Root(INACCESSIBLE, "0 0 0 0 0 0 0")],
    ),
    ("PrivateDevices=yes", &[Root(super::others::HARDWARE, "1\n0")]),
    (
        "DevicePolicy=closed",
        // Not even root, in the helper's place.
        &[Root(
            "sh -c 'echo $$ >$0/cgroup.procs; cat /srv/null; cat /srv/device' $C 2>&1 | grep -o 'Operation not permitted'",
            "Operation not permitted",
        )],
    ),
    ("ProtectProc=invisible", &[Root(PROC, "hidepid=invisible")]),
    (
        "ProcSubset=pid",
        &[Root("test -e $R/proc/meminfo || grep -o subset=pid /proc/$P/mountinfo", "subset=pid")],
    ),
    (
        "ProtectKernelTunables=yes",
        &[Root(
            "awk '$5 ~ \"^/sys/kernel\" { print $6 }' /proc/$P/mountinfo | grep -o '^..' | sort | uniq -c | xargs",
            "2 ro",
        )],
    ),
    ("ProtectKernelModules=yes", &[Root("stat -c %a $R/usr/lib/modules", "0")]),
    (
        "ProtectKernelLogs=yes",
        &[
            Told("ProtectKernelLogs", "yes"),
            Root("ls $R/dev/kmsg $R/proc/kmsg 2>&1 | grep -c 'No such'", "2"),
        ],
    ),
    (
        "ProtectControlGroups=yes",
        &[Root("mkdir $R/sys/fs/cgroup/x 2>&1 | grep -o 'Read-only.*'", "Read-only file system")],
    ),
    ("ProtectClock=yes", &[Twin("adjtimex", "EPERM"), Told("DeviceAllow", "char-rtc r")]),
    ("ProtectHostname=yes", &[Root(super::others::NAMESPACES, "ipc mnt uts")]),
    (
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK",
        &[
            Twin("socket-unix", "done"),
            Twin("socket-netlink", "done"),
            Twin("socket-inet", "EAFNOSUPPORT"),
            Twin("socket-packet", "EAFNOSUPPORT"),
        ],
    ),
    (
        "IPAddressDeny=any",
        &[Root(
            "sh -c 'echo $$ >$0/cgroup.procs; exec ping -c 1 -W 1 127.0.0.1' $C | grep -o '100% packet loss'",
            "100% packet loss",
        )],
    ),
    ("PrivateIPC=yes", &[Root(super::others::NAMESPACES, "ipc mnt uts")]),
    ("RemoveIPC=yes", &[Told("RemoveIPC", "yes")]),
    ("KeyringMode=private", &[Twin("own-keyring", "done")]),
    (
        "SystemCallArchitectures=native",
        &[Twin("exec /usr/lib/narrow", if NARROW.is_empty() { "ENOEXEC" } else { "SIGSYS" })],
    ),
    ("MemoryDenyWriteExecute=yes", &[Twin("write-and-execute", "EPERM or EACCES")]),
    ("RestrictNamespaces=yes", &[Twin("unshare-user", "EPERM")]),
    ("RestrictRealtime=yes", &[Twin("realtime", "EPERM")]),
    ("RestrictSUIDSGID=yes", &[Twin("set-user-id", "EPERM")]),
    ("LockPersonality=yes", &[Twin("personality", "EPERM")]),
    (
        "SystemCallFilter=@default @basic-io",
        &[Filtered("nice", "SIGSYS"), Filtered("chdir", "SIGSYS"), Root(FILTERS, "several")],
    ),
    (
        "SystemCallFilter=access fstat newfstatat statx rt_sigaction rt_sigprocmask sigaltstack",
        &[Filtered("capget", "EFAULT")],
    ),
    (
        "SystemCallFilter=readlink readlinkat",
        &[
            Filtered("readlink", "EINVAL"),
            Filtered("readlinkat", "EINVAL"),
            // What is installed calls it: a program without a loader's name in its first page is static.
            Root("head -c 4096 /usr/lib/netevd/netevd-priv | grep -c ld-linux", "0"),
        ],
    ),
    ("SystemCallFilter=openat fcntl poll ppoll", &[Filtered("capget", "EFAULT")]),
    (
        "SystemCallFilter=socket bind connect getsockname getpeername getsockopt setsockopt",
        &[Filtered("socket-netlink", "done"), Filtered("socket-inet", "EAFNOSUPPORT")],
    ),
    (
        "SystemCallFilter=sendto sendmsg recvfrom recvmsg",
        &[Root("ip rule show proto 110 | grep -c 192.0.2.34", "2")],
    ),
    (
        "SystemCallFilter=capget capset prctl seccomp",
        &[Filtered("capset", "EFAULT"), Filtered("seccomp", "EINVAL")],
    ),
    (
        "SystemCallFilter=landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        &[Filtered("landlock", "done")],
    ),
    // The machine's cgroups have no controllers: nothing but the setting is to be seen.
    ("TasksMax=4", &[Told("TasksMax", "4")]),
    ("MemoryMax=64M", &[Told("MemoryMax", "67108864")]),
    ("LimitCORE=0", &[Root("awk '/core file/ { print $5, $6 }' /proc/$P/limits", "0 0")]),
];

const STOP_POST: &str = "flags=privileged no-env-expand ";
const CAPABILITIES: &str = "grep -E '^Cap(Bnd|Eff):' /proc/$P/status | cut -f2 | xargs";
const PROC: &str = "grep -o hidepid=invisible /proc/$P/mountinfo";
/// The helper's own filter is one.
const FILTERS: &str = "awk '/Seccomp_filters/ { print ($2 > 8 ? \"several\" : $2) }' /proc/$P/status";
