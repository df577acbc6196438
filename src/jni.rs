//! The door for Java: the app's `org.optout.tunnel.Engine`, and nothing else.
//!
//! Each function makes Rust types of its arguments first, and of what goes wrong an
//! `EngineException` with one sentence for the user. There is one engine in a process.
//! What it asks of the app goes through [`bridge`].
//!
//! What Java sees is written in `android/tunnel/src/main/java/org/optout/tunnel`.

#![expect(unsafe_code, reason = "Java finds its functions by names that nobody mangles")]

mod arguments;
mod bridge;
mod refusal;

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use ::jni::EnvUnowned;
use ::jni::objects::{JClass, JObject, JObjectArray, JString};
use ::jni::sys::{jboolean, jint, jlong};
use jiff::tz::TimeZone;

use self::arguments::{addresses, resolvers, text};
use self::bridge::Java;
use self::refusal::{Refusal, Throw};
use crate::cli::report::html;
use crate::request::{Request, Response};
use crate::shell::control::server;
use crate::shell::daemon::{self, Embedded, Folders, NetworkOutside};
use crate::shell::tun;

/// The engine of this process.
#[derive(Debug)]
struct Slot {
    engine: Option<Arc<Embedded>>,
    /// What was last said of the network, for an engine that is yet to be started.
    network: NetworkOutside,
}

static SLOT: Mutex<Slot> = Mutex::new(Slot { engine: None, network: NetworkOutside::NONE });

/// `Engine.plan`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_plan<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    config: JString<'l>,
    data: JString<'l>,
) -> JString<'l> {
    env.with_env(|env| {
        let (config, data) = (text(env, &config, "configDir")?, text(env, &data, "dataDir")?);
        let folders = Folders { config: Path::new(&config), data: Path::new(&data) };
        let plan = match running().map(|engine| last_answer(&engine, Request::Tunnel)) {
            Some(Ok(Response::Tunnel(plan))) => plan,
            Some(Ok(_)) => return Err(Refusal::Silent),
            // None runs, or it has just ended: its files say the same.
            Some(Err(_)) | None => daemon::plan(folders)?,
        };
        Ok(env.new_string(serde_json::to_string(&plan)?)?)
    })
    .resolve::<Throw>()
}

/// `Engine.start`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_start<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    tunnel: jint,
    config: JString<'l>,
    data: JString<'l>,
    bridge: JObject<'l>,
) {
    env.with_env(|env| {
        // Whatever comes of it, the descriptor is ours from here on.
        let tunnel = taken(tunnel)?;
        let (config, data) = (text(env, &config, "configDir")?, text(env, &data, "dataDir")?);
        let app = Java::new(env, &bridge)?;
        start_log();
        let mut slot = slot();
        if slot.engine.as_ref().is_some_and(|engine| engine.is_running()) {
            return Err(Refusal::Running);
        }
        let folders = Folders { config: Path::new(&config), data: Path::new(&data) };
        let network = slot.network.clone();
        let engine = Embedded::start(folders, tunnel, Arc::new(app), network)?;
        slot.engine = Some(Arc::new(engine));
        Ok(())
    })
    .resolve::<Throw>();
}

/// `Engine.replaceTunnel`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_replaceTunnel<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    tunnel: jint,
) {
    env.with_env(|_| {
        let tunnel = taken(tunnel)?;
        Ok(engine()?.replace_tunnel(tunnel)?)
    })
    .resolve::<Throw>();
}

/// `Engine.stop`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_stop<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
) {
    env.with_env(|_| {
        // Nobody waits for the slot meanwhile: the engine may call the app once more.
        let engine = slot().engine.take();
        if let Some(engine) = engine {
            engine.stop();
        }
        Ok::<_, Refusal>(())
    })
    .resolve::<Throw>();
}

/// `Engine.isRunning`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_isRunning<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
) -> jboolean {
    env.with_env(|_| Ok::<_, Refusal>(running().is_some())).resolve::<Throw>()
}

/// `Engine.reload`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_reload<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
) {
    env.with_env(|_| last_answer(&*engine()?, Request::Reload).map(drop)).resolve::<Throw>();
}

/// `Engine.control`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_control<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    request: JString<'l>,
) -> JString<'l> {
    env.with_env(|env| {
        let request = text(env, &request, "request")?;
        let answers = match server::parse(request.as_bytes()) {
            Ok(request) => engine()?.ask(request)?,
            // As at the socket: what is wrong with it is its answer.
            Err(refusal) => vec![refusal],
        };
        Ok::<_, Refusal>(env.new_string(serde_json::to_string(&answers)?)?)
    })
    .resolve::<Throw>()
}

/// `Engine.page`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_page<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    since: jlong,
) -> JString<'l> {
    env.with_env(|env| {
        let page = match last_answer(&*engine()?, Request::Report { since })? {
            Response::Report(report) => html::page(&report, &TimeZone::system()),
            _ => return Err(Refusal::Silent),
        };
        Ok(env.new_string(page)?)
    })
    .resolve::<Throw>()
}

/// `Engine.networkChanged`.
#[unsafe(no_mangle)]
pub extern "system" fn Java_org_optout_tunnel_Engine_networkChanged<'l>(
    mut env: EnvUnowned<'l>,
    _: JClass<'l>,
    local: JObjectArray<'l>,
    outside: JObjectArray<'l>,
    metered: jboolean,
    captive: jboolean,
) {
    env.with_env(|env| {
        let addresses = addresses(env, &local)?;
        let resolvers = resolvers(env, &outside)?;
        let network = NetworkOutside { addresses, resolvers, metered, captive };
        slot().network = network.clone();
        if let Some(engine) = running() {
            engine.network_changed(network);
        }
        Ok::<_, Refusal>(())
    })
    .resolve::<Throw>();
}

/// The TUN of that number; none for −1.
fn taken(tunnel: jint) -> Result<Option<OwnedFd>, Refusal> {
    if tunnel == NO_TUNNEL { Ok(None) } else { Ok(Some(tun::take(tunnel)?)) }
}

/// What is said to hold after a panic does: each change is one assignment.
fn slot() -> MutexGuard<'static, Slot> {
    SLOT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn running() -> Option<Arc<Embedded>> {
    slot().engine.clone().filter(|engine| engine.is_running())
}

fn engine() -> Result<Arc<Embedded>, Refusal> {
    running().ok_or(Refusal::NotRunning)
}

/// To the system's log on Android; to standard error elsewhere. The configuration says
/// how much.
fn start_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[cfg(target_os = "android")]
        android_logger::init_once(
            android_logger::Config::default()
                .with_tag("optout")
                .with_max_level(log::LevelFilter::Trace),
        );
        #[cfg(not(target_os = "android"))]
        let _ = env_logger::Builder::new()
            .filter_level(log::LevelFilter::Trace)
            .format_target(false)
            .try_init(); // somebody else's logger is as good
        log::set_max_level(log::LevelFilter::Info);
    });
}

/// What the engine has to say in the end. What it refuses is an error.
fn last_answer(engine: &Embedded, request: Request) -> Result<Response, Refusal> {
    match engine.ask(request)?.pop() {
        Some(Response::Failed(why)) => Err(Refusal::Refused(why)),
        Some(answer) => Ok(answer),
        None => Err(Refusal::Silent),
    }
}

const NO_TUNNEL: jint = -1;
