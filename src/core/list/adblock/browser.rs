//! Modifiers of rules for browsers.

/// Whether it is a modifier that only a browser or a proxy can apply, negated or not.
///
/// From AdGuard's, Adblock Plus' and uBlock Origin's descriptions of their syntax. Such a
/// rule is not applied, not even to the host name in it: it may be about images only,
/// or hold on a few sites only.
pub(super) fn knows(name: &str) -> bool {
    let name = name.strip_prefix('~').unwrap_or(name);
    MODIFIERS.binary_search(&name).is_ok() || !name.is_empty() && name.bytes().all(|b| b == b'_') // does nothing, for reading
}

/// Sorted.
const MODIFIERS: [&str; 82] = [
    "1p",
    "3p",
    "all",
    "app",
    "background",
    "beacon",
    "cname",
    "collapse",
    "content",
    "cookie",
    "csp",
    "css",
    "doc",
    "document",
    "domain",
    "donottrack",
    "ehide",
    "elemhide",
    "empty",
    "extension",
    "first-party",
    "font",
    "frame",
    "from",
    "genericblock",
    "generichide",
    "ghide",
    "header",
    "hls",
    "image",
    "inline-font",
    "inline-script",
    "ipaddress",
    "jsinject",
    "jsonprune",
    "match-case",
    "media",
    "method",
    "mp4",
    "network",
    "object",
    "object-subrequest",
    "other",
    "permissions",
    "ping",
    "popunder",
    "popup",
    "queryprune",
    "reason",
    "redirect",
    "redirect-rule",
    "referrerpolicy",
    "removeheader",
    "removeparam",
    "replace",
    "requestheader",
    "responseheader",
    "rewrite",
    "script",
    "shide",
    "sitekey",
    "specifichide",
    "stealth",
    "strict-first-party",
    "strict-third-party",
    "strict1p",
    "strict3p",
    "stylesheet",
    "subdocument",
    "third-party",
    "to",
    "top",
    "uritransform",
    "urlblock",
    "urlskip",
    "urltransform",
    "webbundle",
    "webrtc",
    "websocket",
    "xhr",
    "xmlhttprequest",
    "xmlprune",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modifiers_are_sorted_so_that_each_is_found() {
        assert!(MODIFIERS.is_sorted());
        assert!(MODIFIERS.into_iter().all(knows));
    }
}
