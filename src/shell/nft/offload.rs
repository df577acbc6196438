//! Whether this host forwards flows past its packet filter.
//!
//! Flow offloading takes a connection as soon as its server has answered, which is
//! before the client has said whom it wants.

use std::fs;
use std::path::Path;

use super::message::{Attributes, body, question};
use crate::shell::netlink::{Netlink, attributes};

/// What offloads flows here: a flow table of the packet filter, or OpenWrt's setting.
#[must_use]
pub fn offloads() -> Option<String> {
    flow_table().or_else(|| {
        let set = fs::read_to_string(Path::new(OPENWRT)).is_ok_and(|text| is_set(&text));
        set.then(|| format!("flow_offloading in {OPENWRT}"))
    })
}

/// The first flow table of the packet filter.
fn flow_table() -> Option<String> {
    let mut found = None;
    let question = question(GET_FLOW_TABLES, None, &Attributes::default());
    let ask = Netlink::netfilter().and_then(|mut netlink| {
        netlink.dump(&question, |frame| {
            found = found.take().or_else(|| named(body(frame)));
        })
    });
    if let Err(error) = ask {
        log::debug!("nft: flow tables cannot be read: {error}");
    }
    found
}

/// What a flow table is called, by its attributes.
fn named(body: &[u8]) -> Option<String> {
    let text = |wanted| {
        let value = attributes(body).find(|&(kind, _)| kind == wanted)?.1;
        Some(String::from_utf8_lossy(value).trim_end_matches('\0').to_owned())
    };
    Some(format!("flowtable {} in table {}", text(2)?, text(1)?))
}

/// Whether a configuration of OpenWrt's firewall says so. It has `option NAME 'VALUE'`.
fn is_set(text: &str) -> bool {
    text.lines().any(|line| {
        let mut words = line.split_ascii_whitespace();
        let option = words.next() == Some("option");
        let name = words.next().map(|name| name.trim_matches(['\'', '"']));
        let value = words.next().map(|value| value.trim_matches(['\'', '"']));
        option
            && matches!(name, Some("flow_offloading" | "flow_offloading_hw"))
            && matches!(value, Some("1" | "on" | "true" | "yes" | "enabled"))
    })
}

const OPENWRT: &str = "/etc/config/firewall";
const GET_FLOW_TABLES: u16 = 23; // nf_tables.h, enum nf_tables_msg_types

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::netns_test::{isolated, sh};

    #[test]
    fn a_flow_table_is_called_by_its_name_and_table() {
        let answer = Attributes::default().number(4, 1).text(1, "fw").text(2, "fast").into_bytes();
        assert_eq!(named(&answer).as_deref(), Some("flowtable fast in table fw"));
        for length in 0..answer.len() - 4 {
            assert_eq!(named(&answer[..length]), None, "{length}");
        }
    }

    #[test]
    fn where_there_is_no_flow_table_none_is_found() {
        isolated("shell::nft::offload::tests::where_there_is_no_flow_table_none_is_found", || {
            sh("nft add table inet fw");
            assert_eq!(flow_table(), None);
        });
    }

    #[test]
    fn the_setting_of_openwrt_is_read() {
        for (text, want) in [
            ("config defaults\n\toption flow_offloading '1'\n", true),
            ("config defaults\n\toption flow_offloading_hw \"1\"\n", true),
            ("config defaults\n\toption flow_offloading '0'\n", false),
            ("config defaults\n\t#option flow_offloading '1'\n", false),
            ("", false),
        ] {
            assert_eq!(is_set(text), want, "{text}");
        }
    }
}
