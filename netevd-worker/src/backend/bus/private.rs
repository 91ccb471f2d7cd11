//! A bus of a test's own: the real dbus-daemon on a socket in a directory that ends with it.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use zbus::connection::Builder;
use zbus::{Connection, MessageStream};

/// The daemon; killed when this value ends.
pub(crate) struct PrivateBus {
    daemon: Child,
    directory: PathBuf,
}

impl PrivateBus {
    /// A daemon that listens.
    pub(crate) fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("netevd-bus-{}-{number}", std::process::id()));
        std::fs::create_dir(&directory).expect("a directory of our own");
        let config = format!(
            r#"<busconfig><type>session</type><listen>unix:path={}/bus</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
            </busconfig>"#,
            directory.display()
        );
        std::fs::write(directory.join("conf"), config).expect("written");
        let daemon = run(&directory);
        Self { daemon, directory }
    }

    /// Kills the daemon without a word, and everything on it.
    pub(crate) fn kill(&mut self) {
        self.daemon.kill().expect("killed");
        self.daemon.wait().expect("waited");
    }

    /// Starts it again at the same address.
    pub(crate) fn restart(&mut self) {
        let _ = std::fs::remove_file(self.directory.join("bus"));
        self.daemon = run(&self.directory);
    }

    /// Where it keeps what it needs; gone with it.
    pub(crate) fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("unix:path={}/bus", self.directory.display())
    }

    /// A connection of somebody else.
    pub(crate) async fn client(&self) -> Connection {
        Builder::address(self.address().as_str()).build().await.expect("the bus answers")
    }

    /// A connection that owns `name`, and what is sent to it.
    pub(crate) async fn service(&self, name: &str) -> (Connection, MessageStream) {
        let connection = self.client().await;
        let stream = MessageStream::from(&connection);
        connection.request_name(name.to_owned()).await.expect("the name is free");
        (connection, stream)
    }
}

impl Drop for PrivateBus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(directory: &std::path::Path) -> Child {
    let mut daemon = Command::new("dbus-daemon")
        .arg(format!("--config-file={}/conf", directory.display()))
        .args(["--nofork", "--nopidfile", "--print-address=1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("dbus-daemon is installed");
    let mut line = String::new();
    let stdout = daemon.stdout.take().expect("piped");
    // It prints when it listens.
    BufReader::new(stdout).read_line(&mut line).expect("read");
    assert!(line.starts_with("unix:"), "{line}");
    daemon
}
