//! The app, as the engine sees it: `org.optout.tunnel.Bridge`.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use ::jni::objects::{JByteArray, JObject, JString, JValue};
use ::jni::refs::Global;
use ::jni::{Env, JavaVM, errors, jni_sig, jni_str};

use super::refusal::Refusal;
use crate::core::flow::{FiveTuple, Owner, Protocol};
use crate::request::EngineState;
use crate::shell::daemon::App;
use crate::shell::owner::user_by_tables;

/// The app's bridge. Our threads are attached to the machine when they first call, and
/// leave it when they end.
pub(super) struct Java {
    machine: JavaVM,
    bridge: Global<JObject<'static>>,
}

impl Java {
    pub(super) fn new(env: &Env<'_>, bridge: &JObject<'_>) -> Result<Self, Refusal> {
        if bridge.is_null() {
            return Err(Refusal::Argument { name: "bridge", what: "is null".into() });
        }
        Ok(Self { machine: env.get_java_vm()?, bridge: env.new_global_ref(bridge)? })
    }

    /// Calls the app. What it throws is an error.
    fn call<T>(
        &self,
        what: impl FnOnce(&mut Env<'_>, &JObject<'_>) -> errors::Result<T>,
    ) -> Result<T, String> {
        let called = self.machine.attach_current_thread(|env| what(env, self.bridge.as_obj()));
        called.map_err(|error: errors::Error| match error {
            errors::Error::CaughtJavaException { name, .. } => format!("it threw {name}"),
            other => other.to_string(),
        })
    }

    fn try_owner_of(&self, flow: &FiveTuple) -> Result<Owner, String> {
        let number = match flow.protocol {
            Protocol::Tcp => 6,  // RFC 9293
            Protocol::Udp => 17, // RFC 768
        };
        self.call(|env, bridge| {
            let local = bytes(env, flow.source)?;
            let remote = bytes(env, flow.destination)?;
            let arguments = [
                JValue::Int(number),
                JValue::Object(&local),
                JValue::Int(flow.source.port().into()),
                JValue::Object(&remote),
                JValue::Int(flow.destination.port().into()),
            ];
            let signature = jni_sig!("(I[BI[BI)I");
            let uid = env.call_method(bridge, jni_str!("ownerOf"), signature, &arguments)?.i()?;
            let uid = u32::try_from(uid).ok().or_else(|| user_by_tables(flow));
            let Some(uid) = uid else { return Ok(Owner::default()) };
            let program = package_of(env, bridge, uid)?;
            Ok(Owner { uid: Some(uid), pid: None, program: program.map(Into::into) })
        })
    }
}

impl App for Java {
    fn protect(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let number = socket.as_raw_fd();
        let said = self.call(|env, bridge| {
            let signature = jni_sig!("(I)Z");
            env.call_method(bridge, jni_str!("protect"), signature, &[JValue::Int(number)])?.z()
        });
        match said {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::new(io::ErrorKind::PermissionDenied, REFUSED)),
            Err(why) => Err(io::Error::other(format!("the app could not: {why}"))),
        }
    }

    fn owner_of(&self, flow: &FiveTuple) -> Owner {
        self.try_owner_of(flow).unwrap_or_else(|why| {
            log::debug!("the app could not say whose a flow is: {why}");
            Owner::default()
        })
    }

    fn on_state(&self, state: &EngineState) {
        let Ok(state) = serde_json::to_string(state) else { return };
        let told = self.call(|env, bridge| {
            let state = env.new_string(state)?;
            let signature = jni_sig!("(Ljava/lang/String;)V");
            env.call_method(bridge, jni_str!("onState"), signature, &[JValue::Object(&state)])?;
            Ok(())
        });
        if let Err(why) = told {
            log::warn!("the app could not be told how things are: {why}");
        }
    }
}

impl Drop for Java {
    /// The reference is given back by a thread that the machine knows.
    fn drop(&mut self) {
        let bridge = std::mem::replace(&mut self.bridge, Global::null());
        let given_back = self.machine.attach_current_thread(|_| {
            drop(bridge);
            Ok::<_, errors::Error>(())
        });
        if let Err(error) = given_back {
            log::debug!("the app's bridge stays in memory: {error}");
        }
    }
}

impl fmt::Debug for Java {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Java").finish_non_exhaustive()
    }
}

fn package_of(env: &mut Env<'_>, bridge: &JObject<'_>, uid: u32) -> errors::Result<Option<String>> {
    let Ok(uid) = i32::try_from(uid) else { return Ok(None) };
    let signature = jni_sig!("(I)Ljava/lang/String;");
    let package =
        env.call_method(bridge, jni_str!("packageOf"), signature, &[JValue::Int(uid)])?.l()?;
    if package.is_null() {
        return Ok(None);
    }
    env.cast_local::<JString<'_>>(package)?.try_to_string(env).map(Some)
}

fn bytes<'l>(env: &mut Env<'l>, of: SocketAddr) -> errors::Result<JByteArray<'l>> {
    match of.ip() {
        IpAddr::V4(v4) => env.byte_array_from_slice(&v4.octets()),
        IpAddr::V6(v6) => env.byte_array_from_slice(&v6.octets()),
    }
}

const REFUSED: &str = "Android refused to keep it out of the tunnel; switch optout off and on, and \
                       allow its VPN connection again if it asks";
