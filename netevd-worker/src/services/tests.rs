//! A lane against a real bus, on which a stand-in for resolved comes, goes, and keeps silent as the
//! test needs it.

use super::service_queue;
use super::{Outcome, ServiceRequest};
use crate::backend::bus::private::PrivateBus;
use crate::backend::bus::{Bus, Service};
use crate::fixtures::index;
use futures_util::StreamExt;
use nix::unistd::{User, getuid};
use protocol::InterfaceName;
use std::time::Duration;
use tokio::sync::mpsc;
use zbus::{Connection, Message, MessageStream};

const NAME: &str = "org.freedesktop.resolve1";

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("no hang") })
}

/// A lane to the stand-in, which runs as whoever runs the tests.
fn queue(bus: &PrivateBus) -> (mpsc::Sender<ServiceRequest>, mpsc::Receiver<Outcome>) {
    let user = User::from_uid(getuid()).expect("read").expect("this user has a name");
    let service = Service { name: NAME, user: Some(user.name.leak()), signals: &[] };
    let (outbox, outcomes) = mpsc::channel(16);
    (service_queue::set(Bus::at(service, &bus.address()), true, outbox), outcomes)
}

fn link() -> InterfaceName {
    InterfaceName::new("eth0").expect("a name")
}

fn dns(address: &str) -> ServiceRequest {
    let dns = Some(vec![address.parse().expect("an address")]);
    ServiceRequest::Resolve { ifindex: index(7), link: link(), dns, domains: None }
}

/// The next call, and the link and the last octet of the first server in it.
async fn asked(stream: &mut MessageStream) -> (Message, String) {
    loop {
        let message = stream.next().await.expect("the bus is there").expect("a message");
        let header = message.header();
        let Some(member) =
            header.member().filter(|_| header.interface().is_some_and(|i| i.ends_with("Manager")))
        else {
            continue;
        };
        let text = if member.as_str() == "SetLinkDNS" {
            let body = message.body();
            let (link, servers): (i32, Vec<(i32, Vec<u8>)>) = body.deserialize().expect("ia(iay)");
            format!("SetLinkDNS {link} {:?}", servers[0].1)
        } else {
            member.to_string()
        };
        drop(header);
        return (message, text);
    }
}

async fn answer(service: &Connection, call: &Message) {
    service.reply(&call.header(), &()).await.expect("sent");
}

#[test]
fn a_late_service_gets_the_newest_demand_and_a_new_one_everything_again() {
    run(async {
        let bus = PrivateBus::start();
        let (demands, mut outcomes) = queue(&bus);
        demands.send(dns("192.0.2.1")).await.expect("there");
        let outcome = outcomes.recv().await.expect("one");
        let text = outcome.result.expect_err("nobody is there");
        assert!(text.contains("systemd-resolved is not running"), "{text}");
        demands.send(dns("192.0.2.2")).await.expect("there");
        assert!(outcomes.recv().await.expect("one").result.is_err());

        let (service, mut stream) = bus.service(NAME).await;
        let (call, text) = asked(&mut stream).await;
        assert_eq!(text, "SetLinkDNS 7 [192, 0, 2, 2]");
        answer(&service, &call).await;
        let outcome = outcomes.recv().await.expect("one");
        assert_eq!((outcome.request, outcome.result), (dns("192.0.2.2"), Ok(None)));

        drop((service, stream));
        let (service, mut stream) = bus.service(NAME).await;
        let (call, text) = asked(&mut stream).await;
        assert_eq!(text, "SetLinkDNS 7 [192, 0, 2, 2]");
        answer(&service, &call).await;
        let request = ServiceRequest::Revert { ifindex: index(8), link: link() };
        demands.send(request.clone()).await.expect("there");
        let (call, text) = asked(&mut stream).await;
        assert_eq!(text, "RevertLink");
        answer(&service, &call).await;
        let outcome = outcomes.recv().await.expect("one");
        assert_eq!(outcome.request, request, "what is repeated is no news: {:?}", outcome.result);
    });
}

#[test]
fn demands_are_taken_while_a_service_is_silent() {
    run(async {
        let bus = PrivateBus::start();
        let (service, mut stream) = bus.service(NAME).await;
        let (demands, mut outcomes) = queue(&bus);
        demands.send(dns("192.0.2.1")).await.expect("there");
        let (first, _) = asked(&mut stream).await;
        for last in 2..=200 {
            demands.send(dns(&format!("192.0.2.{last}"))).await.expect("there");
        }
        answer(&service, &first).await;
        let (call, text) = asked(&mut stream).await;
        answer(&service, &call).await;
        // Some of them may have been taken after the answer; the last one comes last.
        let mut texts = vec![text];
        while texts.last().map(String::as_str) != Some("SetLinkDNS 7 [192, 0, 2, 200]") {
            let (call, text) = asked(&mut stream).await;
            answer(&service, &call).await;
            texts.push(text);
        }
        assert!(texts.len() < 100, "most are superseded: {}", texts.len());
        assert_eq!(outcomes.recv().await.expect("one").request, dns("192.0.2.1"));
    });
}

#[test]
fn a_lost_bus_is_told_and_found_again() {
    run(async {
        let mut bus = PrivateBus::start();
        let (service, mut stream) = bus.service(NAME).await;
        let (demands, mut outcomes) = queue(&bus);
        demands.send(dns("192.0.2.1")).await.expect("there");
        let (call, _) = asked(&mut stream).await;
        answer(&service, &call).await;
        assert_eq!(outcomes.recv().await.expect("one").result, Ok(None));
        bus.kill();
        demands.send(dns("192.0.2.2")).await.expect("there");
        assert!(outcomes.recv().await.expect("one").result.is_err());
        bus.restart();
        let (service, mut stream) = bus.service(NAME).await;
        let (call, text) = asked(&mut stream).await;
        assert_eq!(text, "SetLinkDNS 7 [192, 0, 2, 2]");
        answer(&service, &call).await;
        while outcomes.recv().await.expect("one").result != Ok(None) {}
    });
}
