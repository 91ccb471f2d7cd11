//! `make scale`: what one more link, address, route, rule, script, client or waiting event costs.

mod objects;
mod pair;
mod series;

use std::time::Instant;

pub(crate) fn run(names: &[String]) {
    let began = Instant::now();
    let wanted = |part: &str| names.len() < 2 || names.iter().any(|name| name == part);
    if wanted("links") { objects::links(&[0, 500, 1_000, 2_000, 5_000, 10_000]); println!("{:?}", began.elapsed()); }
    if wanted("addresses") { objects::addresses(&[0, 500, 1_000, 2_000, 5_000]); println!("{:?}", began.elapsed()); }
    if wanted("bgp") { objects::routes("bgp", &[0, 50_000, 100_000, 200_000, 1_000_000], 186, false); println!("{:?}", began.elapsed()); }
    if wanted("bgp_script") { objects::routes("bgp_script", &[0, 50_000, 100_000, 200_000, 1_000_000], 186, true); println!("{:?}", began.elapsed()); }
    if wanted("static") { objects::routes("static", &[0, 1_000, 2_000, 5_000, 10_000], 4, false); println!("{:?}", began.elapsed()); }
}
