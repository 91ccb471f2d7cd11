//! Where a daemon's API is: `unix:PATH` or `http://HOST:PORT`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    /// A unix socket.
    Unix(PathBuf),
    /// Host and port, as they stand in a URL.
    Tcp(String),
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FORM: &str = "write unix:/run/netevd/api.sock or http://127.0.0.1:9090";
        if let Some(path) = text.strip_prefix("unix:") {
            // unix:///run/x is how some programs write it.
            let path = path.strip_prefix("//").unwrap_or(path);
            return match path.starts_with('/') {
                true => Ok(Self::Unix(PathBuf::from(path))),
                false => Err(format!("the socket's path is not absolute; {FORM}")),
            };
        }
        if text.starts_with("https:") {
            return Err("netevd speaks no TLS: use http:// on loopback, through `ssh -L` or a proxy on the \
                        far host"
                .to_owned());
        }
        let rest = text.strip_prefix("http://").ok_or(FORM)?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = authority.rsplit_once(':').ok_or(format!("the port is missing; {FORM}"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => {
                !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
            }
        };
        if !is_host || port.parse::<u16>().is_ok_and(|port| port == 0) || port.parse::<u16>().is_err() {
            return Err(FORM.to_owned());
        }
        Ok(Self::Tcp(authority.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(authority) => write!(f, "http://{authority}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        for text in [
            "unix:/run/netevd/api.sock",
            "http://127.0.0.1:9090",
            "http://[::1]:9090",
            "http://host.example:80",
        ] {
            assert_eq!(text.parse::<Endpoint>().expect("good").to_string(), text);
        }
        assert_eq!("unix:///x".parse(), Ok(Endpoint::Unix("/x".into())));
        assert_eq!("http://h:1/".parse(), Ok(Endpoint::Tcp("h:1".to_owned())));
    }

    #[test]
    fn what_is_neither_is_explained() {
        for (text, part) in [
            ("https://h:1", "no TLS"),
            ("unix:api.sock", "not absolute"),
            ("http://host", "port is missing"),
            ("http://host:0", "write unix:"),
            ("http://host:x", "write unix:"),
            ("http://u@h:1", "write unix:"),
            ("http://[::g]:1", "write unix:"),
            ("/run/netevd/api.sock", "write unix:"),
        ] {
            let error = text.parse::<Endpoint>().expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
