//! netevd.service, line by line.

use super::Probe::{Root, Script, Told, Twin};
use super::{NARROW, Row};

const STATUS: &str = "set -- $(grep -E '^(CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/$P/status); echo $*";

pub(super) const ROWS: &[Row] = &[
    (
        "Description=Network event daemon (scripts and policy routing)",
        &[Told("Description", "Network event daemon (scripts and policy routing)")],
    ),
    (
        "Documentation=file:/usr/share/doc/netevd/README.md",
        &[Root("test -s /usr/share/doc/netevd/README.md && echo there", "there")],
    ),
    ("Requires=netevd.socket", &[Root(super::others::REQUIRES, "netevd.socket")]),
    (
        "After=netevd.socket",
        &[Root(super::others::AFTER, "NetworkManager dbus.socket netevd.socket networkd")],
    ),
    (
        "Wants=netevd-priv.service",
        &[Root("systemctl show --value -p Wants netevd | grep -o netevd-priv", "netevd-priv")],
    ),
    (
        "After=systemd-networkd.service NetworkManager.service dbus.socket",
        &[Root(super::others::AFTER, "NetworkManager dbus.socket netevd.socket networkd")],
    ),
    (
        "Before=network-online.target",
        &[Root("systemctl show --value -p Before netevd | grep -o network-online", "network-online")],
    ),
    ("StartLimitIntervalSec=30s", &[Told("StartLimitIntervalUSec", "30s")]),
    ("StartLimitBurst=10", &[Told("StartLimitBurst", "10")]),
    ("Type=notify", &[Told("Type", "notify")]),
    (
        "NotifyAccess=main",
        &[
            Told("NotifyAccess", "main"),
            Script(
                "NOTIFY_SOCKET=/run/systemd/notify systemd-notify --status=forged; \
            systemctl show --value -p StatusText netevd | grep forged",
                "",
            ),
        ],
    ),
    (
        "ExecStartPre=-+/usr/lib/netevd/netevd-polkit",
        &[Root("systemctl show -p ExecStartPre netevd | grep -c 'netevd-polkit .* status=0'", "1")],
    ),
    (
        "ExecStart=/usr/lib/netevd/netevd-worker --systemd --runtime-dir %t/netevd",
        &[Root(
            "tr '\\0' ' ' </proc/$P/cmdline",
            "/usr/lib/netevd/netevd-worker --systemd --runtime-dir /run/netevd",
        )],
    ),
    (
        "ExecReload=-+/usr/lib/netevd/netevd-polkit",
        &[Root("systemctl show -p ExecReload netevd | grep -c netevd-polkit", "1")],
    ),
    (
        "ExecReload=/bin/sh -c 'kill -HUP \"$1\"' sh $MAINPID",
        &[Root("systemctl reload netevd && echo reloaded", "reloaded")],
    ),
    (
        "ExecReload=/usr/bin/netevd validate",
        &[Root("systemctl show -p ExecReload netevd | grep -c 'netevd validate'", "1")],
    ),
    ("Restart=always", &[Told("Restart", "always")]),
    ("RestartSec=100ms", &[Told("RestartUSec", "100ms")]),
    ("WatchdogSec=30s", &[Told("WatchdogUSec", "30s")]),
    ("TimeoutStartSec=30s", &[Told("TimeoutStartUSec", "30s")]),
    ("TimeoutStopSec=20s", &[Told("TimeoutStopUSec", "20s")]),
    ("KillMode=mixed", &[Told("KillMode", "mixed")]),
    ("User=netevd", &[Script("id -un", "netevd"), Root("ps -o user:20= -p $P", "netevd")]),
    ("Group=netevd", &[Script("id -gn; id -Gn", "netevd\nnetevd")]),
    ("UMask=0022", &[Script("umask", "0022"), Root("grep Umask /proc/$P/status | cut -f2", "0022")]),
    ("RuntimeDirectory=netevd", &[Script("test -w /run/netevd && echo writable", "writable")]),
    ("RuntimeDirectoryMode=0755", &[Root("stat -c '%U %a' /run/netevd", "netevd 755")]),
    ("RuntimeDirectoryPreserve=restart", &[Told("RuntimeDirectoryPreserve", "restart")]),
    ("LogsDirectory=netevd", &[Script("test -w /var/log/netevd && echo writable", "writable")]),
    ("LogsDirectoryMode=0750", &[Root("stat -c '%U %a' /var/log/netevd", "netevd 750")]),
    (
        "CapabilityBoundingSet=",
        &[Root(STATUS, "CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2")],
    ),
    (
        "AmbientCapabilities=",
        &[Root(STATUS, "CapBnd: 0000000000000000 CapAmb: 0000000000000000 NoNewPrivs: 1 Seccomp: 2")],
    ),
    ("NoNewPrivileges=yes", &[Script("grep NoNewPrivs /proc/self/status | cut -f2", "1")]),
    ("RestrictSUIDSGID=yes", &[Script("$TRY set-user-id", "EPERM")]),
    ("RestrictRealtime=yes", &[Script("$TRY realtime", "EPERM")]),
    ("LockPersonality=yes", &[Script("$TRY personality", "EPERM")]),
    (
        "ProtectKernelTunables=yes",
        &[Root(
            "(echo 1 >$R/proc/sys/net/ipv4/conf/lo/forwarding) 2>&1 | grep -o 'Read-only.*'",
            "Read-only file system",
        )],
    ),
    (
        "ProtectKernelModules=yes",
        &[
            Root("stat -c %a $R/usr/lib/modules; ls $R/usr/lib/modules", "0"),
            Script("ls /usr/lib/modules 2>&1 | grep -o denied", "denied"),
        ],
    ),
    ("ProtectKernelLogs=yes", &[Root("grep -c ' /proc/kmsg ' /proc/$P/mountinfo", "1")]),
    (
        "ProtectControlGroups=yes",
        &[Root("mkdir $R/sys/fs/cgroup/x 2>&1 | grep -o 'Read-only.*'", "Read-only file system")],
    ),
    ("ProtectClock=yes", &[Script("$TRY adjtimex", "EPERM"), Told("DeviceAllow", "char-rtc r")]),
    ("ProtectHostname=yes", &[Root(super::others::NAMESPACES, "mnt uts")]),
    ("PrivateMounts=yes", &[Root(super::others::NAMESPACES, "mnt uts")]),
    ("KeyringMode=private", &[Script("$TRY own-keyring", "done")]),
    (
        "ProtectSystem=strict",
        &[
            Root(super::others::WRITES, "/etc /usr /boot / /sys"),
            Script("(echo x >/etc/given) 2>&1 | grep -o 'Read-only.*'", "Read-only file system"),
        ],
    ),
    (
        "ReadWritePaths=/run /var -/srv -/opt -/mnt -/media",
        &[Script(
            "for d in /var/lib /srv /opt /mnt /media /run; do echo x >$d/given/file && cat $d/given/file; done | uniq -c | xargs",
            "6 x",
        )],
    ),
    (
        "ProtectHome=yes",
        &[
            Script("cat /home/open/file 2>&1 | grep -o denied", "denied"),
            Root("stat -c %a $R/home $R/root $R/run/user | xargs", "0 0 0"),
        ],
    ),
    (
        "PrivateTmp=yes",
        &[Script(
            "ls /tmp/outside 2>&1 | grep -o 'No such'; mktemp >/dev/null && mktemp -p /var/tmp >/dev/null && echo writable",
            "No such\nwritable",
        )],
    ),
    ("PrivateDevices=yes", &[Root(super::others::HARDWARE, "1\n0")]),
    (
        "DevicePolicy=closed",
        &[Script(
            "head -c1 /srv/null; cat /srv/device 2>&1 | grep -o 'Operation not permitted'",
            "Operation not permitted",
        )],
    ),
    (
        "ProtectProc=invisible",
        &[Script(
            "ls -d /proc/1 2>&1 | grep -o 'No such'; pidof systemd-networkd; ls -d /proc/self",
            "No such\n/proc/self",
        )],
    ),
    (
        "RestrictAddressFamilies=AF_UNIX AF_NETLINK AF_INET AF_INET6",
        &[Script(
            "for f in unix netlink inet inet6 packet; do $TRY socket-$f; done | xargs",
            "done done done done EAFNOSUPPORT",
        )],
    ),
    ("RestrictNamespaces=yes", &[Script("$TRY unshare-user", "EPERM")]),
    ("SystemCallArchitectures=native", &[Script("$TRY exec /usr/lib/narrow 2>/dev/null; echo $?", NARROW)]),
    ("SystemCallFilter=@system-service", &[Script("$TRY trace-me; $TRY capset", "EPERM\nEFAULT")]),
    ("SystemCallFilter=~@resources", &[Script("$TRY nice", "EPERM")]),
    (
        "SystemCallFilter=~process_vm_readv process_vm_writev process_madvise kcmp userfaultfd",
        &[
            Script(
                "for c in vm-read vm-write vm-advise kcmp userfaultfd; do $TRY $c; done | xargs",
                "EPERM EPERM EPERM EPERM EPERM",
            ),
            // The kernel's own answers are others.
            Twin("vm-read", "done"),
            Twin("vm-write", "done"),
            Twin("vm-advise", "EBADF"),
            Twin("kcmp", "done or ENOSYS"),
            Twin("userfaultfd", "EINVAL or ENOSYS"),
        ],
    ),
    (
        "SystemCallFilter=seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
        &[Script("$TRY seccomp; $TRY landlock", "EINVAL\ndone")],
    ),
    ("SystemCallErrorNumber=EPERM", &[Script("$TRY trace-me", "EPERM")]),
    ("RemoveIPC=yes", &[Told("RemoveIPC", "yes")]),
    // The machine's cgroups have no controllers: nothing but the setting is to be seen.
    ("MemoryMax=1G", &[Told("MemoryMax", "1073741824")]),
    ("OOMPolicy=continue", &[Told("OOMPolicy", "continue")]),
    (
        "LimitNOFILE=4096",
        &[
            Root("awk '/open files/ { print $4, $5 }' /proc/$P/limits", "4096 4096"),
            Script("ulimit -n; ulimit -Hn", "4096\n4096"),
        ],
    ),
    ("WantedBy=multi-user.target", &[Told("UnitFileState", "enabled")]),
];
