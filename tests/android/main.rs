//! The engine in a Java machine, behind the door that the app uses, on a real TUN with the
//! lab behind it. What a phone's system does is done by `java/Phone.java`.
//!
//! Needs the feature `jni`, a JDK, and `liboptout.so` beside this test's folder:
//! `./dev android` makes all of it.

#[path = "../lab/mod.rs"]
#[expect(dead_code, unused_imports, reason = "it has parts that only other tests use")]
mod lab;
#[path = "../end_to_end/ways.rs"]
#[expect(dead_code, reason = "it has parts that only other tests use")]
mod ways;

mod calls_home;
mod cycles;
mod faults;
mod lists;
mod phone;
