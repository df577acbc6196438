//! Any bytes as a stream of a client, raw or in records, whole and cut.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::host::HostName;
use optout::core::sniff::{MAX_HELD, Sniffed, Stream};

fuzz_target!(|bytes: &[u8]| {
    let Some(([how, sizes @ ..], script)) = bytes.split_first_chunk::<5>() else { return };
    let stream = match how {
        0..=127 => script.to_vec(),
        128..=223 => in_records(script, usize::from(how % 32) + 1),
        _ => script.repeat(usize::from(how % 32) * 8),
    };
    let whole = tell([&stream[..]]);
    let mut rest = &stream[..];
    let pieces = sizes.iter().cycle().map_while(|size| {
        let (piece, later) = rest.split_at(rest.len().min(usize::from(*size) + 1));
        rest = later;
        (!piece.is_empty()).then_some(piece)
    });
    assert_eq!(tell(pieces), whole, "where a stream is cut changes nothing");
});

/// The last outcome of a push, what is known at the end, and whether it is over.
fn tell<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Option<Sniffed>, Sniffed, bool) {
    let mut stream = Stream::default();
    let mut pushed = None;
    for piece in pieces {
        let over = stream.is_over();
        let said = stream.push(piece);
        sound(&said);
        assert!(stream.held() <= MAX_HELD, "{} bytes are held", stream.held());
        match said {
            Sniffed::NeedMore => assert!(!over && !stream.is_over(), "over without an outcome"),
            said => {
                assert!(!over || pushed.as_ref() == Some(&said), "another outcome after the end");
                pushed = Some(said);
            }
        }
    }
    let finished = stream.finish();
    sound(&finished);
    assert_ne!(finished, Sniffed::NeedMore);
    (pushed, finished, stream.is_over())
}

fn sound(said: &Sniffed) {
    let Sniffed::Named(named) = said else { return };
    assert!(named.names.first().is_some());
    for name in named.names.iter() {
        let host: HostName = name.parse().expect("a name is a host name");
        assert_eq!(host.as_str(), name, "in normal form");
    }
}

/// The bytes as handshake records of this length.
fn in_records(bytes: &[u8], len: usize) -> Vec<u8> {
    let len16 = |piece: &[u8]| u16::try_from(piece.len()).unwrap_or(0).to_be_bytes();
    let record = |piece: &[u8]| [&[22, 3, 1], &len16(piece)[..], piece].concat();
    bytes.chunks(len * len * 16).flat_map(record).collect()
}
