//! Devices that the configuration gives a name to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::core::flow::Client;
use crate::core::prefix::Prefix;
use crate::core::rule::Device;

/// A device, or several that are treated alike.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NamedDevice {
    /// What people and rules call it. Rules do not heed its case.
    pub name: Arc<str>,
    /// The addresses by which it is known.
    pub addresses: Vec<Prefix>,
    /// What it is, in words that lists know: `device_tv`, `user_child`.
    pub tags: Vec<Arc<str>>,
}

/// All named devices.
#[derive(Debug, Default)]
pub(super) struct Devices {
    /// Names and tags in lower case.
    all: Vec<NamedDevice>,
}

impl Devices {
    pub(super) fn new(devices: impl IntoIterator<Item = NamedDevice>) -> Self {
        let lower = |text: &Arc<str>| text.to_lowercase().into();
        let all = devices.into_iter().map(|device| NamedDevice {
            name: lower(&device.name),
            tags: device.tags.iter().map(lower).collect(),
            ..device
        });
        Self { all: all.collect() }
    }

    /// Whether one of `named` is this client. A name that no device has is nobody.
    pub(super) fn are(&self, named: &[Device], client: &Client) -> bool {
        self.nearness(named, client).is_some()
    }

    /// How narrowly one of `named` means this client: the length of the longest
    /// prefix that holds it. `None` if none does.
    pub(super) fn nearness(&self, named: &[Device], client: &Client) -> Option<u8> {
        if named.is_empty() {
            return None;
        }
        let by_address = named.iter().filter_map(|device| match device {
            Device::Address(prefix) => length_in(prefix, client),
            Device::Name(_) => None,
        });
        let by_name = self.of(client).filter_map(|(device, length)| {
            let is = |other: &Device| matches!(other, Device::Name(name) if **name == *device.name);
            named.iter().any(is).then_some(length)
        });
        by_address.chain(by_name).max()
    }

    /// Whether this client has one of these tags.
    pub(super) fn have_tag(&self, tags: &[String], client: &Client) -> bool {
        !tags.is_empty()
            && self.of(client).any(|(device, _)| {
                device.tags.iter().any(|tag| tags.iter().any(|it| **it == **tag))
            })
    }

    /// The devices that this client is, each with the length of the prefix it is in.
    fn of(&self, client: &Client) -> impl Iterator<Item = (&NamedDevice, u8)> {
        self.all.iter().filter_map(move |device| {
            let lengths = device.addresses.iter().filter_map(|prefix| length_in(prefix, client));
            Some((device, lengths.max()?))
        })
    }
}

/// The length of a prefix that holds this client. This host is known by the
/// addresses that it has for itself.
fn length_in(prefix: &Prefix, client: &Client) -> Option<u8> {
    let holds = match client {
        Client::Device(address) => prefix.contains(*address),
        Client::Host(_) => LOOPBACK.iter().any(|&address| prefix.contains(address)),
    };
    holds.then_some(prefix.length())
}

const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Client {
        text.parse().map_or(Client::Host(None), Client::Device)
    }

    fn devices() -> Devices {
        let device = |name: &str, addresses: &[&str], tags: &[&str]| NamedDevice {
            name: name.into(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            tags: tags.iter().map(|&tag| tag.into()).collect(),
        };
        Devices::new([
            device("Kids tablet", &["192.0.2.20", "2001:db8:1::/64"], &["user_child"]),
            device("All", &["192.0.2.0/24"], &[]),
            device("This", &["127.0.0.1"], &["device_pc"]),
        ])
    }

    #[test]
    fn a_client_is_known_by_address_and_by_name() {
        let name = |name: &str| Device::Name(name.into());
        let address = |text: &str| Device::Address(text.parse().unwrap());
        for (named, who, want) in [
            (vec![name("kids tablet")], "192.0.2.20", Some(32)),
            (vec![name("kids tablet")], "2001:db8:1::7", Some(64)),
            (vec![name("kids tablet")], "192.0.2.21", None),
            (vec![name("all"), name("kids tablet")], "192.0.2.20", Some(32)),
            (vec![name("all")], "192.0.2.20", Some(24)),
            (vec![name("nobody")], "192.0.2.20", None),
            (vec![address("192.0.2.0/25"), name("all")], "192.0.2.20", Some(25)),
            (vec![address("192.0.2.0/25")], "192.0.2.200", None),
            (vec![address("127.0.0.1")], "host", Some(32)),
            (vec![address("::/0")], "host", Some(0)),
            (vec![name("this")], "host", Some(32)),
            (vec![name("all")], "host", None),
            (vec![], "192.0.2.20", None),
        ] {
            assert_eq!(devices().nearness(&named, &client(who)), want, "{named:?} {who}");
        }
    }

    #[test]
    fn a_tag_is_that_of_the_device() {
        for (tag, who, want) in [
            ("user_child", "192.0.2.20", true),
            ("user_child", "192.0.2.21", false),
            ("device_tv", "192.0.2.20", false),
            ("device_pc", "host", true),
        ] {
            assert_eq!(devices().have_tag(&[tag.into()], &client(who)), want, "{tag} {who}");
        }
    }
}
