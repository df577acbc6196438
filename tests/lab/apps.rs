//! The programs of `tests/apps`, built once for a test run.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::isolate::INSIDE;
use super::isolated_with;

/// Runs `test` as [`isolated_with`] does, with the programs there. They are built outside:
/// inside there is no way to a registry.
pub(crate) fn isolated_with_apps<F: FnOnce()>(tools: &[&str], test: F) {
    if env::var_os(INSIDE).is_none() {
        build();
    }
    isolated_with(tools, test);
}

/// Where the program of this name is.
pub(crate) fn app(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// Cargo itself sees that two tests do not build at once, and that nothing is built twice.
fn build() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/apps/Cargo.toml");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--locked", "--quiet", "--manifest-path", manifest, "--target-dir"]);
        cargo.arg(target()).stdin(Stdio::null());
        let built = cargo.status().expect("cargo starts");
        assert!(built.success(), "tests/apps did not build");
    });
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("apps")
}
