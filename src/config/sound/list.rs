//! Lists: from what was written to what it means.

use std::time::Duration;

use crate::config::error::line_of;
use crate::config::file::{self, ListKind};
use crate::config::list::{EVERY, ListSource, Place, digest, id_of, why_no_key, why_no_url};
use crate::core::policy::{App, ListLimits};
use crate::core::rule::Device;

use super::{Checked, Checker};

impl Checker<'_> {
    pub(super) fn lists(&self, file: Vec<file::List>) -> Checked<Vec<ListSource>> {
        let mut lists: Vec<ListSource> = Vec::with_capacity(file.len());
        for (n, list) in file.into_iter().enumerate() {
            let at = At { n };
            let made = self.list(at, &list)?;
            let key = at.key(if list.name.is_some() { "name" } else { made.place.key() });
            if lists.iter().any(|other| other.name == made.name) {
                let name = &made.name;
                let problem = format!("{name:?} is the name of two lists; give one another name");
                return self.wrong(&key, &problem);
            }
            if let Some(other) = lists.iter().find(|other| other.id == made.id) {
                let (one, two) = (&other.name, &made.name);
                let problem = format!("{two:?} is too much like {one:?}; give one another name");
                return self.wrong(&key, &problem);
            }
            lists.push(made);
        }
        Ok(lists)
    }

    fn list(&self, at: At, file: &file::List) -> Checked<ListSource> {
        let place = self.place(at, file)?;
        let name = file.name.clone().unwrap_or_else(|| place.last_part());
        if name.is_empty() || name.len() > 100 || name.contains(char::is_control) {
            let key = at.key(if file.name.is_some() { "name" } else { place.key() });
            return self.wrong(&key, &format!("{name:?}: a name has 1 to 100 characters"));
        }
        Ok(ListSource {
            line: line_of(self.text, &at.key(place.key())),
            id: id_of(&name),
            format: file.format.into(),
            subdomains: file.subdomains,
            allow: file.kind == ListKind::Allow,
            tlds: file.tlds,
            mode: file.mode,
            limits: self.limits(at, file)?,
            every: self.every(at, file, &place)?,
            sha256: self.sha256(at, file.sha256.as_deref())?,
            allow_private: file.private,
            minisign: self.minisign(at, file.minisign.as_deref())?,
            watch_for: self.watch_for(at, file.watch_for.as_deref())?,
            name,
            place,
        })
    }

    fn place(&self, at: At, file: &file::List) -> Checked<Place> {
        match (&file.path, &file.url) {
            (Some(path), None) => self.path(&at.key("path"), path).map(Place::Path),
            (None, Some(url)) => match why_no_url(url) {
                None => Ok(Place::Url(url.clone())),
                Some(why) => self.wrong(&at.key("url"), &format!("cannot be {url:?}; {why}")),
            },
            (Some(_), Some(_)) => {
                self.wrong(&at.key("url"), "is one place and \"path\" another; leave out one")
            }
            (None, None) => {
                self.wrong(&at.key("path"), "or \"url\" is missing here; add one of them")
            }
        }
    }

    /// Programs, of which the one with a number stands at the key that `key` says.
    pub(super) fn apps(
        &self,
        texts: &[String],
        key: impl Fn(usize) -> String,
    ) -> Checked<Vec<App>> {
        for (n, text) in texts.iter().enumerate() {
            if text.is_empty() || text.contains(['/', '\0']) {
                let problem = format!(
                    "cannot hold {text:?}; write the file name of a program, or uid: and a number"
                );
                return self.wrong(&key(n), &problem);
            }
        }
        Ok(texts.iter().map(|text| App::from(text.as_str())).collect())
    }

    fn limits(&self, at: At, file: &file::List) -> Checked<ListLimits> {
        let client = |text: &String| match text.parse() {
            Ok(prefix) => Device::Address(prefix),
            Err(_) => Device::Name(text.clone()),
        };
        let clients = file.clients.iter().map(client).collect();
        let apps = self.apps(&file.apps, |n| at.key(&format!("apps.{n}")))?;
        Ok(ListLimits { clients, apps, schedule: file.schedule.as_deref().map(Into::into) })
    }

    fn every(&self, at: At, file: &file::List, place: &Place) -> Checked<Option<Duration>> {
        let key = at.key("every");
        match (file.every.as_deref(), place) {
            (None, Place::Path(_)) | (Some("never"), _) => Ok(None),
            (None, Place::Url(_)) => Ok(Some(EVERY)),
            (Some(_), Place::Path(_)) => {
                self.wrong(&key, "is for lists with \"url\"; a file is read anew on a reload")
            }
            (Some(text), Place::Url(_)) => match duration(text) {
                Some(every) if (HOUR..=30 * DAY).contains(&every) => {
                    Ok(Some(Duration::from_secs(every)))
                }
                _ => {
                    let problem =
                        format!("cannot be {text:?}; write \"1h\" to \"30d\" or \"never\"");
                    self.wrong(&key, &problem)
                }
            },
        }
    }

    fn watch_for(&self, at: At, text: Option<&str>) -> Checked<Option<Duration>> {
        let Some(text) = text else { return Ok(None) };
        match duration(text) {
            Some(seconds) if (HOUR..=365 * DAY).contains(&seconds) => {
                Ok(Some(Duration::from_secs(seconds)))
            }
            _ => {
                let problem = format!("cannot be {text:?}; write \"1h\" to \"365d\"");
                self.wrong(&at.key("watch_for"), &problem)
            }
        }
    }

    fn sha256(&self, at: At, text: Option<&str>) -> Checked<Option<[u8; 32]>> {
        let Some(text) = text else { return Ok(None) };
        match digest(text) {
            Some(digest) => Ok(Some(digest)),
            None => self.wrong(&at.key("sha256"), "is no SHA-256; write 64 digits of 0-9 and a-f"),
        }
    }

    fn minisign(&self, at: At, text: Option<&str>) -> Checked<Vec<String>> {
        let Some(text) = text else { return Ok(Vec::new()) };
        match why_no_key(text) {
            None => Ok(vec![text.into()]),
            Some(why) => self.wrong(&at.key("minisign"), why),
        }
    }
}

/// Where in the file a list stands.
#[derive(Clone, Copy)]
struct At {
    n: usize,
}

impl At {
    fn key(self, key: &str) -> String {
        format!("lists.{}.{key}", self.n)
    }
}

impl Place {
    fn key(&self) -> &'static str {
        match self {
            Self::Path(_) => "path",
            Self::Url(_) => "url",
        }
    }
}

/// Reads `90m`, `24h`, `7d` or `2w`. Seconds.
fn duration(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        'm' => 60,
        'h' => HOUR,
        'd' => DAY,
        'w' => 7 * DAY,
        _ => return None,
    };
    let digits = text.get(..text.len() - 1)?;
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

const HOUR: u64 = 3600; // seconds
const DAY: u64 = 24 * HOUR;
