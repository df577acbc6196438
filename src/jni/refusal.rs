//! What could not be done, as Java is told.

use std::any::Any;

use ::jni::Env;
use ::jni::errors::ErrorPolicy;
use ::jni::strings::JNIString;
use ::jni::{errors, jni_str};
use thiserror::Error;

use crate::shell::daemon::{DaemonError, EmbeddedError};
use crate::shell::tun::HandedError;

/// Why Java was not served: one sentence for the user.
#[derive(Debug, Error)]
pub(super) enum Refusal {
    /// There is one engine in a process.
    #[error("the engine runs already; stop it first")]
    Running,
    /// There is none.
    #[error("the engine does not run; start it first")]
    NotRunning,
    /// It answered something else than it was asked.
    #[error("the engine gave no answer; try again")]
    Silent,
    /// An argument is none.
    #[error("{name} {what}; this is a fault of the app, please report it")]
    Argument {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The engine does not do it.
    #[error("{0}")]
    Refused(String),
    /// It did not start.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// It did not answer.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// The tunnel is none.
    #[error(transparent)]
    Handed(#[from] HandedError),
    /// An answer could not be written down.
    #[error("an answer of the engine cannot be written as JSON: {0}; please report it")]
    Json(#[from] serde_json::Error),
    /// Java let us down.
    #[error("the Java side failed: {0}; please report it")]
    Java(#[from] errors::Error),
}

/// Throws an `EngineException` for a [`Refusal`], and for a panic.
#[derive(Debug)]
pub(super) struct Throw;

impl<T: Default> ErrorPolicy<T, Refusal> for Throw {
    type Captures<'local: 'native, 'native> = ();

    fn on_error<'local: 'native, 'native>(
        env: &mut Env<'local>,
        (): &mut (),
        refusal: Refusal,
    ) -> errors::Result<T> {
        throw(env, &refusal.to_string());
        Ok(T::default())
    }

    fn on_panic<'local: 'native, 'native>(
        env: &mut Env<'local>,
        (): &mut (),
        _: Box<dyn Any + Send + 'static>,
    ) -> errors::Result<T> {
        throw(env, "optout has a fault of its own; please report it with its log");
        Ok(T::default())
    }
}

fn throw(env: &mut Env<'_>, message: &str) {
    if env.exception_check() {
        return; // one is under way already
    }
    // It reports the exception that it has just thrown.
    let _ = env.throw_new(jni_str!("org/optout/tunnel/EngineException"), JNIString::from(message));
}
