//! The Arch package with pacman.

use crate::host::Format;
use crate::life::live;

// -dd: what it depends on are not pacman's packages here.
static ARCH: Format = Format {
    suite: "trixie",
    suffix: ".pkg.tar.zst",
    install: "pacman --noconfirm -dd -U $FILE && systemctl daemon-reload",
    upgrade: "pacman --noconfirm -dd -U $FILE",
    remove: "pacman --noconfirm -R netevd",
    verify: "pacman -Qkk netevd | grep -v ', 0 altered files$' || :",
    version: "pacman -Q netevd",
    programs: "/usr/lib/netevd",
    starts: false,
    kept: "/etc/iproute2/rt_protos.d/netevd.conf.pacsave",
};

#[test]
fn arch_package() {
    live(&ARCH);
}
