//! Hosts files: an address, then names (hosts(5)).

use std::net::{IpAddr, Ipv4Addr};

use super::{Fault, Options, Sink, Syntax, comments, names};
use crate::core::rule::{Rule, Scope};

/// Reads hosts files.
#[derive(Debug)]
pub(super) struct Hosts {
    scope: Scope,
    buffer: String,
}

impl Hosts {
    pub(super) fn new(options: &Options) -> Self {
        let scope = if options.subdomains { Scope::WithSubdomains } else { Scope::Exact };
        Self { scope, buffer: String::new() }
    }

    fn name(&mut self, word: &str, sink: &mut dyn Sink) {
        match names::read(word, &mut self.buffer) {
            Ok(name) if OWN.contains(&name) => {}
            Ok(name) => sink.rule(&Rule::block(name, self.scope)),
            Err(Fault::BadAddress) if word == "0.0.0.0" => {} // some begin with `0.0.0.0 0.0.0.0`
            Err(fault) => sink.fault(fault),
        }
    }

    /// Names that are sent to an address of somebody.
    fn diverted(&mut self, words: &[&str], sink: &mut dyn Sink) {
        for word in words {
            match names::read(word, &mut self.buffer) {
                Ok(name) if OWN.contains(&name) => {}
                Ok(_) => sink.fault(Fault::Rewrite),
                Err(fault) => sink.fault(fault),
            }
        }
    }
}

impl Syntax for Hosts {
    fn line(&mut self, text: &str, sink: &mut dyn Sink) {
        let text = match comments::cut(text) {
            Ok(text) => text,
            Err(fault) => return sink.fault(fault),
        };
        let mut words = text.split_ascii_whitespace();
        let Some(first) = words.next() else { return };
        let Some(address) = address(first) else {
            return match words.next() {
                None => self.name(first, sink),
                Some(_) => sink.fault(Fault::Malformed), // or the name comes first
            };
        };
        let mut words = words.peekable();
        if words.peek().is_none() {
            sink.fault(Fault::BadAddress);
        } else if is_sink(address) {
            words.for_each(|word| self.name(word, sink));
        } else {
            self.diverted(&words.collect::<Vec<_>>(), sink);
        }
    }
}

/// Reads an address, perhaps with a zone (`fe80::1%lo0`, RFC 4007 §11) or as the `0`
/// that `inet_aton` takes for 0.0.0.0.
fn address(word: &str) -> Option<IpAddr> {
    if word == "0" {
        return Some(Ipv4Addr::UNSPECIFIED.into());
    }
    // Most lines of most lists.
    if word == "0.0.0.0" {
        return Some(Ipv4Addr::UNSPECIFIED.into());
    }
    match word.split_once('%') {
        Some((address, _)) => address.parse().ok().filter(IpAddr::is_ipv6),
        None => word.parse().ok(),
    }
}

/// Whether nobody is there: a name that is sent there is blocked.
fn is_sink(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_unspecified() || address.is_loopback()
}

/// Names that hosts files of systems have for the system itself.
const OWN: [&str; 15] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

#[cfg(test)]
mod tests {
    use super::super::tests::{case, read_with};
    use super::super::{Format, Guard, Options};

    const A: &str = "block =a.example";

    case!(the_unspecified_address_blocks, Hosts, "0.0.0.0 a.example", [A]);
    case!(loopback_blocks, Hosts, "127.0.0.1 a.example", [A]);
    case!(any_loopback_blocks, Hosts, "127.0.53.53 a.example", [A]);
    case!(unspecified_of_ipv6_blocks, Hosts, ":: a.example", [A]);
    case!(loopback_of_ipv6_blocks, Hosts, "::1 a.example", [A]);
    case!(a_mapped_sink_blocks, Hosts, "::ffff:0:0 a.example", [A]);
    case!(a_mapped_loopback_blocks, Hosts, "::ffff:127.0.0.1 a.example", [A]);
    case!(a_zero_alone_is_an_address, Hosts, "0 a.example", [A]);
    case!(a_real_address_diverts, Hosts, "192.0.2.7 a.example", ["fault rewrite"]);
    case!(
        each_name_sent_to_a_real_address_counts,
        Hosts,
        "2001:db8::7 a.example b.example",
        ["fault rewrite", "fault rewrite"]
    );
    case!(
        every_name_of_a_line_is_read,
        Hosts,
        "0.0.0.0 a.example b.example\tc.example  d.example",
        [A, "block =b.example", "block =c.example", "block =d.example"]
    );
    case!(a_tab_parts_words, Hosts, "0.0.0.0\ta.example", [A]);
    case!(space_around_is_nothing, Hosts, "\t 0.0.0.0 a.example \t", [A]);
    case!(a_comment_is_cut, Hosts, "0.0.0.0 a.example  #[campaign.test]", [A]);
    case!(a_glued_comment_is_cut_at_the_hash, Hosts, "0.0.0.0 a.example#comment", [A]);
    case!(a_comment_after_a_bad_name, Hosts, "0.0.0.0 tab..example\t# c", ["fault bad-name"]);
    case!(a_commented_line_is_nothing, Hosts, "#::1 localhost", []);
    case!(an_empty_line_is_nothing, Hosts, " \t ", []);
    case!(the_header_of_some_lists_is_nothing, Hosts, "0.0.0.0 0.0.0.0", []);
    case!(another_address_for_a_name, Hosts, "0.0.0.0 192.0.2.1", ["fault bad-address"]);
    case!(localhost_is_nothing, Hosts, "127.0.0.1 localhost", []);
    case!(localhost_in_its_domain_is_nothing, Hosts, "127.0.0.1 LocalHost.localdomain.", []);
    case!(local_is_nothing, Hosts, "127.0.0.1 local", []);
    case!(localhost_on_a_real_address_is_nothing, Hosts, "255.255.255.255 broadcasthost", []);
    case!(own_names_of_ipv6_are_nothing, Hosts, "::1 ip6-localhost ip6-loopback", []);
    case!(the_local_net_is_nothing, Hosts, "fe00::0 ip6-localnet", []);
    case!(the_multicast_prefix_is_nothing, Hosts, "ff00::0 ip6-mcastprefix", []);
    case!(all_nodes_are_nothing, Hosts, "ff02::1 ip6-allnodes", []);
    case!(all_routers_are_nothing, Hosts, "ff02::2 ip6-allrouters", []);
    case!(all_hosts_are_nothing, Hosts, "ff02::3 ip6-allhosts", []);
    case!(a_zone_is_read, Hosts, "fe80::1%lo0 localhost", []);
    case!(a_zone_does_not_make_a_sink, Hosts, "fe80::1%lo0 a.example", ["fault rewrite"]);
    case!(a_zone_of_ipv4_is_malformed, Hosts, "127.0.0.1%lo0 a.example", ["fault malformed"]);
    case!(own_names_beside_others, Hosts, "0.0.0.0 localhost a.example", [A]);
    case!(a_lone_name_is_exact, Hosts, "a.example", [A]);
    case!(a_lone_name_with_a_cosmetic_rule, Hosts, "a.example##.ad", ["fault cosmetic"]);
    case!(a_lone_address_is_no_rule, Hosts, "192.0.2.1", ["fault bad-address"]);
    case!(a_lone_sink_is_no_rule, Hosts, "0.0.0.0 # none", ["fault bad-address"]);
    case!(the_reversed_order_is_malformed, Hosts, "a.example 0.0.0.0", ["fault malformed"]);
    case!(two_names_alone_are_malformed, Hosts, "a.example b.example", ["fault malformed"]);
    case!(a_url_is_no_name, Hosts, "0.0.0.0 http://a.example/", ["fault url"]);
    case!(a_star_is_no_name, Hosts, "0.0.0.0 *.a.example", ["fault bad-name"]);
    case!(a_single_label_is_refused, Hosts, "0.0.0.0 printer", ["fault single-label"]);
    case!(case_and_final_dot_go, Hosts, "0.0.0.0 A.Example.", [A]);
    case!(the_end_of_line_of_windows_is_cut, Hosts, "0.0.0.0 a.example\r\n", [A]);

    #[test]
    fn the_option_makes_names_wide() {
        let options = Options { subdomains: true, ..Options::of(Format::Hosts) };
        let (rules, _) = read_with(&options, &Guard::default(), b"0.0.0.0 a.example\n");
        assert_eq!(rules, [(1, "block *.a.example".to_owned())]);
    }
}
