//! `networkd INDEX WORD...`: a networkd that says anything. It owns the name, has one link, whose
//! states are carrier and configured, and when the file /out/say appears it sends one signal for
//! each WORD, as the link's OperationalState. It answers until it is killed.

use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;
use zbus::connection::Builder;
use zbus::message::Type;
use zbus::wire::{OwnedObjectPath, Variant};
use zbus::{Connection, Message, MessageStream};

const NAME: &str = "org.freedesktop.network1";
const LINK: &str = "org.freedesktop.network1.Link";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Between two looks for the file.
const PAUSE: Duration = Duration::from_millis(5);

pub(crate) fn run(arguments: &[String]) {
    let (index, words) = arguments.split_first().expect("an index and words");
    let index: i32 = index.parse().expect("an index");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(index, words));
}

async fn serve(index: i32, words: &[String]) {
    let connection = Builder::system().build().await.expect("the bus answers");
    let mut calls = MessageStream::from(&connection);
    connection.request_name(NAME).await.expect("nobody has the name");
    let digits = index.to_string();
    let path = format!("/org/freedesktop/network1/link/_3{}{}", &digits[..1], &digits[1..]);
    let mut words = words.iter();
    loop {
        match tokio::time::timeout(PAUSE, calls.next()).await {
            Ok(Some(Ok(call))) if call.message_type() == Type::MethodCall => {
                answer(&connection, &call, index, &path).await;
            }
            Ok(Some(Ok(_))) | Err(_) => {}
            Ok(_) => return,
        }
        if !std::path::Path::new("/out/say").exists() {
            continue;
        }
        for word in words.by_ref() {
            let body = (LINK, states(&[("OperationalState", word)]), Vec::<&str>::new());
            let sent = connection.emit_signal(None::<&str>, &*path, PROPERTIES, "PropertiesChanged", &body);
            sent.await.expect("sent");
        }
    }
}

async fn answer(connection: &Connection, call: &Message, index: i32, path: &str) {
    let header = call.header();
    let sent = match header.member().map(|member| member.as_str()) {
        Some("ListLinks") => {
            let path = OwnedObjectPath::try_from(path).expect("a path");
            connection.reply(&header, &vec![(index, "link", path)]).await
        }
        Some("GetAll") => {
            let all = [("OperationalState", "carrier"), ("AdministrativeState", "configured")];
            connection.reply(&header, &states(&all)).await
        }
        _ => connection.reply(&header, &"{}").await,
    };
    sent.expect("answered");
}

fn states<'a>(values: &[(&'a str, &'a str)]) -> HashMap<&'a str, Variant<'a>> {
    values.iter().map(|(name, value)| (*name, Variant::from(*value))).collect()
}
