//! Requests at a fixed rate, whatever the answers do: latencies without coordinated omission.
//!
//! `rustc -O openloop.rs; ./openloop PORT PATH REQUESTS_PER_SECOND SECONDS CONNECTIONS`
//!
//! Every connection has its own times at which a request is due. One that is due while the last is
//! not answered is sent as soon as that is; its latency counts from when it was due. Prints one
//! line of JSON, microseconds.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What each connection is to do.
#[derive(Clone)]
struct Plan {
    port: u16,
    request: Vec<u8>,
    interval: Duration,
    end: Instant,
}

/// Reads one answer with a Content-Length; `octets` keeps what was read beyond it.
fn read_answer(stream: &mut TcpStream, octets: &mut Vec<u8>) -> Result<()> {
    let mut piece = [0; 64 * 1024];
    let mut total = None;
    loop {
        if total.is_none()
            && let Some(end) = octets.windows(4).position(|four| four == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&octets[..end]).to_ascii_lowercase();
            if !head.starts_with("http/1.1 200") {
                return Err(Error::other(head));
            }
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length = length.and_then(|text| text.trim().parse::<usize>().ok());
            total = Some(end + 4 + length.ok_or_else(|| Error::other("no Content-Length"))?);
        }
        if let Some(total) = total.filter(|total| octets.len() >= *total) {
            octets.drain(..total);
            return Ok(());
        }
        match stream.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            count => octets.extend_from_slice(&piece[..count]),
        }
    }
}

/// One connection, from its first due time on: latencies in microseconds.
fn run(plan: &Plan, mut due: Instant) -> Result<Vec<u64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", plan.port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut octets, mut latencies) = (Vec::new(), Vec::new());
    while due < plan.end {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        stream.write_all(&plan.request)?;
        read_answer(&mut stream, &mut octets)?;
        latencies.push(due.elapsed().as_micros() as u64);
        due += plan.interval;
    }
    Ok(latencies)
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [port, path, rate, seconds, connections] = words.as_slice() else {
        eprintln!("usage: openloop PORT PATH REQUESTS_PER_SECOND SECONDS CONNECTIONS");
        std::process::exit(2);
    };
    let number = |text: &String| text.parse::<f64>().expect("a number");
    let (rate, seconds, connections) = (number(rate), number(seconds), number(connections) as u32);
    let begin = Instant::now() + Duration::from_millis(200);
    let plan = Plan {
        port: number(port) as u16,
        request: format!("GET {path} HTTP/1.1\r\nHost: h0.example\r\n\r\n").into_bytes(),
        interval: Duration::from_secs_f64(f64::from(connections) / rate),
        end: begin + Duration::from_secs_f64(seconds),
    };
    let threads: Vec<_> = (0..connections)
        .map(|index| {
            let (plan, offset) = (plan.clone(), plan.interval * index / connections);
            std::thread::spawn(move || run(&plan, begin + offset))
        })
        .collect();
    let (mut latencies, mut errors) = (Vec::new(), 0);
    for thread in threads {
        match thread.join().expect("no panic") {
            Ok(found) => latencies.extend(found),
            Err(error) => {
                eprintln!("{error}");
                errors += 1;
            }
        }
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let last = latencies.len().saturating_sub(1);
        latencies.get((last as f64 * share) as usize).copied().unwrap_or(0)
    };
    let shares = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];
    let shares: String =
        shares.iter().map(|(name, share)| format!(",\"{name}\":{}", at(*share))).collect();
    let requests = latencies.len();
    println!("RESULT {{\"requests\":{requests},\"connections_failed\":{errors}{shares}}}");
}
