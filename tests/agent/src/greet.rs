//! `greet ADDRESS:PORT`: a TCP server that sends `hello` to each client. `meet ADDRESS:PORT`: its client, which
//! waits two seconds at most and prints what it is sent, or why there is nothing.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn greet(arguments: &[String]) {
    let listener = TcpListener::bind(address(arguments)).expect("bound");
    println!("listening");
    for client in listener.incoming() {
        // A client that left needs no greeting.
        let _ = client.and_then(|mut client| client.write_all(b"hello\n"));
    }
}

pub(crate) fn meet(arguments: &[String]) {
    match ask(address(arguments)) {
        Ok(text) => print!("{text}"),
        Err(error) => println!("{error}"),
    }
}

fn address(arguments: &[String]) -> SocketAddr {
    arguments.first().expect("ADDRESS:PORT").parse().expect("an address and a port")
}

fn ask(server: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
