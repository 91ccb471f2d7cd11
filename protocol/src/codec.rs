//! Frames to values and back: the one file that names bincode.
//!
//! Fixed-width little-endian integers, at most [`MAX_FRAME`] bytes, no trailing byte, and a frame
//! is accepted only if it is the very encoding of the value that it decodes to (bincode itself
//! would accept several encodings of one value).

use crate::{Reply, Request};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// The longest frame in bytes, both ways.
pub const MAX_FRAME: usize = 256;

/// Why a frame is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodecError {
    /// No bytes at all: on a SEQPACKET socket this cannot be told from the end.
    Empty,
    /// More than [`MAX_FRAME`] bytes.
    TooLong,
    /// Short, an unknown tag, or a value outside its type's range.
    Malformed,
    /// Bytes after the value.
    Trailing,
    /// Decodes, but is not the encoding of what it decodes to.
    NotCanonical,
}

const CONFIG: bincode::config::Configuration<
    bincode::config::LittleEndian,
    bincode::config::Fixint,
    bincode::config::Limit<MAX_FRAME>,
> = bincode::config::standard().with_fixed_int_encoding().with_limit::<MAX_FRAME>();

/// The frame of a request.
pub fn encode_request(request: &Request) -> Vec<u8> {
    encode(request)
}

/// The frame of a reply.
pub fn encode_reply(reply: &Reply) -> Vec<u8> {
    encode(reply)
}

/// The request of a frame.
pub fn decode_request(frame: &[u8]) -> Result<Request, CodecError> {
    decode(frame)
}

/// The reply of a frame.
pub fn decode_reply(frame: &[u8]) -> Result<Reply, CodecError> {
    decode(frame)
}

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    // No value of ours reaches 256 bytes, and nothing else can fail when writing to memory:
    // tests encode the largest of each.
    bincode::serde::encode_to_vec(value, CONFIG).unwrap_or_default()
}

fn decode<T: Serialize + DeserializeOwned>(frame: &[u8]) -> Result<T, CodecError> {
    match frame.len() {
        0 => return Err(CodecError::Empty),
        1..=MAX_FRAME => {}
        _ => return Err(CodecError::TooLong),
    }
    let (value, used): (T, usize) =
        bincode::serde::decode_from_slice(frame, CONFIG).map_err(|_| CodecError::Malformed)?;
    if used != frame.len() {
        return Err(CodecError::Trailing);
    }
    if encode(&value) != frame {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CodecError::Empty => "an empty frame",
            CodecError::TooLong => "a frame of more than 256 bytes",
            CodecError::Malformed => "a malformed frame",
            CodecError::Trailing => "a frame with trailing bytes",
            CodecError::NotCanonical => "a frame that is not canonical",
        })
    }
}

impl std::error::Error for CodecError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Addresses, Family, Ifindex, NextHop, Prefix, Refusal, RouteKind, Selector};
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn ifindex() -> impl Strategy<Value = Ifindex> {
        (1u32..=i32::MAX as u32).prop_map(|n| Ifindex::try_from(n).expect("in range"))
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        (any::<IpAddr>(), 0u8..=32).prop_map(|(a, n)| Prefix::containing(a, n).expect("at most 32"))
    }

    /// The longest lists among them: 59 IPv4 or 14 IPv6 addresses.
    fn addresses() -> impl Strategy<Value = Addresses> {
        let many = prop::collection::vec(any::<IpAddr>(), 1..150);
        many.prop_map(|many| Addresses::lists(many).swap_remove(0))
    }

    fn request() -> impl Strategy<Value = Request> {
        let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
        let selector = prop_oneof![Just(Selector::From), Just(Selector::To)];
        let hop = prop_oneof![any::<IpAddr>().prop_map(NextHop::Gateway), Just(NextHop::PointToPoint)];
        let route = prop_oneof![
            Just(RouteKind::Default),
            Just(RouteKind::Fallback),
            prefix().prop_map(RouteKind::Subnet),
            prefix().prop_map(RouteKind::Local),
        ];
        prop_oneof![
            any::<u16>().prop_map(|version| Request::Hello { version }),
            (ifindex(), selector.clone(), any::<IpAddr>())
                .prop_map(|(ifindex, selector, address)| Request::AddRule { ifindex, selector, address }),
            (ifindex(), addresses())
                .prop_map(|(ifindex, addresses)| Request::AddRules { ifindex, addresses }),
            (ifindex(), selector, any::<IpAddr>())
                .prop_map(|(ifindex, selector, address)| Request::DelRule { ifindex, selector, address }),
            (ifindex(), family.clone(), hop).prop_map(|(ifindex, family, next_hop)| Request::SetDefault {
                ifindex,
                family,
                next_hop
            }),
            (ifindex(), any::<IpAddr>())
                .prop_map(|(ifindex, address)| Request::AddSubnet { ifindex, address }),
            (ifindex(), prefix())
                .prop_map(|(ifindex, destination)| Request::AddLocal { ifindex, destination }),
            (ifindex(), family, route).prop_map(|(ifindex, family, route)| Request::DelRoute {
                ifindex,
                family,
                route
            }),
            ifindex().prop_map(|ifindex| Request::Purge { ifindex }),
            Just(Request::SyncBegin),
            Just(Request::SyncEnd),
            Just(Request::Ping),
        ]
    }

    proptest! {
        #[test]
        fn requests_return(request in request()) {
            let frame = encode_request(&request);
            prop_assert!(!frame.is_empty() && frame.len() <= MAX_FRAME);
            prop_assert_eq!(decode_request(&frame), Ok(request));
        }

        #[test]
        fn shorter_and_longer_frames_are_refused(request in request(), byte: u8) {
            let mut frame = encode_request(&request);
            prop_assert!(decode_request(&frame[..frame.len() - 1]).is_err());
            frame.push(byte);
            let longest = frame.len() > MAX_FRAME;
            let error = if longest { CodecError::TooLong } else { CodecError::Trailing };
            prop_assert_eq!(decode_request(&frame), Err(error));
        }

        #[test]
        fn what_decodes_is_canonical(frame in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(request) = decode_request(&frame) { prop_assert_eq!(encode_request(&request), frame.clone()); }
            if let Ok(reply) = decode_reply(&frame) { prop_assert_eq!(encode_reply(&reply), frame); }
        }
    }

    #[test]
    fn replies_return() {
        let plain = [Reply::Ok, Reply::Exists, Reply::Absent, Reply::Busy, Reply::Kernel(17)];
        for reply in plain.into_iter().chain(Refusal::ALL.map(Reply::Refused)) {
            assert_eq!(decode_reply(&encode_reply(&reply)), Ok(reply));
        }
    }

    #[test]
    fn values_outside_their_types_are_refused() {
        let ifindex = Ifindex::try_from(7).expect("valid");
        let mut frame = encode_request(&Request::Purge { ifindex });
        frame[4..8].copy_from_slice(&0u32.to_le_bytes());
        assert_eq!(decode_request(&frame), Err(CodecError::Malformed));

        let net = "192.0.2.0/24".parse().expect("a prefix");
        let mut frame = encode_request(&Request::AddLocal { ifindex, destination: net });
        let last = frame.len() - 1;
        frame[last - 1] = 1; // host bits set
        assert_eq!(decode_request(&frame), Err(CodecError::Malformed));
        frame[last - 1] = 0;
        frame[last] = 33; // longer than an IPv4 address
        assert_eq!(decode_request(&frame), Err(CodecError::Malformed));

        let addresses = Addresses::from(IpAddr::from([192, 0, 2, 3]));
        let mut frame = encode_request(&Request::AddRules { ifindex, addresses });
        assert_eq!(frame.len(), 24);
        // A frame that only claims to hold more, and one that holds none.
        frame[12..20].copy_from_slice(&(1u64 << 61).to_le_bytes());
        assert_eq!(decode_request(&frame), Err(CodecError::Malformed));
        frame[12..20].copy_from_slice(&0u64.to_le_bytes());
        assert_eq!(decode_request(&frame[..20]), Err(CodecError::Malformed));
        // As many as fit are permitted: 60 IPv4 addresses make 260 bytes, 15 IPv6 ones too.
        for (family, most, bytes) in [(0u8, 59u8, 4), (1, 14, 16)] {
            let mut longest = frame[..8].to_vec();
            longest.extend([family, 0, 0, 0, most, 0, 0, 0, 0, 0, 0, 0]);
            longest.resize(20 + usize::from(most) * bytes, 1);
            assert!(decode_request(&longest).is_ok());
            longest[12] += 1;
            longest.resize(longest.len() + bytes, 1);
            assert_eq!(decode_request(&longest), Err(CodecError::TooLong));
        }

        assert_eq!(decode_request(&99u32.to_le_bytes()), Err(CodecError::Malformed));
        assert_eq!(decode_request(&[]), Err(CodecError::Empty));
        assert_eq!(decode_request(&[0; 257]), Err(CodecError::TooLong));
    }
}
