//! Who may do what. Pure: a head of a request and who sent it go in, a decision comes out.
//!
//! By the unix socket whoever may connect may read; changes are root's, or the own user's where an
//! ordinary user runs the daemon. By TCP the token decides, and the Host header: a page of somebody
//! else's that has the browser's name for us rebound to our address (DNS rebinding) still says its
//! own name.

use super::answer::Refusal;
use super::base64;
use super::query::shown;
use super::token::Token;
use crate::request::Actor;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HOST, ORIGIN};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Who is at the far end of a connection.
#[derive(Clone)]
pub(super) enum Peer {
    /// By the unix socket, as SO_PEERCRED says; pid 0 where it is not known.
    Local { uid: u32, pid: i32 },
    /// By TCP.
    Remote { remote_address: SocketAddr, local_address: SocketAddr, auth: Arc<TcpAuth> },
}

/// What guards a TCP socket.
pub(super) struct TcpAuth {
    /// Where it listens, as it was configured.
    pub(super) bind: IpAddr,
    /// What is in `api.token_file`.
    pub(super) token: Option<Token>,
}

/// What was decided.
pub(super) struct Admission {
    /// Who, for the audit log.
    pub(super) actor: Actor,
    /// May ask at all.
    pub(super) reading: Result<(), Refusal>,
    /// May have something changed.
    pub(super) changing: Result<(), Refusal>,
}

/// What a request shows.
enum Shown {
    Nothing,
    Bearer(Vec<u8>),
    Basic(Vec<u8>),
    Else,
}

/// Decides. `own_uid` is the daemon's where an ordinary user runs it.
pub(super) fn admit(peer: &Peer, own_uid: Option<u32>, head: &Parts) -> Admission {
    match peer {
        Peer::Local { uid, pid } => {
            let changing = if *uid == 0 || own_uid == Some(*uid) {
                same_site(&head.headers)
            } else {
                let who = own_uid.map_or("root".to_owned(), |own| format!("root or uid {own}"));
                Err(Refusal::forbidden(format!("changes are for {who}; this is uid {uid}")))
            };
            Admission { actor: Actor::Local { uid: *uid, pid: *pid }, reading: Ok(()), changing }
        }
        Peer::Remote { remote_address, local_address, auth } => {
            remote(*remote_address, *local_address, auth, head)
        }
    }
}

fn remote(remote_address: SocketAddr, local_address: SocketAddr, auth: &TcpAuth, head: &Parts) -> Admission {
    let shown = shown_by(&head.headers);
    let is_right = match (&auth.token, &shown) {
        (Some(token), Shown::Bearer(text) | Shown::Basic(text)) => token.is(text),
        _ => false,
    };
    let reading = own_name(head, local_address, auth.bind).and_then(|()| match (&auth.token, &shown) {
        (Some(_), _) if is_right => Ok(()),
        (_, Shown::Else) => {
            Err(Refusal::unauthorized("the header Authorization is neither Bearer nor Basic"))
        }
        (Some(_), Shown::Bearer(_) | Shown::Basic(_)) => Err(Refusal::unauthorized("the token is wrong")),
        _ if !auth.bind.is_loopback() => {
            Err(Refusal::unauthorized("the token of api.token_file is needed: Authorization: Bearer TOKEN"))
        }
        _ => Ok(()),
    });
    let changing = same_site(&head.headers).and_then(|()| match (&auth.token, &shown) {
        (None, _) => Err(Refusal::forbidden(
            "changes by TCP need a token, and api.token_file names none; root can use the unix socket",
        )),
        (Some(_), Shown::Bearer(_)) if is_right => Ok(()),
        (Some(_), _) => Err(Refusal::unauthorized(
            "changes need the token of api.token_file: Authorization: Bearer TOKEN",
        )),
    });
    Admission { actor: Actor::Remote { address: remote_address, token: is_right }, reading, changing }
}

fn shown_by(headers: &HeaderMap) -> Shown {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next(), values.next()) else { return Shown::Else };
    let Some(value) = value else { return Shown::Nothing };
    let Some((scheme, rest)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
        return Shown::Else;
    };
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Shown::Bearer(rest.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return Shown::Else;
    }
    // Any name; the token is the password (RFC 7617).
    let pair = base64::decode(rest).unwrap_or_default();
    match pair.iter().position(|byte| *byte == b':') {
        Some(colon) => Shown::Basic(pair[colon + 1..].into()),
        None => Shown::Else,
    }
}

/// The request is meant for us: it names the address that it came to, and no name of the DNS.
fn own_name(head: &Parts, local_address: SocketAddr, bind: IpAddr) -> Result<(), Refusal> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Refusal::bad("there must be one header Host"));
    };
    let host = host.to_str().map_err(|_| Refusal::bad("the header Host is not readable"))?;
    let absolute = head.uri.authority().map(Authority::as_str);
    for name in [Some(host), absolute].into_iter().flatten() {
        if !is_own(name, local_address, bind) {
            return Err(Refusal::forbidden(format!(
                "the header Host says {}, and this is {local_address}: ask by address, or by localhost",
                shown(name)
            )));
        }
    }
    Ok(())
}

fn is_own(name: &str, local_address: SocketAddr, bind: IpAddr) -> bool {
    if name.contains('@') {
        return false;
    }
    let Ok(authority) = name.parse::<Authority>() else { return false };
    let is_port = match authority.port() {
        Some(port) => port.as_str().parse() == Ok(local_address.port()),
        None => local_address.port() == 80 && !name.ends_with(':'),
    };
    let host = authority.host();
    let plain = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = plain.eq_ignore_ascii_case("localhost")
        || plain
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip == bind || ip.to_canonical() == local_address.ip().to_canonical());
    is_port && is_host
}

/// Refuses what another site's page has a browser send. Other programs send neither header.
fn same_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_cross = headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()).map(|host| format!("http://{host}"));
    let is_foreign = headers
        .get_all(ORIGIN)
        .iter()
        .any(|origin| own.as_deref().is_none_or(|own| origin.as_bytes() != own.as_bytes()));
    if is_cross || is_foreign {
        return Err(Refusal::forbidden("a page of another site may change nothing here"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::{Method, Request, StatusCode};

    const NEAR: &str = "192.0.2.1:9090";
    const TOKEN: &str = "0123456789abcdef";

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(Method::GET).uri("/health");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn auth(bind: &str, has_token: bool) -> Arc<TcpAuth> {
        let token = has_token.then(|| Token::of(TOKEN.as_bytes()).ok()).flatten();
        Arc::new(TcpAuth { bind: bind.parse().expect("an address"), token })
    }

    /// Status of reading and of changing; 200 is permitted.
    fn outcome(bind: &str, has_token: bool, headers: &[(&str, &str)]) -> (u16, u16) {
        let local_address: SocketAddr =
            if bind.starts_with("127") { "127.0.0.1:9090" } else { NEAR }.parse().expect("an address");
        let peer = Peer::Remote { remote_address: local_address, local_address, auth: auth(bind, has_token) };
        let admission = admit(&peer, None, &head(headers));
        let status =
            |result: Result<(), Refusal>| result.map_or_else(|r| r.status, |()| StatusCode::OK).as_u16();
        (status(admission.reading), status(admission.changing))
    }

    #[test]
    fn the_table_of_tcp() {
        let (loopback, wide) = (("host", "127.0.0.1:9090"), ("host", NEAR));
        let bearer = format!("Bearer {TOKEN}");
        let right = ("authorization", bearer.as_str());
        let basic = format!("Basic {}", base64::encode(format!("any:{TOKEN}").as_bytes()));
        let basic = ("authorization", basic.as_str());
        let wrong = ("authorization", "Bearer 0123456789abcdeF");
        let odd = ("authorization", "Digest x");
        for (bind, has_token, headers, expected) in [
            ("127.0.0.1", false, vec![loopback], (200, 403)),
            ("127.0.0.1", false, vec![loopback, right], (200, 403)),
            ("127.0.0.1", true, vec![loopback], (200, 401)),
            ("127.0.0.1", true, vec![loopback, right], (200, 200)),
            ("127.0.0.1", true, vec![loopback, basic], (200, 401)),
            ("127.0.0.1", true, vec![loopback, wrong], (401, 401)),
            ("127.0.0.1", true, vec![loopback, odd], (401, 401)),
            ("127.0.0.1", true, vec![loopback, right, right], (401, 401)),
            ("0.0.0.0", true, vec![wide], (401, 401)),
            ("0.0.0.0", true, vec![wide, right], (200, 200)),
            ("0.0.0.0", true, vec![wide, basic], (200, 401)),
            ("0.0.0.0", true, vec![wide, wrong], (401, 401)),
            ("127.0.0.1", true, vec![loopback, right, ("origin", "http://evil.example")], (200, 403)),
            ("127.0.0.1", true, vec![loopback, right, ("origin", "null")], (200, 403)),
            ("127.0.0.1", true, vec![loopback, right, ("origin", "http://127.0.0.1:9090")], (200, 200)),
            ("127.0.0.1", true, vec![loopback, right, ("sec-fetch-site", "cross-site")], (200, 403)),
            ("127.0.0.1", true, vec![loopback, right, ("sec-fetch-site", "same-origin")], (200, 200)),
        ] {
            assert_eq!(outcome(bind, has_token, &headers), expected, "{bind} {has_token} {headers:?}");
        }
    }

    #[test]
    fn a_name_of_the_dns_is_refused() {
        for (host, expected) in [
            ("192.0.2.1:9090", 200),
            ("0.0.0.0:9090", 200),
            ("localhost:9090", 200),
            ("LocalHost:9090", 200),
            ("192.0.2.1", 403),
            ("192.0.2.1:", 403),
            ("192.0.2.1:9091", 403),
            ("192.0.2.2:9090", 403),
            ("evil.example:9090", 403),
            ("localhost.evil.example:9090", 403),
            ("localhost:9090@evil.example", 403),
            ("x@localhost:9090", 403),
            ("[::1]:9090", 403),
            ("", 403),
        ] {
            let bearer = format!("Bearer {TOKEN}");
            let headers = [("host", host), ("authorization", bearer.as_str())];
            assert_eq!(outcome("0.0.0.0", true, &headers).0, expected, "{host}");
        }
        assert_eq!(outcome("127.0.0.1", false, &[]).0, 400);
        let twice = [("host", "127.0.0.1:9090"), ("host", "127.0.0.1:9090")];
        assert_eq!(outcome("127.0.0.1", false, &twice).0, 400);
    }

    #[test]
    fn by_the_unix_socket_changes_are_roots() {
        let may_change = |uid, own| {
            admit(&Peer::Local { uid, pid: 1 }, own, &head(&[]))
                .changing
                .map_err(|refusal| refusal.status.as_u16())
        };
        assert_eq!(may_change(0, None), Ok(()));
        assert_eq!(may_change(1_000, None), Err(403));
        assert_eq!(may_change(1_000, Some(1_000)), Ok(()));
        assert_eq!(may_change(1_001, Some(1_000)), Err(403));
    }
}
