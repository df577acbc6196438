//! Rows H1 to H5 and S14, and what a peer of HTTP can do without end.

use super::*;
use crate::core::sniff::MAX_HELD;

/// One row, one test: `name: request => the hosts it says`.
macro_rules! requests {
    ($($name:ident: $request:literal => $want:literal;)*) => {
        $(#[test] fn $name() { check($request, $want); })*
    };
}

requests! {
    // H1
    host_of_any_case: b"GET / HTTP/1.1\r\nhoSt: T.example\r\n\r\n" => "t.example";
    no_space: b"GET / HTTP/1.1\r\nHost:t.example\r\n\r\n" => "t.example";
    tab: b"GET / HTTP/1.1\r\nHost:\tt.example\t\r\n\r\n" => "t.example";
    many_spaces: b"GET / HTTP/1.1\r\nHost:    t.example   \r\n\r\n" => "t.example";
    space_before_the_colon: b"GET / HTTP/1.1\r\nHost : t.example\r\n\r\n" => "t.example";
    tab_before_the_colon: b"GET / HTTP/1.1\r\nHost\t: t.example\r\n\r\n" => "t.example";
    folded: b"GET / HTTP/1.1\r\nHost:\r\n t.example\r\n\r\n" => "t.example";
    folded_twice: b"GET / HTTP/1.1\r\nHost:\r\n \r\n\tt.example\r\n\r\n" => "t.example";
    folded_after_a_name: b"GET / HTTP/1.1\r\nHost: a.example\r\n t.example\r\n\r\n"
        => "a.example t.example";
    folded_into_another_field: b"GET / HTTP/1.1\r\nX: y\r\n Host: t.example\r\n\r\n" => "t.example";
    space_before_the_first_field: b"GET / HTTP/1.1\r\n Host: t.example\r\n\r\n" => "t.example";
    fold_of_another_field: b"GET / HTTP/1.1\r\nHost: a.example\r\nX: y\r\n b.example\r\n\r\n"
        => "a.example";
    two_hosts: b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: t.example\r\n\r\n"
        => "a.example t.example";
    two_hosts_in_one: b"GET / HTTP/1.1\r\nHost: a.example, t.example\r\n\r\n"
        => "a.example t.example";
    lone_carriage_return: b"GET / HTTP/1.1\r\nX: y\rHost: t.example\r\n\r\n" => "t.example";
    whole_uri: b"GET http://t.example/x HTTP/1.1\r\nHost: a.example\r\n\r\n"
        => "t.example a.example";
    whole_uri_alone: b"GET HTTP://u:p@T.example:80?q HTTP/1.0\r\n\r\n" => "t.example";
    uri_in_a_query: b"GET /?u=http://t.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n" => "a.example";
    trailing_dot: b"GET / HTTP/1.1\r\nHost: t.example.\r\n\r\n" => "t.example";
    port: b"GET / HTTP/1.1\r\nHost: t.example:8080\r\n\r\n" => "t.example";
    empty_port: b"GET / HTTP/1.1\r\nHost: t.example:\r\n\r\n" => "t.example";
    dot_and_port: b"GET / HTTP/1.1\r\nHost: t.example.:80\r\n\r\n" => "t.example";
    user: b"GET / HTTP/1.1\r\nHost: a.example@t.example:80\r\n\r\n" => "t.example";
    address: b"GET / HTTP/1.1\r\nHost: 192.0.2.1:8080\r\n\r\n" => "an address instead of a name";
    address_of_ipv6: b"GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"
        => "an address instead of a name";
    address_in_the_uri: b"GET http://192.0.2.1/ HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    no_host: b"GET / HTTP/1.0\r\nAccept: */*\r\n\r\n" => "it names no host";
    empty_host: b"GET / HTTP/1.1\r\nHost:\r\nX: y\r\n\r\n" => "it names no host";
    odd_host: b"GET / HTTP/1.1\r\nHost: <b>\r\n\r\n" => "malformed";
    longer_names_are_others: b"GET / HTTP/1.1\r\nX-Host: a.example\r\nHosts: a.example\r\n\r\n"
        => "it names no host";
    // S14
    connect: b"CONNECT t.example:443 HTTP/1.1\r\nHost: t.example:443\r\n\r\n" => "t.example";
    connect_without_host: b"CONNECT t.example:443 HTTP/1.0\r\n\r\n\x16\x03\x01" => "t.example";
    connect_to_ipv6: b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\n\r\n"
        => "an address instead of a name";
    // H1 again
    star: b"OPTIONS * HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    unknown_method: b"M-SEARCH * HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    method_of_any_case: b"get / http/1.1\r\nhost: t.example\r\n\r\n" => "t.example";
    more_spaces: b"GET   /   HTTP/1.1  \r\nHost: t.example\r\n\r\n" => "t.example";
    tabs_in_the_first_line: b"GET\t/\tHTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    spaces_in_the_target: b"GET /a b HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    other_spaces_in_the_first_line: b"GET\x0b/\x0cHTTP/1.1\r\nHost: t.example\r\n\r\n"
        => "t.example";
    other_spaces_behind_a_uri: b"GET http://t.example\x0bHTTP/1.1\r\n\r\n" => "t.example";
    other_spaces_at_the_name: b"GET / HTTP/1.1\r\n\x0bHost\x0b:\x0bt.example\x0c\r\n\r\n"
        => "t.example";
    // H2
    leading_crlf: b"\r\n\r\nGET / HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    leading_lf: b"\nGET / HTTP/1.1\r\nHost: t.example\r\n\r\n" => "t.example";
    bare_lf: b"GET / HTTP/1.1\nHost: t.example\n\n" => "t.example";
    bare_lf_at_the_end: b"GET / HTTP/1.1\r\nHost: t.example\r\n\n" => "t.example";
    many_cr: b"GET / HTTP/1.1\r\r\nHost: t.example\r\r\n\r\r\n" => "t.example";
    // H4
    upgrade_to_h2c: b"GET / HTTP/1.1\r\nHost: t.example\r\nConnection: Upgrade, HTTP2-Settings\r\n\
        Upgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" => "t.example";
    websocket: b"GET /chat HTTP/1.1\r\nHost: t.example\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\n\r\n\x81\x85" => "t.example";
    http_0_9: b"GET /\r\n" => "it names no host";
    http_0_9_with_lines_behind: b"GET /\r\nHost: a.example\r\n\r\n" => "it names no host";
    http_0_9_of_a_proxy: b"GET http://t.example/\r\n" => "t.example";
    // H3
    pipelined: b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n"
        => "a.example";
    // H5
    body: b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 99999999999999999999999\r\n\r\n\
        Host: b.example\r\n\r\n" => "a.example";
    smuggled: b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: b.example\r\n\r\n"
        => "a.example";
}

/// The request comes to this, however it is cut.
#[track_caller]
fn check(request: &[u8], want: &str) {
    let told = tell_in_every_cut(request, 50);
    assert_eq!(told.pushed.as_ref().map(short).as_deref(), Some(want));
    assert!(told.over);
    every_prefix_needs_more_or_is_enough_of_hosts(request, want);
}

/// A prefix has an outcome only once the head is whole.
#[track_caller]
fn every_prefix_needs_more_or_is_enough_of_hosts(request: &[u8], want: &str) {
    for len in 0..request.len() {
        let told = tell([&request[..len]]);
        if let Some(pushed) = &told.pushed {
            assert_eq!(short(pushed), want, "the first {len} bytes");
        }
    }
}

#[test]
fn the_version_is_told() {
    for (request, want) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Spoken::Http(1, 1)),
        (b"GET / HTTP/1.0\r\n\r\n", Spoken::Http(1, 0)),
        (b"GET / HTTP/1.10\r\n\r\n", Spoken::Http(1, 10)),
        (b"GET /\n", Spoken::Http(0, 9)),
    ] {
        let Sniffed::Unnamed(unnamed) = sniff(request) else { panic!("a name") };
        assert_eq!((unnamed.cause, unnamed.spoken), (Cause::NoName, Some(want)));
    }
}

/// H1: whatever of it a server believes.
#[test]
fn more_than_one_host_is_doubtful() {
    let doubtful = |request: &[u8]| match sniff(request) {
        Sniffed::Named(named) => named.doubtful,
        other => panic!("{other:?}"),
    };
    assert!(doubtful(b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n"));
    assert!(doubtful(b"GET http://192.0.2.1/ HTTP/1.1\r\nHost: a.example\r\n\r\n"));
    assert!(!doubtful(b"GET http://a.example/ HTTP/1.1\r\nHost: a.example:80\r\n\r\n"));
}

/// H2
#[test]
fn a_host_in_the_first_16_kib_of_a_head_is_found() {
    let line = b"Cookie: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n";
    for (before, want) in [(0, "t.example"), (200, "t.example"), (300, "too long")] {
        let head = [&b"GET / HTTP/1.1\r\n"[..], &line.repeat(before), b"Host: t.example\r\n"];
        let request = [&head.concat()[..], &line.repeat(1000), b"\r\n"].concat();
        let told = tell_in_every_cut(&request, 5);
        assert_eq!(short(&told.finished), want);
        assert!(told.over);
    }
}

/// H2
#[test]
fn without_the_last_line_end_what_is_whole_counts_at_the_deadline() {
    for (request, want) in [
        (&b"GET / HTTP/1.1\r\nHost: t.example\r\n"[..], "t.example"),
        (b"GET / HTTP/1.1\r\nHost: t.example\r\nX", "t.example"),
        (b"GET / HTTP/1.1\r\nHost: t.example\r", "incomplete"),
        (b"GET / HTTP/1.1\r\nHost: t.exam", "incomplete"),
        (b"GET / HTTP", "incomplete"),
        (b"GET", "incomplete"),
        (b"\r\n", "incomplete"),
        (b"CONNECT t.example:443 HTTP/1.1\r\n", "t.example"),
    ] {
        let told = tell_in_every_cut(request, 10);
        assert_eq!(told.pushed, None);
        assert_eq!(short(&told.finished), want, "{}", request.escape_ascii());
        assert!(!told.over);
    }
}

#[test]
fn what_is_pushed_after_a_deadline_is_read() {
    let mut stream = Stream::default();
    assert_eq!(stream.push(b"GET / HTTP/1.1\r\nHo"), Sniffed::NeedMore);
    assert_eq!(short(&stream.finish()), "incomplete");
    assert_eq!(short(&stream.push(b"st: t.example\r\n\r\n")), "t.example");
}

/// H4
#[test]
fn http_2_with_prior_knowledge_is_known() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let told = tell_in_every_cut(preface, 20);
    let Some(Sniffed::Unnamed(unnamed)) = told.pushed else { panic!("{told:?}") };
    assert_eq!((unnamed.cause, unnamed.spoken), (Cause::NoName, Some(Spoken::Http2)));
    // What lies behind its first line is no head, whatever it looks like.
    for behind in ["Host : \u{3}\r\n", "Host: t.example\r\n\r\n", "\u{3}\u{3}"] {
        for line in ["PRI * HTTP/2.0\r\n", "PRI * HTTP/2.0\n", "GET /\r\n"] {
            let told = tell_in_every_cut(format!("{line}{behind}").as_bytes(), 20);
            assert_eq!(short(&told.finished), "it names no host", "{line}{behind}");
        }
    }
}

#[test]
fn every_bit_of_a_request_may_flip() {
    flip_every_bit(
        b"\nGET http://u@b.example:80/ HTTP/1.1\r\nHost : a.example\r\n fold\r\n\r\nGET",
    );
}

#[test]
fn ends_of_lines_without_end_are_another_protocol() {
    let lines = b"\r\n".repeat(MAX_HELD);
    let told = tell_in_every_cut(&lines, 3);
    assert_eq!(short(&told.finished), "another protocol");
    assert_eq!(tell([&b"\n".repeat(16 * 1024)[..]]).pushed, None);
    let many = [&b"\n".repeat(16 * 1024)[..], b"GET / HTTP/1.1\nHost: t.example\n\n"].concat();
    assert_eq!(short(&tell_in_every_cut(&many, 3).finished), "t.example");
}

#[test]
fn a_first_line_without_end_is_given_up() {
    let line = [&b"GET /"[..], &b"a".repeat(40_000)].concat();
    assert_eq!(short(&tell_in_every_cut(&line, 3).finished), "too long");
    assert_eq!(short(&tell_in_every_cut(&b"a".repeat(40_000), 3).finished), "another protocol");
}

/// Work that grows with the square of a stream would take minutes here.
#[test]
fn a_head_of_many_small_lines_is_read_in_linear_time() {
    let hosts = b"Host:a.example\n".repeat(1000);
    let folds = b"\n ".repeat(8000);
    for rest in [hosts, folds] {
        let request = [&b"GET / HTTP/1.1\nHost:"[..], &rest, b"\n\n"].concat();
        for _ in 0..20 {
            assert_eq!(tell(request.chunks(1)), tell([&request[..]]));
        }
    }
}
