//! Which addresses a list may come from, and how its address is written.
//!
//! A list's server, or whoever answers for its name, must not be able to send us
//! to a router's web page or to this machine. So the address is judged after the
//! name was resolved, and the connection goes to that very address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ureq::http::Uri;

use super::error::FetchError;

/// What kind of address it is, if a public list cannot be there. Documentation
/// addresses (RFC 5737, RFC 3849) are nobody's, and so not private.
#[must_use]
pub fn not_public(address: IpAddr) -> Option<&'static str> {
    match address {
        IpAddr::V4(address) => v4_not_public(address),
        IpAddr::V6(address) => v6_not_public(address),
    }
}

/// RFC 6890 and the IANA registry of special-purpose addresses.
fn v4_not_public(address: Ipv4Addr) -> Option<&'static str> {
    Some(match address.octets() {
        [0, ..] => "an address of this network",
        [127, ..] => "an address of this device itself",
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "an address of a home network",
        [100, 64..=127, ..] => "an address inside a provider's network",
        [169, 254, ..] => "a link-local address",
        [192, 0, 0, _] => "an address for protocols",
        [198, 18..=19, ..] => "an address that optout answers with for blocked names",
        [224..=239, ..] => "a multicast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    })
}

fn v6_not_public(address: Ipv6Addr) -> Option<&'static str> {
    if let Some(inner) = embedded(address) {
        return v4_not_public(inner);
    }
    Some(match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => "an address of this device itself",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] => "an address of a home network",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0x2001, 0, ..] => "an address inside a tunnel",
        // Nothing else is given out (RFC 4291, section 2.4).
        [0x2000..=0x3fff, ..] => return None,
        _ => "a reserved address",
    })
}

/// The IPv4 address that packets to this one end at.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match address.segments() {
        // Mapped (RFC 4291), and for translators (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some(join(high, low))
        }
        // "Compatible" (RFC 4291); the first of them are something else, such as `::1`.
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => Some(join(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

/// Reads the address of a list, which must be https and whole.
///
/// # Errors
///
/// [`FetchError::BadUrl`] or [`FetchError::NotHttps`].
pub fn parse(text: &str) -> Result<Uri, FetchError> {
    let text = text.split('#').next().unwrap_or_default();
    let uri: Uri = text.parse().map_err(|_| FetchError::BadUrl)?;
    match uri.scheme_str() {
        Some("https") => {}
        Some(_) => return Err(FetchError::NotHttps),
        None => return Err(FetchError::BadUrl),
    }
    let authority = uri.authority().ok_or(FetchError::BadUrl)?;
    // A password in an address ends in logs.
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return Err(FetchError::BadUrl);
    }
    Ok(uri)
}

/// Where a redirect leads (RFC 3986, section 5.2).
///
/// # Errors
///
/// As [`parse`].
pub(super) fn join(base: &Uri, location: &str) -> Result<Uri, FetchError> {
    let location = location.trim();
    let scheme = location.split(['/', '?', '#']).next().unwrap_or_default();
    if scheme.contains(':') {
        return parse(location);
    }
    if location.starts_with("//") {
        return parse(&format!("https:{location}"));
    }
    let host = base.authority().map_or("", |authority| authority.as_str());
    let path = base.path();
    let place = if location.starts_with('/') {
        location.to_owned()
    } else if location.is_empty() || location.starts_with(['?', '#']) {
        format!("{path}{location}")
    } else {
        let folder = path.rfind('/').map_or("/", |end| &path[..=end]);
        format!("{folder}{location}")
    };
    parse(&format!("https://{host}{}", without_dots(&place)))
}

/// The address of the signature of the list at this one: `.minisig` after the path.
///
/// # Errors
///
/// As [`parse`].
pub(super) fn signature_of(url: &str) -> Result<String, FetchError> {
    let uri = parse(url)?;
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Ok(format!("https://{host}{}.minisig{query}", uri.path()))
}

/// Resolves `.` and `..` in a path.
fn without_dots(place: &str) -> String {
    let end = place.find(['?', '#']).unwrap_or(place.len());
    let (path, rest) = place.split_at(end);
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/').skip(1) {
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => kept.push(segment),
        }
    }
    let folder = path.ends_with("/.") || path.ends_with("/..");
    format!("/{}{}{rest}", kept.join("/"), if folder && !kept.is_empty() { "/" } else { "" })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refused(addresses: &[&str]) {
        for address in addresses {
            assert!(not_public(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn private_addresses_of_ipv4_are_refused_to_their_edges() {
        refused(&[
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.0.0",
            "192.168.255.255",
            "198.18.0.1",
            "198.19.255.255",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ]);
    }

    #[test]
    fn private_addresses_of_ipv6_are_refused_and_what_leads_to_them() {
        refused(&[
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:192.168.1.1",
            "::192.168.1.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2002:a00:1::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd6f:7074:6f75:7400::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ]);
    }

    #[test]
    fn public_and_documentation_addresses_are_taken() {
        let public = [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.2.1",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.100.1",
            "203.0.113.1",
            "223.255.255.255",
            "::ffff:192.0.2.1",
            "64:ff9b::192.0.2.1",
            "2001:db8::1",
            "2002:c000:201::1",
            "2600::1",
        ];
        for address in public {
            assert_eq!(not_public(address.parse().unwrap()), None, "{address}");
        }
    }

    #[test]
    fn the_address_of_a_list_is_https_with_a_host_and_without_a_password() {
        assert!(parse("https://a.example/list.txt?x=1#part").is_ok());
        assert!(parse("https://[2001:db8::1]:8443/").is_ok());
        for not_https in ["http://a.example/", "ftp://a.example/", "HTTP://a.example/"] {
            assert!(matches!(parse(not_https), Err(FetchError::NotHttps)), "{not_https}");
        }
        for bad in [
            "",
            "a.example",
            "/list",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://u:p@a.example/",
            "https://a b.example/",
            "https://a.example/\n",
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_redirect_leads_where_the_standard_says() {
        let base = parse("https://a.example:444/x/y?q").unwrap();
        for (location, want) in [
            ("https://b.example/z", "https://b.example/z"),
            ("//b.example/z", "https://b.example/z"),
            ("/z?a=b:c", "https://a.example:444/z?a=b:c"),
            ("z", "https://a.example:444/x/z"),
            ("../z#part", "https://a.example:444/z"),
            ("../../../z", "https://a.example:444/z"),
            ("./.", "https://a.example:444/x/"),
            ("?r", "https://a.example:444/x/y?r"),
            ("/a/../b/./c", "https://a.example:444/b/c"),
        ] {
            assert_eq!(join(&base, location).unwrap().to_string(), want, "{location}");
        }
        for bad in ["http://b.example/", "file:///etc/passwd", "javascript:x", "//", "/ a b"] {
            assert!(join(&base, bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whatever_a_server_says_a_redirect_leads_to_https_or_nowhere(location in ".{0,40}") {
            let base = parse("https://a.example/x/y").unwrap();
            if let Ok(uri) = join(&base, &location) {
                prop_assert_eq!(uri.scheme_str(), Some("https"));
                prop_assert!(!uri.host().unwrap().is_empty());
                prop_assert!(!uri.authority().unwrap().as_str().contains('@'));
            }
        }
    }

    #[test]
    fn the_signature_is_beside_the_list() {
        let sign = |url| signature_of(url).unwrap();
        assert_eq!(sign("https://a.example/l.txt"), "https://a.example/l.txt.minisig");
        assert_eq!(sign("https://a.example/l.txt?v=1"), "https://a.example/l.txt.minisig?v=1");
    }
}
