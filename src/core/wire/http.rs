//! HTTP/1.x, as far as the host (RFC 9112 §2, §3, §5).
//!
//! Reads as the most tolerant of servers does, and says every host that any of
//! them might find: bare line feeds, space before the colon, folded lines,
//! several Host fields. Bodies are not read.

/// The first line of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestLine<'a> {
    /// The method, of any case.
    pub method: &'a [u8],
    /// What is asked for.
    pub target: &'a [u8],
    /// Major and minor version; 0.9 is not on the wire.
    pub version: (u8, u8),
}

/// A request up to its body, or as much of it as has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Head<'a> {
    /// Its first line.
    pub request: RequestLine<'a>,
    fields: &'a [u8],
}

impl<'a> RequestLine<'a> {
    /// Reads a line, with or without its end; `None` if it is no request.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        let (method, rest) = cut_at(line, is_blank)?;
        let rest = rest.trim_ascii();
        if method.is_empty() || !method.iter().all(|byte| is_token(*byte)) {
            return None;
        }
        let last = rest.rsplit(|byte| is_blank(*byte)).next()?;
        if let Some(version) = version(last) {
            let target = rest.strip_suffix(last)?.trim_ascii_end();
            return (!target.is_empty()).then_some(Self { method, target, version });
        }
        // HTTP/0.9 knows this one method, and a target without spaces.
        let simple = method.eq_ignore_ascii_case(b"GET") && last == rest;
        let target = simple && (rest.starts_with(b"/") || authority_of_uri(rest).is_some());
        target.then_some(Self { method, target: rest, version: (0, 9) })
    }

    /// Whether this is the first line of HTTP/2 with prior knowledge (RFC 9113 §3.4).
    #[must_use]
    pub fn is_http2(&self) -> bool {
        self.method == b"PRI" && self.target == b"*" && self.version == (2, 0)
    }

    /// The host in the target, where there is one (RFC 9112 §3.2.2, §3.2.3).
    #[must_use]
    pub fn host(&self) -> Option<&'a [u8]> {
        let authority = if self.method.eq_ignore_ascii_case(b"CONNECT") {
            self.target
        } else {
            authority_of_uri(self.target)?
        };
        Some(host_of_authority(authority))
    }
}

impl<'a> Head<'a> {
    /// Reads from the method on. `None` if the first line is not whole, or no
    /// request.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (line, fields) = cut_at(bytes, |byte| byte == b'\n')?;
        Some(Self { request: RequestLine::parse(line)?, fields })
    }

    /// Every host that is said in it, as it is written, without user and port.
    /// Of the fields only those count whose line is whole.
    pub fn hosts(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let fields = lines(self.fields)
            .take_while(|line| !line.is_empty())
            // To some servers a lone carriage return ends a line.
            .flat_map(|line| line.split(|byte| *byte == b'\r'));
        let mut folds = false;
        let values = fields.filter_map(move |line| {
            let folded = folds && line.first().is_some_and(|byte| is_blank(*byte));
            let value = value_of_host(line).or(folded.then_some(line));
            folds = value.is_some();
            value
        });
        let said = values.flat_map(|value| value.split(|byte| is_blank(*byte) || *byte == b','));
        let said = said.filter(|authority| !authority.is_empty()).map(host_of_authority);
        self.request.host().into_iter().chain(said)
    }
}

/// Where a head ends, as it grows: after the first line without content.
#[derive(Debug)]
pub struct Scanner {
    /// Nothing but carriage returns so far in this line.
    blank: bool,
}

impl Scanner {
    /// Begins at the method.
    #[must_use]
    pub const fn new() -> Self {
        Self { blank: false }
    }

    /// Reads on; says whether the head ends in these bytes.
    pub fn ends_in(&mut self, bytes: &[u8]) -> bool {
        bytes.iter().any(|byte| {
            let ends = self.blank && *byte == b'\n';
            self.blank = *byte == b'\n' || self.blank && *byte == b'\r';
            ends
        })
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a method may have this byte in it (RFC 9110 §5.6.2).
#[must_use]
pub const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Space and tab.
#[must_use]
pub const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The whole lines, without their ends.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter_map(|l| l.strip_suffix(b"\n"));
    whole.map(|line| {
        let returns = line.iter().rev().take_while(|byte| **byte == b'\r').count();
        line.get(..line.len() - returns).unwrap_or(line)
    })
}

/// The value of a Host field. Blanks around its name are not allowed, and some
/// servers do not mind.
fn value_of_host(line: &[u8]) -> Option<&[u8]> {
    let (name, value) = cut_at(line, |byte| byte == b':')?;
    name.trim_ascii().eq_ignore_ascii_case(b"host").then_some(value)
}

/// `HTTP/1.1` and its kind.
fn version(word: &[u8]) -> Option<(u8, u8)> {
    let (name, numbers) = word.split_at_checked(5)?;
    let (major, minor) = cut_at(numbers, |byte| byte == b'.')?;
    name.eq_ignore_ascii_case(b"HTTP/").then_some((number(major)?, number(minor)?))
}

fn number(digits: &[u8]) -> Option<u8> {
    let digits = str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// What is between `://` and the path, if this is a whole URI (RFC 3986 §3).
fn authority_of_uri(target: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = cut_at(target, |byte| byte == b':')?;
    let of_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    if scheme.is_empty() || !scheme.iter().all(of_scheme) {
        return None;
    }
    rest.strip_prefix(b"//")?.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next()
}

/// Takes user and port away (RFC 3986 §3.2).
fn host_of_authority(authority: &[u8]) -> &[u8] {
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or(authority);
    if let Some(bracketed) = host.strip_prefix(b"[") {
        return bracketed.split(|byte| *byte == b']').next().unwrap_or(bracketed);
    }
    match cut_at(host, |byte| byte == b':') {
        Some((name, port)) if port.iter().all(u8::is_ascii_digit) => name,
        _ => host,
    }
}

/// What is before and behind the first byte of a kind.
fn cut_at(bytes: &[u8], is: impl Fn(u8) -> bool) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| is(*byte))?;
    let (before, rest) = bytes.split_at_checked(at)?;
    Some((before, rest.split_first()?.1))
}
