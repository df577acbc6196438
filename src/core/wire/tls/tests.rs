use super::*;
use crate::core::wire::tls::records::{Fragment, Records};

#[test]
fn the_parts_of_a_hello_are_told() {
    let message = hello(&[NAME, VERSIONS, ECH]);
    let hello = ClientHello::parse(&message).unwrap();
    assert_eq!(hello.names().collect::<Vec<_>>(), [b"a.b"]);
    assert_eq!((hello.version, hello.ech), (0x0304, true));
    assert_eq!(ClientHello::parse_cut(&message), Some(hello));
}

#[test]
fn without_extensions_the_old_version_stands() {
    let without_block = hello_with(&BEFORE, None);
    for message in [without_block, hello(&[]), hello(&[&[0, 43, 0, 3, 2, 0x7f, 0x1c]])] {
        let hello = ClientHello::parse(&message).unwrap();
        assert_eq!((hello.version, hello.names().count(), hello.ech), (0x0303, 0, false));
    }
}

#[test]
fn every_prefix_is_malformed_and_a_cut_one_says_no_more_than_it_holds() {
    let message = hello(&[ECH, NAME, VERSIONS]);
    for len in 0..message.len() {
        let cut = &message[..len];
        assert!(ClientHello::parse(cut).is_err(), "{len}");
        let names = ClientHello::parse_cut(cut).map_or(0, |hello| hello.names().count());
        let name_is_here = len >= message.len() - VERSIONS.len();
        assert_eq!(names, usize::from(name_is_here), "{len}");
    }
}

#[test]
fn a_flipped_bit_never_makes_a_name_of_bytes_that_are_not_there() {
    let mut message = hello(&[ECH, NAME, VERSIONS]);
    for at in 0..message.len() {
        for bit in 0..8 {
            message[at] ^= 1 << bit;
            for hello in [ClientHello::parse(&message).ok(), ClientHello::parse_cut(&message)] {
                let names = hello.iter().flat_map(ClientHello::names);
                assert!(names.map(<[u8]>::len).sum::<usize>() < message.len());
            }
            message[at] ^= 1 << bit;
        }
    }
}

#[test]
fn lengths_that_lie_are_malformed() {
    let list_too_long = [0, 0, 0, 8, 0, 7, 0, 0, 3, b'a', b'.', b'b'];
    let list_too_short = [0, 0, 0, 8, 0, 5, 0, 0, 3, b'a', b'.', b'b'];
    let empty_list = [0, 0, 0, 2, 0, 0];
    let half_an_extension = [0, 21, 0, 1];
    for extension in [&list_too_long[..], &list_too_short, &empty_list, &half_an_extension] {
        assert!(ClientHello::parse(&hello(&[extension])).is_err(), "{extension:?}");
    }
    let mut more = hello_with(&BEFORE, Some(&[]));
    more.push(0);
    more[3] += 1;
    assert_eq!(ClientHello::parse(&more), Err(Malformed("more after the extensions")));
}

#[test]
fn what_servers_refuse_before_the_extensions_is_malformed() {
    let mut session_id = BEFORE.to_vec();
    session_id[34] = 33;
    session_id.splice(35..35, [7; 33]);
    let mut half_a_suite = BEFORE.to_vec();
    half_a_suite[36] = 3;
    half_a_suite.insert(39, 0);
    for before in [session_id, half_a_suite] {
        assert!(ClientHello::parse(&hello_with(&before, Some(NAME))).is_err());
    }
}

#[test]
fn the_length_is_known_with_the_fourth_byte() {
    for start in [&[][..], &[1], &[1, 0], &[1, 0, 0]] {
        assert_eq!(message_len(start), Ok(None));
    }
    assert_eq!(message_len(&[1, 0, 0, 0]), Ok(Some(4)));
    assert_eq!(message_len(&[1, 0xff, 0xff, 0xff, 9]), Ok(Some(0x0100_0003)));
    for other in [0, 2, 16, 255] {
        assert!(message_len(&[other]).is_err());
    }
}

#[test]
fn records_are_told_apart_however_they_come() {
    let stream = [&[22, 3, 1, 0, 3, 7, 8, 9][..], &[20, 3, 3, 0, 0], &[23, 3, 3, 0, 1, 5]].concat();
    let want = [(22, vec![7, 8, 9]), (20, vec![]), (23, vec![5])];
    for size in 1..=stream.len() {
        let mut records = Records::default();
        let mut got: Vec<(u8, Vec<u8>)> = Vec::new();
        let mut ended = 0;
        for piece in stream.chunks(size) {
            let mut r = Reader::new(piece);
            while let Some(Fragment { kind, begins, ends, bytes }) = records.read(&mut r).unwrap() {
                if begins {
                    got.push((kind, Vec::new()));
                }
                got.last_mut().unwrap().1.extend(bytes);
                ended += usize::from(ends);
                assert_eq!(ended, got.len() - usize::from(!ends));
            }
            assert!(r.is_empty());
        }
        assert_eq!(got, want, "pieces of {size} bytes");
        assert_eq!(records.version(), Some(0x0303));
    }
}

#[test]
fn a_record_that_is_too_long_is_malformed_at_its_header() {
    let mut records = Records::default();
    assert_eq!(records.version(), None);
    assert!(records.read(&mut Reader::new(&[22, 3, 1, 0x40])).unwrap().is_none());
    assert!(records.read(&mut Reader::new(&[1])).is_err());
    let mut records = Records::default();
    assert!(records.read(&mut Reader::new(&[22, 3, 1, 0x40, 0])).unwrap().is_none());
}

/// A message of TLS 1.2 by its header, with these extensions.
fn hello(extensions: &[&[u8]]) -> Vec<u8> {
    hello_with(&BEFORE, Some(&extensions.concat()))
}

fn hello_with(before: &[u8], extensions: Option<&[u8]>) -> Vec<u8> {
    let mut body = before.to_vec();
    if let Some(extensions) = extensions {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    let [_, a, b, c] = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[1, a, b, c], &body[..]].concat()
}

/// All that is before the extensions: version, random, no session id, one
/// cipher suite, one way not to compress.
const BEFORE: [u8; 41] = {
    let mut before = [7; 41];
    (before[0], before[1], before[34]) = (3, 3, 0);
    (before[35], before[36], before[37], before[38]) = (0, 2, 0x13, 1);
    (before[39], before[40]) = (1, 0);
    before
};

const NAME: &[u8] = &[0, 0, 0, 8, 0, 6, 0, 0, 3, b'a', b'.', b'b'];
const VERSIONS: &[u8] = &[0, 43, 0, 7, 6, 0x3a, 0x3a, 3, 4, 3, 3];
const ECH: &[u8] = &[0xfe, 0x0d, 0, 2, 9, 9];
