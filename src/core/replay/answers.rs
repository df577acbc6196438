//! What a capture says that clients were answered: the names of an address.

use std::collections::HashMap;
use std::net::IpAddr;

use rapidhash::fast::RandomState;

use crate::core::dns::answered;
use crate::core::host::HostName;

/// The names of addresses, for each client, of the whole capture: whether an
/// answer came before a flow, or is still to be believed, is not asked.
#[derive(Debug, Default)]
pub(super) struct Answers {
    names: HashMap<(IpAddr, IpAddr), Vec<HostName>, RandomState>,
}

impl Answers {
    /// Takes a message that a resolver sent to `client`.
    pub(super) fn take(&mut self, client: IpAddr, message: &[u8]) {
        let mut addresses = Vec::new();
        let host = answered(message, |address| {
            if addresses.len() < MAX_ADDRESSES {
                addresses.push(address);
            }
        });
        let Some(host) = host else { return };
        for address in addresses {
            if self.names.len() >= MAX_PAIRS && !self.names.contains_key(&(client, address)) {
                return;
            }
            let names = self.names.entry((client, address)).or_default();
            if names.len() < MAX_NAMES && !names.contains(&host) {
                names.push(host.clone());
            }
        }
    }

    /// The names of an address.
    pub(super) fn of(&self, client: IpAddr, address: IpAddr) -> &[HostName] {
        self.names.get(&(client, address)).map(Vec::as_slice).unwrap_or_default()
    }
}

const MAX_PAIRS: usize = 50_000; // clients and addresses
const MAX_NAMES: usize = 16; // of an address
const MAX_ADDRESSES: usize = 64; // of an answer
