//! Who listens on a port, from proc(5). Reads only; what may not be read is said so.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// A row of `/proc/net/tcp` or `tcp6` in state LISTEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    address: SocketAddr,
    user: u32,
    inode: u64,
}

/// Who keeps `address` from being listened on, in words; `most` descriptors of processes are looked
/// at.
pub(super) fn of(address: SocketAddr, most: usize) -> String {
    holder(Path::new("/proc"), address, most)
}

fn holder(proc: &Path, address: SocketAddr, most: usize) -> String {
    let table = |name: &str| fs::read_to_string(proc.join("net").join(name)).unwrap_or_default();
    let rows = [table("tcp"), table("tcp6")];
    let rows: Vec<Row> = rows.iter().flat_map(|table| table.lines()).filter_map(row).collect();
    let Some(row) = rows.iter().find(|row| is_in_the_way(row.address, address)) else {
        return format!(
            "nobody listens there; a connection that goes out may have the port {0}. Then: sysctl \
             -w net.ipv4.ip_local_reserved_ports={0}",
            address.port()
        );
    };
    let who = match process_with(proc, row.inode, most) {
        Some((pid, name)) => format!("{name} (pid {pid})"),
        None => format!(
            "a process of user {}, in another container or not to be looked at from here,",
            row.user
        ),
    };
    format!("{who} listens on {}", row.address)
}

/// `sl local_address rem_address st … uid timeout inode`; 0A is LISTEN.
fn row(line: &str) -> Option<Row> {
    let mut fields = line.split_ascii_whitespace();
    let (local, state) = (fields.nth(1)?, fields.nth(1)?);
    let (user, inode) = (fields.nth(3)?, fields.nth(1)?);
    let (ip, port) = local.split_once(':')?;
    let address = SocketAddr::new(address(ip)?, u16::from_str_radix(port, 16).ok()?);
    let row = Row { address, user: user.parse().ok()?, inode: inode.parse().ok()? };
    (state == "0A").then_some(row)
}

/// Words of 32 bits in hexadecimal, each in the byte order of the machine.
fn address(text: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = text.get(index * 8..index * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    match text.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut octets = [0; 16];
            for (index, four) in octets.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(index)?);
            }
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

/// A socket on `::` may serve both families; the table does not say.
fn is_in_the_way(theirs: SocketAddr, asked: SocketAddr) -> bool {
    let (ip, wanted) = (theirs.ip(), asked.ip());
    let is_both = ip == Ipv6Addr::UNSPECIFIED || ip.to_canonical() == wanted;
    let is_near = match ip.is_ipv4() == wanted.is_ipv4() {
        true => ip == wanted || ip.is_unspecified() || wanted.is_unspecified(),
        false => is_both,
    };
    theirs.port() == asked.port() && is_near
}

/// The process with the lowest number that has the socket open, and its name.
fn process_with(proc: &Path, inode: u64, most: usize) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    let mut pids: Vec<u32> = fs::read_dir(proc)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    pids.sort_unstable();
    let mut left = most;
    let pid = pids.into_iter().find(|pid| {
        let folder = fs::read_dir(proc.join(pid.to_string()).join("fd"));
        folder.into_iter().flatten().flatten().any(|entry| {
            left = left.saturating_sub(1);
            left > 0 && fs::read_link(entry.path()).is_ok_and(|target| *target == *wanted.as_str())
        })
    })?;
    let name = fs::read_to_string(proc.join(pid.to_string()).join("comm")).unwrap_or_default();
    // A process calls itself what it likes.
    let name: String =
        name.trim_end().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some((pid, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when \
                        retrnsmt   uid  timeout inode\n";

    /// A row as the kernel writes it on a machine of this byte order.
    fn line(address: SocketAddr, state: &str, user: u32, inode: u64) -> String {
        let octets = match address.ip() {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        let words = octets
            .chunks_exact(4)
            .map(|four| format!("{:08X}", u32::from_ne_bytes(four.try_into().expect("four"))));
        format!(
            "   0: {}:{:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  {user} \
             0 {inode} 1 0000000000000000 100 0 0 10 0\n",
            words.collect::<String>(),
            address.port()
        )
    }

    #[test]
    fn the_holder_is_told_as_well_as_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let proc = folder.path();
        for path in ["net", "77/fd", "9/fd", "8/fd", "self"] {
            fs::create_dir_all(proc.join(path)).unwrap();
        }
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let tcp = [
            HEAD.into(),
            line(at("127.0.0.1:80"), "01", 0, 5),
            line(at("127.0.0.1:80"), "0A", 0, 41),
            line(at("0.0.0.0:81"), "0A", 1000, 42),
            "damaged\n".into(),
        ];
        fs::write(proc.join("net/tcp"), tcp.concat()).unwrap();
        let tcp6 = [line(at("[::]:82"), "0A", 0, 43), line(at("[2001:db8::1]:83"), "0A", 0, 41)];
        fs::write(proc.join("net/tcp6"), tcp6.concat()).unwrap();
        for (pid, number, inode) in [(77, 3, 41), (9, 7, 41), (8, 1, 40)] {
            let link = proc.join(format!("{pid}/fd/{number}"));
            std::os::unix::fs::symlink(format!("socket:[{inode}]"), link).unwrap();
        }
        fs::write(proc.join("9/comm"), "ng\u{1b}inx\n").unwrap();
        for (asked, told) in [
            ("127.0.0.1:80", "ng?inx (pid 9) listens on 127.0.0.1:80"),
            ("0.0.0.0:80", "ng?inx (pid 9) listens on 127.0.0.1:80"),
            ("127.0.0.2:80", "nobody listens there"),
            ("127.0.0.1:81", "a process of user 1000, in another container or not"),
            ("0.0.0.0:82", "a process of user 0, in another container or not"),
            ("[::]:83", "ng?inx (pid 9) listens on [2001:db8::1]:83"),
            ("[::]:81", "nobody listens there"),
        ] {
            let found = holder(proc, at(asked), 3);
            assert!(found.starts_with(told), "{asked}: {found}");
        }
        let short = holder(proc, at("127.0.0.1:80"), 2);
        assert!(short.starts_with("a process of user 0, in another container"), "{short}");
    }

    #[test]
    fn our_own_socket_is_found() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let address = listener.local_addr().unwrap();
            let told = of(address, 10_000);
            let own = format!("(pid {}) listens on {address}", std::process::id());
            assert!(told.ends_with(&own), "{told}");
        }
    }
}
