//! The library that the app loads: the engine with its functions for Java, which are
//! exported by their names (`src/jni.rs`).

#[cfg(target_os = "android")]
mod layout;

pub use optout::jni;
