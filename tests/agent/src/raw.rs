//! `raw ENDPOINT`: sends standard input as it is, and prints what comes until the other side closes, or
//! nothing has come for 20 s (then it ends with status 1).

use crate::http::Connection;
use std::io::{Read, Write};
use std::time::Duration;

pub(crate) fn run(arguments: &[String]) {
    let endpoint = arguments.first().expect("ENDPOINT");
    let mut request = Vec::new();
    std::io::stdin().read_to_end(&mut request).expect("standard input");
    let mut connection = match Connection::open(endpoint) {
        Ok(connection) => connection,
        Err(error) => {
            eprintln!("{endpoint}: {error}");
            std::process::exit(3);
        }
    };
    let patience = Some(Duration::from_secs(60));
    match &connection {
        Connection::Unix(stream) => stream.set_read_timeout(patience),
        Connection::Tcp(stream) => stream.set_read_timeout(patience),
    }
    .expect("a socket");
    // The other side may have had enough before all of it.
    let _ = connection.write_all(&request);
    let mut buffer = [0; 65536];
    loop {
        match connection.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => std::io::stdout().write_all(&buffer[..length]).expect("printed"),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return,
            Err(error) => {
                eprintln!("{endpoint}: {error}");
                std::process::exit(1);
            }
        }
    }
}
