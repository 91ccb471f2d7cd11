//! What a link message says beyond what netevd itself works with: values for scripts that read
//! `JSON`.

use netlink_packet_route::link::{LinkAttribute, LinkLayerType, LinkMessage, Prop};

/// The rest of one full `RTM_NEWLINK`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinkExtra {
    /// `IFLA_TXQLEN`, packets.
    pub tx_queue_length: u32,
    /// `IFLA_PROP_LIST`: alternative names.
    pub alternative_names: Vec<String>,
    /// `IFLA_LINK`: the ifindex beneath, 0 for none.
    pub parent: u32,
    /// `IFLA_IFALIAS`
    pub alias: String,
    /// `IFLA_STATS64` as of this message.
    pub statistics: Statistics,
    /// `ifi_type` in the kernel's words: ether, loopback, none …
    pub layer: String,
    /// `IFLA_NUM_TX_QUEUES`
    pub tx_queues: u32,
    /// `IFLA_NUM_RX_QUEUES`
    pub rx_queues: u32,
    /// `IFLA_GSO_MAX_SIZE`, bytes.
    pub gso_max_size: u32,
    /// `IFLA_GSO_MAX_SEGS`
    pub gso_max_segments: u32,
    /// `IFLA_GROUP`
    pub group: u32,
    /// `IFLA_PROMISCUITY`
    pub promiscuity: u32,
}

/// Counters of `rtnl_link_stats64` (include/uapi/linux/if_link.h), since the link was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the kernel's header")]
pub struct Statistics {
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub multicast: u64,
    pub collisions: u64,
}

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
