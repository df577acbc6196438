//! Chromium, which speaks QUIC to whom it is told to.

use crate::evasion::FULL;
use crate::lab::apps::isolated_with_apps;
use crate::lab::{Lab, ORDINARY, VENDOR, tell};
use crate::ways::COLLECTOR;

use super::{Done, Place, assert_no_request, assert_said};

#[test]
fn a_browser_that_speaks_quic_is_stopped_and_others_are_untouched() {
    isolated_with_apps(&["chromium"], || {
        let lab = Lab::start();
        let server = lab.serve_http3(PAGE.as_bytes());
        let key = lab.internet().node().ok(SPKI);
        for place in lab.places() {
            let daemon = place.home.optout(FULL);
            for (vendor, ordinary) in VENDOR.into_iter().zip(ORDINARY) {
                let done = place.browse(COLLECTOR, &vendor.to_string(), &key);
                assert!(!done.out.contains("over QUIC"), "{}, {vendor}: {done}", place.name);
                assert_eq!(done.code, Some(0), "{}, {vendor}: {done}", place.name);
                tell(&format!("{}: Chromium to {vendor} gave up in {} ms", place.name, done.ms));
                let done = place.browse("www.ordinary.example", &ordinary.to_string(), &key);
                assert!(done.out.contains("over QUIC"), "{}, {ordinary}: {done}", place.name);
            }
            assert_said(&daemon, COLLECTOR, "quic");
            daemon.stop();
        }
        assert_eq!(server.hosts(), ["www.ordinary.example"], "{}", server.said());
        assert_no_request(&lab);
    });
}

impl Place<'_> {
    /// Prints the page of a host, as Chromium understands it.
    fn browse(&self, host: &str, address: &str, key: &str) -> Done {
        let address = if address.contains(':') { format!("[{address}]") } else { address.into() };
        let profile = self.client.dir().join("chromium");
        let profile = profile.display();
        self.program(&format!(
            "chromium {FLAGS} --user-data-dir={profile} \
             --ignore-certificate-errors-spki-list={key} \
             --origin-to-force-quic-on={host}:443 \
             '--host-resolver-rules=MAP {host} {address}' \
             --dump-dom https://{host}/"
        ))
    }
}

/// The page, which is not the one of nginx.
const PAGE: &str = "<!doctype html><title>lab</title><p>over QUIC</p>";

/// The hash by which Chromium knows a certificate that nobody vouches for.
const SPKI: &str = "openssl x509 -in /run/lab/internet/web.pem -pubkey -noout |
    openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64";

/// No windows, no sandbox in the sandbox, and nothing that a page did not ask for.
const FLAGS: &str = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
    --no-first-run --disable-background-networking --disable-component-update --disable-sync \
    --disable-default-apps --disable-extensions --enable-quic --timeout=8000";
