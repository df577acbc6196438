//! Rows L3, L4, L9 and L20: what may take the place of the last good version.

use std::sync::{Arc, Mutex};

use super::server::{End, Server, bytes, head, plain};
use super::{NOW, Scratch, World, bounds, domains, names, source};
use crate::shell::subscriptions::{
    Fetcher, Outcome, Source, Store, StoreError, SystemDial, Updater, given_roots, survey, update,
};

/// A server whose text can be changed.
fn changing(text: &str) -> (Server, Arc<Mutex<String>>) {
    let text = Arc::new(Mutex::new(text.to_owned()));
    let given = text.clone();
    let server = Server::new(move |_, wire| plain(wire, &given.lock().unwrap()));
    (server, text)
}

#[test]
fn the_first_version_is_taken_and_kept() {
    let mut world = World::new(&Server::giving("# a list\na.example\nb.example"));
    let outcome = world.update();
    assert_eq!(outcome, Outcome::Updated { bytes: 28, lines: 3 });
    assert_eq!(world.text(), "# a list\na.example\nb.example");
    let record = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!([record.tried, record.checked, record.changed], [Some(world.now); 3]);
    let current = record.current().unwrap();
    assert_eq!((current.size.rules, current.size.comments), (2, 1));
}

#[test]
fn l3_a_list_that_grows_more_than_three_times_waits_for_a_person() {
    let (server, text) = changing(&names(200));
    let mut world = World::new(&server);
    world.takes();
    *text.lock().unwrap() = names(601);
    assert_eq!(
        world.holds(),
        "the new version grew from 200 to 601 rules; it is set aside and the old one stays in \
         force: `optout lists accept a` takes it"
    );
    assert_eq!(world.text(), names(200));
    // It is said again as long as nothing changes, and nothing is kept twice.
    world.holds();
    assert_eq!(super::files(&world.folder()), ["1.txt.gz", "2.txt.gz", "list.json"]);
    world.store.accept(&world.source.id, world.now).unwrap();
    assert_eq!(world.text(), names(601));
    assert_eq!(world.update(), Outcome::Unchanged);
    assert!(matches!(
        world.store.accept(&world.source.id, world.now),
        Err(StoreError::NothingHeld { .. })
    ));
}

#[test]
fn l3_a_list_that_shrinks_below_thirty_percent_waits_for_a_person() {
    let (server, text) = changing(&names(1000));
    let mut world = World::new(&server);
    world.takes();
    *text.lock().unwrap() = names(299);
    assert!(world.holds().contains("shrank from 1000 to 299 rules"));
    assert_eq!(world.text(), names(1000));
    // What comes next is compared to the good one, and takes the place of the one that waits.
    *text.lock().unwrap() = names(300);
    world.takes();
    assert_eq!(world.text(), names(300));
    let record = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(record.held, None);
}

#[test]
fn l3_a_text_in_which_hardly_a_line_is_a_rule_waits_for_a_person() {
    let text = names(9) + &"not a rule at all!\n".repeat(91);
    let mut world = World::new(&Server::giving(&text));
    assert!(world.holds().contains("has only 9 rules in 100 lines"));
    assert!(matches!(world.store.open_text(&world.source.id), Err(StoreError::Nothing { .. })));
    world.store.accept(&world.source.id, world.now).unwrap();
    assert_eq!(world.text(), text);
}

#[test]
fn another_address_is_another_list_and_is_not_compared() {
    let mut world = World::new(&Server::giving(&names(1000)));
    world.takes();
    let other = Server::giving(&names(100));
    world = world.at(&other);
    world.source.url = "https://lists.example/other.txt".into();
    world.takes();
    assert_eq!(world.text(), names(100));
}

/// One row, one test: `name: what the server gives => what is said`. The list from
/// before stays in force.
macro_rules! refused {
    ($($name:ident: $body:expr => $want:literal;)*) => {
        $(#[test] fn $name() {
            let mut world = World::new(&Server::giving(&names(3)));
            world.takes();
            let body: Vec<u8> = $body.into();
            let server = Server::new(move |_, wire| bytes(wire, &[], &body));
            world = world.at(&server);
            let why = world.fails();
            assert!(why.contains($want), "{why}");
            assert!(why.contains("; "), "no remedy: {why}");
            assert_eq!(world.text(), names(3));
            assert_eq!(super::files(&world.folder()), ["1.txt.gz", "list.json"]);
        })*
    };
}

refused! {
    l4_no_bytes: "" => "what came is no list: it is empty";
    l4_space: " \r\n\t\n\n" => "what came is no list: it is empty";
    l4_comments_only: "# a\n# b\n" => "what came has no rule in 2 lines";
    l4_a_page: "\n<!DOCTYPE html>\n<html>a.example</html>" => "what came is no list: it is a web page";
    l4_a_login_page_of_a_hotspot: "<html><meta http-equiv=refresh>" => "the network asks for no login";
    l4_json: "{\"message\": \"Not Found\"}" => "what came is no list: it is JSON";
    l4_gzip_inside: b"\x1f\x8b\x08\0\0\0\0\0\0\x03" => "what came is no list: it is compressed";
    l4_zstd_inside: b"\x28\xb5\x2f\xfd\x04\x00" => "what came is no list: it is compressed";
    l4_utf16_with_a_mark: b"\xff\xfea\0.\0b\0\n\0" => "what came is no list: it is written in UTF-16";
    l4_utf16_without_a_mark: b"a\0.\0b\0\n\0" => "what came is no list: it is written in UTF-16";
    l4_text_that_is_none: "This is not the list you want.\n" => "what came has no rule in 1 lines";
}

#[test]
fn l4_a_mark_of_utf8_is_no_harm() {
    let mut world = World::new(&Server::giving("\u{feff}a.example\n"));
    world.takes();
}

#[test]
fn l6_a_line_of_a_megabyte_is_no_rule_and_not_held_in_memory() {
    let text = "x".repeat(900_000) + "\n" + &names(20);
    let mut world = World::new(&Server::giving(&text));
    world.takes();
    let record = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(record.current().unwrap().size.rules, 20);
    assert_eq!(world.store.line(&world.source.id, 1).unwrap().unwrap().len(), 1000);
}

#[test]
fn l8_after_a_bad_certificate_the_old_one_stays() {
    let mut world = World::new(&Server::giving("a.example\n"));
    world.takes();
    let expired = Server::showing(super::server::Shown::Expired, |_, wire| plain(wire, ""));
    world = world.at(&expired);
    assert!(world.fails().contains("is this device's clock right?"));
    assert_eq!(world.text(), "a.example\n");
}

#[test]
fn l9_an_unchanged_list_is_not_fetched_again() {
    let server = Server::new(|asked, wire| {
        if asked.head.to_lowercase().contains("if-none-match: \"1\"\r\n") {
            head(wire, 304, &["ETag: \"1\""])?;
            return Ok(End::Word);
        }
        bytes(wire, &["ETag: \"1\""], b"a.example\n")
    });
    let mut world = World::new(&server);
    world.takes();
    let before = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(world.update(), Outcome::Unchanged);
    let after = world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(after.changed, before.changed);
    assert_eq!(after.checked, Some(world.now));
}

#[test]
fn l9_the_same_body_again_is_unchanged() {
    let server = Server::giving("a.example\n");
    let mut world = World::new(&server);
    world.takes();
    assert_eq!(world.update(), Outcome::Unchanged);
    assert_eq!(super::files(&world.folder()), ["1.txt.gz", "list.json"]);
}

#[test]
fn l9_unchanged_without_a_copy_of_ours_is_asked_for_once_more() {
    let server = Server::new(|asked, wire| {
        if asked.before == 0 {
            head(wire, 304, &[])?;
            return Ok(End::Word);
        }
        plain(wire, "a.example\n")
    });
    let mut world = World::new(&server);
    world.takes();
    assert_eq!(server.heads().len(), 2);
    // And not without end.
    let liar = Server::new(|_, wire| {
        head(wire, 304, &[])?;
        Ok(End::Word)
    });
    let mut world = World::new(&liar);
    assert!(world.fails().contains("no copy of it is here"));
    assert_eq!(liar.heads().len(), 2);
}

/// A server of one text, which tells who has it that it is unchanged.
fn tagged() -> Server {
    Server::new(|asked, wire| {
        if asked.head.to_lowercase().contains("if-none-match") {
            head(wire, 304, &[])?;
            return Ok(End::Word);
        }
        bytes(wire, &["ETag: \"1\""], b"a.example\n")
    })
}

#[test]
fn l9_a_damaged_copy_is_fetched_whole_again() {
    let server = tagged();
    let mut world = World::new(&server);
    world.takes();
    std::fs::write(world.folder().join("1.txt.gz"), b"rubbish").unwrap();
    world.takes();
    assert_eq!(world.text(), "a.example\n");
    assert_eq!(super::files(&world.folder()), ["2.txt.gz", "list.json"]);
}

#[test]
fn a_version_gone_back_from_is_not_taken_again_until_there_is_another() {
    let server = Server::new(|asked, wire| {
        let text = ["a.example\n", "b.example\n", "b.example\n", "c.example\n"];
        let text = text.get(asked.before).copied().unwrap_or("c.example\n");
        plain(wire, text)
    });
    let mut world = World::new(&server);
    world.takes();
    world.takes();
    let id = world.source.id.clone();
    let back = world.store.rollback(&id, world.now).unwrap();
    assert_eq!((back.number, world.text().as_str()), (1, "a.example\n"));
    assert_eq!(world.update(), Outcome::Unchanged, "b again");
    assert_eq!(world.text(), "a.example\n");
    world.takes();
    assert_eq!(world.text(), "c.example\n");
}

#[test]
fn going_back_is_repeated_and_can_be_undone() {
    let server = Server::new(|asked, wire| plain(wire, &names(asked.before + 1)));
    let mut world = World::new(&server);
    for _ in 0..5 {
        world.takes();
    }
    let id = world.source.id.clone();
    assert_eq!(
        super::files(&world.folder()),
        ["3.txt.gz", "4.txt.gz", "5.txt.gz", "list.json"],
        "three are kept"
    );
    world.store.rollback(&id, world.now).unwrap();
    world.store.rollback(&id, world.now).unwrap();
    assert_eq!(world.text(), names(3));
    let error = world.store.rollback(&id, world.now).unwrap_err().to_string();
    assert!(error.contains("has no version before this one"), "{error}");
    world.store.accept(&id, world.now).unwrap();
    assert_eq!(world.text(), names(4));
}

#[test]
fn a_pinned_list_is_that_text_and_no_other() {
    let (server, text) = changing("a.example\n");
    let mut world = World::new(&server);
    let pin = "2d1b8f19d7e8bc2fd9f3a5e05e5d2ff3b5d2a5b2f7cd0dbbb5b6c8f1c1c8e0aa";
    world.source.sha256 = Some(pin.into());
    let why = world.fails();
    assert!(why.contains("and not the one in \"sha256\""), "{why}");
    let found = why.split(' ').nth(3).unwrap().to_uppercase();
    world.source.sha256 = Some(found);
    world.takes();
    *text.lock().unwrap() = "b.example\n".into();
    world.fails();
    assert_eq!(world.text(), "a.example\n");
}

#[test]
fn what_is_demanded_anew_is_not_satisfied_by_unchanged() {
    let server = tagged();
    let mut world = World::new(&server);
    world.takes();
    world.source.sha256 = Some("0".repeat(64));
    assert!(world.fails().contains("and not the one in \"sha256\""));
}

#[test]
fn failures_are_counted_and_forgotten_after_a_success() {
    let broken = Server::new(|_, wire| {
        head(wire, 503, &["Content-Length: 0"])?;
        Ok(End::Word)
    });
    let mut world = World::new(&broken);
    world.fails();
    world.fails();
    let record = |world: &World| world.store.record(&world.source.id).unwrap().unwrap();
    assert_eq!(record(&world).failures, 2);
    assert_eq!(record(&world).checked, None);
    let server = Server::giving("a.example\n");
    world = world.at(&server);
    world.takes();
    assert_eq!((record(&world).failures, record(&world).failed), (0, None));
}

#[test]
fn l20_without_a_network_there_is_a_sentence_and_what_was_there_stays() {
    let scratch = Scratch::new();
    let store = Store::at(&scratch.0);
    assert_eq!(store.ids().unwrap(), []);
    let offline = Server::giving("");
    offline.dial.name("lists.example", &[]);
    let mut world = World::new(&offline);
    assert!(world.fails().starts_with("the name of its server is not found"));
    assert!(matches!(world.store.open_text(&world.source.id), Err(StoreError::Nothing { .. })));
    let server = Server::giving("a.example\n");
    world = world.at(&server);
    world.takes();
    world = world.at(&offline);
    world.fails();
    assert_eq!(world.text(), "a.example\n");
    // At the next start, too.
    assert_eq!(super::text(&Store::at(&world.scratch.0), &world.source.id), "a.example\n");
}

#[test]
fn several_lists_are_updated_and_one_that_fails_stops_no_other() {
    let server = Server::new(|asked, wire| match asked.path.as_str() {
        "/bad" => plain(wire, "<html>"),
        path => plain(wire, &format!("{}.example\n", &path[1..])),
    });
    let world = World::new(&server);
    let sources: Vec<Source> = ["x", "bad", "y"]
        .map(|id| Source { url: format!("https://lists.example/{id}"), ..source(id) })
        .into();
    let look = domains();
    let updater = Updater { store: &world.store, fetcher: &world.fetcher, survey: &look };
    let mut told = Vec::new();
    let outcomes = update(&sources, updater, NOW, &mut |id, bytes, total| {
        told.push((id.to_string(), bytes, total));
    });
    assert!(matches!(
        outcomes[..],
        [Outcome::Updated { .. }, Outcome::Failed { .. }, Outcome::Updated { .. }]
    ));
    assert!(told.contains(&("y".into(), 10, Some(10))), "{told:?}");
    let ids: Vec<String> = world.store.ids().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(ids, ["bad", "x", "y"]);
    world.store.remove(&"x".parse().unwrap()).unwrap();
    assert_eq!(world.store.ids().unwrap().len(), 2);
    let gone = world.store.remove(&"x".parse().unwrap()).unwrap_err();
    assert_eq!(gone.to_string(), "there is no list \"x\"; optout lists show names them all");
}

#[test]
fn a_line_is_shown_as_its_author_wrote_it() {
    let mut world = World::new(&Server::giving("# first\r\n0.0.0.0 A.example # why\nlast.example"));
    world.takes();
    let line = |n| world.store.line(&world.source.id, n).unwrap();
    assert_eq!(line(1).as_deref(), Some("# first"));
    assert_eq!(line(2).as_deref(), Some("0.0.0.0 A.example # why"));
    assert_eq!(line(3).as_deref(), Some("last.example"));
    assert_eq!((line(4), line(0)), (None, None));
}

#[test]
fn l4_a_text_in_no_known_format_is_refused() {
    let world = World::new(&Server::giving("one\ntwo\n"));
    let look = survey(|_: &Source, _: &[u8]| None, Arc::default());
    let updater = Updater { store: &world.store, fetcher: &world.fetcher, survey: &look };
    let outcome = updater.update(&world.source, NOW, &mut |_, _| {});
    let Outcome::Failed { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("what came is in no format of lists that optout knows; "), "{why}");
}

#[test]
fn an_address_that_is_not_https_is_never_asked() {
    let scratch = Scratch::new();
    let store = Store::at(&scratch.0);
    let fetcher = Fetcher::new(Arc::new(SystemDial), given_roots(Vec::new()), bounds());
    let look = domains();
    let updater = Updater { store: &store, fetcher: &fetcher, survey: &look };
    let plain = Source { url: "http://lists.example/".into(), ..source("a") };
    let outcome = updater.update(&plain, NOW, &mut |_, _| {});
    let Outcome::Failed { why } = outcome else { panic!("{outcome:?}") };
    assert!(why.starts_with("its address is not https"), "{why}");
}
