//! Full capture: its bounds and exceptions.

use std::ops::RangeInclusive;

use crate::config::{Full, file};
use crate::core::policy::App;
use crate::core::prefix::Prefix;

use super::{Checked, Checker};

impl Checker<'_> {
    pub(super) fn full(&self, file: &file::Full, devices: &[file::Device]) -> Checked<Full> {
        let held_kb = self.number("full.held_kb", file.held_kb, HELD_KB)?;
        let (mut users, mut programs) = (Vec::new(), Vec::new());
        for app in self.apps(&file.exclude_apps, |n| format!("full.exclude_apps.{n}"))? {
            match app {
                App::Uid(user) => users.push(user),
                App::Program(program) => programs.push(program),
            }
        }
        Ok(Full {
            exclude_ports: self.ports(&file.exclude_ports)?,
            exclude_clients: self.exempt_clients(&file.exclude_clients, devices)?,
            exclude_addresses: self.places("full.exclude_addresses", &file.exclude_addresses)?,
            exclude_users: users,
            exclude_programs: programs,
            flows: self.number("full.flows", file.flows, FLOWS)?,
            held: usize::try_from(held_kb).unwrap_or(usize::MAX).saturating_mul(1024),
        })
    }

    fn ports(&self, written: &[file::Ports]) -> Checked<Vec<(u16, u16)>> {
        let mut ports = Vec::with_capacity(written.len());
        for (n, one) in written.iter().enumerate() {
            let (range, text) = match one {
                file::Ports::One(port) => {
                    (port_of(*port).map(|port| (port, port)), port.to_string())
                }
                file::Ports::Range(text) => (range_of(text), format!("{text:?}")),
            };
            let Some(range) = range else {
                let problem = format!(
                    "cannot hold {text}; write a port, 1 to 65535, or ports like \"6881-6889\""
                );
                return self.wrong(&format!("full.exclude_ports.{n}"), &problem);
            };
            ports.push(range);
        }
        Ok(ports)
    }

    /// Addresses, prefixes, or names of devices.
    fn exempt_clients(&self, texts: &[String], devices: &[file::Device]) -> Checked<Vec<Prefix>> {
        let mut clients = Vec::with_capacity(texts.len());
        for (n, text) in texts.iter().enumerate() {
            let path = format!("full.exclude_clients.{n}");
            let device = devices.iter().find(|it| it.name.to_lowercase() == text.to_lowercase());
            match (text.parse(), device) {
                (Ok(prefix), _) => clients.push(prefix),
                // What is wrong with these is said where they stand.
                (_, Some(it)) => {
                    clients.extend(it.addresses.iter().filter_map(|at| at.parse::<Prefix>().ok()));
                }
                (Err(_), None) => {
                    let problem = format!(
                        "cannot hold {text:?}; write an address, a prefix or the name of one of [[devices]]"
                    );
                    return self.wrong(&path, &problem);
                }
            }
        }
        Ok(clients)
    }

    fn places(&self, key: &str, texts: &[String]) -> Checked<Vec<Prefix>> {
        texts.iter().enumerate().map(|(n, text)| self.prefix(&format!("{key}.{n}"), text)).collect()
    }
}

fn port_of(port: i64) -> Option<u16> {
    u16::try_from(port).ok().filter(|port| *port != 0)
}

fn range_of(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let port = |text: &str| text.parse().ok().and_then(port_of);
    let (from, to) = (port(from)?, port(to)?);
    (from <= to).then_some((from, to))
}

/// A flow of IPv6 takes some 120 bytes of the kernel's memory.
const FLOWS: RangeInclusive<u32> = 256..=4_194_304;

/// One large hello and one long datagram, to a gigabyte.
const HELD_KB: RangeInclusive<u32> = 64..=1_048_576;
