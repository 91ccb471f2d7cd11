//! What a link message says beyond what netevd itself works with.

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
