//! Which socket has this flow? As `/proc/net/{tcp,tcp6,udp,udp6}` say (proc(5)).
//!
//! For where the kernel does not answer `sock_diag(7)`: it was built without, or a
//! policy forbids it. The tables name the user and the inode as well; they are
//! longer to read, because nobody can be asked for one socket alone.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::{Socket, fit};
use crate::core::flow::{FiveTuple, Protocol};

/// The socket that sends packets with the source of `flow` to its destination;
/// `None` if there is none. `proc`: where proc is mounted.
///
/// # Errors
///
/// If no table of the flow's family and protocol can be read.
pub(super) fn find(proc: &Path, flow: &FiveTuple) -> io::Result<Option<Socket>> {
    let mut best: Option<(u8, Socket)> = None;
    let mut trouble = None;
    for name in tables(flow) {
        let table = match File::open(proc.join("net").join(name)) {
            Ok(table) => table,
            Err(error) => {
                trouble.get_or_insert(error);
                continue;
            }
        };
        best = better(best, search(BufReader::new(table), flow));
    }
    match (best, trouble) {
        (None, Some(error)) => Err(error),
        (best, _) => Ok(best.map(|(_, socket)| socket)),
    }
}

/// Tables in which a flow can be: an IPv6 socket may speak IPv4.
fn tables(flow: &FiveTuple) -> &'static [&'static str] {
    match (flow.protocol, flow.source.is_ipv4()) {
        (Protocol::Tcp, true) => &["tcp", "tcp6"],
        (Protocol::Tcp, false) => &["tcp6"],
        (Protocol::Udp, true) => &["udp", "udp6"],
        (Protocol::Udp, false) => &["udp6"],
    }
}

/// The line that fits a flow best, with how well it does. One pass; what is no
/// line of such a table is passed over.
fn search(table: impl BufRead, flow: &FiveTuple) -> Option<(u8, Socket)> {
    let lines = table.take(MOST_BYTES).split(b'\n').map_while(Result::ok);
    let found = lines.filter_map(|line| {
        let line = Line::parse(&line)?;
        // Who listens sends nothing, and what waits for its end has no owner.
        let speaks = !matches!((flow.protocol, line.state), (Protocol::Tcp, TIME_WAIT | LISTEN));
        let fit = fit(flow, line.near, line.far).filter(|_| speaks && line.socket.inode != 0)?;
        Some((fit, line.socket))
    });
    found.fold(None, |best, found| better(best, Some(found)))
}

/// The one that fits better; the first of two that fit alike.
fn better(one: Option<(u8, Socket)>, other: Option<(u8, Socket)>) -> Option<(u8, Socket)> {
    match (one, other) {
        (Some((fit, _)), Some((better, _))) if better > fit => other,
        (None, _) => other,
        _ => one,
    }
}

/// A line of a table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Line {
    near: SocketAddr,
    far: SocketAddr,
    state: u8,
    socket: Socket,
}

impl Line {
    /// `sl: local remote st tx:rx tr:when retrnsmt uid timeout inode …`
    fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace().skip(1);
        let near = hex_address(fields.next()?)?;
        let far = hex_address(fields.next()?)?;
        let state = u8::from_str_radix(fields.next()?, 16).ok()?;
        let uid = fields.nth(3)?.parse().ok()?;
        // The kernel's inodes are longer than what sock_diag tells of them.
        let inode: u64 = fields.nth(1)?.parse().ok()?;
        let inode = u32::try_from(inode & u64::from(u32::MAX)).ok()?;
        Some(Self { near, far, state, socket: Socket { uid, inode } })
    }
}

/// Reads `0100007F:0035`, or four such words for IPv6: each word in the byte order
/// of the machine. IPv4 that is written as IPv6 becomes IPv4.
pub(crate) fn hex_address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |from: usize| {
        let digits = address.get(from..from + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (place, chunk) in bytes.chunks_exact_mut(4).enumerate() {
                chunk.copy_from_slice(&word(place * 8)?);
            }
            Ipv6Addr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// As much of a table as is read: some 25,000 sockets.
const MOST_BYTES: u64 = 4 << 20;
const TIME_WAIT: u8 = 6; // include/net/tcp_states.h
const LISTEN: u8 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn flow(protocol: Protocol, source: &str, destination: &str) -> FiveTuple {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        FiveTuple { protocol, source, destination }
    }

    /// A line as the kernel writes it; addresses as it has them in memory.
    fn line(near: &str, far: &str, state: &str, uid: u32, inode: u64) -> String {
        format!(
            "   5: {near} {far} {state} 00000000:00000000 00:00000000 00000000 {uid:5}        0 \
             {inode} 2 0000000000000000 0\n"
        )
    }

    fn found(table: &str, flow: &FiveTuple) -> Option<(u32, u32)> {
        search(table.as_bytes(), flow).map(|(_, socket)| (socket.uid, socket.inode))
    }

    /// 192.0.2.1:40000 and 192.0.2.53:53 as a little-endian kernel writes them, and the
    /// same in IPv6.
    const NEAR: &str = "010200C0:9C40";
    const FAR: &str = "350200C0:0035";
    const MAPPED_NEAR: &str = "0000000000000000FFFF0000010200C0:9C40";
    const MAPPED_FAR: &str = "0000000000000000FFFF0000350200C0:0035";
    const NEAR_V6: &str = "B80D0120000000000000000001000000:9C40";
    const FAR_V6: &str = "B80D0120000000000000000053000000:0035";
    const ANY: &str = "00000000:9C40";
    const ANY_V6: &str = "00000000000000000000000000000000:9C40";
    const NOBODY: &str = "00000000:0000";
    const NOBODY_V6: &str = "00000000000000000000000000000000:0000";

    #[test]
    #[cfg(target_endian = "little")]
    fn each_kind_of_socket_is_found_in_its_table() {
        let v4 = |protocol| flow(protocol, "192.0.2.1:40000", "192.0.2.53:53");
        let v6 = flow(Protocol::Udp, "[2001:db8::1]:40000", "[2001:db8::53]:53");
        let (tcp, udp) = (v4(Protocol::Tcp), v4(Protocol::Udp));
        for (near, far, state, flow, want) in [
            (NEAR, FAR, "01", &udp, true),
            (NEAR, FAR, "02", &tcp, true), // SYN_SENT
            (MAPPED_NEAR, MAPPED_FAR, "01", &udp, true),
            (MAPPED_NEAR, MAPPED_FAR, "02", &tcp, true),
            (ANY, NOBODY, "07", &udp, true),
            (ANY_V6, NOBODY_V6, "07", &udp, true),
            (NEAR_V6, FAR_V6, "01", &v6, true),
            (ANY_V6, NOBODY_V6, "07", &v6, true),
            // A TCP socket that is bound to nothing has not connected.
            (ANY, NOBODY, "0A", &tcp, false),
            (NEAR, FAR, "06", &tcp, false),
            (NEAR, NOBODY, "0A", &tcp, false),
            (NEAR, "350200C0:0036", "01", &udp, false),
            ("020200C0:9C40", FAR, "01", &udp, false),
            ("010200C0:9C41", FAR, "01", &udp, false),
        ] {
            let table = format!("  sl  local_address …\n{}", line(near, far, state, 10123, 77));
            assert_eq!(found(&table, flow), want.then_some((10123, 77)), "{near} {far} {state}");
        }
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn the_more_exact_of_two_sockets_is_the_owner() {
        let udp = flow(Protocol::Udp, "192.0.2.1:40000", "192.0.2.53:53");
        let any = line(ANY, NOBODY, "07", 1, 11);
        let exact = line(NEAR, FAR, "01", 2, 22);
        assert_eq!(found(&format!("{any}{exact}"), &udp), Some((2, 22)));
        assert_eq!(found(&format!("{exact}{any}"), &udp), Some((2, 22)));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn what_was_closed_has_no_owner() {
        let tcp = flow(Protocol::Tcp, "192.0.2.1:40000", "192.0.2.53:53");
        assert_eq!(found(&line(NEAR, FAR, "01", 0, 0), &tcp), None);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn any_bytes_are_passed_over_and_the_right_line_is_still_found() {
        let udp = flow(Protocol::Udp, "192.0.2.1:40000", "192.0.2.53:53");
        let right = line(NEAR, FAR, "01", 10123, 77).into_bytes();
        let broken: &[&[u8]] = &[
            b"",
            b"\n\n\n",
            b"\xff\xfe\x00\n",
            b"0: 0:0\n",
            b"0: :: :: ::\n",
            "0: a\u{e9}\u{e9}\u{e9}b:0035 350200C0:0035 01\n".as_bytes(),
            b"0: 010200C0:9C40 350200C0:0035 zz 0 0 0 1 0 5\n",
            b"0: 010200C0:9C40 350200C0:0035 01 0 0 0 -1 0 5\n",
            b"0: 010200C0:9C40 350200C0:0035 01 0 0 0 4294967296 0 5\n",
            b"0: 010200C0:9C40 350200C0:0035 01 0 0 0 1 0 99999999999999999999999\n",
        ];
        for broken in broken {
            let table = [broken, &right[..]].concat();
            let socket = search(&table[..], &udp).map(|(_, socket)| socket);
            assert_eq!(socket, Some(Socket { uid: 10123, inode: 77 }), "{broken:?}");
        }
        for cut in 0..right.len() {
            let _ = search(&right[..cut], &udp);
        }
    }

    #[test]
    fn a_table_without_end_is_read_to_a_bound() {
        let udp = flow(Protocol::Udp, "192.0.2.1:40000", "192.0.2.53:53");
        let lines = io::repeat(b'\n');
        assert_eq!(search(BufReader::new(lines), &udp), None);
        let one_line = io::repeat(b'0');
        assert_eq!(search(BufReader::new(one_line), &udp), None);
    }
}
