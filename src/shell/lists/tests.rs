use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::Place;
use crate::core::flow::Client;
use crate::core::policy::Policy;
use crate::core::time::Instant;
use crate::core::verdict::{Mode, Verdict};

/// A state directory that goes with the value.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("optout-lists-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn list(&self, name: &str, text: impl AsRef<[u8]>) -> Input {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        let source = ListSource::new(Place::Path(path.clone()), name);
        Input { source, text: path, changed: None }
    }

    fn compiled(&self) -> PathBuf {
        self.0.join(FILE)
    }

    /// Takes the rules of these lists; whether they had to be compiled, and the rules.
    fn load(&self, inputs: &[Input]) -> (bool, Compiled) {
        let mut anew = false;
        let compiled = load(inputs, &self.0, || anew = true).unwrap();
        (anew, compiled)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn blocks(compiled: &Compiled, host: &str) -> bool {
    let policy = Policy::builder(compiled.rules.clone()).build();
    matches!(policy.judge(Instant::ZERO, host, &Client::Host(None)), Verdict::Block(_))
}

#[test]
fn lists_join_the_packs() {
    let dir = Dir::new("join");
    let hosts = dir.list("hosts.txt", "0.0.0.0 a.example\n0.0.0.0 a.example b.example\n");
    let mut domains = dir.list("domains.txt", "# c\nc.example\nd.example\nodd line\n");
    domains.source.name = "mine".into();
    domains.source.subdomains = Some(true);
    let (_, compiled) = dir.load(&[hosts, domains]);
    for (host, want) in [
        ("a.example", true),
        ("x.a.example", false),
        ("c.example", true),
        ("x.c.example", true),
        ("open.oneplus.net", true),
        ("connectivitycheck.gstatic.com", false),
    ] {
        assert_eq!(blocks(&compiled, host), want, "{host}");
    }
    let lists = compiled.rules.lists();
    let [.., hosts, mine] = lists else { panic!("{lists:?}") };
    let said = summary(hosts);
    assert_eq!((said.kept, said.duplicates, not_used(hosts)), (2, 1, 0));
    assert_eq!((&*mine.name, mine.subdomains, not_used(mine)), ("mine", true, 1));
}

#[test]
fn unchanged_lists_are_not_read_again_and_changed_ones_are() {
    let dir = Dir::new("again");
    let list = dir.list("a.txt", "||a.example^\n||b.example^\n");
    assert!(dir.load(std::slice::from_ref(&list)).0);
    let (anew, compiled) = dir.load(std::slice::from_ref(&list));
    assert!(!anew && compiled.mapping.is_some() && blocks(&compiled, "a.example"));
    let other = Input { source: ListSource { allow: true, ..list.source.clone() }, ..list.clone() };
    let (anew, compiled) = dir.load(&[other]);
    assert!(anew && !blocks(&compiled, "a.example"), "it is read in another way now");
    let newer = dir.list("a.txt", "||c.example^\n||d.example^\n||e.example^\n");
    let (anew, compiled) = dir.load(&[newer]);
    assert!(anew && blocks(&compiled, "c.example") && !blocks(&compiled, "a.example"));
    let (anew, compiled) = dir.load(&[]);
    assert!(anew && !blocks(&compiled, "c.example") && blocks(&compiled, "open.oneplus.net"));
}

#[test]
fn a_damaged_compiled_file_is_made_anew() {
    let dir = Dir::new("damaged");
    let list = dir.list("a.txt", "||a.example^\n");
    dir.load(std::slice::from_ref(&list));
    let sound = fs::read(dir.compiled()).unwrap();
    let flipped = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 0x10;
        bytes
    };
    let cases = [
        Vec::new(),
        b"something else".to_vec(),
        sound[..sound.len() - 1].to_vec(),
        sound[..sound.len() / 2].to_vec(),
        [&sound[..], b"x"].concat(),
        flipped(0),
        flipped(sound.len() / 3),
        flipped(sound.len() / 2),
        flipped(sound.len() - 1),
    ];
    for (n, bytes) in cases.into_iter().enumerate() {
        // By renaming, as nobody may write into a file that is mapped.
        let other = dir.0.join("other");
        fs::write(&other, bytes).unwrap();
        fs::rename(&other, dir.compiled()).unwrap();
        let (anew, compiled) = dir.load(std::slice::from_ref(&list));
        assert!(anew && blocks(&compiled, "a.example"), "case {n}");
    }
}

#[test]
fn without_a_place_for_the_compiled_file_the_rules_are_in_memory() {
    let dir = Dir::new("nowhere");
    let list = dir.list("a.txt", "||a.example^\n");
    let compiled = load(&[list], &dir.0.join("not/there"), || {}).unwrap();
    assert!(blocks(&compiled, "a.example") && compiled.mapping.is_none());
    assert!(compiled.problem.unwrap().contains("could not be kept"));
}

#[test]
fn what_is_no_list_is_said_with_its_place() {
    let dir = Dir::new("none");
    let good = dir.list("good", "||a.example^\n");
    for (name, text, why) in [
        ("page", &b"<!DOCTYPE html>"[..], "it is a web page"),
        ("json", b"{\"error\": 1}", "it is JSON"),
        ("packed", b"\x1f\x8b\x08\x00", "it is compressed"),
        ("wide", b"\xff\xfea\0.\0", "UTF-16"),
        ("prose", b"dear reader,\nthis is no list\n", "no rule"),
    ] {
        let (n, error) = load(&[good.clone(), dir.list(name, text)], &dir.0, || {}).unwrap_err();
        assert_eq!(n, 1);
        let said = error.to_string();
        assert!(said.contains(why) && said.contains(name), "{said}");
    }
    let gone = Input { text: dir.0.join("gone"), ..good.clone() };
    assert!(matches!(load(&[gone], &dir.0, || {}), Err((0, ListError::Read { .. }))));
    let empty = dir.list("empty", "\n\n");
    assert!(load(&[good, empty], &dir.0, || {}).is_ok(), "an empty list may fill up");
}

#[test]
fn the_compiled_file_is_nobody_elses_to_write() {
    let dir = Dir::new("mode");
    dir.load(&[]);
    let mode = fs::metadata(dir.compiled()).unwrap().permissions().mode();
    assert_eq!(mode & 0o022, 0, "{mode:o}");
    let left = fs::read_dir(&dir.0).unwrap().count();
    assert_eq!(left, 1, "nothing else is left behind");
}

#[test]
fn lists_do_not_block_what_must_stay_reachable() {
    let dir = Dir::new("guard");
    let text = "||github.com^\n||connectivitycheck.gstatic.com^\n||com^\n||t.example^\n*\n";
    let (_, compiled) = dir.load(&[dir.list("bad", text)]);
    assert!(blocks(&compiled, "t.example") && !blocks(&compiled, "github.com"));
    let list = compiled.rules.lists().last().unwrap();
    assert_eq!((list.rules(), summary(list).refused), (1, 4));
    assert_eq!(list.mode, Mode::Enforce);
}
