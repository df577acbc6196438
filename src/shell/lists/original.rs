//! The lines of lists as their authors wrote them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::text::Text;
use crate::core::catalog;

/// Knows where the text of each list is.
#[derive(Clone, Debug, Default)]
pub struct Originals {
    texts: BTreeMap<String, PathBuf>,
}

impl Originals {
    /// Knows these lists, by name.
    #[must_use]
    pub fn new(texts: impl IntoIterator<Item = (String, PathBuf)>) -> Self {
        Self { texts: texts.into_iter().collect() }
    }

    /// The line of a list or a pack, counted from 1, shortened; `None` if it cannot be
    /// read. Reads all that is before it.
    #[must_use]
    pub fn line(&self, list: &str, number: u32) -> Option<String> {
        let place = usize::try_from(number).ok()?.checked_sub(1)?;
        let Some(path) = self.texts.get(list) else {
            return catalog::text(list)?.lines().nth(place).map(shown);
        };
        let mut text = Text::open(path).ok()?;
        let mut line = Vec::new();
        for _ in 0..=place {
            if !text.next_line(&mut line).ok()? {
                return None;
            }
        }
        Some(shown(&String::from_utf8_lossy(&line)))
    }
}

fn shown(line: &str) -> String {
    line.trim_matches(['\u{feff}', ' ', '\t', '\r', '\n']).chars().take(SHOWN).collect()
}

const SHOWN: usize = 300; // characters: the rest of a long line says no more

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_given_as_it_was_written() {
        let path = std::env::temp_dir().join(format!("optout-original-{}", std::process::id()));
        std::fs::write(&path, "! Title\r\n||t.example^$important # why\r\n").unwrap();
        let originals = Originals::new([("mine".to_owned(), path.clone())]);
        let line = |number| originals.line("mine", number);
        assert_eq!(line(2).as_deref(), Some("||t.example^$important # why"));
        assert_eq!((line(0), line(3)), (None, None));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(line(1), None);
        assert_eq!(originals.line("nobody", 1), None);
    }

    #[test]
    fn a_pack_has_lines_too() {
        let pack = catalog::pack("oneplus").unwrap();
        let entry = pack.entries.first().unwrap();
        let line = Originals::default().line("oneplus", entry.line).unwrap();
        assert!(line.contains("open.oneplus.net"), "{line}");
    }
}
