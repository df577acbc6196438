//! Plain names, one a line, perhaps with stars.

use super::{Fault, Options, Sink, Syntax, comments, glob, guard, names, patterns};
use crate::core::rule::{Action, Rule, Scope, Subject};

/// Reads lists of names and of wildcards.
#[derive(Debug)]
pub(super) struct Domains {
    bare: Scope,
    tlds: bool,
    buffer: String,
}

impl Domains {
    pub(super) fn new(options: &Options) -> Self {
        let bare = if options.subdomains { Scope::WithSubdomains } else { Scope::Exact };
        Self { bare, tlds: options.tlds, buffer: String::new() }
    }

    fn word(&mut self, word: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
        let below = word.strip_prefix("*.").or_else(|| word.strip_prefix('.'));
        // Nearly all words are names, so first of all they are read as such.
        let name = match names::read(below.unwrap_or(word), &mut self.buffer) {
            Ok(name) => name,
            Err(fault) => return odd(word, fault, sink),
        };
        let scope = match (below, name.contains('.'), self.tlds) {
            (None, true, _) => self.bare,
            // A top-level domain has no host of its own.
            (Some(_), ..) | (None, false, true) => Scope::WithSubdomains,
            // Without a mark it is more likely a word that got lost than all that is below it.
            (None, false, false) if guard::is_public_suffix(name) => {
                return Err(Fault::PublicSuffix);
            }
            (None, false, false) => return Err(Fault::SingleLabel),
        };
        sink.rule(&Rule::block(name, scope));
        Ok(())
    }
}

impl Syntax for Domains {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let text = text.trim_ascii();
        if comments::is_comment(text) {
            return;
        }
        let text = match comments::cut(text) {
            Ok(text) => text,
            Err(fault) => return sink.fault(fault),
        };
        let mut words = text.split_ascii_whitespace();
        let Some(word) = words.next() else { return };
        let found = match words.next() {
            Some(next) if !comments::is_comment(next) => Err(Fault::Malformed),
            _ => self.word(word, sink),
        };
        if let Err(fault) = found {
            sink.fault(fault);
        }
    }
}

/// A word that is no name, for the reason `fault`.
#[cold]
fn odd(word: &str, fault: Fault, sink: &mut dyn Sink) -> Result<(), Fault> {
    if word.bytes().any(|byte| OF_OTHERS.contains(&byte)) || word.starts_with('/') {
        Err(Fault::Malformed)
    } else if matches!(word, "*." | ".") {
        Err(Fault::MatchesAll)
    } else if word.contains('*') && !word.contains('/') {
        pattern(word, sink)
    } else {
        Err(fault)
    }
}

/// A name with a star in other places than before its first dot.
fn pattern(glob: &str, sink: &mut dyn Sink) -> Result<(), Fault> {
    let end = glob.trim_start_matches(['*', '.']);
    if guard::is_public_suffix(end.strip_suffix('.').unwrap_or(end)) {
        return Err(Fault::PublicSuffix); // `*com`
    }
    let regex = glob::regex_of(glob, true, true)?;
    patterns::check(&regex)?;
    sink.rule(&Rule::about(Subject::Pattern(&regex), Action::Block));
    Ok(())
}

/// What lines of other formats have: options, Adblock rules, columns, sets.
const OF_OTHERS: &[u8] = b"=|^$,[]?@\"'";

#[cfg(test)]
mod tests {
    use super::super::tests::{case, read_with};
    use super::super::{Format, Guard, Options};

    const A: &str = "block =a.example";
    const BELOW_A: &str = "block *.a.example";

    case!(a_bare_name_is_exact, Domains, "a.example", [A]);
    case!(a_bare_name_among_wildcards_is_wide, Wildcard, "a.example", [BELOW_A]);
    case!(a_star_and_dot_include_the_apex, Domains, "*.a.example", [BELOW_A]);
    case!(they_do_among_wildcards, Wildcard, "*.a.example", [BELOW_A]);
    case!(trailing_blanks_are_cut, Wildcard, "*.a.example ", [BELOW_A]);
    case!(a_leading_dot_is_wide, Domains, ".a.example", [BELOW_A]);
    case!(a_hash_comments, Domains, "# a.example", []);
    case!(a_bang_comments, Domains, "! a.example", []);
    case!(a_semicolon_comments, Domains, "; a.example", []);
    case!(slashes_comment, Domains, "// a.example", []);
    case!(a_heading_is_nothing, Domains, "[Adblock Plus 2.0]", []);
    case!(an_inline_comment_is_cut, Domains, "a.example # b", [A]);
    case!(a_glued_comment_is_cut, Domains, "a.example#b", [A]);
    case!(an_inline_comment_with_slashes, Domains, "a.example // b", [A]);
    case!(an_inline_comment_with_a_semicolon, Domains, "a.example\t; b", [A]);
    case!(a_cosmetic_rule_is_no_name, Domains, "a.example##.ad", ["fault cosmetic"]);
    case!(a_cosmetic_exception_is_no_name, Domains, "a.example#@#.ad", ["fault cosmetic"]);
    case!(a_path_is_of_a_url, Domains, "a.example/path", ["fault url"]);
    case!(a_url_is_no_name, Domains, "http://a.example", ["fault url"]);
    case!(a_star_in_a_url_is_no_pattern, Domains, "a.example/*", ["fault url"]);
    case!(a_port_is_of_a_url, Domains, "a.example:443", ["fault url"]);
    case!(columns_are_refused, Domains, "1,a.example,2", ["fault malformed"]);
    case!(columns_with_tabs_are_refused, Domains, "a.example\t538", ["fault malformed"]);
    case!(an_adblock_rule_is_malformed, Domains, "||a.example^", ["fault malformed"]);
    case!(an_option_of_dnsmasq_is_malformed, Domains, "local=/a.example/", ["fault malformed"]);
    case!(a_regular_expression_is_malformed, Domains, "/^ads/", ["fault malformed"]);
    case!(a_hosts_line_is_malformed, Domains, "0.0.0.0 a.example", ["fault malformed"]);
    case!(an_address_is_no_name, Domains, "192.0.2.1", ["fault bad-address"]);
    case!(a_single_word_is_refused, Domains, "single", ["fault single-label"]);
    case!(a_single_word_among_wildcards, Wildcard, "single", ["fault single-label"]);
    case!(localhost_is_refused, Domains, "localhost", ["fault single-label"]);
    case!(a_top_level_domain_is_refused, Domains, "com", ["fault public-suffix"]);
    case!(a_public_suffix_is_refused, Domains, "co.uk", ["fault public-suffix"]);
    case!(it_is_refused_with_a_star, Wildcard, "*.co.uk", ["fault public-suffix"]);
    case!(it_is_refused_without_a_dot, Wildcard, "*com", ["fault public-suffix"]);
    case!(a_top_level_domain_of_ones_own, Wildcard, "*.workgroup", ["block *.workgroup"]);
    case!(the_root_is_everything, Domains, ".", ["fault matches-all"]);
    case!(a_star_is_everything, Domains, "*", ["fault matches-all"]);
    case!(a_star_and_a_dot_are_everything, Wildcard, "*.", ["fault matches-all"]);
    case!(stars_only_are_everything, Wildcard, "*.*", ["fault matches-all"]);
    case!(a_star_without_a_dot_is_a_pattern, Domains, "*a.example", ["block /a\\.example$/"]);
    case!(
        a_star_in_the_middle_is_a_pattern,
        Domains,
        "ads.*.a.example",
        ["block /^ads\\.[ -~]*\\.a\\.example$/"]
    );
    case!(
        stars_everywhere_are_a_pattern,
        Domains,
        "log*-applog*.a*.*",
        ["block /^log[ -~]*-applog[ -~]*\\.a[ -~]*\\./"]
    );
    case!(a_u_label_is_encoded, Domains, "b\u{fc}cher.example", ["block =xn--bcher-kva.example"]);
    case!(a_u_label_under_a_star, Wildcard, "*.\u{fc}.example", ["block *.xn--tda.example"]);
    case!(a_glob_with_a_u_label, Domains, "\u{fc}*.example", ["fault bad-pattern"]);
    case!(markup_is_no_name, Domains, "<script>", ["fault bad-name"]);
    case!(
        a_name_with_an_underscore,
        Domains,
        "under_score.a.example",
        ["block =under_score.a.example"]
    );

    #[test]
    fn a_list_of_top_level_domains_may_name_them() {
        let options = Options { tlds: true, ..Options::of(Format::Domains) };
        let (rules, _) = read_with(&options, &Guard::default(), b"zip\nco.uk\na.zip\n");
        let rules: Vec<_> = rules.into_iter().map(|(_, rule)| rule).collect();
        assert_eq!(rules, ["block *.zip", "block =co.uk", "block =a.zip"]);
    }

    #[test]
    fn the_option_makes_names_wide_or_exact() {
        for (format, subdomains, want) in
            [(Format::Domains, true, BELOW_A), (Format::Wildcard, false, A)]
        {
            let options = Options { subdomains, ..Options::of(format) };
            let (rules, _) = read_with(&options, &Guard::default(), b"a.example");
            assert_eq!(rules, [(1, want.to_owned())]);
        }
    }

    #[test]
    fn an_allow_list_lets_through_and_may_name_what_is_protected() {
        let options = Options { allow: true, ..Options::of(Format::Domains) };
        let guard = Guard::protecting(["a.example"]);
        let (rules, counts) = read_with(&options, &guard, b"a.example\n*\n");
        assert_eq!(rules[0].1, "allow =a.example");
        assert_eq!(rules[1].1, "fault matches-all");
        assert_eq!(counts.rules, 1);
    }
}
