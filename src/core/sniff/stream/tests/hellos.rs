//! Rows S1 to S15, and what a peer of TLS can do without end.

use super::*;
use crate::core::sniff::MAX_HELD;

/// S1
#[test]
fn a_hello_is_found_in_every_cut_of_its_records() {
    let hello = hello(&[names(&["tracker.example"])]);
    for size in [1, 2, 3, 4, 5, 7, 50, hello.len()] {
        let stream: Vec<u8> = hello.chunks(size).flat_map(|piece| record(22, piece)).collect();
        let told = tell_in_every_cut(&stream, 50);
        assert_eq!(short(&told.finished), "tracker.example", "records of {size} bytes");
        every_prefix_needs_more_or_is_enough(&stream);
    }
}

/// S3
#[test]
fn names_as_clients_write_them_are_found_in_normal_form() {
    for (written, want) in [
        ("TRACKER.Example", "tracker.example"),
        ("tracker.example.", "tracker.example"),
        ("_dmarc.tracker.example", "_dmarc.tracker.example"),
        ("xn--trcker-cua.example", "xn--trcker-cua.example"),
        ("localhost", "localhost"),
        ("4.example", "4.example"),
        ("1e100.net.example", "1e100.net.example"),
        ("0xab.example", "0xab.example"),
    ] {
        assert_eq!(short(&named(&[written])), want);
    }
}

/// S3: some servers hardly mind the version of a record.
#[test]
fn no_version_of_the_record_hides_a_hello() {
    let hello = hello(&[names(&["tracker.example"])]);
    for version in 0..0x1000_u16 {
        let mut stream = record(22, &hello);
        stream[1..3].copy_from_slice(&version.to_be_bytes());
        assert_eq!(short(&sniff(&stream)), "tracker.example", "{version:#06x}");
    }
}

/// S4
#[test]
fn an_address_in_place_of_a_name_is_no_name() {
    for address in
        ["192.0.2.1", "192.0.2.1.", "2001:db8::1", "::ffff:192.0.2.1", "3221225985", "0xc0.0.2.0X1"]
    {
        assert_eq!(short(&named(&[address])), "an address instead of a name", "{address}");
    }
    assert_eq!(short(&named(&["192.0.2.1", "tracker.example"])), "tracker.example");
}

/// S4
#[test]
fn a_hello_without_names_says_so() {
    let unknown_type = [0, 6, 7, 0, 3, b'a', b'.', b'b'];
    for extensions in [vec![], vec![extension(0, &[])], vec![extension(0, &unknown_type)]] {
        let stream = record(22, &hello(&extensions));
        assert_eq!(short(&sniff(&stream)), "it names no host", "{extensions:?}");
    }
}

/// S5
#[test]
fn every_one_of_several_names_counts() {
    let both = record(22, &hello(&[names(&["a.example", "B.example", "a.example"])]));
    let twice = record(22, &hello(&[names(&["a.example"]), names(&["b.example"])]));
    for stream in [both, twice] {
        let Sniffed::Named(named) = sniff(&stream) else { panic!("no name") };
        assert_eq!(named.names.iter().collect::<Vec<_>>(), ["a.example", "b.example"]);
        assert!(named.doubtful, "which one the server believes cannot be known");
    }
    let Sniffed::Named(one) = named(&["a.example", "A.EXAMPLE."]) else { panic!("no name") };
    assert!(!one.doubtful, "one name, said twice");
}

/// S5: as many names as fit in a hello.
#[test]
fn of_very_many_names_the_first_count_and_the_rest_is_doubt() {
    let all: Vec<String> = (0..3000).map(|number| format!("n{number}.example")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    let message = hello(&[names(&all[..900])]);
    let Sniffed::Named(named) = sniff(&record(22, &message)) else { panic!("no name") };
    assert_eq!(named.names.iter().collect::<Vec<_>>(), all[..4]);
    assert!(named.doubtful);
}

/// S6
#[test]
fn what_is_no_host_name_is_none() {
    let (long_label, long) = ("a".repeat(64), "a.".repeat(127) + "aa");
    for odd in [
        "",
        ".",
        "..",
        "a..b",
        ".a.example",
        "a\0.example",
        "<b>.example",
        "a\r\nb.example",
        "\x1b[2J.example",
        "m\u{fc}ller.example",
        "a b.example",
        "a/b.example",
        "*.example",
        &long_label,
        &long,
    ] {
        assert_eq!(short(&named(&[odd])), "malformed", "{odd:?}");
        let Sniffed::Named(beside) = named(&[odd, "tracker.example"]) else { panic!("{odd:?}") };
        assert_eq!(beside.names.first(), Some("tracker.example"));
        assert!(beside.doubtful, "{odd:?}");
    }
}

/// S7
#[test]
fn ech_and_what_it_was_before_are_marked() {
    for kind in [0xfe0d, 0xffce] {
        let stream = record(22, &hello(&[names(&["outer.example"]), extension(kind, &[0; 40])]));
        let Sniffed::Named(named) = sniff(&stream) else { panic!("no name") };
        assert!(named.ech);
        let stream = record(22, &hello(&[extension(kind, &[0; 40])]));
        let Sniffed::Unnamed(unnamed) = sniff(&stream) else { panic!("a name") };
        assert!(unnamed.ech && unnamed.cause == Cause::NoName);
        // Not whole: what came of it is told.
        for (missing, want) in [(1, true), (SUPPORTED_VERSIONS + 1, false)] {
            let finished = tell([&stream[..stream.len() - missing]]).finished;
            let Sniffed::Unnamed(unnamed) = finished else { panic!("a name") };
            assert_eq!((unnamed.cause, unnamed.ech), (Cause::Incomplete, want));
        }
    }
}

/// S8
#[test]
fn a_long_hello_is_found_in_several_segments_and_records() {
    for filler in [1184, 4000, 15_000, 20_000, 32_000] {
        let share = extension(51, &vec![7; filler]);
        let message = hello(&[share, names(&["tracker.example"])]);
        let stream: Vec<u8> = message.chunks(16_384).flat_map(|piece| record(22, piece)).collect();
        let told = tell_in_every_cut(&stream, 20);
        assert_eq!(short(&told.finished), "tracker.example", "{filler}");
        assert_eq!(tell(stream.chunks(1460)), told);
    }
}

/// S9
#[test]
fn a_hello_that_is_too_long_is_given_up_as_soon_as_its_length_is_here() {
    let limit = u32::try_from(MAX_HELD).unwrap();
    for (body, want) in [
        (limit - 4, "need more"),
        (limit - 3, "too long"),
        (60_000, "too long"),
        (0xff_ffff, "too long"),
    ] {
        let mut message = body.to_be_bytes();
        message[0] = 1;
        assert_eq!(short(&sniff(&record(22, &message))), want, "{body}");
    }
}

/// S9: the stream has the same limit, whatever its records look like.
#[test]
fn a_hello_in_ever_so_many_records_is_given_up() {
    let message = hello(&[extension(51, &[7; 8000]), names(&["tracker.example"])]);
    let stream: Vec<u8> = message.chunks(1).flat_map(|piece| record(22, piece)).collect();
    assert!(stream.len() > MAX_HELD);
    for stream in [&stream[..], &stream[..MAX_HELD + 1]] {
        assert_eq!(short(&tell_in_every_cut(stream, 5).finished), "too long");
    }
    assert_eq!(short(&tell([&stream[..MAX_HELD]]).finished), "incomplete");
}

/// S10
#[test]
fn records_without_content_are_put_up_with_as_servers_do() {
    let hello = record(22, &hello(&[names(&["tracker.example"])]));
    for (count, want) in [(1, "tracker.example"), (32, "tracker.example"), (33, "malformed")] {
        let stream = [record(22, &[]).repeat(count), hello.clone()].concat();
        assert_eq!(short(&tell_in_every_cut(&stream, 5).finished), want, "{count}");
    }
}

/// S10
#[test]
fn a_warning_before_the_hello_hides_nothing() {
    let hello = record(22, &hello(&[names(&["tracker.example"])]));
    let stream = [record(21, &[1, 90]), hello.clone()].concat();
    assert_eq!(short(&tell_in_every_cut(&stream, 5).finished), "tracker.example");
    let cut = [&hello[..1], &hello[1..3], &[0, 1, 1]].concat();
    let stream = [cut, record(21, &[1, 90]), record(22, &hello[6..])].concat();
    assert_eq!(short(&tell_in_every_cut(&stream, 5).finished), "tracker.example");
    let stream = [record(21, &[2, 40]), hello].concat();
    assert_eq!(short(&tell_in_every_cut(&stream, 5).finished), "it names no host");
}

/// S10
#[test]
fn what_only_begins_like_a_hello_is_malformed() {
    let good = hello(&[names(&["tracker.example"])]);
    let mut other_message = good.clone();
    other_message[0] = 2;
    let mut longer = good.clone();
    longer.push(0);
    longer[3] += 1;
    for message in [other_message, longer, vec![1, 0, 0, 0], vec![1, 0, 0, 2, 3, 3]] {
        assert_eq!(short(&sniff(&record(22, &message))), "malformed", "{message:02x?}");
    }
    for stream in [record(20, &[1]), vec![22, 3, 1, 0x40, 1]] {
        assert_eq!(short(&sniff(&stream)), "malformed", "{stream:02x?}");
    }
}

/// S11
#[test]
fn a_hello_that_never_ends_says_at_the_deadline_what_it_had_said() {
    let stream = record(22, &hello(&[names(&["tracker.example"]), extension(21, &[0; 90])]));
    let mut stream_of = Stream::default();
    assert_eq!(stream_of.push(&stream[..stream.len() - 1]), Sniffed::NeedMore);
    assert_eq!(short(&stream_of.finish()), "tracker.example");
    assert_eq!(short(&stream_of.finish()), "tracker.example");
    assert!(!stream_of.is_over(), "the rest may come yet");
    assert_eq!(short(&stream_of.push(&stream[stream.len() - 1..])), "tracker.example");
    let in_name = stream.len() - SUPPORTED_VERSIONS - 94 - 1;
    assert_eq!(short(&tell([&stream[..in_name]]).finished), "incomplete");
}

/// S12
#[test]
fn a_protocol_that_we_do_not_read_is_told_at_once() {
    for first in [
        &b"EHLO mail.example\r\n"[..],
        b"HELO mail.example\r\n",
        b"USER anonymous\r\n",
        b"NICK someone\r\n",
        b"a001 CAPABILITY\r\n",
        b"CAPA\r\n",
        b"QUIT\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 21 443\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11",
        b"OPTIONS rtsp://camera.example/ RTSP/1.0\r\n",
        b"INVITE sip:a@b.example SIP/2.0\r\n",
        b"\x13BitTorrent protocol",
        b"\x80\x2e\x01\0\x02",
        b"\x05\x01\0",
        b"\x04\x01\0\x50",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"\x10\x1a\0\x04MQTT",
        b"{\"id\":1}",
        b"\x16\xfe\xff\0",
        b"\x14\x15",
        b"\x17\x03\x03\0\x10",
        b"GET\0/ HTTP/1.1\r\n",
        b"GET /\x01 HTTP",
    ] {
        assert_eq!(short(&sniff(first)), "another protocol", "{}", first.escape_ascii());
        let told = tell_in_every_cut(first, 20);
        assert!(told.over);
    }
    let Sniffed::Unnamed(ssh) = sniff(b"SSH-2.0-OpenSSH_10.2\r\n") else { panic!("a name") };
    assert_eq!((ssh.cause, ssh.spoken), (Cause::OtherProtocol, Some(Spoken::Ssh)));
    assert_eq!(short(&sniff(b"SSH-")), "another protocol");
    assert_eq!(short(&Stream::default().finish()), "nothing was sent");
}

/// S13
#[test]
fn a_second_hello_is_read_and_its_name_counts_too() {
    let retry = [record(20, &[1]), record(22, &hello(&[names(&["b.example"])]))].concat();
    let mut stream = Stream::default();
    assert_eq!(short(&stream.push(&record(22, &hello(&[names(&["a.example"])])))), "a.example");
    assert!(!stream.is_over());
    let (first, last) = retry.split_at(retry.len() - 1);
    assert_eq!(stream.push(first), Sniffed::NeedMore);
    assert_eq!(short(&stream.finish()), "a.example b.example");
    let Sniffed::Named(named) = stream.push(last) else { panic!("no name") };
    assert_eq!(named.names.iter().collect::<Vec<_>>(), ["a.example", "b.example"]);
    assert!(named.doubtful && stream.is_over());
    let once = [record(22, &hello(&[names(&["a.example"])])), retry].concat();
    assert_eq!(short(&tell_in_every_cut(&once, 50).finished), "a.example b.example");
}

/// S13
#[test]
fn a_second_hello_names_whom_the_first_did_not() {
    let (none, name) = (record(22, &hello(&[])), record(22, &hello(&[names(&["b.example"])])));
    assert_eq!(short(&tell_in_every_cut(&[none, name].concat(), 50).finished), "b.example");
}

/// S13
#[test]
fn a_second_hello_with_the_same_name_is_no_doubt() {
    let first = record(22, &hello(&[names(&["a.example"])]));
    let Sniffed::Named(named) = tell([&first[..], &first]).finished else { panic!("no name") };
    assert!(!named.doubtful);
}

/// S13
#[test]
fn the_next_record_that_is_no_hello_ends_the_wait() {
    let first = record(22, &hello(&[names(&["a.example"])]));
    let ccs = record(20, &[1]);
    let key_exchange = record(22, &[16, 0, 0, 66, 0]);
    for then in [record(23, &[0; 30]), key_exchange, record(21, &[2, 40])] {
        for before in [&[][..], &ccs] {
            let mut stream = Stream::default();
            assert_eq!(short(&stream.push(&first)), "a.example");
            if !before.is_empty() {
                assert_eq!(stream.push(before), Sniffed::NeedMore);
            }
            assert!(!stream.is_over());
            assert_eq!(short(&stream.push(&then)), "a.example", "it stands: {then:02x?}");
            assert!(stream.is_over() && stream.held() == 0);
            assert_eq!(short(&stream.push(b"anything")), "a.example");
        }
    }
}

/// S13
#[test]
fn no_second_hello_is_waited_for_where_none_is_possible() {
    let mut message = hello(&[]);
    message.truncate(message.len() - SUPPORTED_VERSIONS - 2); // so it is TLS 1.2
    let body = u8::try_from(message.len() - 4).unwrap();
    message[3] = body;
    assert!(tell([&record(22, &message)[..]]).over);
}

/// S13
#[test]
fn a_wait_for_a_second_hello_ends() {
    let first = record(22, &hello(&[names(&["a.example"])]));
    let stream = [first, record(20, &[1]).repeat(MAX_HELD)].concat();
    let told = tell_in_every_cut(&stream, 2);
    assert!(told.over && short(&told.finished) == "a.example");
}

/// S15: what is in the SYN is the start of the stream.
#[test]
fn a_hello_after_an_empty_push_is_found() {
    let stream = record(22, &hello(&[names(&["a.example"])]));
    let told = tell([&[][..], &stream[..600.min(stream.len())], &[]]);
    assert_eq!(short(&told.finished), "a.example");
    assert!(told.pushed.is_some());
}

#[test]
fn every_bit_of_a_second_hello_may_flip() {
    let stream = [
        record(22, &hello(&[names(&["a.example"])])),
        record(20, &[1]),
        record(22, &hello(&[names(&["b.example"])])),
    ];
    flip_every_bit(&stream.concat());
}

/// A hello with these extensions, of TLS 1.3.
fn hello(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut all = extensions.concat();
    all.extend(extension(43, &[6, 0x1a, 0x1a, 3, 4, 3, 3]));
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(0);
    body.extend([0, 2, 0x13, 1, 1, 0]);
    body.extend(len16(&all));
    body.extend(all);
    let len = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1, len[1], len[2], len[3]][..], &body].concat()
}

fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes(), &len16(body), body].concat()
}

/// A server_name extension.
fn names(all: &[&str]) -> Vec<u8> {
    let entry = |name: &&str| [&[0], &len16(name.as_bytes())[..], name.as_bytes()].concat();
    let list: Vec<u8> = all.iter().flat_map(entry).collect();
    extension(0, &[&len16(&list)[..], &list].concat())
}

/// What a hello with these names comes to.
fn named(all: &[&str]) -> Sniffed {
    sniff(&record(22, &hello(&[names(all)])))
}

fn record(kind: u8, fragment: &[u8]) -> Vec<u8> {
    [&[kind, 3, 1], &len16(fragment)[..], fragment].concat()
}

fn len16(bytes: &[u8]) -> [u8; 2] {
    u16::try_from(bytes.len()).unwrap().to_be_bytes()
}

/// Length of the last extension of [`hello`].
const SUPPORTED_VERSIONS: usize = 11;
