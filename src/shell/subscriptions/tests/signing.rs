//! Row L11: who signed a list, and when.

use std::sync::{Arc, Mutex};

use super::World;
use super::server::{End, Server, head, plain};
use crate::shell::subscriptions::Outcome;

/// A server of a list and its signature, both of which can be changed.
fn signed(text: &str, signature: &str) -> (Server, Arc<Mutex<(String, String)>>) {
    let given = Arc::new(Mutex::new((text.to_owned(), signature.to_owned())));
    let files = given.clone();
    let server = Server::new(move |asked, wire| {
        let (text, signature) = files.lock().unwrap().clone();
        match asked.path.as_str() {
            "/l.txt" => plain(wire, &text),
            "/l.txt.minisig" if !signature.is_empty() => plain(wire, &signature),
            _ => {
                head(wire, 404, &["Content-Length: 0"])?;
                Ok(End::Word)
            }
        }
    });
    (server, given)
}

fn world(server: &Server, keys: &[&str]) -> World {
    let mut world = World::new(server);
    world.source.minisign = keys.iter().map(ToString::to_string).collect();
    world
}

fn set(files: &Mutex<(String, String)>, text: &str, signature: &str) {
    *files.lock().unwrap() = (text.into(), signature.into());
}

#[test]
fn l11_a_good_signature_is_accepted() {
    let (server, _) = signed(A, A_AT_1000);
    let mut world = world(&server, &[OLD_KEY]);
    world.takes();
    let record = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(record.signed_at, Some(1000));
    assert_eq!(world.update(), Outcome::Unchanged);
}

#[test]
fn l11_a_text_that_was_changed_is_refused() {
    let (server, files) = signed(A, A_AT_1000);
    let mut world = world(&server, &[OLD_KEY]);
    world.takes();
    set(&files, B, A_AT_1000);
    let why = world.fails();
    assert!(why.starts_with("its signature is wrong, so someone may have changed"), "{why}");
    assert_eq!(world.text(), A);
}

#[test]
fn l11_a_trusted_comment_that_was_changed_is_refused() {
    let (server, _) = signed(A, &A_AT_1000.replace("1000", "9000"));
    assert!(world(&server, &[OLD_KEY]).fails().starts_with("its signature is wrong"));
}

#[test]
fn l11_an_older_signed_version_is_refused() {
    let (server, files) = signed(B, B_AT_2000);
    let mut world = world(&server, &[OLD_KEY]);
    world.takes();
    set(&files, A, A_AT_1000);
    let why = world.fails();
    assert!(why.starts_with("its signature is from before the last one"), "{why}");
    assert_eq!(world.text(), B);
    // The user's own going back does not lower the bar.
    set(&files, A, A_AT_9000);
    world.takes();
    world.store.rollback(&world.source.id, world.now).unwrap();
    set(&files, A, A_AT_1000);
    assert!(world.fails().starts_with("its signature is from before"));
    assert_eq!(world.text(), B);
}

#[test]
fn l11_a_signature_must_go_on_saying_when_it_was_made() {
    let (server, files) = signed(B, B_UNTIMED);
    let mut untimed = world(&server, &[OLD_KEY]);
    untimed.takes();
    set(&files, A, A_AT_1000);
    untimed.takes();
    set(&files, B, B_UNTIMED);
    assert!(untimed.fails().starts_with("its signature does not say when it was made"));
}

#[test]
fn l11_either_of_two_keys_is_good_while_they_change() {
    let (server, files) = signed(A, A_AT_1000);
    let mut world = world(&server, &[OLD_KEY, NEW_KEY]);
    world.takes();
    set(&files, B, B_BY_NEW_KEY);
    world.takes();
    assert_eq!(world.text(), B);
}

#[test]
fn l11_another_key_is_refused() {
    let (server, _) = signed(B, B_BY_NEW_KEY);
    let why = world(&server, &[OLD_KEY]).fails();
    assert!(why.starts_with("it is signed with another key; "), "{why}");
}

#[test]
fn l11_a_missing_signature_is_refused() {
    let (server, _) = signed(A, "");
    let why = world(&server, &[OLD_KEY]).fails();
    assert!(why.starts_with("its signature could not be fetched: its server answers 404"), "{why}");
}

#[test]
fn l11_what_is_no_signature_is_refused() {
    let (server, files) = signed(A, "hello");
    let mut world = world(&server, &[OLD_KEY]);
    for junk in ["hello", "\n\n\n\n", &"x".repeat(8000), &A_AT_1000[..100]] {
        set(&files, A, junk);
        assert!(world.fails().contains("is no signature"), "{junk:?}");
    }
    set(&files, A, &"x".repeat(9000));
    assert!(world.fails().starts_with("its signature could not be fetched: it is larger"));
    set(&files, A, A_LEGACY);
    assert!(world.fails().starts_with("its signature is of the old kind"));
}

#[test]
fn l11_a_key_that_is_none_is_said_so() {
    let (server, _) = signed(A, A_AT_1000);
    let why = world(&server, &["RWQ"]).fails();
    assert!(why.starts_with("\"minisign\" is not a public key; "), "{why}");
}

#[test]
fn l11_a_list_that_was_taken_unsigned_must_be_signed_once_a_key_is_set() {
    let (server, files) = signed(A, "");
    let mut world = world(&server, &[]);
    world.takes();
    world.source.minisign = vec![OLD_KEY.into()];
    world.fails();
    set(&files, A, A_AT_1000);
    assert_eq!(world.update(), Outcome::Unchanged);
}

const A: &str = "a.example\n";
const B: &str = "a.example\nb.example\n";

// Made as minisign does (Ed25519 over BLAKE2b-512 of the text), with secret keys of
// 32 times the byte 1 and the byte 2, and their eightfold for an id.
const OLD_KEY: &str = "RWQBAQEBAQEBAYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
const NEW_KEY: &str = "RWQCAgICAgICAoE5dw6ofRdfVqNUZsNMfszLjYqRtO43ol32D1uPybOU";
const A_AT_1000: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAdgH+6SEuWh4sjAnjYo9qW3YGgicRTeJaLp0Q4rtMLIAR/lMmnKca3DWL0ZDCti+9XPd7vx8tiGuQAPay60DAAs=
trusted comment: timestamp:1000\tfile:l.txt
RL8Z0TFGJUczgm8Fn308wqRDZDd5xsdfVagHykzHgqCfNgLoEf+xikyYO0x5JTq8SLdZDVlP6fH5dul+EgtSBg==
";
const B_AT_2000: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAfqinSNe2PMWsNT+x2rwHMmZUNlFAlFjLgwhIV9mc1ytutc1IyOO0xBb+odyl/LlnFhu0kOMwtPhHhRRbJvZLAc=
trusted comment: timestamp:2000\tfile:l.txt
sPFpXvU8iVSWNiWcOP7viTUTaggdJNuh7pQxevQu9BT0QGQDT6i3Iud0mbSEocQmbXDibD7UUOllXsBxqgwxBw==
";
const B_UNTIMED: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAfqinSNe2PMWsNT+x2rwHMmZUNlFAlFjLgwhIV9mc1ytutc1IyOO0xBb+odyl/LlnFhu0kOMwtPhHhRRbJvZLAc=
trusted comment: file:l.txt
gSqeMLdNVKlNU8OfyHVv8lRlbyWHfTRQK70slLXUUPcL1lCkBvn36GPlAy4v1cUUcOm81y/HjD4tZa7J8y7JAw==
";
const B_BY_NEW_KEY: &str = "\
untrusted comment: of a test
RUQCAgICAgICAmH15RviBpdM9h911GRmPv2KymxCMqhSKJpyXc6KtNhCPMwE98982qhmRMEWyHU833ijFLFHQB14hHdbpmS55Qw=
trusted comment: timestamp:3000\tfile:l.txt
Wb4d1qxOrtaDsfJlEbFyUhiGZckKqYrWDK2qBDFMOzMLoMnV5oS3QLoPVFEWGqw+8Xb5bHR/UvbBmw3tRtk5CA==
";
const A_LEGACY: &str = "\
untrusted comment: of a test
RWQBAQEBAQEBAdP7bb6Mt43wk02N/d6BxBLlaeRUZK+u8DROztnpjqw7QQpOKYLffvqfBAgW8W+ld9/IaH+wLwLVCQ3xs36nhQw=
trusted comment: timestamp:1000
fNJFjJVeT6MqbaXn1I35hzO2TpDN8thWPLNqL+mr1VwxMAuDl88dm8dAEny5Wt1Zfhr22BCFJO8c8WW1kmCRCQ==
";
const A_AT_9000: &str = "\
untrusted comment: of a test
RUQBAQEBAQEBAdgH+6SEuWh4sjAnjYo9qW3YGgicRTeJaLp0Q4rtMLIAR/lMmnKca3DWL0ZDCti+9XPd7vx8tiGuQAPay60DAAs=
trusted comment: timestamp:9000
nOR5N5kV9Bu+U/fthBUk2cJnk5OaQorSSIq09IQiufUyIOsblEwMw355mScoW3OiEBdfCl99N+8L5UJq89LXDw==
";
