//! Any bytes as a list of which nothing is known: the format is found out, then it is read.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use optout::core::list::{Options, check, detect};

fuzz_target!(|bytes: &[u8]| {
    let detected = detect(bytes);
    assert_eq!(detected, detect(bytes), "told another thing the second time");
    let Some(detected) = detected else { return };
    assert!(check(bytes).is_ok(), "a format of what is no list");
    if let Some(title) = detected.title {
        assert!(!title.is_empty() && title.chars().count() <= 120, "{title:?}");
        assert!(!title.contains(char::is_control), "it controls the terminal: {title:?}");
    }
    if let Some(expires) = detected.expires {
        let (hour, month) = (Duration::from_secs(3600), Duration::from_secs(30 * 86_400));
        assert!((hour..=month).contains(&expires), "{expires:?}");
    }
    let own = Options::of(detected.format);
    let subdomains = detected.subdomains.unwrap_or(own.subdomains);
    optout_fuzz::list_with(&Options { subdomains, ..own }, bytes);
});
