//! A private network namespace, `ip` in it, and the helper in it.

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, recv, send, setsockopt, socketpair, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use protocol::{
    Addresses, Family, Ifindex, Links, NextHop, PatternList, Policy, Prefixes, Reply, Request, Rules,
    TableId, Through, VERSION, decode_reply, encode_request,
};
use serde_json::Value;
use std::borrow::Borrow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

/// A namespace that lives as long as this value, or as the test process.
pub(crate) struct World {
    holder: Child,
    root: bool,
}

/// The helper, greeted unless said otherwise.
pub(crate) struct Helper {
    policy: PathBuf,
    pub(crate) child: Child,
    channel: Option<OwnedFd>,
}

/// `ip monitor route`, line by line.
pub(crate) struct Monitor {
    child: Child,
    lines: Receiver<String>,
}

/// What became of a helper.
pub(crate) struct End {
    pub(crate) status: i32,
    pub(crate) log: String,
}

impl World {
    /// A namespace with `lo` up, or `None`, said loudly, where there are none to be had.
    pub(crate) fn new() -> Option<Self> {
        // As root in the host's own user namespace; else, and in containers, in one made for it.
        for (flags, root) in [("-n", true), ("-Urn", false)] {
            // `cat` ends with the test process, however that ends.
            let mut holder = Command::new("unshare")
                .args([flags, "sh", "-c", "echo ready && exec cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("unshare(1) of util-linux");
            let mut word = [0; 6];
            let ready = holder.stdout.as_mut().expect("piped").read_exact(&mut word);
            let world = Self { holder, root };
            if ready.is_ok() {
                world.ip("link set lo up");
                return Some(world);
            }
        }
        crate::skip::skip("no network namespace to be had (neither root nor user namespaces)");
        None
    }

    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n"]);
        if !self.root {
            command.args(["-U", "--preserve-credentials"]);
        }
        command.arg(program);
        command
    }

    fn run(&self, program: &str, arguments: &str) -> Output {
        self.command(program).args(arguments.split_whitespace()).output().expect("nsenter(1)")
    }

    /// Runs each line of `commands` by ip(8); each must succeed.
    pub(crate) fn ip(&self, commands: &str) {
        for line in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let output = self.run("ip", line);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {line}: {error}");
        }
    }

    /// Runs all lines by one ip(8), where starting it for each would take long.
    pub(crate) fn batch(&self, commands: &str) {
        let mut child =
            self.command("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().expect("nsenter(1)");
        child.stdin.take().expect("piped").write_all(commands.as_bytes()).expect("written");
        assert!(child.wait().expect("ended").success(), "ip -batch");
    }

    /// What `ip -j` says; an absent table is an empty list.
    pub(crate) fn json(&self, arguments: &str) -> Vec<Value> {
        let output = self.run("ip", &format!("-j {arguments}"));
        if output.stdout.is_empty() {
            return Vec::new();
        }
        serde_json::from_slice(&output.stdout).expect("JSON of ip(8)")
    }

    /// The routes of a table as ip(8) words them, one a line, in its order.
    pub(crate) fn table(&self, family: &str, table: u32) -> Vec<String> {
        let output = self.run("ip", &format!("{family} route show table {table}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// The rules as ip(8) words them, without the kernel's own three.
    pub(crate) fn rules(&self, family: &str) -> Vec<String> {
        let output = self.run("ip", &format!("{family} rule show"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let own = ["lookup local", "lookup main", "lookup default"];
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.filter(|line| !own.iter().any(|end| line.ends_with(end))).collect()
    }

    /// All rules of IPv4 as ip(8) words them.
    pub(crate) fn everything_of_rules(&self) -> Vec<String> {
        let output = self.run("ip", "-4 rule show");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    /// Everything of ours, as ip(8) words it: rules and routes of both families and all tables.
    pub(crate) fn ours(&self) -> Vec<String> {
        let of = |family: &str, what: &str| {
            let output = self.run("ip", &format!("{family} -N {what}"));
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
            lines.filter(|line| format!("{line} ").contains("proto 110 ")).collect::<Vec<_>>()
        };
        ["-4", "-6"]
            .iter()
            .flat_map(|f| [of(f, "rule show"), of(f, "route show table all")])
            .flatten()
            .collect()
    }

    /// Everything: all rules and all routes of both families, but the IPv6 routes that the kernel
    /// makes for itself: those come when it finds the time.
    pub(crate) fn everything(&self) -> Vec<Vec<Value>> {
        let mut ipv6 = self.json("-6 route show table all");
        ipv6.retain(|route| route["protocol"] != "kernel");
        vec![self.json("-4 rule"), self.json("-6 rule"), self.json("-4 route show table all"), ipv6]
    }

    /// Runs these lines of ip(8) over and over, until killed or the namespace's holder is gone.
    pub(crate) fn flap(&self, lines: &str) -> Child {
        let script = "while kill -0 $1 2>/dev/null; do for i in 1 2 3 4 5 6 7 8 9; do echo \"$0\"; done; done | ip -batch -";
        let holder = self.holder.id().to_string();
        self.command("sh").args(["-c", script, lines, &holder]).spawn().expect("nsenter(1)")
    }

    /// Watches routes or rules from now on.
    pub(crate) fn monitor(&self, what: &str) -> Monitor {
        let mut child =
            self.command("ip").args(["monitor", what]).stdout(Stdio::piped()).spawn().expect("nsenter(1)");
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line).map_err(drop))
        });
        let mut monitor = Monitor { child, lines };
        // It does not say when it is ready: provoke it until it speaks, then mark the beginning.
        while monitor.lines.recv_timeout(Duration::from_millis(20)).is_err() {
            let object = if what == "rule" { "from 192.0.2.98 lookup 7" } else { "192.0.2.98/32 dev lo" };
            self.ip(&format!("{what} add {object}\n{what} del {object}"));
        }
        let last = if what == "rule" { "from 192.0.2.97 lookup 7" } else { "192.0.2.97/32 dev lo" };
        self.ip(&format!("{what} add {last}\n{what} del {last}"));
        // The deletion is told second.
        monitor.until("192.0.2.97");
        monitor.until("192.0.2.97");
        monitor
    }

    /// The index of an interface.
    pub(crate) fn ifindex(&self, name: &str) -> Ifindex {
        let links = self.json(&format!("link show dev {name}"));
        let index = links[0]["ifindex"].as_u64().expect("a number");
        Ifindex::try_from(u32::try_from(index).expect("small")).expect("valid")
    }

    /// A greeted helper under this policy.
    pub(crate) fn helper(&self, policy: &Policy) -> Helper {
        let mut helper = self.stranger(&policy.to_string());
        helper.greet();
        helper
    }

    /// A helper under this text as policy, not greeted.
    pub(crate) fn stranger(&self, policy: &str) -> Helper {
        self.start(&["sh"], policy, |_| ())
    }

    /// The same, with its end of the channel changed before it gets it.
    pub(crate) fn stranger_with(&self, policy: &str, change: impl FnOnce(&OwnedFd)) -> Helper {
        self.start(&["sh"], policy, change)
    }

    /// The same, started without a capability (by its name for setpriv(1)).
    pub(crate) fn stranger_without(&self, capability: &str, policy: &str) -> Helper {
        let drop = format!("-{}", capability.trim_start_matches("cap_"));
        self.start(&["setpriv", "--inh-caps", &drop, "--bounding-set", &drop, "sh"], policy, |_| ())
    }

    /// The same, with a system call that fails as strace(1) is told (`inject=`).
    pub(crate) fn stranger_with_fault(&self, fault: &str, policy: &str) -> Helper {
        let inject = format!("inject={fault}");
        self.start(&["strace", "-f", "-o", "/dev/null", "-e", &inject, "sh"], policy, |_| ())
    }

    /// A helper under this text as policy, not greeted, and the file in which strace(1) writes down
    /// every system call that it makes.
    pub(crate) fn traced(&self, policy: &str) -> (Helper, PathBuf) {
        let trace = scratch("trace");
        let file = trace.to_str().expect("a path in UTF-8");
        (self.start(&["strace", "-f", "-o", file, "sh"], policy, |_| ()), trace)
    }

    fn start(&self, shell: &[&str], policy: &str, change: impl FnOnce(&OwnedFd)) -> Helper {
        let path = scratch("policy");
        File::create(&path).and_then(|mut f| f.write_all(policy.as_bytes())).expect("a policy file");
        let (ours, theirs) =
            socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
                .expect("a pair");
        change(&theirs);
        // A helper that should have ended or answered fails its test, and does not hang it. Other
        // namespaces' ends hold the kernel's one lock for many seconds on a busy machine.
        setsockopt(&ours, sockopt::ReceiveTimeout, &TimeVal::seconds(120)).expect("set");
        // The shell puts the descriptors where the helper wants them.
        let child = self
            .command(shell[0])
            .args(&shell[1..])
            .args(["-c", r#"exec "$0" 3<&0 4<"$1" 7<"$1" 0</dev/null"#])
            .arg(program())
            .arg(&path)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter(1)");
        Helper { policy: path, child, channel: Some(ours) }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Helper {
    /// The channel's number on this side.
    pub(crate) fn channel(&self) -> i32 {
        self.channel.as_ref().expect("open").as_raw_fd()
    }

    /// Sends bytes that need not be a frame.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        send(self.channel(), bytes, MsgFlags::MSG_NOSIGNAL).expect("sent");
    }

    /// Says who asks, as every session begins.
    pub(crate) fn greet(&mut self) {
        assert_eq!(self.ask(Request::Hello { version: VERSION }), Reply::Ok);
    }

    /// Asks, and returns what is answered.
    pub(crate) fn ask(&mut self, request: impl Borrow<Request>) -> Reply {
        self.say(&encode_request(request.borrow()));
        self.reply(request.borrow())
    }

    /// The next reply, to this request.
    pub(crate) fn reply(&mut self, request: &Request) -> Reply {
        let mut buffer = [0; 300];
        match received(self.channel(), &mut buffer) {
            Ok(length) if length > 0 => decode_reply(&buffer[..length]).expect("a reply"),
            other => {
                let ended = self.child.try_wait();
                let _ = self.child.kill();
                let mut log = String::new();
                let _ = self.child.stderr.take().map(|mut s| s.read_to_string(&mut log));
                panic!("no answer to {request:?} but {other:?}, helper {ended:?}: {log}")
            }
        }
    }

    /// What this file of /proc says of it; of a process that is not dumpable, to root only.
    pub(crate) fn proc(&self, file: &str) -> std::io::Result<String> {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id()))
    }

    /// Closes the channel and waits.
    pub(crate) fn end(mut self) -> End {
        self.channel = None;
        self.wait()
    }

    /// Waits for the helper to end by itself, with the channel open.
    pub(crate) fn wait(mut self) -> End {
        if self.channel.is_some() {
            let mut buffer = [0; 300];
            let received = received(self.channel(), &mut buffer);
            assert!(matches!(received, Ok(0) | Err(Errno::ECONNRESET)), "it goes on: {received:?}");
        }
        let status = self.child.wait().expect("ended").code().expect("not by a signal");
        let mut log = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut log).expect("UTF-8");
        // Older kernels force no buffer in a user namespace, which the helper says once.
        let lines = log.split_inclusive('\n').filter(|line| !line.contains("netlink receive buffer"));
        End { status, log: lines.collect() }
    }
}

impl Monitor {
    /// The lines before the one that holds `mark`.
    pub(crate) fn until(&mut self, mark: &str) -> Vec<String> {
        let next = || self.lines.recv_timeout(Duration::from_secs(10)).expect("the mark");
        std::iter::repeat_with(next).take_while(|line| !line.contains(mark)).collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.policy);
    }
}

/// The helper, or in its place what this variable names: one for another architecture with its emulator, as
/// `make test-arm64` has it.
fn program() -> OsString {
    std::env::var_os("NETEVD_TEST_HELPER").unwrap_or_else(|| env!("CARGO_BIN_EXE_netevd-priv").into())
}

/// Receives. A call with a timeout is interrupted when the process is stopped and goes on, also
/// without a handler, signal(7): a machine that is frozen for a moment fails no test.
pub(crate) fn received(channel: i32, buffer: &mut [u8]) -> Result<usize, Errno> {
    loop {
        match recv(channel, buffer, MsgFlags::empty()) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

fn scratch(name: &str) -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()))
}

/// The default policy for these interfaces.
pub(crate) fn policy(interfaces: &[&str]) -> Policy {
    Policy { interfaces: PatternList::new(interfaces).expect("patterns"), ..Policy::default() }
}

/// An address from its text.
pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// These prefixes, of one family, as one request has them.
pub(crate) fn prefixes(texts: &[&str]) -> Prefixes {
    let mut lists = Prefixes::lists(texts.iter().map(|text| text.parse().expect("a prefix")));
    assert_eq!(lists.len(), 1, "one request");
    lists.remove(0)
}

/// These addresses, of one family, as one request has them.
pub(crate) fn addresses(texts: &[&str]) -> Rules {
    let mut lists = Addresses::lists(texts.iter().copied().map(address));
    assert_eq!(lists.len(), 1, "one request");
    Rules::Addresses(lists.remove(0))
}

/// `AddRules`, of addresses of one family.
pub(crate) fn add_rules(ifindex: Ifindex, texts: &[&str]) -> Request {
    Request::AddRules { ifindex, rules: addresses(texts), through: Through::Table }
}

/// `DelRules`, of addresses of one family.
pub(crate) fn del_rules(ifindex: Ifindex, texts: &[&str]) -> Request {
    Request::DelRules { ifindex, rules: addresses(texts) }
}

/// `SetDefault` by a gateway.
pub(crate) fn via(ifindex: Ifindex, gateway: &str) -> Request {
    let gateway = address(gateway);
    default(ifindex, Family::of(gateway), NextHop::Gateway(gateway))
}

/// `SetDefault`
pub(crate) fn default(ifindex: Ifindex, family: Family, next_hop: NextHop) -> Request {
    Request::SetDefault { ifindex, family, next_hop }
}

/// `SetDefault` as main has it by the interface.
pub(crate) fn as_main(ifindex: Ifindex, family: Family) -> Request {
    default(ifindex, family, NextHop::Table(TableId::MAIN))
}

/// `Copy` with all hops.
pub(crate) fn copy(ifindex: Ifindex, texts: &[&str]) -> Request {
    copy_except(ifindex, &[], texts)
}

/// `Copy` without hops by these interfaces.
pub(crate) fn copy_except(ifindex: Ifindex, except: &[Ifindex], texts: &[&str]) -> Request {
    let except = Links::new(except.iter().copied()).expect("few");
    Request::Copy { ifindex, except, prefixes: prefixes(texts) }
}

/// `Follow`
pub(crate) fn follow(ifindex: Ifindex, texts: &[&str]) -> Request {
    Request::Follow { ifindex, prefixes: prefixes(texts) }
}

/// `DelRoutes`
pub(crate) fn del_routes(ifindex: Ifindex, texts: &[&str]) -> Request {
    Request::DelRoutes { ifindex, prefixes: prefixes(texts) }
}

/// Waits until this holds: 30 s, for other tests run on the same machine.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what} does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

/// Two uplinks in two subnets and a local network, as on a host with containers. Each is one end
/// of a veth pair, for not every kernel has dummy devices.
pub(crate) const HOST: &str = "
    link add eth0 index 40 type veth peer name p0 index 140
    link add eth1 index 41 type veth peer name p1 index 141
    link add docker0 index 42 type veth peer name p2 index 142
    link set p0 up
    link set p1 up
    link set p2 up
    link set eth0 up
    link set eth1 up
    link set docker0 up
    addr add 10.0.1.5/24 dev eth0
    addr add 10.0.2.5/24 dev eth1
    addr add 172.17.0.1/16 dev docker0
    addr add 2001:db8:2::5/64 dev eth1 nodad
    addr add 2001:db8:17::1/64 dev docker0 nodad
    route add default via 10.0.1.1 dev eth0
    route add default via 10.0.2.1 dev eth1 metric 200
    -6 route add default via fe80::1 dev eth1 metric 200
";
