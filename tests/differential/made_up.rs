//! Lists of our own, in every format, with all odd forms; the same ones every time.

use std::collections::BTreeSet;

use optout::core::list::Format;

/// Numbers that look random (Steele, Lea, Flood: splitmix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).expect("less than `end`")
    }

    pub(crate) fn of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }

    /// A name from few labels, so that many are parents of others.
    pub(crate) fn name(&mut self) -> String {
        const LABELS: [&str; 16] = [
            "ads",
            "a",
            "b",
            "track",
            "cdn",
            "x-1",
            "_dmarc",
            "xn--bcher-kva",
            "ads2",
            "metrics",
            "www",
            "0",
            "log-x",
            "net",
            "s3",
            "t",
        ];
        const ENDS: [&str; 8] = [
            "one.example",
            "two.test",
            "example",
            "co.uk",
            "org",
            "duckdns.org",
            "ck",
            "three.test",
        ];
        let mut name = String::new();
        for _ in 0..self.below(4) + usize::from(self.below(12) > 0) {
            name.push_str(self.of(&LABELS));
            name.push('.');
        }
        name + self.of(&ENDS)
    }

    fn octet(&mut self) -> String {
        self.below(256).to_string()
    }
}

/// A list with this many lines of the forms of a format.
pub(crate) fn list(format: Format, count: usize) -> Vec<u8> {
    let mut random = Random(format as u64);
    let forms: Vec<&str> = forms(format).lines().map(str::trim_start).collect();
    let mut text = Vec::new();
    if format == Format::Rpz {
        text.extend(
            b"$TTL 2h;\n$ORIGIN rpz.test.\n@ IN SOA l. r. (\n 1 ; (\n 1H 15m 30d 2h )\n  NS l.\n",
        );
    }
    for _ in 0..count {
        let form = random.of(&forms);
        let mut line = String::new();
        for (place, part) in form.split('%').enumerate() {
            if place % 2 == 0 {
                line.push_str(part);
                continue;
            }
            let filled = match part {
                "" => "%".to_owned(),
                "r" => "\n".to_owned(),
                "n" => random.name(),
                "N" => random.name().to_uppercase() + ".",
                "o" => random.octet(),
                "p" => (8 + random.below(25)).to_string(),
                "h" => format!("{:x}", random.below(65_536)),
                "m" => random.of(&MODIFIERS).replace("%n", &random.name()),
                other => unreachable!("{other}"),
            };
            line.push_str(&filled);
        }
        text.extend(line.as_bytes());
        text.extend(random.of(&[b"\n".as_slice(), b"\n", b"\r\n", b" \n", b"\t\n"]));
    }
    // What only real files have.
    text.extend("\u{feff}".as_bytes());
    text.extend(b"a\rb.example\nc.ex\0ample\nd\xfc.example\n");
    text
}

/// Names in a list that the compared lists name, or nearly.
pub(crate) fn names(count: usize) -> BTreeSet<String> {
    let mut random = Random(99);
    (0..count).map(|_| random.name().to_ascii_lowercase()).collect()
}

const MODIFIERS: [&str; 22] = [
    "important",
    "badfilter",
    "badfilter,important",
    "important,badfilter",
    "denyallow=%n|%n",
    "denyallow=%n,important",
    "denyallow=",
    "dnstype=A",
    "dnstype=a|AAAA",
    "dnstype=~HTTPS",
    "dnstype=A|~AAAA",
    "dnstype=NONE",
    "client=203.0.113.7",
    "client=~203.0.113.0/24",
    "client='Ann\\'s tablet'|192.0.2.0/24",
    "ctag=device_tv",
    "ctag=~user_child",
    "dnsrewrite=NXDOMAIN",
    "dnsrewrite=REFUSED;;",
    "dnsrewrite=192.0.2.1",
    "third-party",
    "unheard-of",
];

fn forms(format: Format) -> &'static str {
    match format {
        Format::Hosts => HOSTS,
        Format::Domains | Format::Wildcard => DOMAINS,
        Format::Adblock => ADBLOCK,
        Format::Dnsmasq => DNSMASQ,
        Format::Unbound => UNBOUND,
        Format::Rpz => RPZ,
        Format::Dnscrypt => DNSCRYPT,
        Format::Ips => IPS,
    }
}

const HOSTS: &str = "0.0.0.0 %n%
    127.0.0.1 %n% %N%\t%n%  # %n%
    ::1\t%n%
    :: %N%
    ::ffff:0:0 %n%#%n%
    0 %n%
    127.0.0.1 localhost %n%
    fe80::1%%lo0 %n%
    192.0.2.7 %n%
    0.0.0.0 0.0.0.0
    0.0.0.0 http://%n%/
    0.0.0.0 %n%:80 *.%n% a..%n% %n%
    %n%
    %n% 0.0.0.0
    0.0.0.0
    192.0.2.1
    0.0.0.0 m\u{fc}nchen.%n%
    #0.0.0.0 %n%
    %n%##.ad
    0.0.0.0 printer";
const DOMAINS: &str = "%n%
    %N%
    %n% # %n%
    %n%#%n%
    %n% // %n%
    *.%n%
    .%n%
    *%n%
    ads.*.%n%
    *.ads*.%n%
    %n%.*
    *track*
    log*-x*.one.*
    ads*
    # %n%
    ! %n%
    ; %n%
    // %n%
    [%n%]
    http://%n%/
    %n%/path
    %n%:443
    %n%,%n%
    ||%n%^
    =%n%
    example
    com
    *
    *.
    *com
    b\u{fc}cher.%n%
    %n%##.ad
    %n% %n%";
const ADBLOCK: &str = "||%n%^
    ||%n%^
    ||%N%^
    ||%n%^ # %n%
    @@||%n%^
    @@||%n%^
    |%n%^
    |%n%|
    @@|%n%^
    %n%
    @@%n%
    ||%n%
    |%n%
    %n%^
    .%n%^
    *.%n%^
    *.%n%
    ||*.%n%^
    ||ads*.%n%^
    ||ads.*^
    |track.*
    -x.*.test
    ://%n%
    http://%n%/
    //%n%^
    ||%n%/*
    ||%n%/path
    ||%n%^%n%
    ||one.*.example^
    /^ads?[0-9]*\\.%n%$/
    /track(er)?\\./
    /(^|\\.)metrics?\\./$important
    /^X-1\\..*T$/
    /(?=a)b/
    /a\\/b/
    /^192\\.0\\.2\\.[0-9]+$/
    /^192\\.0\\.2\\.1$/
    /[/
    /.*/
    .*
    *
    ||*^
    *$dnstype=HTTPS
    *$client=203.0.113.7,denyallow=%n%
    /.*/$client=192.0.2.0/24
    @@*$dnstype=~A
    ||%n%^$%m%
    ||%n%^$%m%
    ||%n%^$%m%
    ||%n%^$%m%,%m%
    @@||%n%^$%m%
    |%n%^$%m%
    %n%$%m%
    /^ads\\./$%m%
    ||192.0.2.%o%^
    ||198.51.%o%.
    ||203.0.113.*
    @@||198.51.%o%.%o%^
    ||2001:db8::%h%^
    ||10.0.0.1^
    ||192.0.2.%o%^$%m%
    0.0.0.0 %n% %n%
    192.0.2.1 %n%
    ! %n%
    # %n%
    #%n%
    [%n%]
    %n%##.ad
    %n%#@#.ad
    %n%#$#body
    ##.%n%
    %n%$$script
    ||com^
    ||test^
    ||co.uk^
    ||m\u{fc}nchen.%n%^
    ||%n%^$important #%n%
    @@
    |
    ^
    ||^
    _%n%
    -ads-1.
    &ad=%n%";
const DNSMASQ: &str = "local=/%n%/
    local=/%N%/
    address=/%n%/
    address=/%n%/0.0.0.0
    address=/%n%/::
    address=/%n%/#
    address=/%n%/127.0.0.1
    address=/%n%/%n%/%n%/0.0.0.0
    address = /%n%/0.0.0.0
    address=/%n%/192.0.2.1
    address=/.%n%/
    address=/*%n%/
    local=/*.%n%/
    server=/*.%n%/#
    server=/%n%/
    server=/%n%/#
    server=/%n%/#
    server=/%n%/192.0.2.1#5353
    server=//192.0.2.1
    address=/#/0.0.0.0
    local=/%n%/ # %n%
    local=\"/%n%/\"
    # local=/%n%/
    bogus-nxdomain=192.0.2.%o%
    bogus-nxdomain=198.51.%o%.0/24
    conf-file=/etc/%n%
    ipset=/%n%/x
    %n%";
const UNBOUND: &str = "local-zone: \"%n%\" always_null
    local-zone: \"%n%.\" always_nxdomain
    local-zone: '%n%' static
    local-zone: %n% always_nodata
    local-zone: %n% always_refuse
    local-zone: %n% deny # %n%
    local-zone:\"%n%\" inform_deny
    local-zone: \"%n%\" transparent
    local-zone: \"%n%\" typetransparent
    local-zone: \"%n%\" inform
    local-zone: \"%n%\" nodefault
    local-zone: \"%n%\" block_a
    local-zone: \"%n%\" redirect local-data: \"%n% A 0.0.0.0\"
    local-zone: \"%n%\" always_null local-zone: \"%n%\" refuse
    local-zone: \"d.%n%\" always_null
    local-zone: \".\" always_null
    local-zone: \"wide.one.example\" redirect
    local-data: \"wide.one.example A 0.0.0.0\"
    local-data: 'wide.one.example. 300 IN AAAA ::'
    local-data: \"%n% A 0.0.0.0\"
    local-data: \"%n%. 3600 IN AAAA ::1\"
    local-data: \"%n% A 192.0.2.1\"
    local-data: '%n% TXT \"x\"'
    # local-zone: \"%n%\" always_null
    server:
    \x20 local-zone: \"%N%\" always_null
    include: /etc/%n%";
const RPZ: &str = "%n% CNAME .
    %n% CNAME .
    *.%n% CNAME .
    *.%n% CNAME .
    %N% CNAME .
    %n%.rpz.test. CNAME .
    %n% IN CNAME . ; %n%
    %n% 300 IN CNAME *.
    %n% IN 1H CNAME rpz-passthru.
    *.%n% CNAME rpz-passthru.
    %n% CNAME rpz-drop.
    %n% CNAME rpz-tcp-only.
    %n% CNAME rpz-passthru
    %n% CNAME %n%.
    %n% A 0.0.0.0
    %n% A 192.0.2.1
    %n% AAAA ::
    \x20 AAAA ::1
    \x20 CNAME .
    %n% TXT \"a ; b\"
    %n% CNAME ( ; %n%%r%   . )
    32.%o%.2.0.192.rpz-ip CNAME .
    24.%o%.%o%.51.198.rpz-ip CNAME *.
    128.%h%.zz.db8.2001.rpz-ip CNAME rpz-passthru.
    %p%.7.113.0.203.rpz-client-ip CNAME .
    32.7.113.0.203.rpz-client-ip CNAME rpz-passthru.
    %n%.rpz-nsdname CNAME .
    99.60.%o%.106.rpz-ip CNAME .
    * CNAME .
    ; %n% CNAME .";
const DNSCRYPT: &str = "%n%
    %N%
    .%n%
    *.%n%
    *%n%
    =%n%
    ads.*
    *track*
    *-x*
    ads*.%n%
    ad?.%n%
    ads[0-9].%n%
    [^a-m]ds.%n%
    ad[a-z0-9][0-9].*.test
    =*.%n%
    %n% @work
    *.%n% @work # %n%
    %n% # %n%
    %n%#%n%
    # %n%
    *
    **
    =
    example
    com
    %n% %n%";
const IPS: &str = "192.0.2.%o%
    192.0.2.%o% # %n%
    198.51.%o%.%o%/%p%
    198.51.%o%.0/24 ; %n%
    2001:db8::%h%
    2001:DB8:%h%::/48
    ::ffff:192.0.2.%o%
    198.51.%o%.1-198.51.255.7
    192.0.2.3 - 192.0.2.%o%
    2001:db8::1-2001:db8::%h%
    203.0.113.*
    198.51.*
    2001:db8:%h%:*
    10.0.0.%o%
    0.0.0.0/0
    44.0.0.0/7
    192.0.2.%o%:443
    192.0.2.%o%\t7
    # 192.0.2.%o%
    %n%
    *";
