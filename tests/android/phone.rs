//! A Java machine with the engine in it, on a machine of the lab.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::lab::list_server::TRUSTED;
use crate::lab::{ISP, Lab, Node, isolated_with, within};

/// Runs a test that needs a Java machine, alone.
pub(crate) fn with_java<F: FnOnce()>(test: F) {
    isolated_with(&["java", "javac"], test);
}

/// A Java machine, and what one asks of it. It runs as nobody, without a capability.
pub(crate) struct Phone<'n> {
    pub(crate) node: &'n Node,
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// What came that is no answer: `-Xcheck:jni` speaks there.
    noise: Vec<String>,
}

impl<'n> Phone<'n> {
    /// Starts one beside a TUN that has the addresses and routes of the plan. The engine is
    /// not started.
    pub(crate) fn boot(lab: &'n Lab, config: &str) -> Self {
        let node = lab.phone();
        let home = home(node);
        fs::create_dir_all(home.join("config")).expect("tmpfs");
        fs::create_dir_all(home.join("data")).expect("tmpfs");
        fs::write(home.join("config/optout.toml"), config).expect("tmpfs");
        node.ok(&format!("chown -R nobody {}", home.display()));
        let mut command = node.command("python3");
        let opener = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lab/hand_over.py");
        command.args([opener, TUN, ADDRESSES, ROUTES, "tun"]);
        command.args(["setpriv", "--reuid", "nobody", "--clear-groups", "--bounding-set", "-all"]);
        command.args([
            "--inh-caps",
            "-all",
            "java",
            "-Xcheck:jni",
            "-Xmx64m",
            "-XX:-UsePerfData",
            "-cp",
        ]);
        command.arg(classes()).arg("Phone").arg(library(node)).args(["TUN", "SPARE", "COPIES"]);
        let log = fs::File::create(node.dir().join("phone.log")).expect("tmpfs");
        command.env("SSL_CERT_FILE", TRUSTED);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("nsenter(1) starts");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        let commands = child.stdin.take();
        Self { node, child, commands, answers, noise: Vec::new() }
    }

    /// Starts the engine on the first TUN, with the lab's provider as its network.
    pub(crate) fn start(&mut self) {
        self.network("free");
        let tun = self.ok(&["descriptor", "1"]);
        self.start_on(&tun);
    }

    /// Tells of the network of the lab: `free`, `metered`, or `captive`.
    #[track_caller]
    pub(crate) fn network(&mut self, kind: &str) {
        let resolvers = ISP.map(|a| a.to_string()).join(",");
        self.ok(&["network", "192.0.2.10,2001:db8:1::10", &resolvers, kind]);
    }

    pub(crate) fn start_on(&mut self, tun: &str) {
        self.try_start_on(tun).unwrap_or_else(|why| panic!("start: {why}\n{}", self.log()));
    }

    pub(crate) fn try_start_on(&mut self, tun: &str) -> Result<String, String> {
        let [config, data] = self.folders();
        self.ask(&["start", tun, &config, &data])
    }

    /// The folders of configuration and data.
    pub(crate) fn folders(&self) -> [String; 2] {
        ["config", "data"].map(|name| home(self.node).join(name).display().to_string())
    }

    /// One command, whose answer nobody waits for.
    pub(crate) fn tell(&mut self, words: &[&str]) {
        let commands = self.commands.as_mut().expect("it runs");
        writeln!(commands, "{}", words.join("\t")).expect("it listens");
        commands.flush().expect("it listens");
    }

    /// One command, and what came of it.
    pub(crate) fn ask(&mut self, words: &[&str]) -> Result<String, String> {
        self.tell(words);
        loop {
            let mut line = String::new();
            let read = self.answers.read_line(&mut line).expect("it speaks");
            assert!(read > 0, "the Java machine ended at {words:?}:\n{}", self.log());
            let line = line.trim_end_matches('\n');
            match line.split_once('\t') {
                Some(("ok", said)) => return Ok(said.to_owned()),
                Some(("error", why)) => return Err(why.to_owned()),
                _ => self.noise.push(line.to_owned()),
            }
        }
    }

    #[track_caller]
    pub(crate) fn ok(&mut self, words: &[&str]) -> String {
        self.ask(words).unwrap_or_else(|why| panic!("{words:?}: {why}\n{}", self.log()))
    }

    /// Insists on one sentence with this in it.
    #[track_caller]
    pub(crate) fn refused(&mut self, words: &[&str], with: &str) {
        match self.ask(words) {
            Ok(said) => panic!("{words:?} should not work, and said {said:?}"),
            Err(why) => {
                assert!(why.contains(with), "{words:?}: no {with:?} in {why:?}");
                assert!(!why.contains("\\n") && !why.contains("panicked"), "{why:?}");
            }
        }
    }

    /// The last answer to one request.
    #[track_caller]
    pub(crate) fn control(&mut self, request: &str) -> Value {
        let said = self.ok(&["control", request]);
        let answers: Value = serde_json::from_str(&said).expect("JSON");
        answers.as_array().and_then(|all| all.last()).cloned().expect("an answer")
    }

    /// How things are.
    #[track_caller]
    pub(crate) fn status(&mut self) -> Value {
        self.control(r#"{"do":"status"}"#)["status"].clone()
    }

    /// Waits until the log has a line that fits.
    #[track_caller]
    pub(crate) fn event(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = within(Duration::from_secs(10), || {
            let said = self.ok(&["control", r#"{"do":"log"}"#]);
            let answers: Value = serde_json::from_str(&said).expect("JSON");
            let lines = answers.as_array().expect("a list").iter();
            lines.filter_map(|line| line.get("log")).find(|line| fits(line)).cloned()
        });
        found.unwrap_or_else(|| panic!("no event {what}:\n{}", self.log()))
    }

    /// Waits until something holds of how things are.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let found = within(Duration::from_secs(10), || Some(self.status()).filter(&holds));
        found.unwrap_or_else(|| panic!("{what} never came: {}\n{}", self.status(), self.log()))
    }

    /// What the bridge saw: sockets to protect, anything odd, and the last state.
    pub(crate) fn seen(&mut self) -> (u32, String, Value) {
        let said = self.ok(&["seen"]);
        let mut words = said.split('\t');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let sockets = next().parse().expect("a number");
        (sockets, next(), serde_json::from_str(&next()).unwrap_or_default())
    }

    /// Waits until the bridge saw that: it is told after whoever asked was answered.
    #[track_caller]
    pub(crate) fn saw(&mut self, what: &str, fits: impl Fn(&str, &Value) -> bool) {
        let found = within(Duration::from_secs(10), || {
            let (_, odd, state) = self.seen();
            fits(&odd, &state).then_some(())
        });
        assert!(found.is_some(), "the bridge did not see {what}: {:?}", self.seen());
    }

    /// What the engine wrote to standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.node.dir().join("phone.log")).unwrap_or_default()
    }

    /// Ends the machine at once, as Android does with an app that it needs the room of.
    pub(crate) fn kill9(self) {
        drop(self);
    }

    /// Ends the machine, which stops the engine, and insists that nothing odd was said.
    pub(crate) fn shut_down(mut self) {
        drop(self.commands.take());
        let ended = within(Duration::from_secs(20), || self.child.try_wait().expect("our child"));
        let log = self.log();
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{log}");
        let mut rest = String::new();
        let _ = std::io::Read::read_to_string(&mut self.answers, &mut rest);
        self.noise.extend(rest.lines().map(str::to_owned));
        assert!(
            self.noise.is_empty(),
            "-Xcheck:jni or the machine said:\n{}",
            self.noise.join("\n")
        );
        for word in ["panicked", "FATAL ERROR", "WARNING"] {
            assert!(!log.contains(word), "{log}");
        }
    }
}

impl Drop for Phone<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn home(node: &Node) -> PathBuf {
    node.dir().join("app")
}

/// Where this test's own programs are: `target/debug` or the like.
fn built() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_optout")).parent().expect("a folder").to_owned()
}

/// The engine as a library for Java, in a place that the user `nobody` can read, as a home is not.
fn library(node: &Node) -> PathBuf {
    let [from, to] = [built(), node.dir().to_owned()].map(|dir| dir.join("liboptout.so"));
    assert!(from.is_file(), "{} is missing; `./dev android` makes it", from.display());
    let mount = format!("touch {0} && mount --bind {1} {0}", to.display(), from.display());
    node.ok(&format!("[ -s {} ] || {{ {mount}; }}", to.display()));
    to
}

/// The Java side, compiled here and now: it takes a second.
fn classes() -> PathBuf {
    let to = Path::new("/run/lab/classes");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let app = root.join("android/tunnel/src/main/java/org/optout/tunnel");
    let mut javac = Command::new("javac");
    javac.args(["-Xlint:all", "-Werror", "-d"]).arg(to);
    javac.args(
        ["Engine", "Bridge", "EngineException"].map(|it| app.join(it).with_extension("java")),
    );
    javac.arg(root.join("tests/android/java/Phone.java"));
    let out = javac.output().expect("javac starts");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    to.to_owned()
}

pub(crate) const TUN: &str = "tun7";

/// What the plan of the defaults says. `calls_home` checks it.
pub(crate) const ADDRESSES: &str = "198.18.0.1,fd6f:7074:6f75:7400::1";
pub(crate) const ROUTES: &str = "198.18.0.0/15,fd6f:7074:6f75:7400::/64";
pub(crate) const RESOLVERS: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(198, 18, 0, 53)),
    IpAddr::V6(Ipv6Addr::new(0xfd6f, 0x7074, 0x6f75, 0x7400, 0, 0, 0, 0x35)),
];
