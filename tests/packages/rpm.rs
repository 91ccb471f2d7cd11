//! The rpm with rpm 4.20, which runs scriptlets in an empty network namespace.

use crate::host::Format;
use crate::life::live;

// --nodeps: what it requires are not rpms here.
static RPM: Format = Format {
    suite: "trixie",
    suffix: ".rpm",
    install: "rpm -i --nodeps $FILE",
    upgrade: "rpm -U --oldpackage --nodeps $FILE",
    remove: "rpm -e netevd",
    verify: "rpm -V --nodeps netevd || :",
    version: "rpm -q netevd",
    programs: "/usr/libexec/netevd",
    starts: false,
    kept: "/etc/iproute2/rt_protos.d/netevd.conf.rpmsave",
};

#[test]
fn rpm_package() {
    let Some(host) = live(&RPM) else { return };
    // The same version again is no removal.
    host.install();
    host.machine.sh("systemctl enable --now netevd");
    host.await_routing("policy routing");
    let before = host.machine.ours();
    let output = host.machine.sh("rpm -U --replacepkgs --nodeps /root/now.rpm 2>&1");
    host.await_routing("policy routing after a replacement by the same");
    assert_eq!(host.machine.ours(), before, "{output}");
}
