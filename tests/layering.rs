//! The floors of the house: a room uses rooms below it, never its own floor,
//! never above. The compiler does not mind a use that points up; we do.

use std::fs;
use std::path::{Path, PathBuf};

/// The floors, from the ground up. Rooms on one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["core::host", "core::prefix", "core::time"],
    &["core::flow", "core::rule", "core::upstream"],
    &["core::verdict", "core::wire"],
    &["core::capture", "core::sniff"],
    &["core::catalog", "core::event", "core::list"],
    &["core::rules"],
    &["core::policy"],
    &["core::dns", "core::flows"],
    &["core::engine", "core::replay"],
    &["config"],
    &["request"],
    &["shell"],
    &["cli"],
    &["jni"],
];

/// Files that only name the rooms, or put them together.
const MAPS: &[&str] = &["src/lib.rs", "src/main.rs", "src/core/mod.rs"];

#[test]
fn every_use_points_down() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some(own) = room_of(&file) else {
            faults.push(format!("{}: in no room; give it a floor", file.display()));
            continue;
        };
        let text = fs::read_to_string(&file).expect("source file");
        for (number, used) in uses(&text) {
            match room_named(&used) {
                Some(room) if room == own || floor(room) < floor(own) => {}
                Some(room) => {
                    faults.push(format!("{}:{number}: {own} uses {room}", file.display()));
                }
                None => faults.push(format!("{}:{number}: no room `{used}`", file.display())),
            }
        }
    }
    assert!(faults.is_empty(), "upward or sideways uses:\n{}", faults.join("\n"));
}

#[test]
fn every_floor_has_its_rooms() {
    let files = sources();
    for room in FLOORS.iter().copied().flatten() {
        let inhabited = files.iter().any(|file| room_of(file) == Some(room));
        assert!(inhabited, "no file is in room {room}");
    }
}

/// Without this the tests above would pass whatever the sources say.
#[test]
fn a_use_is_seen_in_every_form_it_can_have() {
    let text = "use crate::core::engine::Engine;\n\
                use crate::core::{host::HostName, time};\n\
                let x = crate::shell::run();\n\
                // crate::cli is not a use here, nor is `crate::cli` in a comment\n\
                use crate::{\n    config::Config,\n    core::{self, dns::{Reader, Writer}},\n};\n\
                pub(in crate::core) fn f() {}\n";
    let seen: Vec<(usize, String)> = uses(text);
    let want = [
        (1, "core::engine"),
        (2, "core::host"),
        (2, "core::time"),
        (3, "shell"),
        (5, "config"),
        (5, "core::dns"),
    ];
    assert_eq!(seen, want.map(|(line, room)| (line, room.to_owned())));
    assert!(floor("core::dns") > floor("core::wire") && floor("cli") > floor("shell"));
}

/// Every path into this crate that a source file names, as the line it begins
/// on and the room: its first segment, or the first two inside `core`.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let code: Vec<&str> = text.lines().map(|l| l.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    for (at, _) in code.match_indices("crate::") {
        let line = code[..at].matches('\n').count() + 1;
        if code[..at].ends_with("(in ")
            || code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        {
            continue; // a visibility, or a longer word
        }
        let mut leaves = Vec::new();
        leaves_of(&code[at + "crate::".len()..], "", &mut leaves);
        let mut rooms: Vec<String> = leaves.iter().filter_map(|path| room(path)).collect();
        rooms.dedup();
        found.extend(rooms.into_iter().map(|room| (line, room)));
    }
    found
}

/// Reads a path or a tree of paths, as after `use crate::`, and collects its
/// leaves. Says how many bytes it read.
fn leaves_of(text: &str, before: &str, leaves: &mut Vec<String>) -> usize {
    if !text.starts_with('{') {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        let word = &text[..end.unwrap_or(text.len())];
        let path = format!("{before}{word}");
        if path.ends_with("::") && text[word.len()..].starts_with('{') {
            return word.len() + leaves_of(&text[word.len()..], &path, leaves);
        }
        leaves.push(path);
        return word.len();
    }
    let mut at = 1;
    while let Some(next) = text[at..].chars().next() {
        match next {
            '}' => return at + 1,
            _ if next.is_alphanumeric() || next == '_' => {
                at += leaves_of(&text[at..], before, leaves);
            }
            _ => at += next.len_utf8(),
        }
    }
    at
}

/// The room a path leads to; `None` for `core` itself.
fn room(path: &str) -> Option<String> {
    let mut segments = path.split("::").filter(|segment| !segment.is_empty());
    match (segments.next()?, segments.next()) {
        ("core", None | Some("self")) => None,
        ("core", Some(inner)) => Some(format!("core::{inner}")),
        (outer, _) => Some(outer.to_owned()),
    }
}

fn room_named(room: &str) -> Option<&'static str> {
    FLOORS.iter().copied().flatten().copied().find(|known| *known == room)
}

fn floor(room: &str) -> usize {
    let floor = FLOORS.iter().position(|floor| floor.contains(&room));
    floor.expect("a room of the list")
}

/// The room that a source file belongs to.
fn room_of(file: &Path) -> Option<&'static str> {
    let inside = file.strip_prefix(root().join("src")).ok()?.with_extension("");
    let path: Vec<&str> = inside.iter().filter_map(|part| part.to_str()).collect();
    room_named(&room(&path.join("::"))?)
}

/// Every source file that is in a room.
fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.retain(|file| !MAPS.iter().any(|map| *file == root().join(map)));
    assert!(files.len() > 10, "only {} source files?", files.len());
    files
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("source directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
