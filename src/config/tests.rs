//! What a user may write, and what is said to the user who wrote something else.

use super::*;
use crate::core::list::Format;

#[test]
fn the_empty_file_is_the_default() {
    let config = Config::parse("").unwrap();
    assert_eq!(config.mode, Mode::Enforce);
    assert_eq!(config.mark.get(), 0x0100_0000);
    assert_eq!(config.device, "optout0");
    assert_eq!(config.sinkhole_v4.to_string(), "198.18.0.0/15");
    assert_eq!(config.sinkhole_v6.to_string(), "fd6f:7074:6f75:7400::/64");
    assert_eq!(config.journal.flush, Duration::from_secs(5));
    assert_eq!(config, Config::default());
}

/// The sample with every key switched on.
fn sample_on() -> String {
    let on = |line: &'static str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    };
    SAMPLE.lines().map(on).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_changes_nothing_and_its_values_are_the_defaults() {
    assert_eq!(Config::parse(SAMPLE).unwrap(), Config::default());
    assert_eq!(Config::parse(&sample_on()).unwrap(), Config::default());
}

#[test]
fn the_sample_holds_every_key() {
    // What serde says of a key it does not know is the list of those it knows.
    let lists = "[[lists]]\npath = '/a'\n";
    let devices = "[[devices]]\nname = 'a'\naddresses = ['192.0.2.1']\n";
    for (before, example) in [("", false), ("[journal]\n", false), (devices, true), (lists, true)] {
        let text = format!("{before}zzzzzzzzzzz = 1");
        let error = Config::parse(&text).unwrap_err().problem;
        let (_, keys) = error.split_once("the keys here are ").expect("a list of keys");
        for key in keys.split(", ") {
            let table = [format!("[{key}]"), format!("[[{key}]]")];
            let wanted = |line: &str| {
                let line = if example { line.trim_start_matches(['#', ' ']) } else { line };
                line.starts_with(&format!("{key} = ")) || table.iter().any(|t| line.contains(t))
            };
            assert!(sample_on().lines().any(wanted), "{key} is not in the sample");
        }
    }
}

#[test]
fn everything_that_may_be_written_is_understood() {
    let text = r#"
        mode = "watch"
        upstreams = ["192.0.2.1", "192.0.2.2:5353", "2001:db8::1", "[2001:db8::2]:54", "fe80::1%3"]
        private_relay = "refuse"
        allow = ["a.example",
                 "*.b.example"]
        block = ["203.0.113.0/24", "2001:db8::/32", "192.0.2.7"]
        [vendors]
        oneplus = "off"
        [[lists]]
        path = "/etc/optout/hosts"
        [[lists]]
        path = "/etc/optout/other"
        name = "mine"
        format = "domains"
        subdomains = true
        mode = "watch"
    "#;
    let config = Config::parse(text).unwrap();
    assert_eq!(config.mode, Mode::Watch);
    assert!(config.canaries.private_relay);
    let upstreams: Vec<_> = config.upstreams.iter().map(ToString::to_string).collect();
    assert_eq!(
        upstreams,
        [
            "192.0.2.1:53",
            "192.0.2.2:5353",
            "[2001:db8::1]:53",
            "[2001:db8::2]:54",
            "[fe80::1%3]:53"
        ]
    );
    assert_eq!(config.allow[0], Written { value: "a.example".parse().unwrap(), line: 5 });
    assert_eq!(config.allow[1], Written { value: "*.b.example".parse().unwrap(), line: 6 });
    assert_eq!(config.block.iter().map(|rule| rule.line).collect::<Vec<_>>(), [7, 7, 7]);
    assert_eq!(config.vendors["oneplus"], Written { value: Mode::Off, line: 9 });
    assert_eq!(config.lists[0].name, "hosts");
    assert_eq!((config.lists[0].line, config.lists[1].line), (11, 13));
    assert_eq!(config.lists[0].subdomains, None);
    assert_eq!(config.lists[1].format, Some(Format::Domains));
    assert_eq!(config.check_vendors(&["oneplus"]), Ok(()));
}

#[test]
fn everything_that_may_be_said_of_lists_is_understood() {
    let text = r#"
        [[devices]]
        name = "Kids tablet"
        addresses = ["192.168.1.20", "2001:db8::/64"]
        tags = ["user_child"]
        [schedules]
        night = ["mon-fri 21:00-07:00", "sat,sun 22:00-08:00"]
        [[lists]]
        url = "https://lists.example/sub/hosts.txt?v=1"
        every = "12h"
        [[lists]]
        url = "https://lists.example/"
        every = "never"
        kind = "allow"
        tlds = true
        clients = ["kids tablet", "192.0.2.0/24"]
        apps = ["curl", "uid:1000"]
        schedule = "night"
        sha256 = "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"
        minisign = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
        watch_for = "1w"
    "#;
    let config = Config::parse(text).unwrap();
    let [device] = &config.devices[..] else { panic!("one device") };
    assert_eq!((&*device.name, device.addresses.len()), ("Kids tablet", 2));
    assert_eq!(&*device.tags[0], "user_child");
    assert!(config.schedules["night"].holds(1, 0) && !config.schedules["night"].holds(1, 720));
    let [first, second] = &config.lists[..] else { panic!("two lists") };
    let url = "https://lists.example/sub/hosts.txt?v=1";
    let mut want = ListSource::new(Place::Url(url.into()), "hosts.txt");
    want.line = 9;
    want.every = Some(Duration::from_hours(12));
    assert_eq!(*first, want);
    assert_eq!((&*second.name, &*second.id, second.line), ("lists.example", "lists-example", 12));
    assert!(second.allow && second.tlds && second.every.is_none());
    assert_eq!((second.limits.clients.len(), second.limits.apps.len()), (2, 2));
    assert_eq!(second.limits.schedule.as_deref(), Some("night"));
    assert_eq!(second.sha256.unwrap(), std::array::from_fn(|n| u8::try_from(n).unwrap()));
    assert!(second.minisign.len() == 1);
    assert_eq!(second.watch_for, Some(Duration::from_hours(7 * 24)));
}

#[test]
fn the_sample_tells_the_defaults_of_a_list() {
    let keys = ["format", "kind", "tlds", "mode", "clients", "apps", "every"];
    let example = SAMPLE.lines().map(|line| line.trim_start_matches(['#', ' ']));
    let in_lists = example.skip_while(|line| *line != "[[lists]]").skip(1);
    let told: Vec<_> = in_lists
        .filter(|line| line.split(" = ").next().is_some_and(|key| keys.contains(&key)))
        .collect();
    assert_eq!(told.len(), keys.len(), "{told:?}");
    let place = "[[lists]]\nurl = 'https://lists.example/a'\n";
    let plain = Config::parse(place).unwrap();
    assert_eq!(Config::parse(&format!("{place}{}", told.join("\n"))).unwrap(), plain);
}

#[test]
fn an_unknown_vendor_is_refused_with_its_line() {
    let config = Config::parse("[vendors]\noneplsu = 'off'").unwrap();
    let error = config.check_vendors(&["oneplus", "xiaomi"]).unwrap_err();
    assert_eq!(error.to_string(), "2: unknown vendor \"oneplsu\"; did you mean \"oneplus\"?");
}

/// One row, one test: `name: text => what is said`.
macro_rules! mistakes {
    ($($name:ident: $text:expr => $want:literal;)*) => {
        $(#[test] fn $name() { check($text, $want); })*
    };
}

#[track_caller]
fn check(text: &str, want: &str) {
    let said = Config::parse(text).expect_err("a mistake").to_string();
    assert_eq!(said, want);
}

mistakes! {
    mistyped_key: "strict = true\nmodee = \"watch\""
        => r#"2: unknown key "modee"; did you mean "mode"?"#;
    kebab_key: "fail-policy = \"open\""
        => r#"1: unknown key "fail-policy"; did you mean "fail_policy"?"#;
    strange_key_in_a_table: "[journal]\ncolour = 1"
        => r#"2: unknown key "colour"; the keys here are privacy, keep_days, max_mb, flush_seconds"#;
    key_in_a_list: "[[lists]]\npath = \"/a\"\nnamee = \"b\""
        => r#"3: unknown key "namee"; did you mean "name"?"#;
    key_twice: "mode = \"watch\"\nmode = \"watch\""
        => "2: not TOML: duplicate key; see https://toml.io";
    no_value: "mode ="
        => "1: not TOML: string values must be quoted, expected literal string; see https://toml.io";
    unquoted: "\nmode = watch"
        => "2: not TOML: string values must be quoted, expected literal string; see https://toml.io";
    nul_byte: "mode = \"wa\0tch\""
        => "1: not TOML: invalid basic string, expected non-double-quote visible characters, `\\`; see https://toml.io";
    wrong_mode: "mode = \"on\"" => r#"1: "mode" cannot be "on"; write "enforce" or "watch""#;
    off_is_not_a_mode: "mode = \"off\"" => r#"1: "mode" cannot be "off"; write "enforce" or "watch""#;
    line_break_in_a_value: "mode = \"a\\nb\""
        => r#"1: "mode" cannot be "a\nb"; write "enforce" or "watch""#;
    mode_is_a_number: "mode = 1" => r#"1: "mode" cannot be 1; write a text in quotes"#;
    bool_is_a_text: "strict = \"yes\"" => r#"1: "strict" cannot be string "yes"; write true or false"#;
    number_is_a_text: "[journal]\n\nkeep_days = \"7\""
        => r#"3: "journal.keep_days" cannot be string "7"; write a whole number"#;
    number_is_a_fraction: "dns_table = 1.5"
        => r#"1: "dns_table" cannot be floating point 1.5; write a whole number"#;
    list_is_a_text: "upstreams = \"192.0.2.1\""
        => r#"1: "upstreams" cannot be string "192.0.2.1"; write a list in brackets"#;
    item_is_a_number: "upstreams = [\n1]" => r#"2: "upstreams" cannot be integer 1; write a text in quotes"#;
    table_is_a_number: "journal = 1"
        => r#"1: "journal" cannot be integer 1; write a table, [name] on a line of its own"#;
    days_out_of_range: "mode = \"watch\"\n[journal]\nkeep_days = 0"
        => r#"3: "journal.keep_days" cannot be 0; write 1 to 3650"#;
    negative: "[journal]\nmax_mb = -1" => r#"2: "journal.max_mb" cannot be -1; write 1 to 65536"#;
    flush_too_rare: "[journal]\nflush_seconds = 3601"
        => r#"2: "journal.flush_seconds" cannot be 3601; write 1 to 3600"#;
    mark_zero: "mark = 0"
        => r#"1: "mark" cannot be 0; write bits of 32, such as 0x01000000, at least one"#;
    mark_too_wide: "mark = 0x100000000"
        => r#"1: "mark" cannot be 4294967296; write bits of 32, such as 0x01000000, at least one"#;
    priority_after_main: "rule_priority = 32766"
        => r#"1: "rule_priority" cannot be 32766; write 1 to 32726"#;
    main_table: "dns_table = 254"
        => r#"1: "dns_table" cannot be 254; write 1 to 4294967295, but not 253, 254 or 255"#;
    table_zero: "address_table = 0"
        => r#"1: "address_table" cannot be 0; write 1 to 4294967295, but not 253, 254 or 255"#;
    one_table_for_both: "dns_table = 7\naddress_table = 7"
        => r#"2: "address_table" is the same as "dns_table"; choose another"#;
    device_too_long: "device = \"a23456789012345x\""
        => r#"1: "device" cannot be "a23456789012345x"; write 1 to 15 letters, digits, - or _"#;
    device_with_a_slash: "device = \"../x\""
        => r#"1: "device" cannot be "../x"; write 1 to 15 letters, digits, - or _"#;
    sinkhole_too_small: "sinkhole_v4 = \"192.0.2.0/24\""
        => r#"1: "sinkhole_v4" cannot be a /24; write /8 to /22"#;
    sinkhole_of_the_other_family: "sinkhole_v6 = \"198.18.0.0/15\""
        => r#"1: "sinkhole_v6" cannot be 198.18.0.0/15; write an IPv6 prefix"#;
    sinkhole_is_loopback: "sinkhole_v4 = \"127.0.0.0/8\""
        => r#"1: "sinkhole_v4" cannot be 127.0.0.0/8, which is never routed; write another"#;
    sinkhole_has_host_bits: "sinkhole_v4 = \"198.18.0.1/15\""
        => r#"1: "sinkhole_v4" "198.18.0.1/15": has bits after its length; did you mean 198.18.0.0/15?"#;
    sinkhole_is_no_prefix: "sinkhole_v4 = \"here\""
        => r#"1: "sinkhole_v4" "here": not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32"#;
    upstream_is_a_name: "upstreams = [\"192.0.2.1\",\n\"dns.example\"]"
        => r#"2: "upstreams" cannot hold "dns.example"; write an address like "192.0.2.1", "192.0.2.1:53" or "[2001:db8::1]:53""#;
    upstream_port_zero: "upstreams = [\"192.0.2.1:0\"]"
        => r#"1: "upstreams" cannot hold "192.0.2.1:0", which no resolver can have"#;
    upstream_is_nobody: "upstreams = [\"0.0.0.0\"]"
        => r#"1: "upstreams" cannot hold "0.0.0.0", which no resolver can have"#;
    upstream_is_ours: "upstreams = [\"198.18.0.53\"]"
        => r#"1: "upstreams" names 198.18.0.53:53, which is ours; name a real resolver"#;
    upstream_twice: "upstreams = [\"192.0.2.1\", \"192.0.2.1:53\"]"
        => r#"1: "upstreams" names "192.0.2.1:53" twice; remove one"#;
    client_is_a_name: "clients = [\n  \"phone\"\n]"
        => r#"2: "clients" "phone": not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32"#;
    client_is_everybody: "clients = [\"::/0\"]"
        => r#"1: "clients" cannot hold "::/0", which is everybody; name a prefix"#;
    rule_is_a_url: "block = [\"https://a.example/b\"]"
        => r#"1: "block" cannot hold "https://a.example/b": not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32"#;
    rule_is_empty: "allow = [\"a.example\",\n\n \"\"]"
        => r#"3: "allow" cannot hold "": the name is empty; write a name, a name with *. before it, an address or a prefix"#;
    list_without_a_place: "[[lists]]\nname = \"a\""
        => r#"1: "lists.path" or "url" is missing here; add one of them"#;
    list_with_two_places: "[[lists]]\npath = \"/a\"\nurl = \"https://a.example/b\""
        => r#"3: "lists.url" is one place and "path" another; leave out one"#;
    list_over_http: "[[lists]]\nurl = \"http://a.example/hosts\""
        => r#"2: "lists.url" cannot be "http://a.example/hosts"; over http anyone on the way can change a list; write https://"#;
    list_over_ftp: "[[lists]]\nurl = \"ftp://a.example/hosts\""
        => r#"2: "lists.url" cannot be "ftp://a.example/hosts"; write an address that begins with https://"#;
    list_of_no_host: "[[lists]]\nurl = \"https:///hosts\""
        => r#"2: "lists.url" cannot be "https:///hosts"; write an address that begins with https://"#;
    list_with_a_password: "[[lists]]\nurl = \"https://me:pw@a.example/hosts\""
        => r#"2: "lists.url" cannot be "https://me:pw@a.example/hosts"; a name and a password have no place in it"#;
    list_with_a_space: "[[lists]]\nurl = \"https://a.example/my hosts\""
        => r#"2: "lists.url" cannot be "https://a.example/my hosts"; write at most 2000 characters, without spaces"#;
    list_too_often: "[[lists]]\nurl = \"https://a.example/b\"\nevery = \"59m\""
        => r#"3: "lists.every" cannot be "59m"; write "1h" to "30d" or "never""#;
    list_too_rarely: "[[lists]]\nurl = \"https://a.example/b\"\nevery = \"31d\""
        => r#"3: "lists.every" cannot be "31d"; write "1h" to "30d" or "never""#;
    list_at_odd_times: "[[lists]]\nurl = \"https://a.example/b\"\nevery = \"daily\""
        => r#"3: "lists.every" cannot be "daily"; write "1h" to "30d" or "never""#;
    file_looked_after: "[[lists]]\npath = \"/a\"\nevery = \"1d\""
        => r#"3: "lists.every" is for lists with "url"; a file is read anew on a reload"#;
    list_watched_for_ever: "[[lists]]\npath = \"/a\"\nwatch_for = \"99999999999999999999d\""
        => r#"3: "lists.watch_for" cannot be "99999999999999999999d"; write "1h" to "365d""#;
    list_of_no_digest: "[[lists]]\npath = \"/a\"\nsha256 = \"0g\""
        => r#"3: "lists.sha256" is no SHA-256; write 64 digits of 0-9 and a-f"#;
    list_of_no_key: "[[lists]]\npath = \"/a\"\nminisign = \"RWQ\""
        => r#"3: "lists.minisign" is no public key of minisign; write the second line of its .pub file, 56 characters that begin with RW"#;
    list_of_no_kind: "[[lists]]\npath = \"/a\"\nkind = \"deny\""
        => r#"3: "lists.kind" cannot be "deny"; write "block" or "allow""#;
    list_for_nobody: "[[lists]]\npath = \"/a\"\nclients = [\"192.0.2.1\",\n\"tv\"]"
        => r#"4: "lists.clients" cannot hold "tv"; write an address, a prefix or the name of one of [[devices]]"#;
    list_for_no_app: "[[lists]]\npath = \"/a\"\napps = [\"/usr/bin/curl\"]"
        => r#"3: "lists.apps" cannot hold "/usr/bin/curl"; write the file name of a program, or uid: and a number"#;
    list_at_no_time: "[[lists]]\npath = \"/a\"\nschedule = \"night\""
        => r#"3: "lists.schedule" cannot be "night", which [schedules] does not have"#;
    lists_too_much_alike: "[[lists]]\npath = \"/a\"\nname = \"My list\"\n[[lists]]\npath = \"/b\"\nname = \"my-list\""
        => r#"6: "lists.name" "my-list" is too much like "My list"; give one another name"#;
    device_twice: "[[devices]]\nname = \"TV\"\naddresses = [\"192.0.2.1\"]\n[[devices]]\nname = \"tv\"\naddresses = [\"192.0.2.2\"]"
        => r#"5: "devices.name" "tv" is the name of two devices; give all addresses to one"#;
    device_called_an_address: "[[devices]]\nname = \"192.0.2.1\"\naddresses = [\"192.0.2.1\"]"
        => r#"2: "devices.name" "192.0.2.1" is an address; write a name"#;
    device_nowhere: "[[devices]]\nname = \"tv\"\naddresses = []"
        => r#"3: "devices.addresses" of "tv" is empty; write an address or a prefix"#;
    device_without_addresses: "[[devices]]\nname = \"tv\"" => r#"1: "addresses" is missing here; add it"#;
    device_at_a_name: "[[devices]]\nname = \"tv\"\naddresses = [\"192.0.2.1\",\n\"tv.lan\"]"
        => r#"4: "devices.addresses" "tv.lan": not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32"#;
    schedule_of_no_day: "[schedules]\nnight = [\"mon 1:00-2:00\",\n\"moon 1:00-2:00\"]"
        => r#"3: "schedules.night" cannot hold "moon 1:00-2:00"; write days and times like "mon-fri 21:00-07:00", "sat,sun 10:00-24:00" or "12:00-13:00""#;
    schedule_of_an_odd_name: "[schedules]\n\"Night time\" = []"
        => r#"1: "schedules" cannot hold "Night time"; name a schedule with 1 to 40 of a-z, 0-9, - and _"#;
    two_tables_for_flows: "flow_table = 5353"
        => r#"1: "flow_table" is the same as "dns_table"; choose another"#;
    capture_of_some_kind: "capture = \"all\""
        => r#"1: "capture" cannot be "all"; write "selective" or "full""#;
    port_that_is_none: "[full]\nexclude_ports = [22,\n0]"
        => r#"3: "full.exclude_ports" cannot hold 0; write a port, 1 to 65535, or ports like "6881-6889""#;
    ports_backwards: "[full]\nexclude_ports = [\"6889-6881\"]"
        => r#"2: "full.exclude_ports" cannot hold "6889-6881"; write a port, 1 to 65535, or ports like "6881-6889""#;
    port_that_is_true: "[full]\nexclude_ports = [true]"
        => r#"2: "full.exclude_ports" cannot be [true]; write a port, 1 to 65535, or ports like "6881-6889""#;
    exempt_device_unknown: "[full]\nexclude_clients = [\"tv\"]"
        => r#"2: "full.exclude_clients" cannot hold "tv"; write an address, a prefix or the name of one of [[devices]]"#;
    exempt_address_is_a_name: "[full]\nexclude_addresses = [\"a.example\"]"
        => r#"2: "full.exclude_addresses" "a.example": not an address or prefix; write it like 192.0.2.0/24 or 2001:db8::/32"#;
    exempt_program_by_its_place: "[full]\nexclude_apps = [\"uid:7\", \"/bin/steam\"]"
        => r#"2: "full.exclude_apps" cannot hold "/bin/steam"; write the file name of a program, or uid: and a number"#;
    too_few_flows: "[full]\nflows = 10"
        => r#"2: "full.flows" cannot be 10; write 256 to 4194304"#;
    too_little_is_held: "[full]\nheld_kb = 1"
        => r#"2: "full.held_kb" cannot be 1; write 64 to 1048576"#;
    list_path_is_relative: "[[lists]]\npath = \"hosts\""
        => r#"2: "lists.path" cannot be "hosts"; write a path that begins with /"#;
    list_format_unknown: "[[lists]]\npath = \"/a\"\nformat = \"xml\""
        => r#"3: "lists.format" cannot be "xml"; write "auto" or "hosts" or "domains" or "wildcard" or "adblock" or "dnsmasq" or "unbound" or "rpz" or "dnscrypt" or "ips""#;
    two_lists_of_one_name: "[[lists]]\npath = \"/a/h\"\n[[lists]]\npath = \"/b/h\""
        => r#"4: "lists.path" "h" is the name of two lists; give one another name"#;
    vendor_mode_unknown: "[vendors]\noneplus = \"block\""
        => r#"2: "vendors.oneplus" cannot be "block"; write "enforce" or "watch" or "off""#;
    log_level_unknown: "log_level = \"loud\""
        => r#"1: "log_level" cannot be "loud"; write "off" or "error" or "warn" or "info" or "debug" or "trace""#;
}

#[test]
fn exceptions_of_full_capture_are_read() {
    let config = Config::parse(
        "capture = \"full\"\n[full]\nexclude_ports = [22, \"6881-6889\"]\n\
         exclude_clients = [\"TV\", \"192.0.2.9\"]\nexclude_addresses = [\"2001:db8::/32\"]\n\
         exclude_apps = [\"uid:1000\", \"steam\"]\nheld_kb = 64\n\
         [[devices]]\nname = \"tv\"\naddresses = [\"192.0.2.7\"]\n",
    )
    .unwrap();
    let prefixes = |texts: &[&str]| -> Vec<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    };
    assert_eq!(config.capture, Capture::Full);
    assert_eq!(config.full.exclude_ports, [(22, 22), (6881, 6889)]);
    assert_eq!(config.full.exclude_clients, prefixes(&["192.0.2.7", "192.0.2.9"]));
    assert_eq!(config.full.exclude_addresses, prefixes(&["2001:db8::/32"]));
    assert_eq!((config.full.exclude_users, config.full.held), (vec![1000], 64 << 10));
    assert_eq!(config.full.exclude_programs, ["steam".into()]);
}

#[test]
fn a_thousand_upstreams_are_too_many() {
    let text = format!("upstreams = [{}]", "\"192.0.2.1\",".repeat(1000));
    check(&text, r#"1: "upstreams" names 1000 resolvers; name at most 16"#);
}

#[test]
fn a_socket_path_that_no_socket_can_have_is_refused() {
    let text = format!("control_socket = \"/{}\"", "a".repeat(107));
    check(&text, r#"1: "control_socket" is longer than 107 bytes; write a shorter path"#);
}

#[test]
fn a_file_of_ten_thousand_rules_is_read_in_no_time() {
    let rules: Vec<_> = (0..10_000).map(|n| format!("\"h{n}.example\"")).collect();
    let config = Config::parse(&format!("block = [\n{}\n]", rules.join(",\n"))).unwrap();
    assert_eq!(config.block.len(), 10_000);
    assert_eq!(config.block[9_999].line, 10_001);
}

proptest::proptest! {
    #[test]
    fn an_error_is_always_one_line(text in "\\PC{0,200}", cut in 0_usize..4000) {
        let sample = sample_on();
        let at = (0..=cut.min(sample.len())).rev().find(|&at| sample.is_char_boundary(at)).unwrap();
        let (before, after) = sample.split_at(at);
        if let Err(error) = Config::parse(&format!("{before}{text}{after}")) {
            assert!(!error.to_string().contains('\n'));
            assert!(error.line >= 1);
        }
    }
}
