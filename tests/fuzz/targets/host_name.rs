//! Any text as a host name, and any labels as one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::host::HostName;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(host) = std::str::from_utf8(bytes).unwrap_or_default().parse::<HostName>() {
        assert_eq!(host.as_str().parse(), Ok(host.clone()), "what is read reads again");
        assert!(host.suffixes().count() <= 127);
    }
    let labels = bytes.split(|byte| *byte == 0).filter(|label| !label.is_empty());
    let parts = labels.clone().count();
    let host = HostName::from_labels(labels);
    assert_eq!(host.suffixes().count(), parts, "a label never looks like two");
});
