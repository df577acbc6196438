//! Which app is this user? As Android's `/data/system/packages.list` says.
//!
//! On Android each app has a user of its own, so the package says more than the name
//! of a process. The file has a line for each package: `name uid debuggable data …`.
//! Where it is not there, as on any other Linux, nobody has a name here.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The packages of this host. The file is read when somebody is searched for, and
/// anew if it changed since.
#[derive(Debug)]
pub(super) struct Packages {
    path: PathBuf,
    /// Of which version of the file `names` is.
    read: Option<Version>,
    /// By app id.
    names: BTreeMap<u32, Arc<str>>,
}

/// What differs between two versions of a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Version {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Packages {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into(), read: None, names: BTreeMap::new() }
    }

    /// What a person would call a user. `program` is the name of its process, if that is
    /// known; it stands where it says more than the user does. `None` where this is not
    /// Android.
    pub(super) fn name(&mut self, uid: u32, program: Option<&Arc<str>>) -> Option<Arc<str>> {
        self.refresh()?;
        let app = uid % USERS;
        let package = || self.names.get(&app_of(app)?).cloned();
        match system_name(app) {
            // Many programs run as root, netd and adbd among them.
            Some("root") if program.is_some() => program.cloned(),
            Some(name) => Some(format!("android:{name}").into()),
            None => package().or_else(|| program.cloned()),
        }
    }

    /// Reads the file if it changed; `None` if there is none.
    fn refresh(&mut self) -> Option<()> {
        let Ok(metadata) = fs::metadata(&self.path) else {
            (self.read, self.names) = (None, BTreeMap::new());
            return None;
        };
        let version = Version::of(&metadata);
        if self.read != Some(version) {
            self.read = Some(version);
            match File::open(&self.path) {
                Ok(file) => self.names = parse(BufReader::new(file)),
                Err(error) => log::debug!("cannot read the list of packages: {error}"),
            }
        }
        Some(())
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size: metadata.size(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        }
    }
}

/// The names by app id. Packages that share one are all named, in order.
fn parse(text: impl BufRead) -> BTreeMap<u32, Arc<str>> {
    let lines = text.take(MOST_BYTES).split(b'\n').map_while(io::Result::ok);
    let mut packages: Vec<(u32, String)> =
        lines.filter_map(|line| package(&line)).take(MOST_PACKAGES).collect();
    packages.sort_unstable();
    packages.dedup();
    let of_one = packages.chunk_by(|(one, _), (other, _)| one == other);
    of_one.filter_map(|same| Some((same.first()?.0, joined(same)))).collect()
}

/// `com.example.app 10123 0 /data/user/0/com.example.app default:targetSdkVersion=34 …`
fn package(line: &[u8]) -> Option<(u32, String)> {
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let name = words.next()?;
    let uid: u32 = words.next()?.parse().ok()?;
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let sound = name.len() <= LONGEST_NAME && name.chars().all(letter);
    sound.then(|| (uid % USERS, name.to_owned()))
}

fn joined(same: &[(u32, String)]) -> Arc<str> {
    let names: Vec<_> = same.iter().map(|(_, name)| name.as_str()).take(MOST_NAMES).collect();
    names.join(",").into()
}

/// The app that a process of this app id belongs to; `None` for processes that have
/// no name of their own.
fn app_of(app: u32) -> Option<u32> {
    match app {
        FIRST_APP..=LAST_APP => Some(app),
        // The sandbox in which an app's advertisements run (Android 13).
        FIRST_SANDBOX..=LAST_SANDBOX => Some(app - (FIRST_SANDBOX - FIRST_APP)),
        _ => None,
    }
}

/// Names of users that are no apps (`android_filesystem_config.h`).
fn system_name(app: u32) -> Option<&'static str> {
    Some(match app {
        0 => "root",
        1000 => "system",
        1001 => "radio",
        1002 => "bluetooth",
        1010 => "wifi",
        1013 => "media",
        1016 => "vpn",
        1020 => "mdnsr",
        1021 => "gps",
        1027 => "nfc",
        1051 => "dns",
        1052 => "dns_tether",
        1073 => "network_stack",
        2000 => "shell",
        9999 => "nobody",
        FIRST_ISOLATED..USERS => "isolated",
        _ => return None,
    })
}

const USERS: u32 = 100_000; // AID_USER_OFFSET: user ids of one person on the device
const FIRST_APP: u32 = 10_000; // AID_APP_START
const LAST_APP: u32 = 19_999;
const FIRST_SANDBOX: u32 = 20_000; // AID_SDK_SANDBOX_PROCESS_START
const LAST_SANDBOX: u32 = 29_999;
const FIRST_ISOLATED: u32 = 90_000; // AID_APP_ZYGOTE_ISOLATED_START; AID_ISOLATED_START follows

/// As much of the file as is read; a phone's is 100 KiB.
const MOST_BYTES: u64 = 4 << 20;
const MOST_PACKAGES: usize = 20_000;

/// Packages of one user that are named. Google's services share one.
const MOST_NAMES: usize = 4;

/// Longest name of a package, in bytes: that of a directory.
const LONGEST_NAME: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
com.example.shop 10123 0 /data/user/0/com.example.shop default:targetSdkVersion=34 3003 0 1 1
com.example.store 10099 0 /data/user/0/com.example.store platform:privapp none 0 35 1
com.example.services 10099 0 /data/user/0/com.example.services platform:privapp none 0 35 1
android 1000 0 /data/system platform:privapp:targetSdkVersion=34 none 0 34 1
";

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("optout-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn users_have_the_names_that_people_know() {
        let dir = scratch("packages");
        let path = dir.join("packages.list");
        fs::write(&path, LIST).unwrap();
        let mut packages = Packages::new(&path);
        let (netd, app): (Arc<str>, Arc<str>) = ("netd".into(), "ample.shop:push".into());
        for (uid, program, want) in [
            (10123, Some(&app), Some("com.example.shop")),
            (10123, None, Some("com.example.shop")),
            (1_010_123, Some(&app), Some("com.example.shop")), // another person's
            (20123, None, Some("com.example.shop")),           // its sandbox
            (10099, None, Some("com.example.services,com.example.store")),
            (0, Some(&netd), Some("netd")),
            (0, None, Some("android:root")),
            (1051, Some(&netd), Some("android:dns")),
            (1000, None, Some("android:system")),
            (2000, None, Some("android:shell")),
            (99_017, Some(&app), Some("android:isolated")),
            (1_099_017, None, Some("android:isolated")),
            (10200, Some(&app), Some("ample.shop:push")), // installed a moment ago
            (10200, None, None),
            (u32::MAX, None, None),
        ] {
            assert_eq!(packages.name(uid, program).as_deref(), want, "{uid} {program:?}");
        }
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn the_list_is_read_anew_when_it_changed_and_only_then() {
        let dir = scratch("packages-change");
        let path = dir.join("packages.list");
        let name = |packages: &mut Packages| packages.name(10123, None);
        let mut packages = Packages::new(&path);
        assert_eq!(name(&mut packages), None, "no list: this is not Android");
        assert_eq!(packages.name(0, None), None);
        fs::write(&path, LIST).unwrap();
        assert_eq!(name(&mut packages).as_deref(), Some("com.example.shop"));
        packages.names.insert(10123, "kept".into());
        assert_eq!(name(&mut packages).as_deref(), Some("kept"), "not read again");
        fs::write(dir.join("new"), "com.example.other 10123 0\n").unwrap();
        fs::rename(dir.join("new"), &path).unwrap();
        assert_eq!(name(&mut packages).as_deref(), Some("com.example.other"));
        fs::remove_file(&path).unwrap();
        assert_eq!(name(&mut packages), None);
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn lines_that_are_none_are_passed_over() {
        let text = b"\xff 10001\n\n10002\ncom.a\ncom.a x\ncom.a -1\ncom.\x1b[31m 10003\n\
                     com.b 10004\r\ncom.c 4294967295\n"
            .as_slice();
        let long = format!("{} 10005\n", "a".repeat(LONGEST_NAME + 1));
        let names = parse([text, long.as_bytes()].concat().as_slice());
        let names: Vec<_> = names.iter().map(|(uid, name)| (*uid, &**name)).collect();
        assert_eq!(names, [(10004, "com.b"), (67_295, "com.c")]);
    }

    #[test]
    fn a_list_without_end_is_read_to_a_bound() {
        let endless = || std::iter::repeat_n(b"com.a 10001\n", 1_000_000).flatten().copied();
        let names = parse(endless().collect::<Vec<u8>>().as_slice());
        assert_eq!(names.len(), 1);
        assert!(parse(BufReader::new(io::repeat(b'a'))).is_empty());
        let many: Vec<_> = (0..50).map(|n| format!("com.n{n:02} 10001")).collect();
        let names = parse(many.join("\n").as_bytes());
        assert_eq!(names.get(&10001).map(AsRef::as_ref), Some("com.n00,com.n01,com.n02,com.n03"));
    }
}
