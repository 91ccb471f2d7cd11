//! Each row of the table of capabilities in docs/user/container.md.

use crate::container::Container;
use crate::namespace::{Namespace, OF_NET1};
use crate::wait::{holds_for, wait_for};
use crate::{HELPER, NET_ADMIN, WORKER, images};
use std::time::Duration;

/// A row: how podman is called, and what is then so.
struct Row {
    name: &'static str,
    options: &'static [&'static str],
    /// uid, effective and bounding set.
    worker: (u32, u64, Bounding),
    helper: Option<(u32, u64, Bounding)>,
    /// Exit status of the health check.
    health: i32,
    /// In the log.
    said: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Bounding {
    Is(u64),
    /// What the container was given.
    Kept,
}

use Bounding::{Is, Kept};

const USER: &[&str] = &["--user=64001:64001", "--volume=/run/netevd"];

const ROWS: [Row; 8] = [
    Row {
        name: "kill",
        options: &["--cap-drop=all", "--cap-add=NET_ADMIN,SETUID,SETGID,SETPCAP,CHOWN,KILL"],
        worker: (WORKER, 0, Is(0)),
        helper: Some((HELPER, NET_ADMIN, Is(NET_ADMIN))),
        health: 0,
        said: &[],
    },
    Row {
        name: "setpcap",
        options: &["--cap-drop=all", "--cap-add=NET_ADMIN,SETUID,SETGID,CHOWN"],
        worker: (WORKER, 0, Kept),
        helper: Some((HELPER, NET_ADMIN, Kept)),
        health: 0,
        said: &["no CAP_SETPCAP: the children keep the bounding set"],
    },
    Row {
        name: "chown",
        options: &["--cap-drop=all", "--cap-add=NET_ADMIN,SETUID,SETGID,SETPCAP"],
        worker: (WORKER, 0, Is(0)),
        helper: Some((HELPER, NET_ADMIN, Is(NET_ADMIN))),
        health: 3,
        said: &["no CAP_CHOWN: the runtime directory stays root's", "the API does not listen at"],
    },
    Row {
        name: "root",
        options: &["--cap-drop=all", "--cap-add=NET_ADMIN"],
        worker: (0, 0, Kept),
        helper: Some((0, NET_ADMIN, Kept)),
        health: 0,
        said: &["worker and helper both run as uid 0", "no CAP_SETUID and CAP_SETGID: worker, helper"],
    },
    Row {
        name: "defaults",
        options: &["--cap-add=NET_ADMIN"],
        worker: (WORKER, 0, Is(0)),
        helper: Some((HELPER, NET_ADMIN, Is(NET_ADMIN))),
        health: 0,
        said: &[],
    },
    Row {
        name: "user",
        options: &["--cap-drop=all", "--cap-add=NET_ADMIN", USER[0], USER[1]],
        worker: (WORKER, 0, Kept),
        helper: Some((WORKER, NET_ADMIN, Kept)),
        health: 0,
        said: &["worker and helper both run as uid 64001", "no CAP_SETUID and CAP_SETGID: worker, helper"],
    },
    Row {
        name: "nothing",
        options: &["--cap-drop=all", USER[0], USER[1]],
        worker: (WORKER, 0, Is(0)),
        helper: None,
        health: 0,
        said: &[
            "policy routing is off: that needs CAP_NET_ADMIN",
            "routing.policy_rules is set and has no effect",
        ],
    },
    Row {
        name: "no-root",
        options: &["--cap-drop=all"],
        worker: (0, 0, Is(0)),
        helper: None,
        health: 0,
        said: &[
            "policy routing is off: that needs CAP_NET_ADMIN",
            "no CAP_SETUID and CAP_SETGID: worker and scripts run",
        ],
    },
];

#[test]
fn each_set_of_capabilities_does_what_the_table_says() {
    let Some([image, ..]) = images() else { return };
    for row in &ROWS {
        println!("{}: {:?}", row.name, row.options);
        let namespace = Namespace::new(row.name);
        let container = Container::start(&namespace, image, row.options);
        let worker = container.process("netevd-worker");
        let given = container.processes().first().expect("the launcher").bounding;
        let is = |bounding: Bounding| match bounding {
            Is(set) => set,
            Kept => given,
        };
        let (uid, effective, bounding) = row.worker;
        assert_eq!((worker.uid, worker.effective, worker.bounding), (uid, effective, is(bounding)));
        match row.helper {
            Some((uid, effective, bounding)) => {
                let helper = container.process("netevd-priv");
                assert_eq!((helper.uid, helper.effective, helper.bounding), (uid, effective, is(bounding)));
                let explain = || format!("{:#?}\n{}", namespace.ours(), container.log());
                wait_for("the rules and routes are there", explain, || namespace.ours() == OF_NET1);
            }
            None => holds_for(Duration::from_millis(300), "no rules", || namespace.ours().is_empty()),
        }
        container.await_log("scripts run", |log| log.contains(&format!("eth0 is routable, uid {uid}")));
        let (status, printed) = container.health();
        assert_eq!(status, Some(row.health), "{printed}");
        assert_eq!(printed.contains("degraded"), row.helper.is_none() && row.health == 0, "{printed}");

        namespace.configure("system: { backend: kernel }\nrouting: { policy_rules: ['net*'] }\n");
        container.signal("HUP");
        container.await_log("it reloads", |log| log.contains("configuration reloaded"));
        assert_eq!(container.process("netevd-worker").pid, worker.pid);
        let log = container.log();
        for said in row.said {
            assert!(log.contains(said), "{said}");
        }
        let named = row.said.iter().any(|said| said.contains("no CAP_"));
        assert_eq!(log.contains("no CAP_"), named, "{log}");

        assert_eq!(container.stop(), 0);
    }
}
