//! What another user put where root's commands look: it is named, and neither followed, waited for nor told.

use super::{NETEVD, netevd};
use crate::support::{Host, Output};

/// The directories as the service leaves them: of the worker's user.
fn place(test: &str) -> Option<Host> {
    let host = Host::with_users(test)?;
    host.sh("install -d -o netevd -g netevd /run/netevd /var/log/netevd");
    host.config("audit: { enabled: true, path: /var/log/netevd/audit.log }\n");
    Some(host)
}

/// With an end for what hangs: then the status is 124.
fn within(host: &Host, words: &str) -> Output {
    host.run(&["sh", "-c", &format!("exec timeout 60 {NETEVD} {words}")])
}

fn as_worker(host: &Host, script: &str) {
    let output = host.run(&["setpriv", "--reuid=970", "--regid=970", "--clear-groups", "sh", "-ec", script]);
    assert_eq!(output.status, 0, "{script}: {}{}", output.stdout, output.stderr);
}

#[test]
fn cli_flush_is_neither_held_up_nor_led_away_by_the_lock() {
    let Some(host) = place("cli_flush_is_neither_held_up_nor_led_away_by_the_lock") else { return };
    // Held by root, and nobody else may read it.
    host.sh("umask 077; mkdir /root/secret; echo 4711 >/root/secret/pid; flock /root/secret/pid sleep 300 >/dev/null 2>&1 &");
    for (made, said) in [
        ("mkfifo /run/netevd/lock", "it is a named pipe of uid 970"),
        (
            "ln -s /root/secret/pid /run/netevd/lock",
            "it is a symbolic link to \"/root/secret/pid\" of uid 970",
        ),
        ("ln -s /dev/zero /run/netevd/lock", "a symbolic link"),
        ("mkdir /run/netevd/lock", "it is a directory of uid 970"),
    ] {
        as_worker(&host, made);
        let output = within(&host, "flush");
        assert_eq!(output.status, 1, "{made}: {}{}", output.stdout, output.stderr);
        assert!(output.stderr.contains(said), "{made}: {}", output.stderr);
        assert!(output.stderr.contains("rm /run/netevd/lock"), "{made}: {}", output.stderr);
        assert!(!output.stderr.contains("4711"), "{made}: {}", output.stderr);
        let output = within(&host, "start");
        assert_eq!(output.status, 1, "{made}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{made}: {}", output.stderr);
        host.sh("rm -r /run/netevd/lock");
    }
    // Where nothing forbids such a link (fs.protected_hardlinks) the worker can make one; root does it here.
    host.sh("echo 4711 >/run/secret; ln /run/secret /run/netevd/lock; flock /run/secret sleep 300 >/dev/null 2>&1 &");
    let output = within(&host, "flush");
    assert_eq!(output.status, 1, "{}", output.stderr);
    assert!(output.stderr.contains("2 names") && !output.stderr.contains("4711"), "{}", output.stderr);
    host.sh("rm /run/netevd/lock");
    as_worker(&host, "touch /run/netevd/lock");
    assert_eq!(within(&host, "flush").status, 0);
}

#[test]
fn cli_audit_verify_reads_files_and_nothing_else() {
    let Some(host) = place("cli_audit_verify_reads_files_and_nothing_else") else { return };
    let log = "/var/log/netevd/audit.log";
    for (made, said) in [
        (format!("mkfifo {log}"), "it is a named pipe of uid 970"),
        (format!("ln -s /dev/zero {log}"), "it is a symbolic link to \"/dev/zero\""),
        (format!("ln -s /nowhere {log}"), "it is a symbolic link to \"/nowhere\""),
        // A hole, which costs the worker nothing.
        (format!("truncate -s 8G {log}"), "no record has"),
        (format!("truncate -s 4T {log} 2>/dev/null || truncate -s 17G {log}"), "are read"),
        (format!("mkfifo {log}.2026-03-01"), "it is a named pipe of uid 970"),
    ] {
        as_worker(&host, &made);
        for words in ["audit verify", "audit verify --format json"] {
            let output = within(&host, words);
            assert_eq!(output.status, 1, "{made}: {}{}", output.stdout, output.stderr);
            let text = output.stdout.replace("\\\"", "\"");
            assert!(text.contains(said), "{made}: {}{}", output.stdout, output.stderr);
        }
        host.sh(&format!("rm -f {log} {log}.*"));
    }
    let output = within(&host, "audit verify /dev/zero");
    assert_eq!(output.status, 1);
    assert!(output.stdout.contains("it is a device of uid 0"), "{}{}", output.stdout, output.stderr);
}

#[test]
fn cli_root_asks_a_daemon_and_nobody_else() {
    let Some(host) = place("cli_root_asks_a_daemon_and_nobody_else") else { return };
    // Whatever it says, it is not heard.
    let liar = |user: u32, path: &str| {
        host.sh(&format!("rm -f {path}"));
        let script = format!(
            "use IO::Socket::UNIX; my $s = IO::Socket::UNIX->new(Local => '{path}', Listen => 9) or die $!; \
             while (my $c = $s->accept) {{ sysread $c, my $x, 4096; \
             print $c \"HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\n\\r\\n\\\"lie\\\"\"; }}"
        );
        let (uid, gid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let words = ["setpriv", &uid, &gid, "--clear-groups", "perl", "-e", &script];
        let child = host.command(&words).spawn().expect("started");
        crate::support::wait_for("it listens", String::new, || host.path(path).exists());
        child
    };
    let ask = |path: &str| netevd(&host, &format!("status --format json --endpoint unix:{path}"));
    host.sh("install -d -o 1234 /tmp/theirs; install -d -o 1234 /run/theirs; install -d -m 777 /run/open");
    for (user, path, answer) in [
        (1234, "/tmp/theirs/api.sock", Some("is not root's alone")),
        (1234, "/run/open/api.sock", Some("where others can put a socket")),
        (970, "/run/open/api.sock", Some("where others can put a socket")),
        // A directory that only root can have given away says whose the daemon is.
        (1234, "/run/theirs/api.sock", None),
        (970, "/run/netevd/api.sock", None),
    ] {
        let mut child = liar(user, path);
        let output = ask(path);
        match answer {
            Some(why) => {
                assert_eq!((output.status, output.stdout.as_str()), (1, ""), "{path}: {}", output.stderr);
                assert!(output.stderr.contains(why), "{path}: {}", output.stderr);
            }
            None => {
                assert_eq!((output.status, output.stdout.as_str()), (0, "\"lie\"\n"), "{}", output.stderr)
            }
        }
        host.sh(&format!("pkill -KILL -u {user} perl || true"));
        let _ = child.wait();
    }
    // A link leads root to nobody's socket.
    as_worker(&host, "rm -f /run/netevd/api.sock; ln -s /run/open/api.sock /run/netevd/api.sock");
    let output = netevd(&host, "status");
    assert_eq!(output.status, 1, "{}", output.stdout);
    assert!(
        output.stderr.contains("a symbolic link to \"/run/open/api.sock\" of uid 970"),
        "{}",
        output.stderr
    );
    as_worker(&host, "rm /run/netevd/api.sock; mkfifo /run/netevd/api.sock");
    let output = within(&host, "status");
    assert!(output.status == 1 && output.stderr.contains("a named pipe"), "{}", output.stderr);
}

#[test]
fn cli_a_token_s_file_is_a_file() {
    let Some(host) = place("cli_a_token_s_file_is_a_file") else { return };
    host.sh("mkfifo /run/token; ln -s /etc/passwd /run/link; truncate -s 5000 /run/long; touch /run/theirs; chown 970 /run/theirs");
    for (file, said) in [
        ("/run/token", "a named pipe"),
        ("/run/link", "a symbolic link"),
        ("/run/long", "more than 4096 bytes"),
        ("/run/theirs", "it belongs to uid 970"),
    ] {
        let output = within(&host, &format!("status --endpoint http://127.0.0.1:9 --token-file {file}"));
        assert_eq!(output.status, 1, "{file}: {}", output.stderr);
        assert!(output.stderr.contains(said), "{file}: {}", output.stderr);
    }
}
