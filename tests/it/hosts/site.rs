//! A host with two uplinks, providers that drop what is not theirs, and somebody far away (`site.sh`).

use super::reach::Reach;
use crate::oracle::{Kernel, Picture, Policy};
use crate::support::{Daemon, Host, wait_within};
use std::cell::RefCell;
use std::time::Duration;

const LIBRARY: &str = "/tmp/site.sh";
/// On a machine that is busy with everything else.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct Site {
    pub(super) host: Host,
    pub(super) kernel: Kernel,
    namespaces: RefCell<Vec<String>>,
    expected: RefCell<Vec<String>>,
}

impl Site {
    pub(super) fn new(test: &str) -> Option<Site> {
        let host = Host::new(test)?;
        host.write(LIBRARY, include_str!("site.sh"), 0o644);
        let kernel = Kernel::new(&host);
        let namespaces = ["r0", "r1", "far"].map(str::to_owned).to_vec();
        let site = Site { host, kernel, namespaces: RefCell::new(namespaces), expected: RefCell::default() };
        site.sh("site");
        Some(site)
    }

    /// The same with eth1's usual addresses and defaults of both families.
    pub(super) fn with_eth1(test: &str) -> Option<Site> {
        let site = Site::new(test)?;
        site.sh("eth1; eth1_v6");
        Some(site)
    }

    /// Runs a shell command that knows the functions of `site.sh`.
    pub(super) fn sh(&self, script: &str) -> String {
        self.host.sh(&format!(". {LIBRARY}\n{script}"))
    }

    /// A namespace on the LAN of `r0` or `r1`, through its interface `nb`, with this configuration.
    pub(super) fn neighbour(&self, name: &str, router: &str, script: &str) {
        self.sh(&format!("neighbour {name} {router}; n {name} '{script}'"));
        self.namespaces.borrow_mut().push(name.to_owned());
    }

    /// docker0 with a container.
    pub(super) fn docker(&self) {
        self.sh("docker");
        self.namespaces.borrow_mut().push("box".to_owned());
    }

    /// One more namespace whose addresses ask and are asked.
    pub(super) fn counts_in(&self, namespace: &str) {
        self.namespaces.borrow_mut().push(namespace.to_owned());
    }

    /// These have to be answered without netevd already: the case is about them.
    pub(super) fn expects(&self, pairs: &[&str]) {
        self.expected.borrow_mut().extend(pairs.iter().map(|pair| (*pair).to_owned()));
    }

    /// Who is answered before netevd starts.
    pub(super) fn before(&self) -> Reach {
        // An address is no source until it is known to be unique, which another one is meanwhile.
        self.sh(
            "for try in $(seq 60); do ip -6 -o addr show tentative up | grep -q . || break; sleep 0.05; done",
        );
        Reach::new(&self.host, &self.namespaces.borrow(), &self.expected.borrow())
    }

    /// Notes who is answered, starts netevd, and asserts that its objects are the oracle's and that everybody is
    /// still answered.
    pub(super) fn managed(&self, policy: &Policy, elsewhere: &[&str]) -> Managed<'_> {
        let reach = self.before();
        self.start(reach, policy, elsewhere)
    }

    /// The same where the host had no other uplink when it was noted.
    pub(super) fn managed_after(&self, mut reach: Reach, policy: &Policy, elsewhere: &[&str]) -> Managed<'_> {
        reach.forget_unbound();
        self.start(reach, policy, elsewhere)
    }

    /// The same with an uplink that `fallback: unreachable` cuts off: what main sends elsewhere is not answered.
    pub(super) fn managed_cut_off(&self, policy: &Policy) -> Managed<'_> {
        let mut reach = self.before();
        reach.forget_all();
        self.start(reach, policy, &[])
    }

    /// The same with more routes than the oracle looks at.
    pub(super) fn managed_unjudged(&self, policy: &Policy, elsewhere: &[&str]) -> Managed<'_> {
        self.launch(self.before(), policy, elsewhere)
    }

    fn start(&self, reach: Reach, policy: &Policy, elsewhere: &[&str]) -> Managed<'_> {
        let managed = self.launch(reach, policy, elsewhere);
        managed.exact("after the start");
        managed.kept();
        managed
    }

    fn launch(&self, mut reach: Reach, policy: &Policy, elsewhere: &[&str]) -> Managed<'_> {
        reach.note_lookups(elsewhere);
        self.host.config(&policy.yaml());
        let daemon = self.host.start_daemon();
        Managed { site: self, policy: policy.clone(), daemon, reach }
    }
}

/// A site with netevd.
pub(super) struct Managed<'s> {
    pub(super) site: &'s Site,
    pub(super) policy: Policy,
    pub(super) daemon: Daemon<'s>,
    pub(super) reach: Reach,
}

impl Managed<'_> {
    /// netevd's objects are the oracle's.
    pub(super) fn exact(&self, what: &str) -> Picture {
        self.site.kernel.await_exact(&self.site.host, &self.policy, what)
    }

    /// Changes the host and waits until netevd has followed.
    pub(super) fn step(&self, script: &str) -> Picture {
        self.site.sh(script);
        self.exact(script)
    }

    /// Another policy, taken up by the running daemon.
    pub(super) fn reload(&mut self, policy: &Policy) {
        self.reload_unjudged(policy);
        self.exact("after the reload");
    }

    /// The same with more routes than the oracle looks at.
    pub(super) fn reload_unjudged(&mut self, policy: &Policy) {
        self.site.host.config(&policy.yaml());
        self.site.host.sh("/opt/netevd/netevd reload");
        self.policy = policy.clone();
    }

    /// The lines that ip(8) shows of netevd's rules and tables have each of these, and none of those.
    pub(super) fn shows(&self, parts: &[&str], absent: &[&str]) {
        let look = || {
            let text = self.site.host.sh(
                "ip rule; ip -6 rule; for t in 206 207 208; do ip route show table $t 2>/dev/null || true
                 ip -6 route show table $t 2>/dev/null || true; done",
            );
            // ip ends some lines with a blank.
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
        };
        let explain = || format!("{:#?}\n{}", look(), self.site.host.log());
        wait_within(PATIENCE, &format!("{parts:?} and not {absent:?}"), explain, || {
            let lines = look();
            let has = |part: &&&str| lines.iter().any(|line| line.contains(**part));
            parts.iter().all(|part| has(&part)) && !absent.iter().any(|part| has(&part))
        });
    }

    /// Everybody who was answered before netevd is answered, and only uplinks have changed.
    pub(super) fn kept(&self) {
        self.reach.assert_kept(&self.site.host, self.policy.falls_back());
    }

    /// These are answered, by ping and by TCP: `far 203.0.113.9 -> 198.51.100.2`.
    pub(super) fn answered(&self, pairs: &[&str]) {
        self.reach.assert_answered(&self.site.host, pairs);
    }

    /// None of these is.
    pub(super) fn unanswered(&self, pairs: &[&str]) {
        self.reach.assert_unanswered(pairs);
    }

    /// Ends netevd and takes away what it has installed.
    pub(super) fn end(self) {
        let site = self.site;
        assert_eq!(self.daemon.stop().status, 0);
        site.host.sh("/opt/netevd/netevd flush");
    }
}
