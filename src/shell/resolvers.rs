//! The resolvers that the system uses: where passed questions go.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::{Path, PathBuf};
use std::time::Duration;

use inotify::{Inotify, WatchMask};
use tokio::io::unix::AsyncFd;

use crate::shell::ready::watch;

/// A resolver, and where it was learnt.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolver {
    /// Address, port 53, and link for a link-local address.
    pub address: SocketAddr,
    /// The file that names it.
    pub source: PathBuf,
}

/// What a file says about a resolver: an address, and the link behind its `%`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// Its address.
    pub address: IpAddr,
    /// Name or number of a link.
    pub zone: Option<String>,
}

/// What the system uses now.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Best first.
    pub resolvers: Vec<Resolver>,
    /// Why there are none, with the remedy.
    pub problem: Option<String>,
}

/// Where to look. [`Places::default`] is where every Linux has them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// The file that programs read (resolv.conf(5)).
    pub main: PathBuf,
    /// The one that systemd-resolved writes with the links' own resolvers.
    pub resolved: PathBuf,
}

/// A watch over the system's resolvers. Sleeps while nothing changes.
#[derive(Debug)]
pub struct Watcher {
    places: Places,
    inotify: AsyncFd<Inotify>,
    found: Found,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            main: "/etc/resolv.conf".into(),
            resolved: "/run/systemd/resolve/resolv.conf".into(),
        }
    }
}

/// Reads a resolv.conf(5): its `nameserver` lines, each address once. What is
/// not an address is passed over, as the C library does.
#[must_use]
pub fn parse(text: &str) -> Vec<Named> {
    let mut named = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("nameserver") else { continue };
        if !rest.starts_with([' ', '\t']) {
            continue;
        }
        let Some(word) = rest.split_ascii_whitespace().next() else { continue };
        let (address, zone) = match word.split_once('%') {
            Some((address, zone)) => (address, Some(zone.to_owned())),
            None => (word, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else { continue };
        let resolver = Named { address, zone };
        if !address.is_unspecified() && !named.contains(&resolver) && named.len() < MOST {
            named.push(resolver);
        }
    }
    named
}

/// Finds the system's resolvers.
///
/// Where systemd-resolved runs, programs are told to ask its stub, and the
/// resolvers of the links are in a file of its own. A default gateway is never
/// taken for a resolver.
#[must_use]
pub fn find(places: &Places) -> Found {
    let mut source = &places.main;
    let mut named = read(source);
    if named.as_ref().is_ok_and(|named| !named.is_empty() && named.iter().all(is_stub)) {
        let links = read(&places.resolved);
        if links.as_ref().is_ok_and(|links| !links.is_empty()) {
            (source, named) = (&places.resolved, links);
        }
    }
    let usable = |named: &Vec<Named>| named.iter().filter_map(socket_address).collect::<Vec<_>>();
    let addresses = named.as_ref().map(usable).unwrap_or_default();
    let file = source.display();
    let why = match &named {
        Err(error) => Some(format!("cannot read {file}: {error}")),
        Ok(named) if named.is_empty() => Some(format!("{file} names none")),
        Ok(_) if addresses.is_empty() => Some(format!("{file} names links that are not there")),
        Ok(_) => None,
    };
    let problem = why.map(|why| {
        format!(
            "no resolver to pass questions to: {why}; \
             connect to a network or name upstreams in the configuration"
        )
    });
    let resolver = |address| Resolver { address, source: source.clone() };
    Found { resolvers: addresses.into_iter().map(resolver).collect(), problem }
}

impl Watcher {
    /// Looks, and starts to watch. Must be called on a tokio runtime with I/O.
    ///
    /// # Errors
    ///
    /// If the system gives no more inotify instances.
    pub fn open(places: Places) -> io::Result<Self> {
        // Watched first, read then: no change falls between the two.
        let inotify = watch(arm(&places)?)?;
        let found = find(&places);
        Ok(Self { places, inotify, found })
    }

    /// What the system uses, as of the last look.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Waits until the system uses others than before.
    ///
    /// # Errors
    ///
    /// If the system gives no more inotify instances.
    pub async fn changed(&mut self) -> io::Result<&Found> {
        loop {
            self.inotify.readable().await?.clear_ready();
            // A file is often written in several steps.
            tokio::time::sleep(SETTLED).await;
            // Made anew, because a rename puts another file under the name.
            self.inotify = watch(arm(&self.places)?)?;
            let found = find(&self.places);
            if found != self.found {
                self.found = found;
                return Ok(&self.found);
            }
        }
    }
}

/// Watches everything whose change can change what [`find`] says.
fn arm(places: &Places) -> io::Result<Inotify> {
    let inotify = Inotify::init()?;
    let mut watches = inotify.watches();
    let (mut files, mut directories) = (BTreeSet::new(), BTreeSet::new());
    for place in [&places.main, &places.resolved] {
        follow(place, &mut files, &mut directories);
    }
    // Either may be gone by now; then its directory tells of its return.
    for file in files {
        let _ = watches.add(file, WatchMask::CLOSE_WRITE | WatchMask::ATTRIB | GONE);
    }
    for directory in directories {
        let _ = watches
            .add(directory, WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::ONLYDIR | GONE);
    }
    Ok(inotify)
}

/// Collects a path, what it points to, and the directories they are in; for a
/// directory that is not there, the nearest one above.
fn follow(path: &Path, files: &mut BTreeSet<PathBuf>, directories: &mut BTreeSet<PathBuf>) {
    let mut path = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        let Some(directory) = path.parent() else { return };
        let there = directory.ancestors().find(|directory| directory.is_dir());
        directories.extend(there.map(Path::to_path_buf));
        match fs::read_link(&path) {
            Ok(target) => path = directory.join(target),
            Err(_) => break,
        }
    }
    files.insert(path);
}

fn read(path: &Path) -> io::Result<Vec<Named>> {
    let bytes = fs::metadata(path)?.len();
    if bytes > MOST_BYTES {
        return Err(io::Error::other("it is too large to be a list of resolvers"));
    }
    fs::read_to_string(path).map(|text| parse(&text))
}

/// Whether it is systemd-resolved's stub (systemd-resolved.service(8)).
fn is_stub(named: &Named) -> bool {
    STUBS.iter().any(|&stub| named.address == IpAddr::V4(stub))
}

/// `None` for a link that is not there.
pub(crate) fn socket_address(named: &Named) -> Option<SocketAddr> {
    match (named.address, &named.zone) {
        (IpAddr::V6(v6), Some(zone)) => {
            let index = nix::net::if_::if_nametoindex(zone.as_str()).ok();
            let index = index.or_else(|| zone.parse().ok())?;
            Some(SocketAddrV6::new(v6, PORT, 0, index).into())
        }
        (address, _) => Some((address, PORT).into()),
    }
}

const PORT: u16 = 53; // RFC 1035 §4.2
const STUBS: [Ipv4Addr; 2] = [Ipv4Addr::new(127, 0, 0, 53), Ipv4Addr::new(127, 0, 0, 54)];
const GONE: WatchMask = WatchMask::DELETE_SELF.union(WatchMask::MOVE_SELF);
const MOST: usize = 16; // the C library asks three
const MOST_LINKS: usize = 8; // as many symbolic links as anyone chains
const MOST_BYTES: u64 = 64 * 1024;
const SETTLED: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    /// One row, one test: `name: text => addresses`.
    macro_rules! files {
        ($($name:ident: $text:literal => [$($want:literal),*];)*) => {
            $(#[test] fn $name() {
                let named = parse($text);
                let said: Vec<_> = named.iter().map(|named| match &named.zone {
                    Some(zone) => format!("{}%{zone}", named.address),
                    None => named.address.to_string(),
                }).collect();
                assert_eq!(said, [$($want as &str),*] as [&str; 0 $(+ { let _ = $want; 1 })*]);
            })*
        };
    }

    files! {
        nothing: "" => [];
        one: "nameserver 192.0.2.1\n" => ["192.0.2.1"];
        order_is_kept: "nameserver 192.0.2.2\nnameserver 192.0.2.1" => ["192.0.2.2", "192.0.2.1"];
        twice_is_once: "nameserver 192.0.2.1\nnameserver 192.0.2.1" => ["192.0.2.1"];
        tabs_and_what_follows: "nameserver\t192.0.2.1 # home\r\n" => ["192.0.2.1"];
        ipv6: "nameserver 2001:db8::1" => ["2001:db8::1"];
        link_local_with_its_link: "nameserver fe80::1%wlan0" => ["fe80::1%wlan0"];
        comments: "# nameserver 192.0.2.1\n;nameserver 192.0.2.1" => [];
        other_keywords: "search example\noptions edns0\nnameservers 192.0.2.1" => [];
        no_address: "nameserver\nnameserver \nnameserver dns.example\nnameserver 192.0.2" => [];
        anywhere_is_nowhere: "nameserver 0.0.0.0\nnameserver ::" => [];
        nul_and_noise: "nameserver 192.0.2.1\0\n\0\u{fffd}\nnameserver 192.0.2.3" => ["192.0.2.3"];
    }

    #[test]
    fn a_file_without_end_yields_a_few() {
        let lines: Vec<_> = (0..=255).map(|n| format!("nameserver 192.0.2.{n}")).collect();
        assert_eq!(parse(&lines.join("\n")).len(), MOST);
    }

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("optout-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(path.join("etc")).unwrap();
            Self(path)
        }

        fn places(&self) -> Places {
            Places {
                main: self.0.join("etc/resolv.conf"),
                resolved: self.0.join("run/systemd/resolve/resolv.conf"),
            }
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn addresses(found: &Found) -> Vec<String> {
        found.resolvers.iter().map(|resolver| resolver.address.to_string()).collect()
    }

    #[test]
    fn behind_the_stub_are_the_resolvers_of_the_links() {
        let scratch = Scratch::new("stub");
        scratch.write("etc/resolv.conf", "nameserver 127.0.0.53\noptions edns0");
        assert_eq!(addresses(&find(&scratch.places())), ["127.0.0.53:53"], "nothing better known");
        scratch.write(
            "run/systemd/resolve/resolv.conf",
            "nameserver 192.0.2.1\nnameserver fe80::1%lo",
        );
        let found = find(&scratch.places());
        assert_eq!(addresses(&found), ["192.0.2.1:53", "[fe80::1%1]:53"]);
        assert_eq!(found.resolvers[0].source, scratch.places().resolved);
        // A resolver of the user's own, on this host, is what the file says.
        scratch.write("etc/resolv.conf", "nameserver 127.0.0.1");
        assert_eq!(addresses(&find(&scratch.places())), ["127.0.0.1:53"]);
    }

    #[test]
    fn no_resolver_is_a_problem_with_a_remedy() {
        let scratch = Scratch::new("none");
        let problem = find(&scratch.places()).problem.unwrap();
        assert!(problem.contains("cannot read") && problem.contains("configuration"), "{problem}");
        scratch.write("etc/resolv.conf", "search example");
        let problem = find(&scratch.places()).problem.unwrap();
        assert!(problem.contains("names none"), "{problem}");
    }

    #[test]
    fn every_way_of_changing_the_file_is_seen() {
        let scratch = Scratch::new("watch");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut watcher = Watcher::open(scratch.places()).unwrap();
            let path = |path: &str| scratch.0.join(path);
            let mut number = 0;
            let mut next = || {
                number += 1;
                (format!("nameserver 192.0.2.{number}"), format!("192.0.2.{number}:53"))
            };
            for (how, change) in [
                ("made", &(|text: &str| scratch.write("etc/resolv.conf", text)) as &dyn Fn(&str)),
                ("written in place", &|text| scratch.write("etc/resolv.conf", text)),
                ("renamed over", &|text| {
                    scratch.write("etc/new", text);
                    fs::rename(path("etc/new"), path("etc/resolv.conf")).unwrap();
                }),
                ("written after a rename", &|text| scratch.write("etc/resolv.conf", text)),
                ("made a link", &|text| {
                    scratch.write("run/nm/resolv.conf", text);
                    fs::remove_file(path("etc/resolv.conf")).unwrap();
                    std::os::unix::fs::symlink("../run/nm/resolv.conf", path("etc/resolv.conf"))
                        .unwrap();
                }),
                ("target written", &|text| scratch.write("run/nm/resolv.conf", text)),
                ("target renamed over", &|text| {
                    scratch.write("run/nm/new", text);
                    fs::rename(path("run/nm/new"), path("run/nm/resolv.conf")).unwrap();
                }),
                ("target's directory made anew", &|text| {
                    fs::remove_dir_all(path("run/nm")).unwrap();
                    scratch.write("run/nm/resolv.conf", text);
                }),
                ("resolved comes", &|text| {
                    scratch.write("run/systemd/resolve/resolv.conf", text);
                    scratch.write("run/nm/resolv.conf", "nameserver 127.0.0.53");
                }),
                ("resolved writes", &|text| scratch.write("run/systemd/resolve/resolv.conf", text)),
            ] {
                let (text, want) = next();
                change(&text);
                let seen = tokio::time::timeout(Duration::from_secs(3), async {
                    while addresses(watcher.found()) != [want.as_str()] {
                        watcher.changed().await.unwrap();
                    }
                });
                assert!(seen.await.is_ok(), "{how}");
            }
            // Another file beside it is no change.
            scratch.write("etc/hosts", "192.0.2.1 a.example");
            assert!(
                tokio::time::timeout(Duration::from_millis(400), watcher.changed()).await.is_err()
            );
        });
    }
}
