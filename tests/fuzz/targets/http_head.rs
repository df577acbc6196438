//! Any bytes as the head of a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::wire::http::{Head, RequestLine, Scanner};

fuzz_target!(|bytes: &[u8]| {
    let _ = RequestLine::parse(bytes);
    let mut scanner = Scanner::new();
    let at_once = Scanner::new().ends_in(bytes);
    let end = bytes.iter().position(|byte| scanner.ends_in(&[*byte]));
    assert_eq!(end.is_some(), at_once);

    let Some(head) = Head::parse(bytes) else { return };
    let hosts: Vec<&[u8]> = head.hosts().collect();
    assert!(hosts.len() <= bytes.len());
    let Some(end) = end else { return };
    let whole = &bytes[..=end];
    let again = Head::parse(whole).expect("the first line is in it");
    assert!(again.hosts().eq(hosts), "what is behind a head is not read");
    let crlf = whole.strip_suffix(b"\n").unwrap_or(whole);
    assert!(crlf.trim_ascii_end().len() < crlf.len(), "a head ends in an empty line");
});
