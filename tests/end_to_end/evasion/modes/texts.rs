//! What is said, written in another way.

use super::{Mode, Speaks, reversed};

pub(super) fn modes() -> Vec<Mode> {
    [records(), heads()].into_iter().flatten().collect()
}

/// TLS records cut: zapret tlsrec, geneva's application layer.
fn records() -> Vec<Mode> {
    let plain =
        |name, cuts| Mode::segments(name, |w| vec![w.all()]).speaking(Speaks::Records(cuts));
    vec![
        plain("tlsrec, two records", &[60, 16_384]),
        plain("tlsrec, records of seven bytes", &[7]),
        plain("tlsrec, records of one byte", &[1]),
        plain("tlsrec, the head of the message apart", &[4, 16_384]),
        Mode::segments("tlsrec and multisplit", |w| w.cut(&[3, 64, 70, w.middle]))
            .speaking(Speaks::Records(&[60, 16_384])),
        Mode::segments("tlsrec and multidisorder", |w| reversed(w.cut(&[3, 64, 70])))
            .speaking(Speaks::Records(&[60, 16_384])),
    ]
}

/// HTTP heads written oddly: `GoodbyeDPI` and zapret of old.
fn heads() -> Vec<Mode> {
    vec![
        Mode::http("http", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("hostcase", |h| get(&format!("GET / HTTP/1.1\r\nhoSt: {h}\r\n\r\n"))),
        Mode::http("hostspell", |h| get(&format!("GET / HTTP/1.1\r\nhOSt: {h}\r\n\r\n"))),
        Mode::http("hostnospace", |h| get(&format!("GET / HTTP/1.1\r\nHost:{h}\r\n\r\n"))),
        Mode::http("hosttab", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\t\r\n\r\n"))),
        Mode::http("hostdot", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}.\r\n\r\n"))),
        Mode::http("hostport", |h| get(&format!("GET / HTTP/1.1\r\nHost: {h}:80\r\n\r\n"))),
        Mode::http("domcase", |h| {
            let odd =
                h.char_indices().map(|(n, c)| if n % 2 == 0 { c.to_ascii_uppercase() } else { c });
            get(&format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", odd.collect::<String>()))
        }),
        Mode::http("methodeol", |h| get(&format!("\r\nGET / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("methodspace", |h| get(&format!("GET  / HTTP/1.1\r\nHost: {h}\r\n\r\n"))),
        Mode::http("unixeol", |h| get(&format!("GET / HTTP/1.1\nUser-Agent: x\nHost: {h}\n\n"))),
        Mode::http("a space before the colon", |h| {
            get(&format!("GET / HTTP/1.1\r\nHost : {h}\r\n\r\n"))
        }),
        Mode::http("the whole address in the request line", |h| {
            get(&format!("GET http://{h}/ HTTP/1.1\r\nHost: shop.lab.example\r\n\r\n"))
        }),
        Mode::http("two hosts, the decoy first", |h| {
            get(&format!("GET / HTTP/1.1\r\nHost: shop.lab.example\r\nHost: {h}\r\n\r\n"))
        }),
        Mode::segments("hostpad, four thousand bytes ahead", |w| {
            w.cut(&(1..=w.end() / 1000).map(|n| n * 1000).collect::<Vec<_>>())
        })
        .speaking(Speaks::Http(|h| {
            let pad = "X-Pad: 0123456789012345678901234567890123456789\r\n".repeat(80);
            get(&format!("GET / HTTP/1.1\r\n{pad}Host: {h}\r\n\r\n"))
        })),
        Mode::segments("http, multisplit in the name", |w| w.cut(&[w.middle]))
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::segments("http, multisplit in the method", |w| w.cut(&[2]))
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::segments("http, a byte a segment, reversed", |w| {
            reversed(w.cut(&(1..w.end()).collect::<Vec<_>>()))
        })
        .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
        Mode::fake("http, fake, badsum", |s| s.ip.spoilt = 1)
            .speaking(Speaks::Http(|h| get(&format!("GET / HTTP/1.1\r\nHost: {h}\r\n\r\n")))),
    ]
}

fn get(head: &str) -> Vec<u8> {
    head.as_bytes().to_vec()
}
