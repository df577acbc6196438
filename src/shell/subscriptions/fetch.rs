//! Fetches a list: over TLS, from a public address, within bounds, whole.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use ureq::http::header::{
    CONTENT_ENCODING, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
    TRANSFER_ENCODING,
};
use ureq::http::{Response, Uri, Version};
use ureq::{Agent, Body};

use super::address;
use super::dial::Dial;
use super::error::FetchError;
use super::tls;
use super::transport::{Dialer, Names};

/// How much a server may ask of us.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Time for all of it, redirects included.
    pub total: Duration,
    /// Time until a server is connected to, TLS included.
    pub connect: Duration,
    /// Bytes of the text, before and after it is unpacked.
    pub bytes: u64,
    /// Redirects that are followed.
    pub redirects: u32,
}

/// What a server gave us to ask later whether anything changed (RFC 9110,
/// section 8.8).
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct Validators {
    /// `ETag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Where it is.
    pub url: &'a str,
    /// Whether it may be at a private address.
    pub allow_private: bool,
    /// What we know of the copy that we have.
    pub known: &'a Validators,
}

/// What a server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fetched {
    /// Nothing new since what we know.
    Unchanged,
    /// Here it is, all of it.
    New(Validators),
}

/// Told how many bytes have come, and how many there are where the server said so.
pub type Progress<'a> = dyn FnMut(u64, Option<u64>) + 'a;

/// Fetches lists.
#[derive(Clone, Debug)]
pub struct Fetcher {
    dial: Arc<dyn Dial>,
    tls: Arc<ClientConfig>,
    bounds: Bounds,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            total: Duration::from_mins(1),
            connect: Duration::from_secs(10),
            bytes: 64 << 20, // the largest public lists are near 40 MiB
            redirects: 5,
        }
    }
}

impl Validators {
    fn of(response: &Response<Body>) -> Self {
        let text = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            (!value.is_empty() && value.len() <= LONGEST_VALIDATOR).then(|| value.to_owned())
        };
        Self { etag: text(ETAG), last_modified: text(LAST_MODIFIED) }
    }
}

impl Fetcher {
    /// A fetcher that trusts these certificates.
    #[must_use]
    pub fn new(dial: Arc<dyn Dial>, roots: RootCertStore, bounds: Bounds) -> Self {
        Self { dial, tls: tls::client(roots), bounds }
    }

    /// The same with other bounds.
    #[must_use]
    pub fn within(&self, bounds: Bounds) -> Self {
        Self { bounds, ..self.clone() }
    }

    /// Its bounds.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Fetches a text into `to`, where nothing may be relied on if this fails.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub fn get(
        &self,
        wanted: Wanted<'_>,
        to: &mut dyn Write,
        progress: &mut Progress<'_>,
    ) -> Result<Fetched, FetchError> {
        let deadline = Instant::now() + self.bounds.total;
        let first = address::parse(wanted.url)?;
        let mut uri = first.clone();
        for _ in 0..=self.bounds.redirects {
            let cut = Arc::new(AtomicBool::new(false));
            // The user speaks for the server of the list, not for where it sends us.
            let allow_private = wanted.allow_private && uri.host() == first.host();
            let to_ask = Wanted { allow_private, ..wanted };
            let response = self.ask(&uri, to_ask, deadline, cut.clone())?;
            match response.status().as_u16() {
                200 => {
                    let validators = Validators::of(&response);
                    self.receive(response, &cut, to, progress)?;
                    return Ok(Fetched::New(validators));
                }
                301 | 302 | 303 | 307 | 308 => uri = next(&uri, &response)?,
                304 if *wanted.known == Validators::default() => {
                    return Err(FetchError::NothingKnown);
                }
                304 => return Ok(Fetched::Unchanged),
                status => return Err(FetchError::Status { status }),
            }
        }
        Err(FetchError::TooManyRedirects { hops: self.bounds.redirects })
    }

    /// Sends one request and reads the head of its answer.
    fn ask(
        &self,
        uri: &Uri,
        wanted: Wanted<'_>,
        deadline: Instant,
        cut: Arc<AtomicBool>,
    ) -> Result<Response<Body>, FetchError> {
        let connected_by = deadline.min(Instant::now() + self.bounds.connect);
        let (dial, allow_private) = (self.dial.clone(), wanted.allow_private);
        let names = Names { dial: dial.clone(), allow_private, deadline: connected_by };
        let dialer = Dialer { dial, tls: self.tls.clone(), connected_by, deadline, cut };
        let config = Agent::config_builder()
            .https_only(true)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(0)
            .proxy(None)
            .user_agent("optout")
            .accept_encoding("gzip")
            .build();
        let mut request = Agent::with_parts(config, dialer, names).get(uri);
        if let Some(etag) = &wanted.known.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(time) = &wanted.known.last_modified {
            request = request.header(IF_MODIFIED_SINCE, time);
        }
        request.call().map_err(|error| {
            // Whatever it was doing: what ended it is that its time was over.
            if Instant::now() >= deadline {
                FetchError::Timeout { within: self.bounds.total }
            } else {
                self.failed(error)
            }
        })
    }

    /// Reads the text, and makes sure that it is whole.
    fn receive(
        &self,
        response: Response<Body>,
        cut: &AtomicBool,
        to: &mut dyn Write,
        progress: &mut Progress<'_>,
    ) -> Result<(), FetchError> {
        let is = |name: HeaderName| {
            let value = response.headers().get(name)?.to_str().ok()?;
            Some(value.trim().to_ascii_lowercase())
        };
        let packed = match is(CONTENT_ENCODING).as_deref() {
            None | Some("" | "identity") => false,
            Some("gzip" | "x-gzip") => true,
            Some(_) => {
                return Err(FetchError::Packing { problem: "it is not gzip".into() });
            }
        };
        let total = response.body().content_length();
        if total.is_some_and(|total| total > self.bounds.bytes) {
            return Err(FetchError::TooLarge { limit: self.bounds.bytes });
        }
        // Chunks came with HTTP/1.1, and only there do they tell where the end is.
        let chunked = response.version() == Version::HTTP_11
            && is(TRANSFER_ENCODING).is_some_and(|value| value.contains("chunked"));
        let mut body =
            Counted { body: response.into_body().into_reader(), read: 0, limit: self.bounds.bytes };
        let ends_in_newline = if packed {
            let mut unpacked = MultiGzDecoder::new(&mut body);
            self.copy(&mut unpacked, |source| source.get_ref().read, total, to, progress)?
        } else {
            self.copy(&mut body, |source| source.read, total, to, progress)?
        };
        // Without a length only the end of the connection tells the end of the list.
        let length_known = total.is_some() || chunked;
        if !length_known && cut.load(Ordering::Relaxed) {
            return Err(FetchError::Truncated { why: "the connection was cut" });
        }
        if !length_known && !packed && !ends_in_newline {
            return Err(FetchError::Truncated { why: "its last line has no end" });
        }
        Ok(())
    }

    /// Copies all of `from`. Yields whether no line in it is without an end.
    fn copy<R: Read>(
        &self,
        from: &mut R,
        came: impl Fn(&R) -> u64,
        total: Option<u64>,
        to: &mut dyn Write,
        progress: &mut Progress<'_>,
    ) -> Result<bool, FetchError> {
        let mut buffer = vec![0; BUFFER];
        let (mut length, mut last) = (0, None);
        loop {
            let count = match from.read(&mut buffer) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.interrupted(error)),
            };
            let piece = buffer.get(..count).unwrap_or_default();
            if piece.is_empty() {
                return Ok(matches!(last, None | Some(b'\n')));
            }
            length += count as u64;
            if length > self.bounds.bytes {
                return Err(FetchError::TooLarge { limit: self.bounds.bytes });
            }
            to.write_all(piece).map_err(FetchError::Keep)?;
            last = piece.last().copied();
            progress(came(from), total);
        }
    }

    /// What went wrong before the text began.
    fn failed(&self, error: ureq::Error) -> FetchError {
        match error {
            ureq::Error::Other(inner) => match inner.downcast::<FetchError>() {
                Ok(ours) => *ours,
                Err(other) => FetchError::Protocol { problem: other.to_string() },
            },
            ureq::Error::Io(error) => self.interrupted(error),
            other => FetchError::Protocol { problem: other.to_string() },
        }
    }

    /// What went wrong while bytes came.
    fn interrupted(&self, error: io::Error) -> FetchError {
        let kind = error.kind();
        match error.downcast::<FetchError>() {
            Ok(ours) => ours,
            Err(error) => match error.downcast::<ureq::Error>() {
                Ok(http) => self.failed(http),
                Err(error) => match kind {
                    ErrorKind::TimedOut => FetchError::Timeout { within: self.bounds.total },
                    ErrorKind::UnexpectedEof => {
                        FetchError::Truncated { why: "the connection ended too early" }
                    }
                    ErrorKind::ConnectionReset
                    | ErrorKind::ConnectionAborted
                    | ErrorKind::BrokenPipe => {
                        FetchError::Truncated { why: "the connection was reset" }
                    }
                    ErrorKind::InvalidInput | ErrorKind::InvalidData => {
                        FetchError::Packing { problem: error.to_string() }
                    }
                    _ => FetchError::Protocol { problem: error.to_string() },
                },
            },
        }
    }
}

/// Counts what comes, and lets no more than `limit` through: bytes that unpack to
/// nothing are bytes too.
struct Counted<R> {
    body: R,
    read: u64,
    limit: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.body.read(buffer)?;
        self.read += count as u64;
        if self.read > self.limit {
            return Err(io::Error::other(FetchError::TooLarge { limit: self.limit }));
        }
        Ok(count)
    }
}

/// Where this answer sends us.
fn next(from: &Uri, response: &Response<Body>) -> Result<Uri, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    match address::join(from, location.ok_or(FetchError::RedirectBad)?) {
        Err(FetchError::NotHttps) => Err(FetchError::RedirectNotHttps),
        Err(_) => Err(FetchError::RedirectBad),
        uri => uri,
    }
}

const BUFFER: usize = 64 * 1024; // bytes
const LONGEST_VALIDATOR: usize = 1024; // bytes; no server needs more to name a version
