//! The TCP socket: where the configuration wants it, and only with what guards it.

use super::access::TcpAuth;
use super::token::Token;
use crate::config::Api;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;

const BACKLOG: u32 = 128;

/// A listening socket. Dropped, the connections that came by it end.
pub(super) struct Tcp {
    pub(super) listener: Arc<TcpListener>,
    pub(super) auth: Arc<TcpAuth>,
    pub(super) closing: CancellationToken,
    /// As configured; the port may be 0.
    address: SocketAddr,
}

impl Tcp {
    /// `before` stays as far as it is what is wanted; connections that another address or token let
    /// in end. The token must not be a file of these users. The error says what to do.
    pub(super) fn open(
        before: Option<Tcp>,
        address: SocketAddr,
        api: &Api,
        token_not_of: &[u32],
        server: &CancellationToken,
    ) -> Result<Tcp, String> {
        let fault = |fault| format!("the API does not listen on http://{address}: {fault}");
        let read = |path| Token::read(path, token_not_of);
        let token = api.token_file.as_deref().map(read).transpose().map_err(fault)?;
        if token.is_none() && !address.ip().is_loopback() {
            return Err(fault(
                "beyond loopback everything needs a token; set api.token_file, or api.bind_address to 127.0.0.1"
                    .to_owned(),
            ));
        }
        let listener = match before {
            Some(before) if before.address == address => {
                if before.auth.token == token {
                    return Ok(before);
                }
                Arc::clone(&before.listener)
            }
            before => {
                drop(before);
                let listener = listen(address).map_err(|error| fault(why(address, &error)))?;
                Arc::new(listener)
            }
        };
        let auth = Arc::new(TcpAuth { bind: address.ip(), token });
        Ok(Tcp { listener, auth, closing: server.child_token(), address })
    }

    /// For people and browsers, with the port that the kernel chose for 0.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap_or(self.address))
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a life before that linger in TIME_WAIT are in nobody's way.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn why(address: SocketAddr, error: &io::Error) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "the port is in use, by whom says: ss -ltnp 'sport = :{port}'; set api.port to another one, or reload \
             when it is free"
        ),
        io::ErrorKind::AddrNotAvailable => {
            format!("no interface has {}; set api.bind_address to one of: ip -br address", address.ip())
        }
        io::ErrorKind::PermissionDenied => {
            format!("port {port} is not for ordinary users ({error}); set api.port to 1024 or more")
        }
        _ => error.to_string(),
    }
}
