//! Devices and schedules: from what was written to what it means.

use std::collections::BTreeMap;

use crate::config::file;
use crate::config::list::ListSource;
use crate::config::schedule::Schedule;
use crate::core::policy::NamedDevice;
use crate::core::rule::Device;

use super::{Checked, Checker};

impl Checker<'_> {
    pub(super) fn devices(&self, file: Vec<file::Device>) -> Checked<Vec<NamedDevice>> {
        let mut devices: Vec<NamedDevice> = Vec::with_capacity(file.len());
        for (n, device) in file.into_iter().enumerate() {
            let at = |key: &str| format!("devices.{n}.{key}");
            let name = device.name;
            let is_address = name.parse::<crate::core::prefix::Prefix>().is_ok();
            if name.trim().is_empty() || name.len() > 100 || name.contains(char::is_control) {
                let problem = format!("{name:?}: a name has 1 to 100 characters");
                return self.wrong(&at("name"), &problem);
            }
            if is_address {
                let problem = format!("{name:?} is an address; write a name");
                return self.wrong(&at("name"), &problem);
            }
            let lower = name.to_lowercase();
            if devices.iter().any(|other| other.name.to_lowercase() == lower) {
                let problem =
                    format!("{name:?} is the name of two devices; give all addresses to one");
                return self.wrong(&at("name"), &problem);
            }
            if device.addresses.is_empty() {
                let problem = format!("of {name:?} is empty; write an address or a prefix");
                return self.wrong(&at("addresses"), &problem);
            }
            let mut addresses = Vec::with_capacity(device.addresses.len());
            for (place, text) in device.addresses.iter().enumerate() {
                addresses.push(self.prefix(&at(&format!("addresses.{place}")), text)?);
            }
            let tags = device.tags.iter().map(|tag| tag.as_str().into()).collect();
            devices.push(NamedDevice { name: name.into(), addresses, tags });
        }
        Ok(devices)
    }

    pub(super) fn schedules(
        &self,
        file: BTreeMap<String, Vec<String>>,
    ) -> Checked<BTreeMap<String, Schedule>> {
        let mut schedules = BTreeMap::new();
        for (name, texts) in file {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
            if name.is_empty() || name.len() > 40 || !name.chars().all(plain) {
                let problem = format!(
                    "cannot hold {name:?}; name a schedule with 1 to 40 of a-z, 0-9, - and _"
                );
                return self.wrong("schedules", &problem);
            }
            let schedule = match Schedule::parse(texts.iter().map(String::as_str)) {
                Ok(schedule) => schedule,
                Err(place) => {
                    let text = texts.get(place).map(String::as_str).unwrap_or_default();
                    let problem = format!(
                        "cannot hold {text:?}; write days and times like \"mon-fri 21:00-07:00\", \"sat,sun 10:00-24:00\" or \"12:00-13:00\""
                    );
                    return self.wrong(&format!("schedules.{name}.{place}"), &problem);
                }
            };
            schedules.insert(name, schedule);
        }
        Ok(schedules)
    }

    /// Refuses lists that are for devices or times that nothing else names.
    pub(super) fn known(
        &self,
        lists: &[ListSource],
        devices: &[NamedDevice],
        schedules: &BTreeMap<String, Schedule>,
    ) -> Checked<()> {
        for (n, list) in lists.iter().enumerate() {
            for (place, client) in list.limits.clients.iter().enumerate() {
                let Device::Name(name) = client else { continue };
                if !devices.iter().any(|device| device.name.to_lowercase() == name.to_lowercase()) {
                    let problem = format!(
                        "cannot hold {name:?}; write an address, a prefix or the name of one of [[devices]]"
                    );
                    return self.wrong(&format!("lists.{n}.clients.{place}"), &problem);
                }
            }
            if let Some(name) = &list.limits.schedule
                && !schedules.contains_key(&**name)
            {
                let problem = format!("cannot be {name:?}, which [schedules] does not have");
                return self.wrong(&format!("lists.{n}.schedule"), &problem);
            }
        }
        Ok(())
    }
}
