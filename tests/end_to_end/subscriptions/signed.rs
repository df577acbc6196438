//! Lists that must be a certain text, or signed by a certain key.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use super::{Home, URL, refused, update_fails};
use crate::lab::isolated;
use crate::lab::list_server::{body, status};

#[test]
fn a_list_with_a_digest_is_that_text_or_none() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        home.lists.gives(A);
        let sum = sha256(A);
        let wrong = sum.replace(&sum[..2], if sum.starts_with("00") { "11" } else { "00" });
        let add = ["lists", "add", URL, "--name", "l", "--sha256"];
        let (_, why) = refused(&daemon, &[&add[..], &[&wrong]].concat());
        assert!(why.contains(&sum), "it says which one came: {why}");
        home.passes(&["listed.example"], "another digest");
        daemon.ok(&[&add[..], &[&sum]].concat());
        home.blocks(&["listed.example"], "the digest");
        home.lists.gives(B);
        let why = update_fails(&daemon);
        assert!(why.contains(&sha256(B)), "{why}");
        home.blocks(&["listed.example"], "the old text");
        home.passes(&["ads.listed.example"], "not the new one");
        daemon.stop();
    });
}

#[test]
fn a_list_with_a_key_is_signed_by_it_and_never_older() {
    isolated(|| {
        let home = Home::start();
        let daemon = home.lab.router().optout("");
        // The text, and its signature.
        let served = Arc::new(Mutex::new((A, A_AT_1000)));
        let given = Arc::clone(&served);
        home.lists.answers(move |asked, wire| {
            let (text, signature) = *given.lock().expect("no panic before");
            match asked.path.as_str() {
                "/l.txt" => body(wire, &[], text.as_bytes()),
                "/l.txt.minisig" if !signature.is_empty() => body(wire, &[], signature.as_bytes()),
                _ => status(wire, 404),
            }
        });
        let set = |text, signature| *served.lock().expect("no panic before") = (text, signature);
        let add = ["lists", "add", URL, "--name", "l", "--minisign"];

        for (key, word) in [("RWQ", "56 characters"), (NEW_KEY, "another key")] {
            let (_, why) = refused(&daemon, &[&add[..], &[key]].concat());
            assert!(why.contains(word), "{key}: {why}");
        }
        home.passes(&["listed.example"], "not added");
        daemon.ok(&[&add[..], &[OLD_KEY]].concat());
        home.blocks(&["listed.example"], "a good signature");
        assert_eq!(daemon.ok(&["lists", "update", "l"]), "l unchanged\nNothing new.\n");

        for (text, signature, word) in [
            (B, A_AT_1000, "its signature is wrong"),
            (B, "", "its signature could not be fetched"),
            (B, "hello", "is no signature"),
            (B, B_BY_NEW_KEY, "another key"),
        ] {
            set(text, signature);
            let why = update_fails(&daemon);
            assert!(why.contains(word), "{why}");
            home.blocks(&["listed.example"], word);
            home.passes(&["ads.listed.example"], word);
        }
        set(B, B_AT_2000);
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["ads.listed.example"], "a newer one");
        set(A, A_AT_1000);
        let why = update_fails(&daemon);
        assert!(why.contains("from before the last one"), "{why}");
        home.blocks(&["ads.listed.example"], "an older one is not taken");

        // While keys change, both are good.
        daemon.ok(&["lists", "remove", "l"]);
        set(A, A_AT_1000);
        daemon.ok(&[&add[..], &[OLD_KEY, "--minisign", NEW_KEY]].concat());
        set(B, B_BY_NEW_KEY);
        daemon.ok(&["lists", "update", "l"]);
        home.blocks(&["ads.listed.example"], "signed by the new key");
        daemon.stop();
    });
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

const A: &str = "listed.example\n";
const B: &str = "listed.example\nads.listed.example\n";

// Made as minisign does (Ed25519 over BLAKE2b-512 of the text), with secret keys of
// 32 times the byte 1 and the byte 2, and their eightfold for an id.
const OLD_KEY: &str = "RWQBAQEBAQEBAYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const NEW_KEY: &str = "RWQCAgICAgICAoE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
const A_AT_1000: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAUoq/kyWcFI36SEqeB31WJVT1Z1lEH6cA4CgUtlxkRijkOjreemSuxVXQydx075AJoBaumcm7F4MMrw8qVCDsQE=
trusted comment: timestamp:1000\tfile:l.txt
I0d/0g5M3BIEh8lyiEHza0lhsIy3iwWyEkpZ5f6J4vzxGT46c0TL+3QTx1gfKymvegHmUm3bnW6V00cAUDcoBg==
";
const B_AT_2000: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAegE23JVfOP3Nx9GGx28F1wZ0mIqxZfAoD0Gb/4mIMZrnbZKskUevGyxPA+w8Wu2ZTVACpICfMAybZ2vPhdoHg0=
trusted comment: timestamp:2000\tfile:l.txt
/wtggSNF1qrzUMPZSwR/SSv4Lumi8pOqscbsMQQIvFdQWTYEZ91gGTk3OKndjmnHf96Be65mUy77tA8Ho3xYAQ==
";
const B_BY_NEW_KEY: &str = "\
untrusted comment: of a test
RUQCAgICAgICAlT5HwtipcgShiGj1DtbFVxB10l6aU7cCJO9noJNyXQhkErFtKLsf0d1FDnKuFhPnNhlfdHxgSJACGRYOk0TzQo=
trusted comment: timestamp:3000\tfile:l.txt
J6sOThXGUYyDOtc9UXvHD/DA4XMGWpFEdGzUVGa2/C4Bq/dqjK1nD4fJqZnPi61g4qmzONBswdFjhWsiU4gUBw==
";
