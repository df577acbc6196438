//! Any bytes as a response policy zone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use optout::core::list::Format;

fuzz_target!(|bytes: &[u8]| optout_fuzz::list(Format::Rpz, bytes));
