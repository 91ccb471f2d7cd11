//! `tunnel NAME`: makes the tun device NAME and holds it, so that it has a carrier; it goes with this process,
//! which ends with its input.

use crate::sys;
use std::fs::OpenOptions;
use std::io::Read as _;

pub(crate) fn run(arguments: &[String]) {
    let [name] = arguments else { panic!("tunnel NAME") };
    let device = OpenOptions::new().read(true).write(true).open("/dev/net/tun").expect("/dev/net/tun");
    sys::make_tun(&device, name).expect("TUNSETIFF");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input");
}
