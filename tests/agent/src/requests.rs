//! `requests ENDPOINT PER_SECOND COUNT PATH...`: asks for the paths in turn, COUNT times in all, at a
//! steady rate over eight connections that stay open, and prints one line of JSON:
//! `{sent, per_second, statuses{}, failures[], p50_ms, p99_ms, slowest_ms, slowest_path}`.
//!
//! A request is timed from its sending to the last byte of its answer.

use crate::http::{Connection, answer};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::BufReader;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 8;

#[derive(Default)]
struct Seen {
    times: Vec<(Duration, usize)>,
    statuses: BTreeMap<u16, usize>,
    failures: Vec<String>,
}

pub(crate) fn run(arguments: &[String]) {
    let [endpoint, rate, count, paths @ ..] = arguments else {
        panic!("requests ENDPOINT PER_SECOND COUNT PATH...")
    };
    assert!(!paths.is_empty(), "a PATH");
    let rate: f64 = rate.parse().expect("PER_SECOND");
    let count: usize = count.parse().expect("COUNT");
    let began = Instant::now();
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let start =
            |n| scope.spawn(move || ask(endpoint, began, rate, (n..count).step_by(CONNECTIONS), paths));
        let threads: Vec<_> = (0..CONNECTIONS).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("a thread ends")).collect()
    });
    let took = began.elapsed();
    let mut all = Seen::default();
    for mut one in seen {
        all.times.append(&mut one.times);
        all.failures.append(&mut one.failures);
        one.statuses.into_iter().for_each(|(status, n)| *all.statuses.entry(status).or_default() += n);
    }
    all.times.sort_unstable();
    let ms = |part: usize| {
        let place = all.times.len().saturating_sub(1) * part / 1000;
        all.times.get(place).map(|(time, _)| time.as_secs_f64() * 1000.0)
    };
    println!(
        "{}",
        json!({
            "sent": all.times.len(),
            "per_second": f64::from(u32::try_from(all.times.len()).expect("few")) / took.as_secs_f64(),
            "statuses": all.statuses,
            "failures": all.failures,
            "p50_ms": ms(500),
            "p99_ms": ms(990),
            "slowest_ms": ms(1000),
            "slowest_path": all.times.last().map(|(_, n)| &paths[n % paths.len()]),
        })
    );
}

/// The requests of one connection; it is opened again when the other side has closed it.
fn ask(
    endpoint: &str,
    began: Instant,
    rate: f64,
    numbers: impl Iterator<Item = usize>,
    paths: &[String],
) -> Seen {
    let mut seen = Seen::default();
    let mut open: Option<BufReader<Connection>> = None;
    for number in numbers {
        let due = began + Duration::from_secs_f64(f64::from(u32::try_from(number).expect("few")) / rate);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let asked = Instant::now();
        let result = (|| {
            let reader = match &mut open {
                Some(reader) => reader,
                none => none.insert(BufReader::new(Connection::open(endpoint)?)),
            };
            reader.get_mut().ask(endpoint, &paths[number % paths.len()])?;
            answer(reader)
        })();
        match result {
            Ok((status, _)) => {
                seen.times.push((asked.elapsed(), number));
                *seen.statuses.entry(status).or_default() += 1;
            }
            Err(error) => {
                seen.failures.push(format!("{}: {error}", paths[number % paths.len()]));
                open = None;
            }
        }
    }
    seen
}
