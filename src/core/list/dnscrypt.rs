//! Patterns of dnscrypt-proxy (its `pattern_matcher.go`).
//!
//! There, the exact rules are asked first, then the longest suffix, the longest prefix,
//! substrings and globs. As all rules of a file do the same, this only settles which of
//! them is shown, so our one order holds here too. In one case it shows: a rule whose
//! schedule is not on now hides none of those after it.

use super::{Fault, Options, Sink, Syntax, glob, names, patterns};
use crate::core::rule::{Action, Limits, Rule, Scope, Subject};

/// Reads files of blocked or allowed names.
#[derive(Debug)]
pub(super) struct Dnscrypt {
    bare: Scope,
    buffer: String,
}

impl Dnscrypt {
    pub(super) fn new(options: &Options) -> Self {
        let bare = if options.subdomains { Scope::WithSubdomains } else { Scope::Exact };
        Self { bare, buffer: String::new() }
    }

    fn read(&mut self, text: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let (pattern, limits) = schedule(text)?;
        if pattern.contains(|c: char| c.is_ascii_whitespace()) {
            return Err(Fault::Malformed);
        }
        let regex;
        let subject = match class(pattern) {
            Class::Glob => {
                regex = glob::regex_of(pattern, true, true)?;
                patterns::check(&regex)?;
                Subject::Pattern(&regex)
            }
            Class::Exact(name) => Subject::Host(names::read(name, &mut self.buffer)?, Scope::Exact),
            Class::Bare(name) => Subject::Host(names::read(name, &mut self.buffer)?, self.bare),
            Class::Suffix("") => return Err(Fault::MatchesAll),
            Class::Suffix(name) => {
                Subject::Host(names::read(name, &mut self.buffer)?, Scope::WithSubdomains)
            }
        };
        sink.rule(&Rule { limits, ..Rule::about(subject, Action::Block) });
        Ok(())
    }
}

impl Syntax for Dnscrypt {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let text = without_comment(text).trim_ascii();
        if text.is_empty() {
            return;
        }
        if let Err(fault) = self.read(text, sink) {
            sink.fault(fault);
        }
    }
}

/// What a pattern is by its form.
enum Class<'a> {
    Exact(&'a str),
    Suffix(&'a str),
    /// A suffix too, unless the owner of the list says that it is exact.
    Bare(&'a str),
    /// What is at the beginning (`ads.*`) or anywhere (`*ads*`) is one too.
    Glob,
}

fn class(pattern: &str) -> Class<'_> {
    let inner = pattern.strip_prefix('*').unwrap_or(pattern);
    let inner = inner.strip_suffix('*').unwrap_or(inner);
    if pattern.ends_with('*') || inner.contains(['*', '?', '[']) {
        Class::Glob
    } else if let Some(name) = pattern.strip_prefix('=') {
        Class::Exact(name)
    } else if inner.len() < pattern.len() || pattern.starts_with('.') {
        // The star alone does not mean less than the star with a dot.
        Class::Suffix(inner.strip_prefix('.').unwrap_or(inner))
    } else {
        Class::Bare(pattern)
    }
}

/// Parts `pattern @schedule`.
fn schedule(text: &str) -> Result<(&str, Option<Box<Limits>>), Fault> {
    let Some((pattern, name)) = text.split_once('@') else { return Ok((text, None)) };
    let (pattern, name) = (pattern.trim_ascii(), name.trim_ascii());
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > MAX_SCHEDULE || !name.chars().all(fits) {
        return Err(Fault::Malformed);
    }
    let limits = Limits { schedule: Some(name.to_owned()), ..Limits::default() };
    Ok((pattern, Some(Box::new(limits))))
}

/// Cuts what follows a `#` at the start or after a blank. dnscrypt-proxy takes the last
/// such one, so that `a # b # c` is a pattern with a blank in it and no rule; what is
/// meant is plain.
fn without_comment(text: &str) -> &str {
    let mut before = ' ';
    for (place, c) in text.char_indices() {
        if c == '#' && matches!(before, ' ' | '\t') {
            return text.get(..place).unwrap_or_default();
        }
        before = c;
    }
    text
}

const MAX_SCHEDULE: usize = 64; // bytes of a name of a schedule

#[cfg(test)]
mod tests {
    use super::super::tests::{case, read_with};
    use super::super::{Format, Guard, Options};

    const A: &str = "block *.a.example";

    case!(a_bare_name_is_a_suffix, Dnscrypt, "a.example", [A]);
    case!(a_leading_dot_is_a_suffix, Dnscrypt, ".a.example", [A]);
    case!(a_star_and_dot_are_a_suffix, Dnscrypt, "*.a.example", [A]);
    case!(a_star_without_a_dot_is_the_same_suffix, Dnscrypt, "*a.example", [A]);
    case!(an_equals_sign_is_exact, Dnscrypt, "=a.example", ["block =a.example"]);
    case!(a_final_star_is_a_beginning, Dnscrypt, "ads.*", ["block /^ads\\./"]);
    case!(a_final_star_without_a_dot, Dnscrypt, "ads*", ["block /^ads/"]);
    case!(stars_around_are_a_part, Dnscrypt, "*tracker*", ["block /tracker/"]);
    case!(stars_around_a_name_are_a_part, Dnscrypt, "*.a.*", ["block /\\.a\\./"]);
    case!(
        a_star_within_is_a_glob_that_crosses_dots,
        Dnscrypt,
        "ads*.a.*",
        ["block /^ads[ -~]*\\.a\\./"]
    );
    case!(
        a_question_mark_is_a_glob,
        Dnscrypt,
        "ads?.a.example",
        ["block /^ads[ -~]\\.a\\.example$/"]
    );
    case!(a_set_is_a_glob, Dnscrypt, "ad[0-9].a.example", ["block /^ad[0-9]\\.a\\.example$/"]);
    case!(a_set_and_a_star, Dnscrypt, "ads[0-9]*", ["block /^ads[0-9]/"]);
    case!(
        a_set_with_an_escape,
        Dnscrypt,
        "[a-z0-9\\-_]*.a.example",
        ["block /^[a-z0-9\\-_][ -~]*\\.a\\.example$/"]
    );
    case!(an_exact_glob_matches_nothing, Dnscrypt, "=*.a.example", ["fault bad-pattern"]);
    case!(an_exact_beginning_matches_nothing, Dnscrypt, "=ads*", ["fault bad-pattern"]);
    case!(a_star_alone_is_everything, Dnscrypt, "*", ["fault matches-all"]);
    case!(two_stars_are_everything, Dnscrypt, "**", ["fault matches-all"]);
    case!(a_star_and_a_dot_are_everything, Dnscrypt, "*.", ["fault matches-all"]);
    case!(a_dot_is_everything, Dnscrypt, ".", ["fault matches-all"]);
    case!(an_equals_sign_alone_is_nothing, Dnscrypt, "=", ["fault bad-name"]);
    case!(a_set_that_does_not_end, Dnscrypt, "ad[0-9", ["fault bad-pattern"]);
    case!(case_is_folded, Dnscrypt, "ADS.A.Example", ["block *.ads.a.example"]);
    case!(a_comment_is_nothing, Dnscrypt, "# a.example", []);
    case!(a_comment_after_a_blank_is_cut, Dnscrypt, "a.example # b", [A]);
    case!(a_comment_after_a_tab_is_cut, Dnscrypt, "a.example\t#b", [A]);
    case!(two_comments_are_cut, Dnscrypt, "a.example # b # c", [A]);
    case!(a_glued_hash_is_of_the_pattern, Dnscrypt, "a.example#b", ["fault bad-name"]);
    case!(
        a_schedule_limits_the_rule,
        Dnscrypt,
        "a.example @work",
        ["block *.a.example limits={\"schedule\":\"work\"}"]
    );
    case!(
        a_schedule_limits_a_pattern,
        Dnscrypt,
        "*.a.*  @time-to-sleep",
        ["block /\\.a\\./ limits={\"schedule\":\"time-to-sleep\"}"]
    );
    case!(a_schedule_without_a_name, Dnscrypt, "a.example @", ["fault malformed"]);
    case!(two_schedules, Dnscrypt, "a.example @b @c", ["fault malformed"]);
    case!(a_schedule_without_a_pattern, Dnscrypt, "@work", ["fault bad-name"]);
    case!(two_words_are_malformed, Dnscrypt, "a.example b.example", ["fault malformed"]);
    case!(an_address_is_no_name, Dnscrypt, "192.0.2.1", ["fault bad-address"]);
    case!(a_zone_of_ones_own, Dnscrypt, "*.local", ["block *.local"]);
    case!(a_top_level_domain_is_refused, Dnscrypt, "*.com", ["fault public-suffix"]);
    case!(so_it_is_with_a_star_alone, Dnscrypt, "*com", ["fault public-suffix"]);
    case!(a_single_label_exactly_is_refused, Dnscrypt, "=printer", ["fault single-label"]);

    #[test]
    fn the_options_make_a_bare_name_exact_and_a_list_one_of_exceptions() {
        let options = Options { subdomains: false, allow: true, ..Options::of(Format::Dnscrypt) };
        let (rules, _) = read_with(&options, &Guard::default(), b"a.example\n*.b.example\n");
        let rules: Vec<_> = rules.into_iter().map(|(_, rule)| rule).collect();
        assert_eq!(rules, ["allow =a.example", "allow *.b.example"]);
    }
}
