//! Any bytes as a handshake message of a TLS client, raw and behind a header
//! that fits; and what a cut one says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::wire::tls::{ClientHello, message_len};

fuzz_target!(|bytes: &[u8]| {
    look(bytes);
    if let Ok(len) = u32::try_from(bytes.len()) {
        let [_, a, b, c] = len.to_be_bytes();
        look(&[&[1, a, b, c], bytes].concat());
    }
});

fn look(message: &[u8]) {
    let cut = ClientHello::parse_cut(message);
    let Ok(hello) = ClientHello::parse(message) else { return };
    assert_eq!(message_len(message), Ok(Some(message.len())));
    let names: Vec<&[u8]> = hello.names().collect();
    assert!(names.iter().map(|name| name.len() + 3).sum::<usize>() <= message.len());
    if let Some(cut) = cut {
        assert_eq!((cut.ech, cut.version), (hello.ech, hello.version));
        assert!(cut.names().eq(hello.names()), "a whole one says the same when it is read as cut");
    }
    for len in [message.len() / 2, message.len() - 1] {
        let Some(less) = ClientHello::parse_cut(&message[..len]) else { continue };
        assert!(less.names().zip(names.iter()).all(|(one, other)| one == *other));
        assert!(less.names().count() <= names.len() && less.ech <= hello.ech);
    }
}
