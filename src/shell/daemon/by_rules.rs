//! Flows on a kernel without nftables: routing rules lead all that clients send to a
//! device of its own, with virtio headers, and all of it comes by us.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::capture::{is_link_local, neighbour};
use super::led::Led;
use super::{BURST, Daemon, clock};
use crate::core::engine::Input;
use crate::core::wire::virtio::{FINISHED, HEADER, Undone};
use crate::core::wire::{Malformed, udp};
use crate::shell::nft::flows::TEST_PORT;
use crate::shell::put_back::raise_hop_limit;
use crate::shell::route::{FAR_V4, FAR_V6, FlowPlan, Surroundings};
use crate::shell::tun::{OffloadTun, second};

impl Daemon {
    /// Takes frames of flows until there are none, but not for ever. Whether there may
    /// be more.
    pub(super) fn take_flows(&mut self) -> bool {
        for _ in 0..BURST {
            let Some(device) = self.network.ears().offload else { return false };
            let Ok(len) = device.try_recv(&mut self.packet) else { return false };
            let Some(frame) = self.packet.get_mut(..len) else { continue };
            let undone = match Undone::parse(frame) {
                Ok((_, packet)) if self.engine.passes(clock::now(), packet) => {
                    pass(device, frame);
                    continue;
                }
                Ok((undone, _)) => Some(undone),
                Err(_) => None,
            };
            let frame = std::mem::take(&mut self.packet);
            self.packet = self.look_into(frame, len, undone);
        }
        true
    }

    /// Hands the engine what a frame stands for; gives the frame back.
    fn look_into(&mut self, mut frame: Box<[u8]>, len: usize, undone: Option<Undone>) -> Box<[u8]> {
        let packet = frame.get_mut(HEADER..len).unwrap_or_default();
        if undone.is_none_or(|undone| self.do_rest(undone, packet).is_err()) {
            self.take(&[]); // it counts nothing as malformed
        }
        frame
    }

    /// Does what was left undone on a packet, and hands the engine what comes of it.
    fn do_rest(&mut self, undone: Undone, packet: &mut [u8]) -> Result<(), Malformed> {
        if let Some(mut cut) = undone.cut(packet)? {
            let mut room = std::mem::take(&mut self.segment);
            while cut.next(&mut room) {
                self.take(&room);
            }
            self.segment = room;
            return Ok(());
        }
        undone.finish(packet)?;
        self.take(packet);
        Ok(())
    }

    fn take(&mut self, packet: &[u8]) {
        self.engine.handle(clock::now(), Input::Packet(packet));
        self.perform();
    }
}

/// Waits until there may be a frame of a flow.
pub(super) async fn readable(device: Option<&OffloadTun>) {
    match device {
        Some(device) => drop(device.readable().await),
        None => std::future::pending().await,
    }
}

/// Writes a frame back as it came, but for the hop that the way to us took.
fn pass(device: &OffloadTun, frame: &mut [u8]) {
    raise_hop_limit(frame.get_mut(HEADER..).unwrap_or_default());
    if let Err(error) = device.try_send(frame) {
        log::trace!("put back: a packet is lost: {error}");
    }
}

impl Led {
    /// Leads the flows of clients to us by rules; what is not as it should be, with
    /// the remedy.
    pub(super) fn capture_by_rules(&mut self, flows: &FlowPlan) -> Vec<String> {
        self.by_rules_around = Some(self.routes.surroundings().clone());
        match self.try_capture_by_rules(flows) {
            Ok(problems) => problems,
            Err(why) => {
                let left = self.routes.drop_flows().err().map(|error| error.to_string());
                let said = format!("flows are not looked into: {why}");
                [said].into_iter().chain(left).collect()
            }
        }
    }

    fn try_capture_by_rules(&mut self, flows: &FlowPlan) -> Result<Vec<String>, String> {
        let said = |error: &dyn std::fmt::Display| error.to_string();
        let around = self.routes.surroundings().clone();
        if around.client_prefixes.is_empty() || !(around.forwards_v4 || around.forwards_v6) {
            return Err(NO_CLIENTS.into());
        }
        if self.routes.tracks() {
            return Err(TRACKED.into());
        }
        if self.offload.is_none() {
            // What was opened for nftables, in vain, has the name.
            self.passing = None;
            let device = OffloadTun::open(&second(self.tun.name())).map_err(|e| said(&e))?;
            let added = self.routes.add_device_of_flows(device.index(), device.name());
            added.map_err(|error| said(&error))?;
            self.offload = Some(device);
        }
        self.routes.lead_tests_round(true).map_err(|error| said(&error))?;
        let strict = self.routes.drops_answers().map_err(|error| said(&error))?;
        let mut problems = vec![ONLY_CLIENTS.into()];
        let families = [
            around.forwards_v4 && !strict && self.goes_on(&around, false, &mut problems),
            around.forwards_v6 && self.goes_on(&around, true, &mut problems),
        ];
        if around.forwards_v4 && strict {
            problems.push(STRICT.into());
        }
        self.routes.lead_tests_round(false).map_err(|error| said(&error))?;
        self.routes.set_flows_by_rules(flows, families).map_err(|error| said(&error))?;
        Ok(problems)
    }

    /// Whether a packet that is put back for a client goes on, or why not.
    fn goes_on(&mut self, around: &Surroundings, v6: bool, problems: &mut Vec<String>) -> bool {
        let own = around.own_addresses.iter().find(|own| {
            let of_client = around.client_prefixes.iter().any(|prefix| prefix.contains(**own));
            own.is_ipv6() == v6 && of_client && !is_link_local(**own)
        });
        // Who has no address among clients has none.
        let goes_on = own.is_none_or(|own| self.goes_round(neighbour(*own)));
        if !goes_on {
            let (version, device) = (if v6 { "IPv6" } else { "IPv4" }, second(self.tun.name()));
            problems.push(format!(
                "flows of devices are not looked into over {version}: the firewall does not \
                 forward what optout puts back; let it forward from {device} to the Internet, \
                 from the devices to {device}, and from {device} to itself"
            ));
        }
        goes_on
    }

    /// Puts a datagram back as a client's, for an address where nobody is, and looks
    /// whether it comes again. What comes meanwhile is dropped, and sent again.
    fn goes_round(&mut self, source: IpAddr) -> bool {
        let Some(device) = &self.offload else { return false };
        let far: IpAddr = if source.is_ipv6() { FAR_V6.into() } else { FAR_V4.into() };
        let mut packet = Vec::new();
        let ends = (SocketAddr::new(source, TEST_PORT), SocketAddr::new(far, TEST_PORT));
        if udp::write(&mut packet, ends.0, ends.1, TEST).is_err() {
            return false;
        }
        if device.try_send(&[&FINISHED, &packet[..]].concat()).is_err() {
            return false;
        }
        let mut frame = vec![0; HEADER + MOST_TEST];
        for _ in 0..TRIES {
            while let Ok(len) = device.recv_now(&mut frame) {
                if frame.get(..len).is_some_and(|frame| frame.ends_with(TEST)) {
                    return true;
                }
            }
            std::thread::sleep(STEP);
        }
        false
    }
}

const NO_CLIENTS: &str = "this kernel has no nftables, and without it only what devices behind \
                          this machine send can be led to optout; it forwards for none";

const TRACKED: &str = "this kernel has no nftables, but tracks connections (iptables), and what \
                       passes optout would leave without its translation; use nftables, or a \
                       firewall that neither translates nor tracks";

const ONLY_CLIENTS: &str = "flows of this machine's own programs are not looked into: this kernel \
                            has no nftables, and without it only what devices behind this machine \
                            send can be led to optout";

const STRICT: &str = "flows of devices are not looked into over IPv4: a strict reverse path filter \
                      would drop what servers answer; set net.ipv4.conf.all.rp_filter to 2 \
                      (sysctl) and restart optout";

/// What a test says.
const TEST: &[u8] = b"optout comes round";
/// Room for it: what is longer is none.
const MOST_TEST: usize = 128;

/// A test that comes round is there when it was sent; the rest is grace.
const TRIES: usize = 10;
const STEP: Duration = Duration::from_millis(2);
