//! Why a list is not new: each in one line, with what to do about it.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::ListId;
use crate::core::list::vet::NotText;

/// Why a list could not be fetched. What follows "list x: ".
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// It is no address of a list.
    #[error("its address makes no sense; write it whole and without a password: https://host/path")]
    BadUrl,
    /// Not https.
    #[error(
        "its address is not https, so anyone on the way could change the list; use one that begins with https://"
    )]
    NotHttps,
    /// A redirect to something that is no address.
    #[error(
        "its server redirects to something that is no address; look for the new address of the list"
    )]
    RedirectBad,
    /// A redirect away from https.
    #[error(
        "its server redirects to an address that is not https; look for the new address of the list"
    )]
    RedirectNotHttps,
    /// More redirects than we follow.
    #[error("its server redirects more than {hops} times; look for the new address of the list")]
    TooManyRedirects {
        /// How many are followed.
        hops: u32,
    },
    /// The name has no address.
    #[error(
        "the name of its server is not found ({source}); check the address and this device's connection"
    )]
    Resolve {
        /// What the resolver said.
        source: io::Error,
    },
    /// The name leads to where no public list is.
    #[error(
        "its server is at {address}, {kind}; if the list is on a device of yours, allow it private addresses, and if optout blocks its server, allow that"
    )]
    Private {
        /// The address.
        address: IpAddr,
        /// What kind of address that is.
        kind: &'static str,
    },
    /// No connection.
    #[error(
        "its server cannot be reached ({source}); check this device's connection, or try again later"
    )]
    Connect {
        /// What the system said.
        source: io::Error,
    },
    /// The connection was made and TLS was not.
    #[error(
        "its server does not speak TLS as it must ({problem}); check the address, or try again later"
    )]
    Tls {
        /// What went wrong.
        problem: String,
    },
    /// The certificate is one of another time.
    #[error(
        "the certificate of its server {problem}; is this device's clock right? It says {clock}"
    )]
    CertificateTime {
        /// What is wrong with it.
        problem: &'static str,
        /// The time of day, as this device has it.
        clock: String,
    },
    /// The certificate is not one to be trusted.
    #[error(
        "the certificate of its server {problem}; something may stand between: check the address, or ask for the list from another network"
    )]
    Certificate {
        /// What is wrong with it.
        problem: String,
    },
    /// It took too long.
    #[error("it did not come within {} s; try again later, or from a faster network", within.as_secs())]
    Timeout {
        /// How long it may take.
        within: Duration,
    },
    /// It is longer than we read.
    #[error("it is larger than {} MiB; use a shorter list", limit >> 20)]
    TooLarge {
        /// How long it may be, in bytes.
        limit: u64,
    },
    /// The server has no list for us.
    #[error("its server answers {status}, {}; {}", reason(*status), remedy(*status))]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// The server says that nothing changed since a copy that we do not have.
    #[error("its server says that it is unchanged, and no copy of it is here; try again later")]
    NothingKnown,
    /// It ended before its end.
    #[error("it came cut off ({why}); try again later")]
    Truncated {
        /// How we know.
        why: &'static str,
    },
    /// It is packed in a way that we did not ask for, or its packing is damaged.
    #[error("it came packed and cannot be unpacked ({problem}); try again later")]
    Packing {
        /// What is wrong with it.
        problem: String,
    },
    /// What came was no HTTP.
    #[error(
        "its server does not speak HTTP as it must ({problem}); check the address, or try again later"
    )]
    Protocol {
        /// What is wrong with it.
        problem: String,
    },
    /// We could not keep what came.
    #[error("it cannot be kept ({0}); free some space and update again")]
    Keep(io::Error),
}

/// Why a signature was not good enough. What follows "list x: ".
#[derive(Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum SignatureError {
    /// The key in the configuration is none.
    #[error("\"minisign\" is not a public key; copy the second line of the author's minisign.pub")]
    BadKey,
    /// The signature's file is none.
    #[error(
        "what is at its address with .minisig is no signature; ask its author, or leave \"minisign\" out"
    )]
    NoSignature,
    /// It is of the old kind, for which the whole list must be in memory.
    #[error(
        "its signature is of the old kind; ask its author to sign with a minisign of 0.10 or later"
    )]
    Legacy,
    /// None of our keys made it.
    #[error(
        "it is signed with another key; if its author changed the key, set \"minisign\" to the old and the new one"
    )]
    OtherKey,
    /// It is for another text.
    #[error(
        "its signature is wrong, so someone may have changed the list; try again later, and ask its author if it stays so"
    )]
    Wrong,
    /// It is older than one that we had.
    #[error(
        "its signature is from before the last one, so someone may be serving an old version; try again later"
    )]
    Older,
    /// It has no time, and one before had.
    #[error("its signature does not say when it was made, and the last one did; ask its author")]
    NoTime,
}

/// Why something about the kept lists could not be done.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No such list.
    #[error("there is no list \"{id}\"; optout lists show names them all")]
    Unknown {
        /// What was asked for.
        id: ListId,
    },
    /// Nothing was ever fetched.
    #[error("list \"{id}\" has not been fetched yet; do so with optout lists update")]
    Nothing {
        /// The list.
        id: ListId,
    },
    /// There is no version before this one.
    #[error(
        "list \"{id}\" has no version before this one to go back to; optout lists remove takes it out"
    )]
    NoOlder {
        /// The list.
        id: ListId,
    },
    /// Nothing waits to be accepted.
    #[error(
        "no version of list \"{id}\" waits to be accepted; optout lists show tells what there is"
    )]
    NothingHeld {
        /// The list.
        id: ListId,
    },
    /// Another process is at it.
    #[error("list \"{id}\" is being updated already; try again in a minute")]
    Busy {
        /// The list.
        id: ListId,
    },
    /// What is on disk is not what was written.
    #[error("{} is damaged ({problem}); update the list to fetch it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It cannot be read.
    #[error("cannot read {}: {source}; run optout as root, or check the disk", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be written: what was there is still there.
    #[error("cannot write {}: {source}; what was there before stays in force, free some space and try again", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a list was not updated. The version from before stays in force.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UpdateError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its signature is not good.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// Its signature could not be fetched.
    #[error("its signature could not be fetched: {0}")]
    NoSignature(FetchError),
    /// It is not the text that was pinned.
    #[error(
        "its SHA-256 is {found} and not the one in \"sha256\"; if you trust the new text, put this one there"
    )]
    Pin {
        /// What came.
        found: String,
    },
    /// The bytes are no list.
    #[error("what came is {0}, and no list; open its address in a browser to see what is there")]
    NotAList(NotText),
    /// It is in no format that we know.
    #[error(
        "what came is in no format of lists that optout knows; check that its address is that of a list, or name its format"
    )]
    NoFormat,
    /// There is no rule in it.
    #[error("what came {problem}; check that its address is that of a list, or name its format")]
    NoRule {
        /// What was found.
        problem: String,
    },
}

/// What a status means, for those that list servers give.
fn reason(status: u16) -> &'static str {
    match status {
        401 | 403 => "it may not be had",
        404 | 410 => "it is not there",
        408 | 425 | 429 => "it is asked too often",
        500..=599 => "the server is in trouble",
        _ => "which is no list",
    }
}

fn remedy(status: u16) -> &'static str {
    match status {
        408 | 425 | 429 | 500..=599 => "try again later",
        _ => "look for the new address of the list",
    }
}
