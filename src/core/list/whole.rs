//! What is no list at all.

use thiserror::Error;

/// Why a file or a download is no list, and what to do.
///
/// Such a thing must never take the place of a list: an error page has no rules, and
/// whoever is met by it believes to be protected.
#[derive(Clone, Copy, Debug, Eq, Error, Hash, PartialEq)]
#[non_exhaustive]
pub enum NotAList {
    /// Nothing, or nothing but space.
    #[error("it is empty; check where it comes from")]
    Empty,
    /// A web page: an error, or a login of a network.
    #[error(
        "it is a web page and not a list; check the address, and that the network asks for no login"
    )]
    Html,
    /// JSON: likely an error of a server.
    #[error("it is JSON and not a list; check the address, it must lead to the plain text")]
    Json,
    /// It is compressed with gzip, zstd, xz or bzip2.
    #[error("it is compressed; unpack it first")]
    Compressed,
    /// An archive: zip, 7z, RAR.
    #[error("it is an archive; unpack it and take the list that is in it")]
    Archive,
    /// A program, for Linux or Windows.
    #[error("it is a program and not a list; check where it comes from")]
    Program,
    /// UTF-16 or UTF-32.
    #[error("it is written in UTF-16 or UTF-32; save it as UTF-8")]
    WideText,
    /// Bytes that are no text.
    #[error("it is not text; a list is plain text in UTF-8")]
    Binary,
}

/// Says from its beginning whether something may be a list. A list without a single rule
/// may still be none; that shows when it is read.
///
/// # Errors
///
/// Why it is none.
pub fn check(head: &[u8]) -> Result<(), NotAList> {
    let head = head.get(..HEAD).unwrap_or(head);
    if let Some((_, what)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Err(*what);
    }
    if head.contains(&0) {
        return Err(if is_wide(head) { NotAList::WideText } else { NotAList::Binary });
    }
    let text = head.strip_prefix(BOM).unwrap_or(head).trim_ascii();
    match text {
        [] => return Err(NotAList::Empty),
        // No rule of any format begins with these; `<` is also how XML begins.
        [b'<', ..] => return Err(NotAList::Html),
        [b'{', ..] => return Err(NotAList::Json),
        [b'[', rest @ ..] if begins_json_array(rest) => return Err(NotAList::Json),
        _ => {}
    }
    let odd = head.iter().filter(|&&byte| is_odd(byte)).count();
    if odd > head.len() / MAX_ODD { Err(NotAList::Binary) } else { Ok(()) }
}

/// Whether what follows a `[` is of JSON. Adblock lists have `[Adblock Plus 2.0]`.
fn begins_json_array(rest: &[u8]) -> bool {
    matches!(rest.trim_ascii_start(), [b'{' | b'[' | b'"' | b'-' | b']' | b'0'..=b'9', ..] | [])
}

/// Whether the bytes without meaning are where they are in UTF-16 or UTF-32 of any order.
fn is_wide(head: &[u8]) -> bool {
    let sample = head.get(..SAMPLE).unwrap_or(head);
    let at = |odd: usize| {
        sample.iter().enumerate().filter(|(place, byte)| place % 2 == odd && **byte == 0).count()
    };
    // Nearly all letters of a list are ASCII.
    at(0).max(at(1)) > sample.len() / 4
}

/// Whether text does not have it. Some editors end a file with the 1A of CP/M.
fn is_odd(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0xb | 0xe..=0x19 | 0x1b..=0x1f | 0x7f)
}

const HEAD: usize = 64 * 1024; // bytes that are looked at
const SAMPLE: usize = 256; // bytes: enough to see every other one missing
const MAX_ODD: usize = 64; // one byte in so many; bytes by chance have eight
const BOM: &[u8] = "\u{feff}".as_bytes();

/// How files begin that are something else.
const MAGIC: [(&[u8], NotAList); 13] = [
    (b"\x1f\x8b", NotAList::Compressed), // gzip, RFC 1952 §2.3.1
    (b"\x1f\x9d", NotAList::Compressed), // compress
    (b"\x28\xb5\x2f\xfd", NotAList::Compressed), // zstd, RFC 8878 §3.1.1
    (b"\xfd7zXZ\0", NotAList::Compressed), // xz
    (b"BZh", NotAList::Compressed),      // bzip2
    (b"PK\x03\x04", NotAList::Archive),  // zip
    (b"7z\xbc\xaf\x27\x1c", NotAList::Archive), // 7z
    (b"Rar!\x1a\x07", NotAList::Archive), // RAR
    (b"\x7fELF", NotAList::Program),     // Linux
    (b"MZ\x90\0", NotAList::Program),    // Windows
    (b"\xff\xfe", NotAList::WideText),   // UTF-16 and UTF-32, little end first
    (b"\xfe\xff", NotAList::WideText),   // UTF-16, big end first
    (b"\0\0\xfe\xff", NotAList::WideText), // UTF-32, big end first
];

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! whole {
        ($test:ident, $bytes:expr, $want:expr) => {
            #[test]
            fn $test() {
                assert_eq!(check($bytes.as_ref()), $want);
            }
        };
    }

    fn wide(text: &str, width: usize, big: bool) -> Vec<u8> {
        let mut all = Vec::new();
        for byte in text.bytes() {
            let mut unit = vec![0; width];
            unit[if big { width - 1 } else { 0 }] = byte;
            all.extend(unit);
        }
        all
    }

    const LIST: &str = "# a list\n0.0.0.0 a.example\n0.0.0.0 b.example\n";

    whole!(a_list_may_be_one, LIST, Ok(()));
    whole!(comments_alone_may_be_one, "# c\n! d\n", Ok(()));
    whole!(a_byte_order_mark_is_no_harm, "\u{feff}a.example\n", Ok(()));
    whole!(a_heading_of_adblock_is_no_json, "[Adblock Plus 2.0]\n||a.example^\n", Ok(()));
    whole!(a_page_further_down_is_a_bad_line, "a.example\n<!DOCTYPE html>\n", Ok(()));
    whole!(comments_in_latin_1_are_no_harm, b"# caf\xe9\na.example\n", Ok(()));
    whole!(an_end_of_file_of_cpm_is_no_harm, [LIST, "\n\u{1a}"].concat().repeat(9), Ok(()));
    whole!(
        one_control_character_is_a_bad_line,
        [LIST, "a\u{7f}b.example\n", LIST].concat(),
        Ok(())
    );
    whole!(nothing_is_empty, "", Err(NotAList::Empty));
    whole!(space_is_empty, " \r\n\t\n", Err(NotAList::Empty));
    whole!(a_byte_order_mark_alone_is_empty, "\u{feff}\n", Err(NotAList::Empty));
    whole!(a_page_with_its_type, "<!doctype html>\n<p>", Err(NotAList::Html));
    whole!(a_page_after_space, "\u{feff}\r\n \t<HTML><body>Login", Err(NotAList::Html));
    whole!(a_page_after_a_comment_of_its_own, "<!-- x --><html>", Err(NotAList::Html));
    whole!(xml_too, "<?xml version=\"1.0\"?>", Err(NotAList::Html));
    whole!(an_object, "{\"message\": \"Not Found\"}", Err(NotAList::Json));
    whole!(an_array_of_strings, " [\n  \"a.example\"\n]", Err(NotAList::Json));
    whole!(an_array_of_objects, "[{}]", Err(NotAList::Json));
    whole!(an_empty_array, "[]", Err(NotAList::Json));
    whole!(gzip, b"\x1f\x8b\x08\0\0\0", Err(NotAList::Compressed));
    whole!(zstd, b"\x28\xb5\x2f\xfd\x04", Err(NotAList::Compressed));
    whole!(xz, b"\xfd7zXZ\0\0", Err(NotAList::Compressed));
    whole!(zip, b"PK\x03\x04\x14\0", Err(NotAList::Archive));
    whole!(elf, b"\x7fELF\x02\x01", Err(NotAList::Program));
    whole!(utf_16_with_a_mark, b"\xff\xfea\0.\0", Err(NotAList::WideText));
    whole!(utf_16_of_big_end_with_a_mark, b"\xfe\xff\0a\0.", Err(NotAList::WideText));
    whole!(utf_16_without_a_mark, wide(LIST, 2, false), Err(NotAList::WideText));
    whole!(utf_16_of_big_end_without_a_mark, wide(LIST, 2, true), Err(NotAList::WideText));
    whole!(utf_32, wide(LIST, 4, false), Err(NotAList::WideText));
    whole!(utf_32_of_big_end, wide(LIST, 4, true), Err(NotAList::WideText));
    whole!(a_nul_is_no_text, [LIST, "\0"].concat(), Err(NotAList::Binary));
    whole!(control_characters_are_no_text, "\u{1}\u{2}\u{3}a.example\n", Err(NotAList::Binary));

    #[test]
    fn what_to_do_is_said() {
        assert!(NotAList::WideText.to_string().ends_with("save it as UTF-8"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_stop_it(bytes: Vec<u8>) {
            let _ = check(&bytes);
        }
    }
}
