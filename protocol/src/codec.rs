//! Frames to values and back: the one file that names bincode.
//!
//! Fixed-width little-endian integers, at most [`MAX_FRAME`] bytes, no trailing byte, and a frame
//! is accepted only if it is the very encoding of the value that it decodes to (bincode itself
//! would accept several encodings of one value).

use crate::{Reply, Request};
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// The longest frame in bytes, both ways.
pub const MAX_FRAME: usize = 2048;

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
    // No value of ours is longer than a frame, and nothing else can fail when writing to memory:
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
            CodecError::TooLong => "a frame of more than 2048 bytes",
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
    use crate::{
        Addresses, Family, Ifindex, Links, NextHop, Prefix, Prefixes, Refusal, Rules, TableId, Through,
    };
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::net::IpAddr;

    fn ifindex() -> impl Strategy<Value = Ifindex> {
        (1u32..=i32::MAX as u32).prop_map(|n| Ifindex::try_from(n).expect("in range"))
    }

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    /// The longest lists among them.
    fn prefixes() -> impl Strategy<Value = Prefixes> {
        let prefix = |(a, n): (IpAddr, u8)| Prefix::containing(a, n).or(Prefix::containing(a, n % 33));
        let prefix = (any::<IpAddr>(), 0u8..=128).prop_map(prefix);
        vec(prefix, 1..600).prop_map(|many| {
            Prefixes::lists(many.into_iter().map(|prefix| prefix.expect("a length"))).swap_remove(0)
        })
    }

    fn rules() -> impl Strategy<Value = Rules> {
        let addresses = vec(any::<IpAddr>(), 1..1200).prop_map(|many| Addresses::lists(many).swap_remove(0));
        prop_oneof![addresses.prop_map(Rules::Addresses), family().prop_map(Rules::Mark)]
    }

    fn request() -> impl Strategy<Value = Request> {
        let next_hop = prop_oneof![
            any::<IpAddr>().prop_map(NextHop::Gateway),
            any::<u32>().prop_map(|table| NextHop::Table(TableId(table))),
            Just(NextHop::PointToPoint),
            Just(NextHop::Nothing),
        ];
        let through = prop_oneof![Just(Through::Table), Just(Through::MainFirst)];
        let except = vec(ifindex(), 0..=Links::MAX).prop_map(|links| Links::new(links).expect("few"));
        prop_oneof![
            any::<u16>().prop_map(|version| Request::Hello { version }),
            (ifindex(), rules(), through).prop_map(|(ifindex, rules, through)| Request::AddRules {
                ifindex,
                rules,
                through
            }),
            (ifindex(), rules()).prop_map(|(ifindex, rules)| Request::DelRules { ifindex, rules }),
            (ifindex(), family(), next_hop).prop_map(|(ifindex, family, next_hop)| Request::SetDefault {
                ifindex,
                family,
                next_hop
            }),
            (ifindex(), except, prefixes()).prop_map(|(ifindex, except, prefixes)| Request::Copy {
                ifindex,
                except,
                prefixes
            }),
            (ifindex(), prefixes()).prop_map(|(ifindex, prefixes)| Request::Follow { ifindex, prefixes }),
            (ifindex(), prefixes()).prop_map(|(ifindex, prefixes)| Request::DelRoutes { ifindex, prefixes }),
            Just(Request::SyncBegin),
            Just(Request::SyncEnd),
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
        fn what_decodes_is_canonical(frame in vec(any::<u8>(), 0..300)) {
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

    /// The frame of `request`, changed at `at`.
    fn with(request: &Request, at: usize, bytes: &[u8]) -> Result<Request, CodecError> {
        let mut frame = encode_request(request);
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        decode_request(&frame)
    }

    #[test]
    fn values_outside_their_types_are_refused() {
        let malformed = Err(CodecError::Malformed);
        let ifindex = Ifindex::try_from(7).expect("valid");
        let net = Prefixes::from("192.0.2.0/23".parse::<Prefix>().expect("a prefix"));
        let delete = Request::DelRoutes { ifindex, prefixes: net.clone() };
        assert_eq!(encode_request(&delete).len(), 4 + 4 + 4 + 8 + 1 + 3);
        assert_eq!(with(&delete, 4, &0u32.to_le_bytes()), malformed);
        // Host bits, a length beyond the address, fewer bytes than the length needs, more than there are.
        assert_eq!(with(&delete, 23, &[1]), malformed);
        assert_eq!(with(&delete, 20, &[33]), malformed);
        assert_eq!(with(&delete, 20, &[25]), malformed);
        assert_eq!(with(&delete, 12, &(1u64 << 61).to_le_bytes()), malformed);
        assert_eq!(with(&delete, 8, &[2]), malformed);

        let links = Links::new([ifindex, Ifindex::try_from(9).expect("valid")]).expect("few");
        let copy = Request::Copy { ifindex, except: links, prefixes: net };
        assert!(with(&copy, 16, &8u32.to_le_bytes()).is_ok());
        assert_eq!(with(&copy, 16, &9u32.to_le_bytes()), Err(CodecError::NotCanonical));
        assert_eq!(with(&copy, 16, &10u32.to_le_bytes()), Err(CodecError::NotCanonical));
        assert_eq!(with(&copy, 8, &(1u64 << 61).to_le_bytes()), malformed);

        let rules = Rules::Addresses(IpAddr::from([192, 0, 2, 3]).into());
        let add = Request::AddRules { ifindex, rules, through: Through::Table };
        let frame = encode_request(&add);
        assert_eq!(frame.len(), 32);
        // A frame that only claims to hold more, and one that holds none.
        assert_eq!(with(&add, 16, &(1u64 << 61).to_le_bytes()), malformed);
        assert_eq!(decode_request(&[&frame[..16], &[0; 8], &frame[28..]].concat()), malformed);
        for (family, most, bytes) in [(0u8, 505usize, 4), (1, 126, 16)] {
            let rest = |count: usize| [vec![1; count * bytes], vec![0; 4]].concat();
            let head = [&frame[..12], &[family, 0, 0, 0]].concat();
            let of = |count: usize| {
                decode_request(&[&head[..], &(count as u64).to_le_bytes(), &rest(count)].concat())
            };
            assert!(of(most).is_ok());
            assert_eq!(of(most + 1), Err(CodecError::TooLong));
        }

        assert_eq!(decode_request(&99u32.to_le_bytes()), malformed);
        assert_eq!(decode_request(&[]), Err(CodecError::Empty));
        assert_eq!(decode_request(&[0; MAX_FRAME + 1]), Err(CodecError::TooLong));
    }

    #[test]
    fn the_longest_requests_fit_a_frame() {
        let links = |n: u32| (1..=n).map(|n| Ifindex::try_from(n).expect("valid"));
        let except = Links::new(links(16)).expect("few");
        let ifindex = links(1).next().expect("one");
        let nets = (0..2000u32).map(|n| Prefix::host(IpAddr::from(n.to_be_bytes())));
        for prefixes in Prefixes::lists(nets) {
            let request = Request::Copy { ifindex, except: except.clone(), prefixes };
            assert_eq!(decode_request(&encode_request(&request)), Ok(request));
        }
    }
}
