//! Tools that want us to read other bytes than the server: zapret, `GoodbyeDPI`,
//! geneva. Each row says what one mode of one tool sends.
//!
//! Each runs in both families, with timestamps and without, with a kernel that brings
//! hellos back and without, for a blocked host and for one that is not; afterwards the client's kernel sends all again, and again,
//! past us if the flow was decided. Of a blocked hello the server must have nothing.
//! What it gets of another is said in the row: `Real`, all bytes intact; or `Fake`,
//! where nobody between can know that a segment is not meant: then it gets that one,
//! which was judged, and the tool has cut its own connection.

use super::client::{ACK, Client as Tool, FIN, PSH, RST, SYN, Sent};
use super::*;
use crate::core::flows::reassemble::Reassembler;

/// What the server has at the end, of a host that is not blocked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Gets {
    Real,
    Fake,
}
use Gets::{Fake, Real};

/// IPv6, timestamps, and whether the kernel brings hellos back.
type How = (bool, bool, bool);

fn each_way() -> impl Iterator<Item = How> {
    (0..8).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0))
}

/// One run of one mode.
struct Run {
    world: World,
    tool: Tool,
    /// Length of the hello, or of the request.
    len: usize,
    /// Where the name is.
    name: usize,
    fake: Vec<u8>,
    joined: Reassembler,
}

impl Run {
    fn new((v6, stamps, brings): How, said: &[u8], rest: &[u8]) -> Self {
        let mut world = World::new().bringing(brings);
        if v6 {
            world.client = Client::Device("2001:db8:7::7".parse().unwrap());
        }
        let mut tool = Tool::new(v6, [said, rest].concat());
        tool.stamps = stamps.then_some((900_000, 77));
        let name = said.windows(8).position(|at| at == b".example").map_or(60, |at| at - 4);
        let fake = hello("fake.example");
        let joined = Reassembler::default();
        Self { world, tool, len: said.len(), name, fake, joined }
    }

    fn hands(&mut self) {
        self.send(self.tool.syn());
        self.send(self.tool.pure_ack());
    }

    #[expect(clippy::needless_pass_by_value, reason = "rows are short")]
    fn send(&mut self, sent: Sent) {
        self.world.send(&sent.bytes());
    }

    fn send_all(&mut self, all: impl IntoIterator<Item = Sent>) {
        for sent in all {
            self.send(sent);
        }
    }

    /// In pieces that end at these places.
    fn split(&mut self, ends: &[usize]) {
        for piece in self.pieces(ends) {
            self.send(piece);
        }
    }

    fn disorder(&mut self, ends: &[usize]) {
        for piece in self.pieces(ends).into_iter().rev() {
            self.send(piece);
        }
    }

    fn pieces(&self, ends: &[usize]) -> Vec<Sent> {
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let ends = ends.iter().copied().chain([self.len]);
        starts.zip(ends).map(|(start, end)| self.tool.real(start..end)).collect()
    }

    fn real(&mut self) {
        self.send(self.tool.real(0..self.len));
    }

    fn fake(&self) -> Sent {
        self.tool.fake(0, &self.fake)
    }

    /// Zeros in the place of these bytes.
    fn zeros(&self, at: usize, len: usize) -> Sent {
        self.tool.fake(i64::try_from(at).unwrap(), &vec![0; len])
    }

    /// In IP fragments of so many bytes.
    fn fragments(&mut self, sent: &Sent, size: usize, reversed: bool) {
        let packet = sent.bytes();
        let v6 = self.tool.source.is_ipv6();
        let header = if v6 { 40 } else { 20 };
        let mut parts: Vec<_> = packet[header..].chunks(size).enumerate().collect();
        let last = parts.len() - 1;
        if reversed {
            parts.reverse();
        }
        for (n, data) in parts {
            let part = fragment(&packet[..header], n * size, n < last, data);
            let part = Packet::parse(&part).unwrap();
            let mut whole = Vec::new();
            if self.joined.handle_fragment(self.world.now, &part, &mut whole) {
                self.world.send(&whole);
            }
        }
    }

    /// The kernel of the client sends on, and again what may be lost.
    fn go_on(&mut self) {
        for _ in 0..3 {
            self.real();
            let len = self.tool.stream.len();
            self.world.server.said = 100;
            self.send(self.tool.real(self.len..len));
            self.world.pass_time(Duration::from_secs(1));
            self.split(&[self.len / 2]);
            self.send(self.tool.real(self.len..len).acking(100));
            self.world.pass_time(Duration::from_secs(3));
        }
    }

    fn shows(&self, word: &[u8]) -> bool {
        self.world.onward.iter().any(|(packet, _)| has(packet, word))
            || has(&self.world.server.stream, word)
    }
}

fn has(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|at| at == word)
}

fn fragment(header: &[u8], offset: usize, more: bool, data: &[u8]) -> Vec<u8> {
    let mut out = header.to_vec();
    let place = u16::try_from(offset).unwrap();
    if header.len() == 40 {
        out[6] = 44;
        out.extend([6, 0]);
        out.extend((place | u16::from(more)).to_be_bytes());
        out.extend([0, 0, 0, 9]);
    } else {
        out[6..8].copy_from_slice(&((place / 8) | (u16::from(more) << 13)).to_be_bytes());
        out[5] = 9;
    }
    out.extend(data);
    ip::mend_length(&mut out, header.len()).unwrap();
    out
}

fn try_mode(gets: Gets, said: impl Fn(&str) -> Vec<u8>, rest: &[u8], mode: impl Fn(&mut Run)) {
    for how in each_way() {
        let mut run = Run::new(how, &said("blocked.example"), rest);
        mode(&mut run);
        run.go_on();
        let stream = &run.world.server.stream;
        assert!(!run.shows(b"blocked"), "{how:?}: it is shown");
        match gets {
            Real => assert_eq!(run.world.server.taken, 0, "{how:?}"),
            Fake => {
                let len = stream.len().min(run.fake.len());
                assert_eq!(stream[..len], run.fake[..len], "{how:?}");
            }
        }
        let mut run = Run::new(how, &said("open.example"), rest);
        mode(&mut run);
        run.go_on();
        let stream = &run.world.server.stream;
        match gets {
            Real => {
                assert!(*stream == run.tool.stream, "{how:?}: not intact");
            }
            Fake => assert!(stream.starts_with(&run.fake), "{how:?}"),
        }
    }
}

/// One row, one mode that splits, fakes or tampers with segments of a TLS hello.
macro_rules! modes {
    ($($name:ident: $gets:ident, $mode:expr;)*) => {
        $(#[test] fn $name() {
            try_mode($gets, hello, &after_hello(), $mode);
        })*
    };
}

modes! {
    zapret_none: Real, |r| { r.hands(); r.real(); };
    zapret_fake_ttl: Real, |r| { r.hands(); let f = r.fake(); r.send(f.ttl(5)); r.real(); };
    zapret_fake_autottl: Real, |r| { r.hands(); let f = r.fake(); r.send(f.ttl(9)); r.real(); };
    zapret_fake_repeats: Real, |r| {
        r.hands();
        for _ in 0..11 { let f = r.fake(); r.send(f.ttl(5)); }
        r.real();
    };
    zapret_fake_badsum: Real, |r| { r.hands(); let f = r.fake(); r.send(f.bad_sum()); r.real(); };
    zapret_fake_badseq: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.shifted(-10_000).acking(-66_000));
        r.real();
    };
    zapret_fake_badseq_ahead: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.shifted(100_000));
        r.real();
    };
    zapret_fake_badack_ahead: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.acking(100_000));
        r.real();
    };
    zapret_fake_badack_just_ahead: Fake, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.acking(1000));
        r.real();
    };
    zapret_fake_md5sig: Real, |r| { r.hands(); let f = r.fake(); r.send(f.md5()); r.real(); };
    zapret_fake_ts: Real, |r| {
        r.hands();
        if r.tool.stamps.is_some() { let f = r.fake(); r.send(f.clock(-600_000)); }
        r.real();
    };
    zapret_fake_ts_of_the_handshake: Fake, |r| {
        // Older than the last, and not older than the first.
        r.hands();
        let f = r.fake();
        r.send(f.clock(-10));
        r.real();
    };
    zapret_fake_datanoack: Real, |r| { r.hands(); let f = r.fake(); r.send(f.flags(PSH)); r.real(); };
    // Routers drop such packets or do not; nobody here can know.
    zapret_fake_hopbyhop: Fake, |r| { r.hands(); let f = r.fake(); r.send(f.extension(0)); r.real(); };
    zapret_fake_destopt: Fake, |r| { r.hands(); let f = r.fake(); r.send(f.extension(60)); r.real(); };
    zapret_fake_without_fooling: Fake, |r| { r.hands(); let f = r.fake(); r.send(f); r.real(); };
    zapret_hopbyhop: Real, |r| { r.hands(); let s = r.tool.real(0..r.len); r.send(s.extension(0)); };
    zapret_destopt: Real, |r| { r.hands(); let s = r.tool.real(0..r.len); r.send(s.extension(60)); };
    zapret_multisplit: Real, |r| { r.hands(); r.split(&[1, r.name + 3, r.name + 6]); };
    zapret_multisplit_sniext: Real, |r| { r.hands(); r.split(&[r.name - 9]); };
    zapret_multidisorder: Real, |r| { r.hands(); r.disorder(&[1, r.name + 3, r.name + 6]); };
    zapret_multidisorder_midsld: Real, |r| { r.hands(); r.disorder(&[r.name + 2]); };
    zapret_multisplit_seqovl: Real, |r| {
        r.hands();
        let cut = r.name;
        let first = [&vec![0x16; 336], &r.tool.stream[..cut]].concat();
        let ovl = r.tool.fake(-336, &first);
        r.send(ovl);
        let rest = r.tool.real(cut..r.len);
        r.send(rest);
    };
    zapret_multidisorder_seqovl: Real, |r| {
        r.hands();
        let cut = r.name + 4;
        let second = [&vec![0; cut - 1], &r.tool.stream[cut..r.len]].concat();
        let ovl = r.tool.fake(1, &second);
        r.send(ovl);
        let first = r.tool.real(0..cut);
        r.send(first);
    };
    zapret_fakedsplit: Real, |r| {
        r.hands();
        let cut = r.name + 2;
        let (len, ttl) = (r.len, 4);
        let sent = [
            r.zeros(0, cut).ttl(ttl), r.tool.real(0..cut), r.zeros(0, cut).ttl(ttl),
            r.zeros(cut, len - cut).ttl(ttl), r.tool.real(cut..len), r.zeros(cut, len - cut).ttl(ttl),
        ];
        r.send_all(sent);
    };
    zapret_fakedsplit_md5sig_badseq: Real, |r| {
        r.hands();
        let (cut, len) = (r.name + 2, r.len);
        let sent = [
            r.zeros(0, cut).md5(), r.tool.real(0..cut),
            r.zeros(cut, len - cut).shifted(-10_000), r.tool.real(cut..len),
        ];
        r.send_all(sent);
    };
    zapret_fakeddisorder: Real, |r| {
        r.hands();
        let (cut, len) = (r.name + 2, r.len);
        let sent = [
            r.zeros(cut, len - cut).ttl(4), r.tool.real(cut..len), r.zeros(cut, len - cut).ttl(4),
            r.zeros(0, cut).ttl(4), r.tool.real(0..cut), r.zeros(0, cut).ttl(4),
        ];
        r.send_all(sent);
    };
    zapret_fakeddisorder_badsum: Real, |r| {
        r.hands();
        let (cut, len) = (r.name + 2, r.len);
        let sent = [
            r.zeros(cut, len - cut).bad_sum(), r.tool.real(cut..len),
            r.zeros(0, cut).bad_sum(), r.tool.real(0..cut),
        ];
        r.send_all(sent);
    };
    zapret_hostfakesplit: Real, |r| {
        r.hands();
        let (from, to, len) = (r.name, r.name + 12, r.len);
        let host = |r: &Run| r.tool.fake(i64::try_from(from).unwrap(), b"fake.example").ttl(4);
        let sent = [
            r.tool.real(0..from), host(r), r.tool.real(from..to), host(r), r.tool.real(to..len),
        ];
        r.send_all(sent);
    };
    zapret_hostfakesplit_datanoack: Real, |r| {
        r.hands();
        let (from, to, len) = (r.name, r.name + 12, r.len);
        let fake = r.tool.fake(i64::try_from(from).unwrap(), b"fake.example").flags(PSH);
        let sent = [r.tool.real(0..from), fake, r.tool.real(from..to), r.tool.real(to..len)];
        r.send_all(sent);
    };
    zapret_syndata: Real, |r| {
        let syn = r.tool.syn().carrying(&r.fake);
        r.send(syn);
        let ack = r.tool.pure_ack();
        r.send(ack);
        r.real();
    };
    zapret_syndata_of_zeros: Real, |r| {
        let syn = r.tool.syn().carrying(&[0; 16]);
        r.send(syn);
        let ack = r.tool.pure_ack();
        r.send(ack);
        r.real();
    };
    zapret_ipfrag2: Real, |r| {
        r.hands();
        let s = r.tool.real(0..r.len);
        r.fragments(&s, 32, false);
    };
    zapret_ipfrag2_disorder: Real, |r| {
        r.hands();
        let s = r.tool.real(0..r.len);
        r.fragments(&s, 24, true);
    };
    zapret_ipfrag1: Real, |r| {
        // An atomic fragment (RFC 6946) in IPv6; IPv4 has no such thing.
        r.hands();
        let s = r.tool.real(0..r.len);
        if r.tool.source.is_ipv6() { r.send(s.extension(44)); } else { r.send(s); }
    };
    zapret_wssize: Real, |r| {
        let syn = r.tool.syn().window(1);
        r.send(syn);
        let ack = r.tool.pure_ack().window(1);
        r.send(ack);
        for piece in r.pieces(&[2, 4, 6, 100]) { r.send(piece.window(1)); }
    };
    zapret_one_byte_each: Real, |r| {
        r.hands();
        let ends: Vec<_> = (1..r.len).collect();
        r.split(&ends);
    };
    zapret_rst_ttl: Real, |r| {
        r.hands();
        let rst = r.tool.pure_ack().flags(RST).ttl(5);
        r.send(rst);
        r.split(&[r.name + 3]);
    };
    zapret_rst_badsum: Real, |r| {
        r.hands();
        let rst = r.tool.pure_ack().flags(RST).bad_sum();
        r.send(rst);
        r.split(&[r.name + 3]);
    };
    zapret_rstack_badseq: Real, |r| {
        r.hands();
        for by in [-10_000, -1, 1, 500, 30_000] {
            let rst = r.tool.pure_ack().flags(RST | ACK).shifted(by);
            r.send(rst);
        }
        r.split(&[r.name + 3]);
    };
    zapret_rst_md5sig: Real, |r| {
        r.hands();
        let rst = r.tool.pure_ack().flags(RST).md5();
        r.send(rst);
        r.split(&[r.name + 3]);
    };
    zapret_synack: Real, |r| {
        let fake = r.tool.pure_ack().flags(SYN | ACK);
        r.send(fake);
        r.hands();
        r.split(&[r.name + 3]);
    };
    zapret_syn_of_another_number: Real, |r| {
        // The server has heard of the first only.
        r.hands();
        let syn = r.tool.syn().shifted(5000).ttl(4);
        r.send(syn);
        r.split(&[r.name + 3]);
    };
    goodbye_fragments_of_two: Real, |r| { r.hands(); r.split(&[2]); };
    goodbye_fragments_of_forty: Real, |r| { r.hands(); r.split(&[40]); };
    goodbye_by_sni: Real, |r| { r.hands(); r.split(&[r.name]); };
    goodbye_native_frag: Real, |r| {
        r.hands();
        let ends: Vec<_> = (2..r.len).step_by(2).collect();
        r.split(&ends);
    };
    goodbye_reverse_frag: Real, |r| { r.hands(); r.disorder(&[2]); };
    goodbye_wrong_chksum: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.bad_sum());
        r.disorder(&[40]);
    };
    goodbye_wrong_seq: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.shifted(-10_000).acking(-66_000));
        r.disorder(&[40]);
    };
    goodbye_set_ttl: Real, |r| {
        r.hands();
        let f = r.fake();
        r.send(f.ttl(3));
        r.disorder(&[2]);
    };
    geneva_data_with_other_flags: Real, |r| {
        r.hands();
        for flags in [0, SYN, SYN | ACK, FIN, FIN | RST | PSH | SYN, SYN | FIN | ACK] {
            let f = r.fake();
            r.send(f.flags(flags));
        }
        r.real();
    };
    geneva_duplicate_with_low_ttl_and_other_load: Real, |r| {
        r.hands();
        for piece in r.pieces(&[8, 16, r.name + 4]) {
            let load = vec![0x5a; piece.payload.len()];
            r.send(piece.clone().carrying(&load).ttl(8));
            r.send(piece);
        }
    };
    geneva_duplicate_with_bad_checksum: Real, |r| {
        r.hands();
        for piece in r.pieces(&[8, r.name + 4]) {
            let load = vec![0x5a; piece.payload.len()];
            r.send(piece.clone().carrying(&load).bad_sum());
            r.send(piece);
        }
    };
    geneva_data_before_the_handshake_is_done: Real, |r| {
        let syn = r.tool.syn();
        r.send(syn);
        r.real();
        let ack = r.tool.pure_ack();
        r.send(ack);
    };
    geneva_teardown_with_low_ttl: Real, |r| {
        r.hands();
        for flags in [RST, RST | ACK, FIN, FIN | ACK, FIN | RST | ACK | PSH] {
            let end = r.tool.pure_ack().flags(flags).ttl(9);
            r.send(end);
        }
        r.split(&[r.name + 3]);
    };
    geneva_teardown_with_bad_ack: Real, |r| {
        r.hands();
        let fin = r.tool.pure_ack().flags(FIN | ACK).acking(-70_000);
        r.send(fin);
        r.split(&[r.name + 3]);
    };
    geneva_syn_with_low_ttl: Real, |r| {
        r.hands();
        let syn = r.tool.syn().ttl(9);
        r.send(syn);
        r.split(&[r.name + 3]);
    };
    geneva_two_syns_the_first_with_low_ttl: Real, |r| {
        let syn = r.tool.syn().shifted(0x1234_5678).ttl(5);
        r.send(syn);
        r.hands();
        r.split(&[r.name + 3]);
    };
    geneva_the_same_syn_with_low_ttl_first: Real, |r| {
        let syn = r.tool.syn().ttl(5);
        r.send(syn);
        r.hands();
        let f = r.fake();
        r.send(f.ttl(20).bad_sum());
        r.split(&[r.name + 3]);
    };
    geneva_syn_ack_in_the_midst: Real, |r| {
        r.hands();
        let fake = r.tool.pure_ack().flags(SYN | ACK);
        r.send(fake);
        r.split(&[r.name + 3]);
    };
    geneva_options_that_cannot_be: Fake, |r| {
        // Servers that sign drop these, others do not.
        r.hands();
        let f = r.fake();
        r.send(f.option(&[3, 0, 0, 0]));
        r.real();
    };
    geneva_overlapping_segments: Real, |r| {
        r.hands();
        let (cut, len) = (r.name, r.len);
        let sent = [r.tool.real(0..cut + 6), r.tool.real(cut - 6..cut + 9), r.tool.real(cut..len)];
        r.send_all(sent);
    };
    geneva_overlap_with_other_bytes: Real, |r| {
        // The first bytes count here, and what the server has is those.
        r.hands();
        let (cut, len) = (r.name, r.len);
        let first = r.tool.real(0..cut + 6);
        r.send(first);
        let other = r.zeros(cut, 6);
        r.send(other);
        let rest = r.tool.real(cut + 6..len);
        r.send(rest);
    };
    geneva_ip_options_on_what_is_meant: Real, |r| {
        r.hands();
        for piece in r.pieces(&[r.name + 3]) { r.send(piece.extension(60)); }
    };
    geneva_window_of_nothing: Real, |r| {
        r.hands();
        for piece in r.pieces(&[r.name + 3]) { r.send(piece.window(0)); }
    };
    geneva_handshake_ack_that_is_false: Real, |r| {
        let syn = r.tool.syn();
        r.send(syn);
        let ack = r.tool.pure_ack().ttl(4).acking(-900);
        r.send(ack);
        let ack = r.tool.pure_ack();
        r.send(ack);
        r.real();
    };
}

/// One row, one mode that cuts the hello into records. `$cut` says where.
macro_rules! records {
    ($($name:ident: $cuts:expr, $mode:expr;)*) => {
        $(#[test] fn $name() {
            try_mode(Real, |name| in_records(name, &$cuts), &after_hello(), $mode);
        })*
    };
}

records! {
    zapret_tlsrec_sni: [50], |r| { r.hands(); r.real(); };
    zapret_tlsrec_at_each_byte: (1..120).collect::<Vec<_>>(), |r| { r.hands(); r.real(); };
    zapret_tlsrec_and_split: [50, 60], |r| { r.hands(); r.split(&[3, 52, 61, 70]); };
    zapret_tlsrec_and_disorder: [9, 60], |r| { r.hands(); r.disorder(&[3, 52, 61, 70]); };
}

/// One row, one way to write a request for a host that servers take.
macro_rules! requests {
    ($($name:ident: $text:literal;)*) => {
        $(#[test] fn $name() {
            let said = |name: &str| $text.replace("HOST", name).into_bytes();
            try_mode(Real, said, b"", |r| { r.hands(); r.split(&[2]); });
        })*
    };
}

requests! {
    zapret_methodeol: "\r\nGET / HTTP/1.1\r\nHost: HOST\r\n\r\n";
    zapret_hostcase: "GET / HTTP/1.1\r\nhost: HOST\r\n\r\n";
    zapret_hostspell: "GET / HTTP/1.1\r\nhoSt: HOST\r\n\r\n";
    zapret_hosttab: "GET / HTTP/1.1\r\nHost: HOST\t\r\n\r\n";
    zapret_hostnospace: "GET / HTTP/1.1\r\nHost:HOST\r\n\r\n";
    zapret_hostdot: "GET / HTTP/1.1\r\nHost: HOST.\r\n\r\n";
    zapret_hostpad: "GET / HTTP/1.1\r\nA: 0123456789012345678901234567890123456789\r\nHost: HOST\r\n\r\n";
    zapret_methodspace: "GET  / HTTP/1.1\r\nHost: HOST\r\n\r\n";
    zapret_unixeol: "GET / HTTP/1.1\nHost: HOST\n\n";
    goodbye_r: "GET / HTTP/1.1\r\nhoSt: HOST\r\n\r\n";
    goodbye_s: "GET / HTTP/1.1\r\nHost:HOST\r\nAccept: a\r\n\r\n";
    geneva_host_twice: "GET / HTTP/1.1\r\nHost: fine.example\r\nHost: HOST\r\n\r\n";
    geneva_absolute: "GET http://HOST/ HTTP/1.1\r\nHost: fine.example\r\n\r\n";
}

#[test]
fn zapret_domcase_and_goodbye_m() {
    for how in each_way() {
        let mut run = Run::new(how, &get("bLoCkEd.example"), b"");
        run.hands();
        run.real();
        run.go_on();
        assert_eq!(run.world.server.taken, 0);
    }
}

/// Its program would read the stream without the byte that the pointer names. The
/// server gets that byte in line: exactly what was judged, which is no hello.
#[test]
fn geneva_urgent_pointer() {
    for how in each_way() {
        let mut run = Run::new(how, &hello("blocked.example"), &after_hello());
        let mut junk = run.tool.stream[..run.len].to_vec();
        junk.insert(run.name, b'-');
        let pointer = u16::try_from(run.name + 1).unwrap();
        run.hands();
        run.send(run.tool.fake(0, &junk).urgent(pointer));
        run.go_on();
        let stream = run.world.server.stream.clone();
        let went = run.world.onward.iter().filter_map(|(packet, _)| {
            let packet = Packet::parse(packet).ok()?;
            Some(Segment::parse(&packet).ok()?.flags)
        });
        assert!(went.into_iter().all(|flags| !flags.has(Flags::URG)));
        assert!(stream.starts_with(&junk) || junk.starts_with(&stream));
    }
}

/// A false reset that the server takes ends the connection there too.
#[test]
fn geneva_reset_that_is_exactly_in_order() {
    for how in each_way() {
        let mut run = Run::new(how, &hello("blocked.example"), &after_hello());
        run.hands();
        run.send(run.tool.pure_ack().flags(RST));
        assert_eq!(run.world.server.state(), server::State::Reset);
        run.split(&[run.name + 3]);
        run.go_on();
        assert_eq!(run.world.server.taken, 0);
    }
}

/// What was judged was lost on its way to the server. Its place is kept.
#[test]
fn a_lost_fake_does_not_make_room_for_what_it_hid() {
    for how in each_way() {
        let mut run = Run::new(how, &hello("blocked.example"), &after_hello());
        run.hands();
        let server = std::mem::take(&mut run.world.server);
        run.send(run.fake().clock(-10));
        let lost = std::mem::replace(&mut run.world.server, server);
        assert!(lost.stream.is_empty());
        run.go_on();
        let (stream, brings) = (&run.world.server.stream, how.2);
        assert!(stream.starts_with(&run.fake) || brings && stream.is_empty(), "{how:?}");
        assert!(!run.shows(b"blocked"));
    }
}

fn in_records(name: &str, cuts: &[usize]) -> Vec<u8> {
    let message = handshake(name, 200);
    let mut bytes = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([message.len()]) {
        bytes.extend(record(22, &message[start..end]));
        start = end;
    }
    bytes
}
