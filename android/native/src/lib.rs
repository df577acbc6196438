//! The library that the app loads: the engine, and its functions for Java.

#[cfg(target_os = "android")]
mod layout;

use std::ffi::c_void;

#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_isRunning(_: *mut c_void, _: *mut c_void) -> u8 {
    u8::from(optout::shell::daemon::run(&Default::default()).is_ok())
}
