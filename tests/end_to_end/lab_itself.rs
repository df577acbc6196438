//! The lab without optout: what the other tests take for granted, so that none
//! of them passes because the lab is broken.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::lab::{
    BIG_TXT, FOREIGN, ISP, Lab, NEVER_BLOCK, ORDINARY, VENDOR, dns, isolated,
    isolated_or_skip_reason, page, tell, within,
};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn without_optout_everything_reaches_its_server() {
    isolated(|| {
        let lab = Lab::start();
        tell(&format!("the lab starts in {} ms", lab.started_in.as_millis()));
        assert!(lab.started_in < 2 * SECOND, "{:?}", lab.started_in);

        resolvers_answer(&lab);
        pages_load(&lab);
        evidence_is_kept(&lab);
    });
}

fn resolvers_answer(lab: &Lab) {
    for client in [lab.phone(), lab.laptop(), lab.router()] {
        for server in [ISP, FOREIGN].as_flattened() {
            let answer =
                client.enter(|| dns::udp((*server, 53), "open.oneplus.net", dns::A, SECOND));
            assert_eq!(answer.expect("an answer").addresses, VENDOR[..1]);
            let ask = [dns::question(7, "open.oneplus.net", dns::AAAA)];
            let answers =
                client.enter(|| dns::tcp((*server, 53), &ask, SECOND)).expect("an answer");
            assert_eq!(answers[0].addresses, VENDOR[1..]);
        }
    }
    let phone = |name: &str, kind| {
        lab.phone().enter(|| dns::udp((ISP[0], 53), name, kind, SECOND)).expect("an answer")
    };
    assert_eq!(phone("www.alias.example", dns::A).addresses, VENDOR[..1]);
    assert_eq!(phone("deep.alias.example", dns::A).records, 3);
    assert_eq!(phone("connectivitycheck.gstatic.com", dns::AAAA).addresses, NEVER_BLOCK[1..]);
    assert_eq!(phone("use-application-dns.net", dns::A).addresses, ORDINARY[..1]);
    assert_eq!(phone("_dns.resolver.arpa", dns::SVCB).records, 1);
    assert_eq!(phone("https.alias.example", dns::HTTPS).records, 1);
    assert_eq!(phone("nothing.ordinary.example", dns::A).rcode(), dns::NXDOMAIN);
    assert!(phone("big.ordinary.example", dns::TXT).truncated());
    let big = lab.phone().ok("dig +short TXT big.ordinary.example @198.51.100.53");
    assert_eq!(big.matches('"').count(), 2 * BIG_TXT, "over TCP it is whole");
    assert!(lab.phone().ok("dig +short TXT whoami.lab.example").contains("isp"));
    assert!(
        lab.phone().ok("dig +short TXT whoami.lab.example @2001:db8:8::88").contains("foreign")
    );
}

fn pages_load(lab: &Lab) {
    for (family, url) in [
        ("-4", "https://www.ordinary.example/page.bin"),
        ("-6", "https://www.ordinary.example/page.bin"),
        ("-4", "http://www.ordinary.example/page.bin"),
    ] {
        let out = "/run/lab/phone/page";
        let curl = format!("curl -sS {family} -m 5 --cacert /run/lab/ca.pem -o {out} {url}");
        lab.phone().ok(&curl);
        assert!(fs::read(out).expect("downloaded") == page(), "{curl}");
    }
    let post =
        "curl -sS -m 5 --cacert /run/lab/ca.pem -d imei=1 https://open.oneplus.net/cloud/pushdata";
    assert_eq!(lab.phone().ok(post), "thank you");
    let app = lab.phone().static_app("203.0.113.88", "open.oneplus.net", 443);
    assert_eq!(
        (app["address"].as_str(), app["ended"].as_str()),
        (Some("203.0.113.66"), Some("connected"))
    );
}

fn evidence_is_kept(lab: &Lab) {
    let internet = lab.internet();
    let posts = internet.web_log("open.oneplus.net");
    assert!(posts.iter().any(|l| l.contains(" POST /cloud/pushdata 200 ")), "{posts:?}");
    let questions = internet.query_log("foreign", "open.oneplus.net");
    assert!(questions.contains(&"192.0.2.10 open.oneplus.net. A IN".to_owned()), "{questions:?}");
    let counters = internet.counters();
    assert!(counters.dns_from_clients > 10 && counters.vendor > 5 && counters.web > 5);
    assert_eq!((counters.sinkhole, counters.hard_coded), (0, 0));
}

/// Runs itself again, as a lab that waits to be killed.
#[test]
fn a_killed_lab_leaves_nothing() {
    if isolated_or_skip_reason().is_some() || std::env::var_os("OPTOUT_LAB_MARK").is_some() {
        return isolated(|| {
            let _lab = Lab::start();
            thread::sleep(Duration::from_mins(1));
        });
    }
    let before = outside();
    let exe = std::env::current_exe().expect("path of this test");
    let mut run = Command::new(exe)
        .args(["--exact", "lab_itself::a_killed_lab_leaves_nothing", "--nocapture"])
        .env("OPTOUT_LAB_MARK", MARK)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test runs again");
    // The test twice, unshare(1), four machines and three servers.
    let up = within(20 * SECOND, || (marked() >= 10).then_some(()));
    assert!(up.is_some(), "the lab did not come up: {} processes", marked());
    run.kill().expect("our own child");
    run.wait().expect("our own child");
    let gone = within(5 * SECOND, || (marked() == 0).then_some(()));
    assert!(gone.is_some(), "{} processes outlive their test", marked());
    assert_eq!(outside(), before);
}

const MARK: &str = "killed-lab";

/// Processes that carry the mark.
fn marked() -> usize {
    let mark = format!("OPTOUT_LAB_MARK={MARK}");
    let processes = fs::read_dir("/proc").expect("proc").flatten();
    let marked = processes.filter(|process| {
        let environ = fs::read(process.path().join("environ")).unwrap_or_default();
        environ.split(|b| *b == 0).any(|variable| variable == mark.as_bytes())
    });
    marked.count()
}

/// What a lab might have left: mounts, devices, files.
fn outside() -> (String, Vec<String>, Vec<OsString>) {
    let devices = fs::read_to_string("/proc/net/dev").expect("proc");
    let devices = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
    let files = ["/run", "/etc", "/var/lib"].into_iter().flat_map(fs::read_dir);
    let mut files: Vec<_> = files.flatten().flatten().map(|file| file.file_name()).collect();
    files.sort();
    (fs::read_to_string("/proc/self/mounts").expect("proc"), devices.collect(), files)
}
