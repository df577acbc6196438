//! Clients, rules and matches in words.

use std::net::SocketAddr;

use crate::core::verdict::{RuleText, Via};
use crate::request::{ClientLine, LogLine};

/// What a person would call a client: `phone (192.0.2.7)`, `curl`, `uid 1000`.
pub(super) fn client(client: &ClientLine) -> String {
    match (&client.address, &client.name, &client.program, client.uid) {
        (Some(address), Some(name), ..) => format!("{name} ({address})"),
        (Some(address), None, ..) => address.to_string(),
        (None, _, Some(program), _) => program.to_string(),
        (None, _, None, Some(uid)) => format!("uid {uid}"),
        (None, ..) => "this host".into(),
    }
}

/// Where a rule is written: `oneplus:12`.
pub(super) fn place(rule: &RuleText) -> String {
    match rule.line {
        0 => rule.list.to_string(),
        line => format!("{}:{line}", rule.list),
    }
}

/// What the rule matched, if it was not simply the name.
pub(super) fn via(via: &Via) -> Option<String> {
    match via {
        Via::Name => None,
        Via::Alias(host) => Some(format!("alias of {host}")),
        Via::Address => Some("by address".into()),
    }
}

/// Where to a connection went that was looked into, how its host was learnt or
/// why it has none, and whether the client hid it: `tls 203.0.113.7:443`, `ech`.
pub(super) fn learnt(line: &LogLine) -> Vec<String> {
    let to = line.connection.map(|(_, port, address)| SocketAddr::new(address, port));
    let how = match (line.learnt, line.unnamed, to) {
        (Some(learnt), _, Some(to)) => Some(format!("{} {to}", learnt.as_str())),
        (None, Some(cause), _) => Some(format!("no name: {cause}")),
        _ => None,
    };
    how.into_iter().chain(line.ech.then(|| "ech".into())).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::cli::escape::HOSTILE;

    /// A client whose every text is hostile.
    pub(in crate::cli) fn hostile_client() -> ClientLine {
        ClientLine {
            address: Some("192.0.2.7".parse().unwrap()),
            name: Some(HOSTILE.into()),
            program: Some(HOSTILE.into()),
            ..ClientLine::default()
        }
    }

    /// A rule whose every text is hostile.
    pub(in crate::cli) fn hostile_rule() -> RuleText {
        let text = || HOSTILE.into();
        RuleText { list: text(), line: 7, text: text(), vendor: Some(text()) }
    }

    #[test]
    fn clients_are_called_by_what_is_known_of_them() {
        let address = "192.0.2.7".parse().ok();
        let name = Some("phone".into());
        let program = Some("curl".into());
        for (line, want) in [
            (ClientLine { address, name, ..ClientLine::default() }, "phone (192.0.2.7)"),
            (ClientLine { address, ..ClientLine::default() }, "192.0.2.7"),
            (ClientLine { program, uid: Some(1), ..ClientLine::default() }, "curl"),
            (ClientLine { uid: Some(1000), ..ClientLine::default() }, "uid 1000"),
            (ClientLine::default(), "this host"),
        ] {
            assert_eq!(client(&line), want);
        }
    }
}
