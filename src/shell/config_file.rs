//! Reads the configuration file: safely, for it decides what a root process does.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use thiserror::Error;

use crate::config::{Config, ConfigError};

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/optout/optout.toml";

/// Why there is no configuration: one line, exit code 2. On a reload the old
/// one stays in use.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigFileError {
    /// The file is not there, or the system does not let us read it.
    #[error("cannot read {}: {source}; {}", path.display(), remedy(source, path))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory, a device, a pipe.
    #[error("{} is not a file; name the configuration file itself", path.display())]
    NotAFile {
        /// What it is not.
        path: PathBuf,
    },
    /// Others could make us do what they like.
    #[error("{} may be written by others (mode {mode:o}); run: chmod go-w {}", path.display(), path.display())]
    Writable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Somebody else could make us do what they like.
    #[error("{} belongs to user {owner}, not to root or us; run: chown root {}", path.display(), path.display())]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Larger than any configuration is.
    #[error("{} is larger than {LONGEST} bytes; put long lists in files of their own ([[lists]])", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Not text.
    #[error("{}:{line}: not text: {problem}; save the file as UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1.
        line: u32,
        /// What is in it.
        problem: &'static str,
    },
    /// Text, but wrong.
    #[error("{}:{error}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: ConfigError,
    },
}

/// Reads the file that the user named, or the one at [`DEFAULT_PATH`], which
/// need not be there.
///
/// # Errors
///
/// [`ConfigFileError`]. A file that the user named must be there.
pub fn load(named: Option<&Path>) -> Result<Config, ConfigFileError> {
    match named {
        Some(path) => read(path),
        None => match read(Path::new(DEFAULT_PATH)) {
            Err(ConfigFileError::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(Config::default())
            }
            done => done,
        },
    }
}

fn read(path: &Path) -> Result<Config, ConfigFileError> {
    let text = text(path)?;
    Config::parse(&text).map_err(|error| ConfigFileError::Wrong { path: path.into(), error })
}

/// Reads and checks one and the same open file, so that it cannot be another
/// after the check.
fn text(path: &Path) -> Result<String, ConfigFileError> {
    let fail = |source| ConfigFileError::Read { path: path.into(), source };
    let path = || path.to_path_buf();
    // Without O_NONBLOCK opening a pipe would wait for someone to write.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path())
        .map_err(fail)?;
    let metadata = file.metadata().map_err(fail)?;
    if !metadata.is_file() {
        return Err(ConfigFileError::NotAFile { path: path() });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != geteuid().as_raw() {
        return Err(ConfigFileError::Owner { path: path(), owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(ConfigFileError::Writable { path: path(), mode });
    }
    let mut bytes = Vec::new();
    // One more than is allowed; the size it says may be wrong a moment later.
    file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > LONGEST {
        return Err(ConfigFileError::TooLarge { path: path() });
    }
    let not_text = |before: usize, problem| {
        let breaks = bytes.iter().take(before).filter(|&&byte| byte == b'\n').count();
        let line = u32::try_from(breaks).unwrap_or(u32::MAX).saturating_add(1);
        ConfigFileError::NotText { path: path(), line, problem }
    };
    if let Some(at) = bytes.iter().position(|&byte| byte == 0) {
        return Err(not_text(at, "a zero byte"));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(not_text(error.valid_up_to(), "bytes that are not UTF-8")),
    }
}

fn remedy(error: &io::Error, path: &Path) -> String {
    match error.kind() {
        ErrorKind::NotFound => {
            format!("make the file, or leave out --config to use {DEFAULT_PATH} or the defaults")
        }
        ErrorKind::PermissionDenied => "run optout as root".to_owned(),
        _ => format!("look at it: ls -l {}", path.display()),
    }
}

/// Longest configuration, in bytes. Ten thousand rules of the user's own fit.
const LONGEST: u64 = 1024 * 1024;

const WRITABLE_BY_OTHERS: u32 = 0o022; // group and others

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A file of this content and mode in a directory of its own.
    struct Sample(PathBuf);

    impl Sample {
        fn new(name: &str, content: &[u8], mode: u32) -> Self {
            let dir = std::env::temp_dir().join(format!("optout-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir(&dir).unwrap();
            let path = dir.join("optout.toml");
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Self(path)
        }

        /// What is said, with the path as `FILE`.
        fn said(&self) -> String {
            let error = load(Some(&self.0)).expect_err("an error").to_string();
            assert!(!error.contains('\n'), "{error}");
            error.replace(self.0.to_str().unwrap(), "FILE")
        }
    }

    impl Drop for Sample {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.parent().unwrap());
        }
    }

    #[test]
    fn a_good_file_is_read() {
        let sample = Sample::new("good", b"mode = \"watch\"", 0o644);
        assert_eq!(load(Some(&sample.0)).unwrap().mode, crate::core::verdict::Mode::Watch);
        let sample = Sample::new("empty", b"", 0o600);
        assert_eq!(load(Some(&sample.0)).unwrap(), Config::default());
    }

    #[test]
    fn every_bad_file_is_told_in_one_line_with_its_remedy() {
        let large = vec![b'#'; 1024 * 1024 + 1];
        let cases: [(&str, &[u8], u32, &str); 7] = [
            (
                "typo",
                b"\nmodee = 1",
                0o644,
                "FILE:2: unknown key \"modee\"; did you mean \"mode\"?",
            ),
            (
                "nul",
                b"\n\nmode = \"a\0b\"",
                0o644,
                "FILE:3: not text: a zero byte; save the file as UTF-8",
            ),
            (
                "latin1",
                b"# gr\xfc\xdfe",
                0o644,
                "FILE:1: not text: bytes that are not UTF-8; save the file as UTF-8",
            ),
            ("group", b"", 0o664, "FILE may be written by others (mode 664); run: chmod go-w FILE"),
            ("other", b"", 0o646, "FILE may be written by others (mode 646); run: chmod go-w FILE"),
            (
                "setuid",
                b"",
                0o4622,
                "FILE may be written by others (mode 4622); run: chmod go-w FILE",
            ),
            (
                "large",
                &large,
                0o644,
                "FILE is larger than 1048576 bytes; put long lists in files of their own ([[lists]])",
            ),
        ];
        for (name, content, mode, want) in cases {
            assert_eq!(Sample::new(name, content, mode).said(), want);
        }
    }

    #[test]
    fn what_is_not_a_file_or_not_ours_is_refused() {
        let sample = Sample::new("kinds", b"", 0o644);
        let remake = |make: &dyn Fn(&Path)| {
            let _ = fs::remove_file(&sample.0);
            make(&sample.0);
            sample.said()
        };
        let not_a_file = "FILE is not a file; name the configuration file itself";
        let pipe = |path: &Path| {
            nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRUSR).unwrap();
        };
        assert_eq!(remake(&pipe), not_a_file);
        let link = |path: &Path| std::os::unix::fs::symlink("/dev/zero", path).unwrap();
        assert_eq!(remake(&link), not_a_file);
        let looped = |path: &Path| std::os::unix::fs::symlink(path, path).unwrap();
        assert_eq!(
            remake(&looped),
            "cannot read FILE: Too many levels of symbolic links (os error 40); look at it: ls -l FILE"
        );
        if geteuid().is_root() {
            let chown = |path: &Path| {
                fs::write(path, "").unwrap();
                std::os::unix::fs::chown(path, Some(12_345), None).unwrap();
            };
            assert_eq!(
                remake(&chown),
                "FILE belongs to user 12345, not to root or us; run: chown root FILE"
            );
        }
        fs::remove_file(&sample.0).unwrap();
        fs::create_dir(&sample.0).unwrap();
        assert_eq!(sample.said(), not_a_file);
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let error = load(Some(Path::new("/nonexistent/optout.toml"))).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot read /nonexistent/optout.toml: No such file or directory (os error 2); \
             make the file, or leave out --config to use /etc/optout/optout.toml or the defaults"
        );
    }
}
