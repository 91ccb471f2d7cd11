//! From start to stop: rules and routes, scripts, reload, health, and what stays in the kernel.

use crate::container::Container;
use crate::namespace::{Namespace, OF_NET1};
use crate::wait::wait_for;
use crate::{GRANTED, HELPER, NET_ADMIN, SCRIPTS, WORKER, images, podman};

fn await_rules(namespace: &Namespace, container: &Container, expected: &[&str]) {
    let explain = || format!("{:#?}\n{}", namespace.ours(), container.log());
    wait_for("the rules and routes are these", explain, || namespace.ours() == expected);
}

#[test]
fn each_image_does_its_work_and_leaves_its_state() {
    for image in images().unwrap_or_default() {
        let namespace = Namespace::new("life");
        let container = Container::start(&namespace, image, &["--cap-drop=all", GRANTED]);
        await_rules(&namespace, &container, &OF_NET1);
        container.await_log("the script of eth0 ran as the worker", |log| {
            log.contains(&format!("script: eth0 is routable, uid {WORKER}"))
        });
        assert!(!container.log().contains("no CAP_"), "{}", container.log());

        let (worker, helper) = (container.process("netevd-worker"), container.process("netevd-priv"));
        assert_eq!((worker.uid, worker.effective, worker.bounding), (WORKER, 0, 0));
        assert_eq!((helper.uid, helper.effective, helper.bounding), (HELPER, NET_ADMIN, NET_ADMIN));
        let (status, said) = container.health();
        assert_eq!(status, Some(0), "{said}");
        // As the image says.
        podman(&["healthcheck", "run", container.name()]);
        assert!(container.exec(&["sh", "-c", "ip rule && id netevd-scripts"]).status.success());

        // A gateway that changes, and a program that wipes the rules.
        namespace.ip(&["route", "replace", "default", "via", "192.0.2.9", "dev", "net1", "metric", "200"]);
        let mut moved = OF_NET1;
        moved[2] = "default via 192.0.2.9 dev net1 table 207 metric 200";
        await_rules(&namespace, &container, &moved);
        namespace.ip(&["rule", "del", "priority", "32002"]);
        await_rules(&namespace, &container, &moved);

        // One that the worker reads alone, one for which all start again, and one with a mistake.
        let config = |more: &str| format!("system: {{ backend: kernel }}\n{more}");
        namespace.configure(&config(
            "routing: { policy_rules: ['net*'] }\nmonitoring: { interfaces: ['eth*', 'net*'] }\n",
        ));
        container.signal("HUP");
        container.await_log("reloaded", |log| log.contains("configuration reloaded"));
        assert_eq!(container.process("netevd-worker").pid, worker.pid);
        namespace.configure(&config(
            "routing: { policy_rules: ['net*', 'eth*'] }\nscripts: { user: netevd-scripts }\n",
        ));
        container.signal("HUP");
        container.await_log("the new worker runs", |log| log.matches(" ready: ").count() == 2);
        wait_for(
            "eth0 has rules",
            || container.log(),
            || namespace.ours().contains(&"32002: from 198.51.100.3 lookup 206 proto 110".to_owned()),
        );
        let runner = container.processes().into_iter().filter(|process| process.uid == SCRIPTS);
        assert_eq!(runner.map(|process| (process.effective, process.bounding)).collect::<Vec<_>>(), [(0, 0)]);
        namespace.configure(&config("routing: { polcy_rules: ['net*'] }\n"));
        container.signal("HUP");
        container.await_log("the mistake is shown", |log| log.contains("did you mean `policy_rules`?"));
        assert_eq!(container.health().0, Some(0));

        let before = namespace.ours();
        assert_eq!(before.len(), 8, "{before:#?}");
        assert_eq!(container.stop(), 0);
        let (ended, said) = container.ended_and_said("SIGTERM: stopping");
        println!("{image}: stopped {:.0} ms after the signal", (ended - said) * 1000.0);
        // podman may write a line down after the end of what printed it: by 5 ms, once.
        assert!(ended - said < 1.0, "{ended} {said}");
        assert_eq!(namespace.ours(), before, "the state stays");

        // The next container finds it, and flush removes it.
        let place = namespace.options();
        let flush = [
            "run",
            "--rm",
            "--read-only",
            "--cap-drop=all",
            GRANTED,
            "--tmpfs=/run:rw,mode=755",
            &place[0],
            image,
        ];
        podman(&[&flush[..], &["flush"]].concat());
        assert_eq!(namespace.ours(), [""; 0]);
    }
}
