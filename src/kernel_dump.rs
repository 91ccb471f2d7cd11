//! One look at the kernel, for commands that work without a daemon. Blocks until it is done.
//!
//! By rtnetlink, which is made for a question now and then; the worker, which reads a million routes, has
//! a socket of its own. What the messages mean is the worker's word for both.

use futures_util::StreamExt as _;
use netevd_worker::kernel::{Dump, DumpError, KernelMessage, ManagedDump, parse};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use protocol::PROTOCOL;
use rtnetlink::Handle;
use std::io;

/// Times that a dump is made again which changes interrupted; what people see may be inexact after that.
const ATTEMPTS: usize = 5;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// Links, addresses and the default routes of every table.
pub(crate) fn state() -> Result<Dump, DumpError> {
    with_kernel(async |kernel| {
        let mut dump = Dump::default();
        let messages = kernel.dump("links", RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
        dump.links.extend(messages.into_iter().filter_map(|message| match message {
            KernelMessage::Link(link) => Some(link),
            _ => None,
        }));
        let addresses = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        let messages = kernel.dump("addresses", addresses).await?;
        dump.addresses.extend(messages.into_iter().filter_map(|message| match message {
            KernelMessage::Address(ifindex, address) => Some((ifindex, address)),
            _ => None,
        }));
        for family in FAMILIES {
            let messages = kernel.dump("routes", routes(family)).await?;
            dump.routes.extend(messages.into_iter().filter_map(|message| match message {
                KernelMessage::Route(route, _) => Some(route).filter(|route| route.is_default_candidate()),
                _ => None,
            }));
        }
        Ok(dump)
    })
}

/// All rules, and the routes of our protocol in whatever table.
pub(crate) fn managed() -> Result<ManagedDump, DumpError> {
    with_kernel(async |kernel| {
        let mut dump = ManagedDump::default();
        for family in FAMILIES {
            let mut rules = RuleMessage::default();
            rules.header.family = family;
            let messages = kernel.dump("rules", RouteNetlinkMessage::GetRule(rules)).await?;
            dump.rules.extend(messages.into_iter().filter_map(|message| match message {
                KernelMessage::Rule(rule) => Some(rule),
                _ => None,
            }));
            let RouteNetlinkMessage::GetRoute(mut ours) = routes(family) else { continue };
            ours.header.protocol = PROTOCOL.into();
            let messages = kernel.dump("routes of protocol 110", RouteNetlinkMessage::GetRoute(ours)).await?;
            dump.routes.extend(messages.into_iter().filter_map(|message| match message {
                KernelMessage::Route(route, _) => Some(route),
                _ => None,
            }));
        }
        Ok(dump)
    })
}

fn routes(family: AddressFamily) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family;
    RouteNetlinkMessage::GetRoute(message)
}

fn with_kernel<T>(look: impl AsyncFnOnce(&mut Kernel) -> Result<T, DumpError>) -> Result<T, DumpError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(DumpError::Socket)?;
    runtime.block_on(async {
        let (mut connection, handle, _) =
            rtnetlink::new_connection_with_strict_check().map_err(DumpError::Socket)?;
        // A dump that the kernel refuses says so by an errno inside NLMSG_DONE alone.
        connection.set_forward_done(true);
        tokio::spawn(connection);
        look(&mut Kernel { handle }).await
    })
}

struct Kernel {
    handle: Handle,
}

impl Kernel {
    async fn dump(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<Vec<KernelMessage>, DumpError> {
        let mut attempt = 1;
        loop {
            let (found, is_clean) = self.once(what, request.clone()).await?;
            if is_clean || attempt == ATTEMPTS {
                return Ok(found);
            }
            attempt += 1;
        }
    }

    /// One dump; false when a change interrupted it.
    async fn once(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
    ) -> Result<(Vec<KernelMessage>, bool), DumpError> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let lost = |error: &dyn std::fmt::Display| DumpError::Socket(io::Error::other(error.to_string()));
        let mut answers = self.handle.request(request).map_err(|error| lost(&error))?;
        let (mut found, mut is_clean) = (Vec::new(), true);
        while let Some(message) = answers.next().await {
            is_clean &= message.header.flags & NLM_F_DUMP_INTR == 0;
            match &message.payload {
                NetlinkPayload::Done(done) if done.code == 0 => return Ok((found, is_clean)),
                NetlinkPayload::Done(done) => {
                    return Err(DumpError::Refused(what, io::Error::from_raw_os_error(-done.code)));
                }
                NetlinkPayload::Error(error) => return Err(DumpError::Refused(what, error.to_io())),
                NetlinkPayload::Overrun(_) => is_clean = false,
                _ => {
                    // There is one reading of the kernel's words, which is of bytes.
                    let mut bytes = vec![0; message.buffer_len()];
                    message.serialize(&mut bytes);
                    parse(&bytes, |value| found.push(value));
                }
            }
        }
        Err(DumpError::Incomplete(what))
    }
}
