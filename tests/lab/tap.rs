//! A network card whose other end is the test itself.

use std::time::{Duration, Instant};

use super::Node;

/// A TAP device of a machine. Frames that the machine sends come out here, and
/// what is put in here arrives there. It goes with the value.
pub(crate) struct Tap {
    device: tun::Device,
}

impl Tap {
    /// Plugs a card named `name` into a machine; it is down.
    pub(crate) fn plug(node: &Node, name: &str) -> Self {
        let mut config = tun::Configuration::default();
        config.tun_name(name).layer(tun::Layer::L2).mtu(FRAME);
        // The crate would set an address and bring the device up.
        config.platform_config(|linux| {
            linux.ensure_root_privileges(false);
        });
        let device = node.enter(|| tun::create(&config)).expect("root in the lab");
        Self { device }
    }

    /// Puts a frame in. One that comes while the card is down is lost.
    pub(crate) fn send(&self, frame: &[u8]) {
        let _ = self.device.send(frame);
    }

    /// Waits for a frame, until then at most.
    pub(crate) fn receive(&self, until: Instant) -> Option<Vec<u8>> {
        let mut frame = vec![0; usize::from(FRAME)];
        let wait = until.saturating_duration_since(Instant::now());
        let length = self.device.recv_timeout(&mut frame, wait).ok()?;
        frame.truncate(length);
        Some(frame)
    }

    /// Takes the next frame into this buffer; its length. Waits no longer than that.
    pub(crate) fn receive_into(&self, frame: &mut [u8], wait: Duration) -> Option<usize> {
        self.device.recv_timeout(frame, wait).ok()
    }
}

/// The head of a frame (IEEE 802.3): to whom, from whom, and what it holds.
pub(crate) fn frame(to: Mac, from: Mac, packet: &[u8]) -> Vec<u8> {
    let kind = if packet[0] >> 4 == 4 { IPV4 } else { IPV6 };
    [&to[..], &from, &kind, packet].concat()
}

/// The IP packet in a frame, if it holds one.
pub(crate) fn packet(frame: &[u8]) -> Option<&[u8]> {
    let (head, packet) = frame.split_at_checked(HEAD)?;
    (head.ends_with(&IPV4) || head.ends_with(&IPV6)).then_some(packet)
}

/// The address of a card.
pub(crate) type Mac = [u8; 6];

/// Bytes before the packet.
pub(crate) const HEAD: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];

/// Longest frame that the lab sends: its links have an MTU of 1500.
const FRAME: u16 = 1600;
