//! Names as lists write them.

use std::net::IpAddr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::Fault;
use crate::core::host::HostName;

/// Puts the name that `word` means into `buffer`, in the form of
/// [`crate::core::host::HostName`]: lower case, no final dot, U-labels in Punycode
/// (UTS #46, non-transitional). Labels that are in Punycode already stay as they are:
/// there are such names on the wire that decode to nothing.
///
/// Single labels are names; whether they may be named is for the guard to say.
///
/// # Errors
///
/// [`Fault::BadAddress`] for an address, and for what ends in a number and so would be
/// one; [`Fault::Url`] for a path or a port; [`Fault::MatchesAll`] for the root;
/// [`Fault::Control`] for a character that nobody sees; otherwise [`Fault::BadName`].
pub(super) fn read<'a>(word: &str, buffer: &'a mut String) -> Result<&'a str, Fault> {
    buffer.clear();
    if word.is_ascii() {
        buffer.push_str(word);
        buffer.make_ascii_lowercase();
    } else {
        encode(word, buffer)?;
    }
    if buffer.ends_with('.') {
        buffer.pop();
    }
    match check(buffer.as_bytes()) {
        Ok(()) => Ok(buffer),
        Err(BadName) => Err(reason(word)),
    }
}

/// The name that a person means by `word`, in letters of any script.
///
/// # Errors
///
/// A [`Fault`] that says why it is none, as for a word of a list.
pub fn host_name(word: &str) -> Result<HostName, Fault> {
    let mut buffer = String::new();
    read(word, &mut buffer)?.parse().map_err(|_| Fault::BadName)
}

struct BadName;

/// Whether these lower-case bytes are a name.
fn check(name: &[u8]) -> Result<(), BadName> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(BadName);
    }
    let (mut length, mut digits, mut dots, mut underscore) = (0, 0, false, false);
    for &byte in name {
        match byte {
            b'.' if length == 0 => return Err(BadName),
            b'.' => {
                (length, digits, dots) = (0, 0, true);
                continue;
            }
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'-' => {}
            b'_' => underscore = true,
            _ => return Err(BadName),
        }
        length += 1;
        if length > MAX_LABEL {
            return Err(BadName);
        }
    }
    // A word with an underscore and without a dot is a part of a URL, from a list for browsers.
    let bad = length == digits || (underscore && !dots);
    if bad { Err(BadName) } else { Ok(()) }
}

/// Why `word` is not a name.
#[cold]
fn reason(word: &str) -> Fault {
    let bare = word.strip_suffix('.').unwrap_or(word);
    let last = bare.rsplit('.').next().unwrap_or_default();
    let numeric = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
    if word == "." {
        Fault::MatchesAll
    } else if word.chars().any(is_hidden) {
        Fault::Control
    } else if bare.parse::<IpAddr>().is_ok() {
        Fault::BadAddress
    } else if word.contains('/') || has_port(bare) {
        Fault::Url
    } else if numeric && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.') {
        Fault::BadAddress
    } else {
        Fault::BadName
    }
}

/// Whether it looks like `name:443`.
fn has_port(word: &str) -> bool {
    let Some((host, port)) = word.rsplit_once(':') else { return false };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    digits && host.contains('.') && !host.contains(':')
}

/// Puts a name with U-labels into `buffer`.
#[cold]
fn encode(word: &str, buffer: &mut String) -> Result<(), Fault> {
    if word.chars().any(is_hidden) {
        return Err(Fault::Control);
    }
    if word.len() > MAX_UNICODE {
        return Err(Fault::BadName);
    }
    for (place, label) in word.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).enumerate() {
        if place > 0 {
            buffer.push('.');
        }
        if label.is_ascii() {
            buffer.extend(label.chars().map(|c| c.to_ascii_lowercase()));
            continue;
        }
        let label = Uts46::new()
            .to_ascii(label.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow, DnsLength::Ignore)
            .map_err(|_| Fault::BadName)?;
        if label.contains('.') {
            return Err(Fault::BadName);
        }
        buffer.push_str(&label);
    }
    Ok(())
}

/// Whether it is a control character, or one that shows as nothing or turns the
/// direction of text: a name with it would not be the one that a reader sees.
pub(super) fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

const MAX_LABEL: usize = 63; // bytes, RFC 1035 §2.3.4
const MAX_NAME: usize = 253; // characters: 255 on the wire (RFC 1035 §2.3.4), less first length and root
const MAX_UNICODE: usize = 4 * MAX_NAME; // bytes: a character of UTF-8 has at most four

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::host::HostName;

    macro_rules! name {
        ($test:ident, $word:expr, $want:expr) => {
            #[test]
            fn $test() {
                let mut buffer = "left over".to_owned();
                assert_eq!(read($word, &mut buffer), $want, "{:?}", $word);
            }
        };
    }

    name!(case_is_folded, "Ads.EXAMPLE.Test", Ok("ads.example.test"));
    name!(one_final_dot_is_dropped, "ads.example.", Ok("ads.example"));
    name!(two_final_dots_are_an_empty_label, "ads.example..", Err(Fault::BadName));
    name!(a_leading_dot_is_an_empty_label, ".ads.example", Err(Fault::BadName));
    name!(an_empty_label_is_refused, "tab..example", Err(Fault::BadName));
    name!(nothing_is_no_name, "", Err(Fault::BadName));
    name!(the_root_is_everything, ".", Err(Fault::MatchesAll));
    name!(underscores_are_ordinary, "_xmpp._tcp.a.example", Ok("_xmpp._tcp.a.example"));
    name!(a_last_label_may_have_an_underscore, "a.b_c", Ok("a.b_c"));
    name!(one_label_with_an_underscore_is_of_a_url, "_prebid_", Err(Fault::BadName));
    name!(such_a_label_with_a_dot_behind_too, "_728x90.", Err(Fault::BadName));
    name!(a_leading_hyphen_is_accepted, "-a.example", Ok("-a.example"));
    name!(a_trailing_hyphen_is_accepted, "a-.example", Ok("a-.example"));
    name!(a_hyphen_at_the_end_of_all_is_accepted, "a.example-", Ok("a.example-"));
    name!(a_single_label_is_a_name, "actor", Ok("actor"));
    name!(an_address_is_no_name, "192.0.2.1", Err(Fault::BadAddress));
    name!(a_numeric_last_label_is_an_address, "a.example.1", Err(Fault::BadAddress));
    name!(a_number_is_an_address, "3232235777", Err(Fault::BadAddress));
    name!(an_address_of_ipv6_is_no_name, "2001:db8::1", Err(Fault::BadAddress));
    name!(a_label_of_digits_before_others_is_fine, "1.2.3.example", Ok("1.2.3.example"));
    name!(a_url_is_told_apart, "http://a.example/", Err(Fault::Url));
    name!(a_path_is_told_apart, "a.example/x", Err(Fault::Url));
    name!(a_port_is_told_apart, "a.example:443", Err(Fault::Url));
    name!(markup_is_refused, "<script>", Err(Fault::BadName));
    name!(a_star_is_refused, "*.a.example", Err(Fault::BadName));
    name!(a_space_is_refused, "a b.example", Err(Fault::BadName));
    name!(u_labels_are_encoded, "m\u{fc}nchen.a.example", Ok("xn--mnchen-3ya.a.example"));
    name!(upper_case_u_labels_are_folded, "B\u{dc}CHER.example", Ok("xn--bcher-kva.example"));
    name!(decomposed_letters_are_composed, "bu\u{308}cher.example", Ok("xn--bcher-kva.example"));
    name!(sharp_s_stays, "stra\u{df}e.example", Ok("xn--strae-oqa.example"));
    name!(a_wide_dot_is_a_dot, "a\u{3002}example", Ok("a.example"));
    name!(wide_letters_are_folded, "\u{ff41}.example", Ok("a.example"));
    name!(punycode_that_decodes_to_nothing_stays, "xn---a1va.example", Ok("xn---a1va.example"));
    name!(it_stays_beside_a_u_label, "XN--0.\u{fc}.example", Ok("xn--0.xn--tda.example"));
    name!(a_zero_width_character_is_refused, "a\u{200c}b.example", Err(Fault::Control));
    name!(a_soft_hyphen_is_refused, "a\u{ad}b.example", Err(Fault::Control));
    name!(an_override_of_direction_is_refused, "a\u{202e}b.example", Err(Fault::Control));
    name!(a_control_character_is_refused, "a\u{1}b.example", Err(Fault::Control));
    name!(a_replaced_byte_is_refused, "a\u{fffd}b.example", Err(Fault::BadName));
    name!(a_dot_made_by_mapping_is_refused, "\u{2488}a.example", Err(Fault::BadName));

    #[test]
    fn labels_have_63_characters_and_names_253() {
        let mut buffer = String::new();
        let label = "a".repeat(63);
        assert!(read(&format!("{label}.example"), &mut buffer).is_ok());
        assert_eq!(read(&format!("{label}a.example"), &mut buffer), Err(Fault::BadName));
        let longest = [label.as_str(), &label, &label, &label[..61]].join(".");
        assert_eq!(longest.len(), 253);
        assert!(read(&longest, &mut buffer).is_ok());
        assert!(read(&format!("{longest}."), &mut buffer).is_ok());
        assert_eq!(read(&format!("{longest}b"), &mut buffer), Err(Fault::BadName));
    }

    #[test]
    fn u_labels_are_measured_as_they_are_encoded() {
        let mut buffer = String::new();
        let long = format!("{}.example", "\u{fc}".repeat(60));
        assert_eq!(read(&long, &mut buffer), Err(Fault::BadName));
        assert_eq!(read(&"\u{fc}".repeat(20_000), &mut buffer), Err(Fault::BadName));
    }

    proptest::proptest! {
        #[test]
        fn what_is_read_is_a_name_in_normal_form(word in "[a-zA-Z0-9._\u{e4}\u{df}\u{3002}-]{0,80}") {
            let mut buffer = String::new();
            if let Ok(name) = read(&word, &mut buffer) {
                let host: HostName = name.parse().unwrap();
                proptest::prop_assert_eq!(host.as_str(), name);
                let mut again = String::new();
                proptest::prop_assert_eq!(read(name, &mut again), Ok(name));
            }
        }

        #[test]
        fn no_word_stops_it(word in proptest::prelude::any::<String>()) {
            let _ = read(&word, &mut String::new());
        }
    }
}
