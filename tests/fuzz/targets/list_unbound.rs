//! Any bytes as options of unbound.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::list::Format;

fuzz_target!(|bytes: &[u8]| optout_fuzz::list(Format::Unbound, bytes));
