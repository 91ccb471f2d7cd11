//! As much of HTTP/1.1 as the roles need that ask the daemon: connect, send, read one answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// No answer of a daemon that lives takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to `unix:PATH` or `HOST:PORT`.
pub(crate) enum Connection {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Connection {
    pub(crate) fn open(endpoint: &str) -> std::io::Result<Self> {
        let connection = match endpoint.strip_prefix("unix:") {
            Some(path) => Self::Unix(UnixStream::connect(path)?),
            None => Self::Tcp(TcpStream::connect(endpoint)?),
        };
        match &connection {
            Self::Unix(stream) => stream.set_read_timeout(Some(PATIENCE))?,
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
            }
        }
        Ok(connection)
    }

    /// Asks and leaves the connection open.
    pub(crate) fn ask(&mut self, endpoint: &str, path: &str) -> std::io::Result<()> {
        let host = if endpoint.starts_with("unix:") { "localhost" } else { endpoint };
        self.write_all(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Unix(stream) => stream.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// Reads the head of an answer; the status, and the length of its body unless it comes in chunks.
pub(crate) fn head(reader: &mut BufReader<Connection>) -> std::io::Result<(u16, Option<usize>)> {
    let malformed = || std::io::Error::other("the answer is no HTTP");
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or_else(malformed)?;
    let mut length = Some(0);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, length)) };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = Some(value.trim().parse().map_err(|_| malformed())?),
            "transfer-encoding" => length = None,
            _ => {}
        }
    }
}

/// Reads one whole answer; the status and the length of its body.
pub(crate) fn answer(reader: &mut BufReader<Connection>) -> std::io::Result<(u16, usize)> {
    let (status, length) = head(reader)?;
    if let Some(length) = length {
        skip(reader, length)?;
        return Ok((status, length));
    }
    let mut total = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16)
            .map_err(|_| std::io::Error::other(format!("no length of a chunk: {line:?}")))?;
        skip(reader, length + 2)?;
        if length == 0 {
            return Ok((status, total));
        }
        total += length;
    }
}

fn skip(reader: &mut impl Read, length: usize) -> std::io::Result<()> {
    let wanted = u64::try_from(length).map_err(std::io::Error::other)?;
    match std::io::copy(&mut reader.take(wanted), &mut std::io::sink())? {
        read if read == wanted => Ok(()),
        _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
    }
}
