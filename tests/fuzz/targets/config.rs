//! Any text as a configuration: read, or refused with a line that exists.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::config::Config;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Config::parse(text) {
        Ok(config) => {
            assert!((8..=22).contains(&config.sinkhole_v4.length()));
            assert!((64..=96).contains(&config.sinkhole_v6.length()));
            assert!((1..=15).contains(&config.device.len()));
            assert_ne!(config.dns_table, config.address_table);
            assert!(config.control_socket.is_absolute());
            let lines = u32::try_from(text.lines().count()).expect("a short text");
            for written in config.allow.iter().chain(&config.block) {
                assert!((1..=lines).contains(&written.line), "line {} of {lines}", written.line);
            }
            let _ = config.check_vendors(&["oneplus"]);
        }
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "not one line: {said:?}");
        }
    }
});
