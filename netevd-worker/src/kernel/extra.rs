//! What a link message says beyond what netevd itself works with: values for scripts that read
//! `JSON`.

use crate::model::{LinkExtra, Statistics};
use netlink_packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage, Prop};

impl LinkExtra {
    /// Takes what a message has.
    pub(super) fn of(message: &LinkMessage) -> Self {
        let mut extra = Self { layer: layer(message.header.link_layer_type), ..Self::default() };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::TxQueueLen(packets) => extra.tx_queue_length = *packets,
                LinkAttribute::Link(ifindex) => extra.parent = *ifindex,
                LinkAttribute::IfAlias(alias) => extra.alias.clone_from(alias),
                LinkAttribute::NumTxQueues(number) => extra.tx_queues = *number,
                LinkAttribute::NumRxQueues(number) => extra.rx_queues = *number,
                LinkAttribute::GsoMaxSize(bytes) => extra.gso_max_size = *bytes,
                LinkAttribute::GsoMaxSegs(number) => extra.gso_max_segments = *number,
                LinkAttribute::Group(number) => extra.group = *number,
                LinkAttribute::Promiscuity(number) => extra.promiscuity = *number,
                LinkAttribute::PropList(properties) => {
                    extra.alternative_names.extend(properties.iter().filter_map(|property| match property {
                        Prop::AltIfName(name) => Some(name.clone()),
                        _ => None,
                    }));
                }
                LinkAttribute::Stats64(counters) => {
                    extra.statistics = Statistics {
                        rx_packets: counters.rx_packets,
                        tx_packets: counters.tx_packets,
                        rx_bytes: counters.rx_bytes,
                        tx_bytes: counters.tx_bytes,
                        rx_errors: counters.rx_errors,
                        tx_errors: counters.tx_errors,
                        rx_dropped: counters.rx_dropped,
                        tx_dropped: counters.tx_dropped,
                        multicast: counters.multicast,
                        collisions: counters.collisions,
                    };
                }
                _ => {}
            }
        }
        extra
    }
}

/// As ip-link(8) words it.
fn layer(kind: LinkLayerType) -> String {
    match kind {
        LinkLayerType::None => "none".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
