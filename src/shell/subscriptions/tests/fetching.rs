//! Rows L5 to L9: what comes over the wire.

use std::io::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::server::{End, Server, Shown, bytes, head, plain, redirect};
use super::{Scratch, URL, bounds, fetcher, names};
use crate::shell::subscriptions::{
    Bounds, Dial, FetchError, Fetched, Fetcher, SystemDial, Validators, Wanted, given_roots,
    system_roots,
};

/// Fetches the list; what came, or the sentence that says why it did not.
fn get(server: &Server) -> Result<String, String> {
    get_with(&fetcher(server, bounds()), URL, false)
}

fn get_with(fetcher: &Fetcher, url: &str, allow_private: bool) -> Result<String, String> {
    let mut text = Vec::new();
    let known = &Validators::default();
    let wanted = Wanted { url, allow_private, known };
    match fetcher.get(wanted, &mut text, &mut |_, _| {}) {
        Ok(_) => Ok(String::from_utf8(text).unwrap()),
        Err(error) => {
            let why = error.to_string();
            assert!(!why.contains('\n') && why.contains("; "), "no remedy: {why}");
            Err(why)
        }
    }
}

#[track_caller]
fn refused(server: &Server, want: &str) {
    let why = get(server).unwrap_err();
    assert!(why.contains(want), "{why}");
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_list_comes_with_a_length_and_needs_no_last_newline() {
    assert_eq!(get(&Server::giving("a.example\nb.example")).unwrap(), "a.example\nb.example");
}

#[test]
fn a_list_comes_in_chunks() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Transfer-Encoding: chunked"])?;
        wire.write_all(b"5\r\na.exa\r\n4\r\nmple\r\n0\r\n\r\n")?;
        Ok(End::Word)
    });
    assert_eq!(get(&server).unwrap(), "a.example");
}

#[test]
fn a_list_comes_packed_and_its_progress_is_that_of_the_wire() {
    let text = names(5000);
    let packed = gzip(text.as_bytes());
    let length = packed.len() as u64;
    let server = Server::new(move |_, wire| bytes(wire, &["Content-Encoding: gzip"], &packed));
    let (mut came, mut seen) = (Vec::new(), Vec::new());
    let known = &Validators::default();
    let wanted = Wanted { url: URL, allow_private: false, known };
    let progress = &mut |bytes, total| seen.push((bytes, total));
    fetcher(&server, bounds()).get(wanted, &mut came, progress).unwrap();
    assert_eq!(came, text.as_bytes());
    assert_eq!(seen.last(), Some(&(length, Some(length))));
    assert!(server.heads()[0].to_lowercase().contains("accept-encoding: gzip\r\n"));
}

#[test]
fn a_server_learns_nothing_about_us() {
    let server = Server::giving("a.example\n");
    get(&server).unwrap();
    let head = server.heads()[0].to_lowercase();
    let mut lines: Vec<&str> = head.trim_end().lines().collect();
    lines.sort_unstable();
    let want = [
        "accept-encoding: gzip",
        "accept: */*",
        "get /l.txt http/1.1",
        "host: lists.example",
        "user-agent: optout",
    ];
    assert_eq!(lines, want);
}

#[test]
fn l5_a_body_shorter_than_its_length_is_refused() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Content-Length: 100"])?;
        wire.write_all(b"a.example\n")?;
        Ok(End::Word)
    });
    refused(&server, "it came cut off (the connection ended too early)");
}

#[test]
fn l5_a_connection_that_is_reset_is_refused() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Content-Length: 100"])?;
        wire.write_all(b"a.example\n")?;
        Ok(End::Reset)
    });
    refused(&server, "it came cut off");
}

#[test]
fn l5_a_body_without_its_last_chunk_is_refused() {
    for end in [b"".as_slice(), b"5\r\nb.ex", b"5\r\nb.exa\r\n"] {
        let server = Server::new(move |_, wire| {
            head(wire, 200, &["Transfer-Encoding: chunked"])?;
            wire.write_all(b"a\r\na.example\n\r\n")?;
            wire.write_all(end)?;
            Ok(End::Word)
        });
        refused(&server, "it came cut off");
    }
}

#[test]
fn l5_a_last_line_without_end_is_refused_where_no_length_was_given() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Connection: close"])?;
        wire.write_all(b"a.example\nb.exa")?;
        Ok(End::Word)
    });
    refused(&server, "it came cut off (its last line has no end)");
}

#[test]
fn l5_a_connection_without_length_must_end_with_a_word() {
    let server = |end: fn() -> End| {
        Server::new(move |_, wire| {
            head(wire, 200, &["Connection: close"])?;
            wire.write_all(b"a.example\n")?;
            Ok(end())
        })
    };
    assert_eq!(get(&server(|| End::Word)).unwrap(), "a.example\n");
    refused(&server(|| End::Cut), "it came cut off (the connection was cut)");
}

#[test]
fn l5_a_packed_body_that_is_cut_or_damaged_is_refused() {
    let packed = gzip(names(500).as_bytes());
    for cut in [1, 9, 12, packed.len() / 2, packed.len() - 8, packed.len() - 1] {
        let body = packed[..cut].to_vec();
        let server = Server::new(move |_, wire| bytes(wire, &["Content-Encoding: gzip"], &body));
        assert!(get(&server).is_err(), "{cut}");
    }
    let mut body = packed;
    let place = body.len() / 2;
    body[place] ^= 1;
    let server = Server::new(move |_, wire| bytes(wire, &["Content-Encoding: gzip"], &body));
    assert!(get(&server).is_err());
}

#[test]
fn l6_a_body_that_drips_ends_at_the_bound() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Content-Length: 1000"])?;
        for _ in 0..1000 {
            wire.write_all(b"x")?;
            wire.flush()?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(End::Word)
    });
    let short = Bounds { total: Duration::from_secs(1), ..bounds() };
    let begun = Instant::now();
    let why = get_with(&fetcher(&server, short), URL, false).unwrap_err();
    assert!(why.starts_with("it did not come within 1 s; "), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn l6_a_head_that_drips_ends_at_the_bound_and_so_does_silence() {
    for drip in [true, false] {
        let server = Server::new(move |_, wire| {
            wire.write_all(b"HTTP/1.1 200 OK\r\nX: ")?;
            for _ in 0..500 {
                if drip {
                    wire.write_all(b"x")?;
                    wire.flush()?;
                }
                thread::sleep(Duration::from_millis(10));
            }
            Ok(End::Word)
        });
        let short = Bounds { total: Duration::from_secs(1), ..bounds() };
        let begun = Instant::now();
        let why = get_with(&fetcher(&server, short), URL, false).unwrap_err();
        assert!(why.starts_with("it did not come within 1 s; "), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[test]
fn l6_a_head_without_end_is_refused() {
    let server = Server::new(|_, wire| {
        wire.write_all(b"HTTP/1.1 200 OK\r\n")?;
        for _ in 0..10_000 {
            wire.write_all(b"X-Filler: filler filler filler filler filler\r\n")?;
        }
        Ok(End::Word)
    });
    refused(&server, "its server does not speak HTTP as it must");
}

#[test]
fn l6_ten_gigabytes_are_refused_by_their_length_alone() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Content-Length: 10000000000"])?;
        Ok(End::Word)
    });
    refused(&server, "it is larger than 1 MiB; use a shorter list");
}

#[test]
fn l6_more_than_the_bound_is_refused_where_no_length_was_given() {
    let server = Server::new(|_, wire| {
        head(wire, 200, &["Connection: close"])?;
        let line = names(1000);
        loop {
            wire.write_all(line.as_bytes())?;
        }
    });
    refused(&server, "it is larger than 1 MiB");
}

#[test]
fn l6_a_gzip_bomb_is_refused() {
    let bomb = gzip(&vec![b'\n'; 100 << 20]);
    assert!(bomb.len() < 200_000);
    let server = Server::new(move |_, wire| bytes(wire, &["Content-Encoding: gzip"], &bomb));
    refused(&server, "it is larger than 1 MiB");
}

#[test]
fn l6_bytes_that_unpack_to_nothing_are_bounded_too() {
    let empty = gzip(b"").repeat(100);
    let server = Server::new(move |_, wire| {
        head(wire, 200, &["Content-Encoding: gzip", "Connection: close"])?;
        loop {
            wire.write_all(&empty)?;
        }
    });
    refused(&server, "it is larger than 1 MiB");
}

#[test]
fn l6_a_packing_that_was_not_asked_for_is_refused() {
    let server = Server::new(|_, wire| bytes(wire, &["Content-Encoding: br"], b"abc"));
    refused(&server, "it came packed and cannot be unpacked (it is not gzip)");
}

#[test]
fn l7_five_redirects_are_followed() {
    let server = Server::new(|asked, wire| match asked.before {
        5 => plain(wire, "a.example\n"),
        n => redirect(wire, &format!("/{}", n + 1)),
    });
    assert_eq!(get(&server).unwrap(), "a.example\n");
    assert!(server.heads()[5].starts_with("GET /5 "));
}

#[test]
fn l7_twenty_redirects_are_not_followed() {
    let server = Server::new(|asked, wire| match asked.before {
        20 => plain(wire, "a.example\n"),
        n => redirect(wire, &format!("https://lists.example/{n}")),
    });
    refused(&server, "its server redirects more than 5 times");
    assert_eq!(server.heads().len(), 6);
}

#[test]
fn l7_all_redirects_together_have_one_time() {
    let server = Server::new(|_, wire| {
        thread::sleep(Duration::from_millis(300));
        redirect(wire, "/again")
    });
    let short = Bounds { total: Duration::from_secs(1), redirects: 1000, ..bounds() };
    let why = get_with(&fetcher(&server, short), URL, false).unwrap_err();
    assert!(why.starts_with("it did not come within 1 s"), "{why}");
    assert!(server.heads().len() <= 4);
}

#[test]
fn l7_a_redirect_to_http_is_not_followed() {
    let server = Server::new(|_, wire| redirect(wire, "http://lists.example/l.txt"));
    refused(&server, "its server redirects to an address that is not https");
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn l7_a_redirect_to_a_file_or_to_nothing_is_not_followed() {
    for location in ["file:///etc/passwd", "", "javascript:x", "https://", "https://u:p@x.example/"]
    {
        let server = Server::new(move |asked, wire| match asked.before {
            0 => redirect(wire, location),
            _ => redirect(wire, "file:///etc/shadow"),
        });
        let why = get(&server).unwrap_err();
        assert!(why.contains("redirects to"), "{location}: {why}");
    }
}

#[test]
fn l7_a_redirect_to_a_private_literal_is_not_followed() {
    for (host, kind) in [
        ("127.0.0.1", "an address of this device itself"),
        ("169.254.169.254", "a link-local address"),
        ("[::1]", "an address of this device itself"),
        ("[::ffff:192.168.1.1]", "an address of a home network"),
        ("[fd00::1]:8443", "an address of a home network"),
    ] {
        let server = Server::new(move |_, wire| redirect(wire, &format!("https://{host}/x")));
        refused(&server, kind);
        assert_eq!(server.dial.connected.lock().unwrap().len(), 1, "{host}");
    }
}

#[test]
fn l7_a_redirect_to_a_name_at_a_private_address_is_not_followed() {
    let server = Server::new(|_, wire| redirect(wire, "https://inside.example/"));
    server.dial.name("inside.example", &["192.168.1.1"]);
    refused(&server, "its server is at 192.168.1.1, an address of a home network");
    assert_eq!(server.dial.connected.lock().unwrap().len(), 1);
}

#[test]
fn l7_one_private_address_among_public_ones_is_enough() {
    let server = Server::giving("a.example\n");
    server.dial.name("lists.example", &["192.0.2.1", "10.0.0.1"]);
    refused(&server, "its server is at 10.0.0.1");
    assert!(server.dial.connected.lock().unwrap().is_empty());
}

#[test]
fn l7_odd_spellings_of_loopback_are_judged_after_resolution() {
    let server = Server::giving("a.example\n");
    for host in ["2130706433", "0x7f.1", "127.1", "localhost"] {
        server.dial.name(host, &["127.0.0.1"]);
        let why = get_with(&fetcher(&server, bounds()), &format!("https://{host}/"), false);
        assert!(why.unwrap_err().contains("an address of this device itself"), "{host}");
    }
    assert!(server.dial.connected.lock().unwrap().is_empty());
}

#[test]
fn l7_the_connection_goes_to_the_address_that_was_judged() {
    let server = Server::giving("a.example\n");
    server.dial.name("lists.example", &["203.0.113.9"]);
    get(&server).unwrap();
    let connected = server.dial.connected.lock().unwrap();
    assert_eq!(*connected, ["203.0.113.9:443".parse().unwrap()]);
    assert_eq!(*server.dial.asked.lock().unwrap(), ["lists.example"], "asked once");
}

#[test]
fn a_list_on_a_device_of_ones_own_is_allowed_by_the_user() {
    let server = Server::giving("a.example\n");
    server.dial.name("lists.example", &["192.168.1.2"]);
    let fetcher = fetcher(&server, bounds());
    assert!(get_with(&fetcher, URL, false).is_err());
    assert_eq!(get_with(&fetcher, URL, true).unwrap(), "a.example\n");
}

#[test]
fn l7_private_addresses_are_allowed_to_the_list_and_not_to_where_it_redirects() {
    let server = Server::new(|_, wire| redirect(wire, "https://router.example/reboot"));
    server.dial.name("lists.example", &["192.168.1.2"]);
    server.dial.name("router.example", &["192.168.1.1"]);
    let why = get_with(&fetcher(&server, bounds()), URL, true).unwrap_err();
    assert!(why.contains("its server is at 192.168.1.1"), "{why}");
    assert_eq!(server.heads().len(), 1);
}

#[test]
fn a_list_may_be_at_an_address_literal() {
    let server = Server::giving("a.example\n");
    let text = get_with(&fetcher(&server, bounds()), "https://192.0.2.7:8443/", false);
    assert_eq!(text.unwrap(), "a.example\n");
    assert!(server.dial.asked.lock().unwrap().is_empty());
}

#[test]
fn l8_an_expired_certificate_is_refused_and_the_clock_named() {
    let server = Server::showing(Shown::Expired, |_, wire| plain(wire, "a.example\n"));
    refused(&server, "has expired; is this device's clock right? It says 20");
}

#[test]
fn l8_a_certificate_of_the_future_is_refused_and_the_clock_named() {
    let server = Server::showing(Shown::OfTheFuture, |_, wire| plain(wire, "a.example\n"));
    refused(&server, "is not valid yet; is this device's clock right? It says 20");
}

#[test]
fn l8_a_certificate_for_another_name_is_refused() {
    let server = Server::showing(Shown::ForAnotherName, |_, wire| plain(wire, "a.example\n"));
    refused(&server, "the certificate of its server is for another name");
}

#[test]
fn l8_a_certificate_by_nobody_is_refused() {
    let server = Server::showing(Shown::SelfSigned, |_, wire| plain(wire, "a.example\n"));
    refused(&server, "is signed by nobody that this device trusts");
    // An authority that this device does not know is nobody, too.
    let server = Server::giving("a.example\n");
    let stranger = Server::giving("");
    let fetcher = Fetcher::new(server.dial.clone(), stranger.roots.clone(), bounds());
    let why = get_with(&fetcher, URL, false).unwrap_err();
    assert!(why.contains("is signed by nobody that this device trusts"), "{why}");
    assert!(server.heads().is_empty(), "nothing was asked over it");
}

#[test]
fn l9_an_unconditional_request_is_not_answered_by_unchanged() {
    let server = Server::new(|_, wire| {
        head(wire, 304, &[])?;
        Ok(End::Word)
    });
    refused(&server, "its server says that it is unchanged, and no copy of it is here");
}

#[test]
fn what_a_server_gave_is_sent_back_to_it() {
    let server = Server::new(|asked, wire| {
        if asked.before == 0 {
            let modified = "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT";
            return bytes(wire, &["ETag: W/\"x\"", modified], b"a");
        }
        head(wire, 304, &[])?;
        Ok(End::Word)
    });
    let fetcher = fetcher(&server, bounds());
    let ask = |known: &Validators| {
        let wanted = Wanted { url: URL, allow_private: false, known };
        fetcher.get(wanted, &mut Vec::new(), &mut |_, _| {}).unwrap()
    };
    let Fetched::New(known) = ask(&Validators::default()) else { panic!("nothing") };
    assert_eq!(ask(&known), Fetched::Unchanged);
    let head = server.heads()[1].to_lowercase();
    assert!(head.contains("if-none-match: w/\"x\"\r\n"), "{head}");
    assert!(head.contains("if-modified-since: mon, 01 jan 2024 00:00:00 gmt\r\n"), "{head}");
}

/// One row, one test: `name: status => what is said`.
macro_rules! statuses {
    ($($name:ident: $status:literal => $want:literal;)*) => {
        $(#[test] fn $name() {
            let server = Server::new(|_, wire| {
                head(wire, $status, &["Content-Length: 10"])?;
                wire.write_all(b"a.example\n")?;
                Ok(End::Word)
            });
            assert_eq!(get(&server).unwrap_err(), $want);
        })*
    };
}

statuses! {
    l4_a_page_that_is_not_there: 404 =>
        "its server answers 404, it is not there; look for the new address of the list";
    l4_a_page_that_is_gone: 410 =>
        "its server answers 410, it is not there; look for the new address of the list";
    l4_a_page_that_may_not_be_had: 403 =>
        "its server answers 403, it may not be had; look for the new address of the list";
    l4_a_server_in_trouble: 500 =>
        "its server answers 500, the server is in trouble; try again later";
    l4_a_server_that_is_asked_too_often: 429 =>
        "its server answers 429, it is asked too often; try again later";
    l4_a_part_of_a_list: 206 =>
        "its server answers 206, which is no list; look for the new address of the list";
}

#[test]
fn what_is_no_http_is_refused() {
    let server = Server::new(|_, wire| {
        wire.write_all(b"220 mail.example ESMTP\r\n\r\n")?;
        Ok(End::Word)
    });
    refused(&server, "its server does not speak HTTP as it must");
}

#[test]
fn a_server_that_hangs_up_is_refused() {
    let server = Server::new(|_, _| Ok(End::Word));
    refused(&server, "it came cut off");
}

#[test]
fn a_server_that_never_says_a_word_of_tls_ends_at_the_bound_for_connecting() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let short = Bounds { connect: Duration::from_millis(300), ..bounds() };
    let fetcher = Fetcher::new(Arc::new(SystemDial), given_roots(Vec::new()), short);
    let begun = Instant::now();
    let why = get_with(&fetcher, &format!("https://127.0.0.1:{port}/"), true).unwrap_err();
    assert!(why.contains("it did not answer in time"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_port_that_nobody_listens_on_is_said_so() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let fetcher = Fetcher::new(Arc::new(SystemDial), given_roots(Vec::new()), bounds());
    let why = get_with(&fetcher, &format!("https://127.0.0.1:{port}/"), true).unwrap_err();
    assert!(why.starts_with("its server cannot be reached (Connection refused"), "{why}");
}

/// Resolves nothing, and takes long about it.
#[derive(Debug)]
struct Slow;

impl Dial for Slow {
    fn resolve(&self, _: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        thread::sleep(Duration::from_secs(15));
        Ok(Vec::new())
    }

    fn connect(
        &self,
        _: std::net::SocketAddr,
        _: Duration,
    ) -> std::io::Result<std::net::TcpStream> {
        Err(std::io::ErrorKind::ConnectionRefused.into())
    }
}

#[test]
fn a_resolver_that_takes_long_is_left_alone_at_the_bound() {
    let short = Bounds { connect: Duration::from_millis(200), ..bounds() };
    let fetcher = Fetcher::new(Arc::new(Slow), given_roots(Vec::new()), short);
    let begun = Instant::now();
    let why = get_with(&fetcher, URL, false).unwrap_err();
    assert!(why.starts_with("the name of its server is not found (timed out)"), "{why}");
    assert!(begun.elapsed() < Duration::from_secs(7));
}

#[test]
fn a_disk_that_is_full_is_not_taken_for_the_servers_fault() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let server = Server::giving("a.example\n");
    let known = &Validators::default();
    let wanted = Wanted { url: URL, allow_private: false, known };
    let error = fetcher(&server, bounds()).get(wanted, &mut Full, &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, FetchError::Keep(_)), "{error}");
}

/// In a process of its own, because the environment is everybody's.
#[test]
fn trust_is_that_of_the_system_or_else_what_is_built_in() {
    const INSIDE: &str = "OPTOUT_TEST_ROOTS";
    if let Ok(want) = std::env::var(INSIDE) {
        assert_eq!(system_roots().len() == 1, want == "one");
        assert!(!system_roots().is_empty());
        return;
    }
    let scratch = Scratch::new();
    let own = rcgen::generate_simple_self_signed(vec!["x.example".into()]).unwrap();
    for (name, pem, want) in [("one", own.cert.pem(), "one"), ("none", String::new(), "many")] {
        let file = scratch.0.join(name);
        std::fs::write(&file, pem).unwrap();
        let test = "trust_is_that_of_the_system_or_else_what_is_built_in";
        let run = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("shell::subscriptions::tests::fetching::{test}")])
            .env("SSL_CERT_FILE", &file)
            .env_remove("SSL_CERT_DIR")
            .env(INSIDE, want)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success() && said.contains("1 passed"), "{name}: {said}");
    }
}
