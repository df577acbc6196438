//! Which lists are in use: those of the configuration, and those that the user added.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, ListSource, Place, digest, id_of, why_no_key, why_no_url};
use crate::core::verdict::Mode;
use crate::request::AddedList;
use crate::shell::state::State;
use crate::shell::subscriptions::Source;

/// All of them, and why some that were added cannot be in use.
#[must_use]
pub fn all(config: &Config, state: &State) -> (Vec<ListSource>, Vec<String>) {
    let mut sources = config.lists.clone();
    let mut problems = Vec::new();
    for list in state.lists.values() {
        match added(list) {
            Ok(source) => match clash(&sources, &source) {
                None => sources.push(source),
                Some(why) => problems.push(why),
            },
            Err(why) => problems.push(why),
        }
    }
    (sources, problems)
}

/// Why this list cannot be in use beside those; `None` if it can.
#[must_use]
pub fn clash(sources: &[ListSource], new: &ListSource) -> Option<String> {
    let other = sources.iter().find(|other| other.id == new.id)?;
    Some(format!(
        "there is a list {:?} already, from {}; give this one another --name",
        other.name,
        place(&other.place)
    ))
}

/// What a list that was added means.
///
/// # Errors
///
/// One line: what is wrong with it.
pub fn added(list: &AddedList) -> Result<ListSource, String> {
    let at = if list.place.starts_with('/') {
        Place::Path(PathBuf::from(&list.place))
    } else if let Some(why) = why_no_url(&list.place) {
        return Err(format!(
            "a list cannot be at {:?}; {why}, or the whole path of a file",
            list.place
        ));
    } else {
        Place::Url(list.place.clone())
    };
    let name = list.name.clone().unwrap_or_else(|| at.last_part());
    if name.is_empty() || name.len() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(format!("{name:?}: a name has 1 to {LONGEST_NAME} characters; give --name"));
    }
    let sha256 = match list.sha256.as_deref().map(digest) {
        Some(None) => return Err("--sha256 is 64 digits of 0-9 and a-f".into()),
        Some(found) => found,
        None => None,
    };
    if let Some(why) = list.minisign.iter().find_map(|key| why_no_key(key)) {
        return Err(format!("the key {why}"));
    }
    let every = match (&at, list.every) {
        (Place::Path(_), _) | (_, Some(0)) => None,
        (Place::Url(_), None) => Some(crate::config::EVERY),
        (Place::Url(_), Some(seconds)) => Some(Duration::from_secs(seconds.max(SHORTEST))),
    };
    Ok(ListSource {
        format: list.format,
        subdomains: list.subdomains,
        allow: list.allow,
        tlds: list.tlds,
        mode: list.mode,
        every,
        sha256,
        minisign: list.minisign.clone(),
        allow_private: list.allow_private,
        watch_for: list.watch_for.map(Duration::from_secs),
        ..ListSource::new(at, &name)
    })
}

/// What is fetched for it; `None` if it is a file.
#[must_use]
pub fn subscription(list: &ListSource) -> Option<Source> {
    let Place::Url(url) = &list.place else { return None };
    Some(Source {
        id: list.id.parse().ok()?,
        url: url.clone(),
        name: list.name.clone(),
        every: list.every.map_or(NEVER, |every| every.as_secs()),
        sha256: list.sha256.map(hex),
        minisign: list.minisign.clone(),
        allow_private: list.allow_private,
    })
}

/// Its mode at this time, seconds since 1970 (UTC), and when that ends.
#[must_use]
pub fn mode(list: &ListSource, state: &State, wall: i64) -> (Mode, Option<i64>) {
    let chosen = state.list_modes.get(&list.id);
    if let Some(chosen) = chosen.filter(|chosen| chosen.until.is_none_or(|until| wall < until)) {
        return (chosen.mode, chosen.until);
    }
    let trial = list.watch_for.zip(state.lists_since.get(&list.id));
    let ends = trial.map(|(time, since)| since.saturating_add_unsigned(time.as_secs()));
    match ends.filter(|&ends| wall < ends && list.mode == Mode::Enforce) {
        Some(ends) => (Mode::Watch, Some(ends)),
        None => (list.mode, None),
    }
}

/// Finds a list by its name or id.
#[must_use]
pub fn find<'a>(sources: &'a [ListSource], called: &str) -> Option<&'a ListSource> {
    sources
        .iter()
        .find(|source| source.name == called)
        .or_else(|| sources.iter().find(|source| source.id == id_of(called)))
}

/// Where it comes from, in words.
#[must_use]
pub fn place(place: &Place) -> String {
    match place {
        Place::Path(path) => path.display().to_string(),
        Place::Url(url) => url.clone(),
    }
}

fn hex(digest: [u8; 32]) -> String {
    use std::fmt::Write;
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}

const LONGEST_NAME: usize = 100; // characters, as in the configuration
const SHORTEST: u64 = 3600; // seconds between two looks, as in the configuration
/// Seconds that never pass.
const NEVER: u64 = u64::MAX / 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::state::ListMode;

    fn list(place: &str) -> AddedList {
        serde_json::from_value(serde_json::json!({ "place": place })).unwrap()
    }

    #[test]
    fn a_list_that_was_added_is_checked_like_one_of_the_configuration() {
        let source = added(&list("https://lists.example/a/hosts.txt?x#y")).unwrap();
        assert_eq!((source.name.as_str(), source.id.as_str()), ("hosts.txt", "hosts-txt"));
        assert_eq!(subscription(&source).unwrap().every, 24 * 3600);
        let file = added(&list("/etc/hosts")).unwrap();
        assert_eq!((file.every, subscription(&file)), (None, None));
        for (wrong, why) in [
            (list("http://lists.example/"), "write https://"),
            (list("lists.txt"), "an address that begins with https://"),
            (AddedList { sha256: Some("12".into()), ..list("/a") }, "64 digits"),
            (AddedList { minisign: vec!["RW".into()], ..list("/a") }, "56 characters"),
            (AddedList { name: Some("\u{7}".into()), ..list("/a") }, "1 to 100"),
        ] {
            let said = added(&wrong).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_list_is_watched_in_its_first_week_and_the_user_comes_first() {
        let trial = AddedList { watch_for: Some(100), ..list("/a") };
        let source = added(&trial).unwrap();
        let mut state = State::default();
        assert_eq!(mode(&source, &state, 50), (Mode::Enforce, None), "not in use yet");
        state.lists_since.insert("a".into(), 10);
        assert_eq!(mode(&source, &state, 50), (Mode::Watch, Some(110)));
        assert_eq!(mode(&source, &state, 110), (Mode::Enforce, None));
        state.list_modes.insert("a".into(), ListMode { mode: Mode::Off, until: Some(60) });
        assert_eq!(mode(&source, &state, 50), (Mode::Off, Some(60)));
        assert_eq!(mode(&source, &state, 60), (Mode::Watch, Some(110)));
    }

    #[test]
    fn two_lists_with_one_id_cannot_be() {
        let one = added(&list("/etc/a/hosts")).unwrap();
        let two = added(&list("/etc/b/hosts")).unwrap();
        assert!(clash(std::slice::from_ref(&one), &two).unwrap().contains("/etc/a/hosts"));
        let other = added(&AddedList { name: Some("b".into()), ..list("/etc/b/hosts") }).unwrap();
        assert_eq!(clash(std::slice::from_ref(&one), &other), None);
        assert_eq!(find(&[one, other], "b").unwrap().name, "b");
    }
}
