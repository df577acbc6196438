//! Conversations at the control socket.
//!
//! Lives in the daemon's runtime beside the engine, so nothing here may take
//! long or wait without end: a request has five seconds to arrive, an answer
//! five to be taken, and no more than [`MOST_CONNECTIONS`] are open.
//!
//! What is asked goes to the daemon's loop as an [`Asked`]; the loop gives one
//! answer, or hands the [`Reply`] on to whoever reads the journal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{debug, warn};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::request::{PROTOCOL, Request, Response};
use crate::shell::control::door::Door;

/// A request that wants an answer.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub request: Request,
    /// User id of the peer (`SO_PEERCRED`).
    pub uid: u32,
    /// Where the answer goes. Dropped without one, the peer is told that we stop.
    pub reply: Reply,
}

/// Where answers go. Any thread may hold it; dropping it ends the conversation.
#[derive(Clone, Debug)]
pub struct Reply(mpsc::Sender<Response>);

/// What became of an answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub enum Taken {
    /// It is on its way.
    Yes,
    /// The peer is slow and its queue full: this answer was dropped.
    Full,
    /// The peer is gone; stop.
    Gone,
}

impl Reply {
    /// A reply and the end at which its answers arrive; for whoever asks the
    /// daemon's loop without a socket, such as a test.
    #[must_use]
    pub fn channel() -> (Self, mpsc::Receiver<Response>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(sender), receiver)
    }

    /// Gives the only answer. Never waits. After several answers the last one
    /// goes the way of the others: the queue may be full.
    pub fn give(self, response: Response) {
        let _ = self.offer(response); // a peer that left needs no answer
    }

    /// Gives one of several answers without waiting: for the daemon's loop.
    pub fn offer(&self, response: Response) -> Taken {
        match self.0.try_send(response) {
            Ok(()) => Taken::Yes,
            Err(TrySendError::Full(_)) => Taken::Full,
            Err(TrySendError::Closed(_)) => Taken::Gone,
        }
    }

    /// Gives one of several answers and waits for room: for a thread of its own.
    /// Never [`Taken::Full`].
    pub fn give_blocking(&self, response: Response) -> Taken {
        match self.0.blocking_send(response) {
            Ok(()) => Taken::Yes,
            Err(_) => Taken::Gone,
        }
    }

    /// Whether the peer left, so that nobody needs to look further.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// Serves the socket until the future is dropped; every request goes to `daemon`.
///
/// # Errors
///
/// If the socket cannot be handed to the runtime. Later faults are logged and
/// outlived.
pub async fn serve(door: Door, daemon: mpsc::Sender<Asked>) -> io::Result<()> {
    let listener = UnixListener::from_std(door.listener().try_clone()?)?;
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("cannot accept a control connection: {error}; waiting a moment");
                tokio::time::sleep(AFTER_A_FAULT).await;
                continue;
            }
        };
        let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
        if !door.admits(uid) {
            debug!("refused a control connection of uid {uid}");
            turn_away(&stream, "only root may ask this daemon");
            continue;
        }
        let Ok(place) = room.clone().try_acquire_owned() else {
            turn_away(&stream, "too many control connections; try again");
            continue;
        };
        let daemon = daemon.clone();
        tokio::spawn(async move {
            converse(stream, uid, daemon).await;
            drop(place);
        });
    }
}

/// One line, if it fits into the socket at once, and good-bye.
fn turn_away(stream: &UnixStream, why: &str) {
    let line = line_of(&Response::Failed(why.into()));
    let _ = stream.try_write(&line);
}

async fn converse(stream: UnixStream, uid: u32, daemon: mpsc::Sender<Asked>) {
    let (from, mut to) = stream.into_split();
    let mut from = BufReader::new(from);
    let request = match timeout(PATIENCE, read_request(&mut from)).await {
        Ok(Ok(Some(request))) => request,
        Ok(Ok(None)) => return,
        Ok(Err(refusal)) => return tell(&mut to, refusal).await,
        Err(_) => return tell(&mut to, Response::Failed("no request came in 5 s".into())).await,
    };
    debug!("uid {uid} asks: {}", kind(&request));
    let stays = match &request {
        Request::Log(query) => query.follow,
        // As long as it takes to fetch lists; each has its own bound.
        Request::ChangeLists(_) => true,
        _ => false,
    };
    let (reply, answers) = Reply::channel();
    if daemon.send(Asked { request, uid, reply }).await.is_err() {
        return tell(&mut to, stopping()).await;
    }
    if stays {
        tokio::select! {
            () = follow(answers, &mut to) => {}
            () = hung_up(&mut from) => {}
        }
    } else {
        answer(answers, &mut to).await;
    }
}

/// Reads one line. `None`: the peer left without a word.
async fn read_request(from: &mut BufReader<OwnedReadHalf>) -> Result<Option<Request>, Response> {
    let mut line = Vec::new();
    let read = from.take(LONGEST_REQUEST + 1).read_until(b'\n', &mut line).await;
    if read.is_err() || line.is_empty() {
        return Ok(None);
    }
    if line.len() as u64 > LONGEST_REQUEST {
        return Err(Response::Failed("the request is longer than 64 KiB".into()));
    }
    parse(&line).map(Some)
}

/// Reads a request; the answer to send instead if it is none.
pub(crate) fn parse(line: &[u8]) -> Result<Request, Response> {
    let refuse = |error: serde_json::Error| {
        let version = env!("CARGO_PKG_VERSION");
        Response::Failed(format!("optout {version} cannot read the request: {error}"))
    };
    let mut value: Value = serde_json::from_slice(line).map_err(refuse)?;
    let speaks = value.as_object_mut().and_then(|fields| fields.remove("v"));
    if speaks.is_some_and(|speaks| speaks != PROTOCOL) {
        return Err(Response::version());
    }
    serde_json::from_value(value).map_err(refuse)
}

/// Sends answers until the daemon has no more or the last kind of one was sent.
async fn answer(mut answers: mpsc::Receiver<Response>, to: &mut OwnedWriteHalf) {
    loop {
        let response = match timeout(DAEMON_PATIENCE, answers.recv()).await {
            Ok(Some(response)) => response,
            Ok(None) => stopping(),
            Err(_) => Response::Failed("the daemon did not answer in 60 s; see its log".into()),
        };
        let more = response.is_part();
        if write(to, &response).await.is_err() || !more {
            return;
        }
    }
}

/// Sends what comes, however long nothing comes.
async fn follow(mut answers: mpsc::Receiver<Response>, to: &mut OwnedWriteHalf) {
    while let Some(response) = answers.recv().await {
        if write(to, &response).await.is_err() || !response.is_part() {
            return;
        }
    }
    tell(to, stopping()).await;
}

/// Ends when the peer closes its side. What it says meanwhile is not read by us.
async fn hung_up(from: &mut BufReader<OwnedReadHalf>) {
    let mut ignored = [0; 256];
    while from.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

async fn tell(to: &mut OwnedWriteHalf, response: Response) {
    let _ = write(to, &response).await; // it may have left
}

async fn write(to: &mut OwnedWriteHalf, response: &Response) -> io::Result<()> {
    let line = line_of(response);
    timeout(PATIENCE, to.write_all(&line)).await?
}

fn line_of(response: &Response) -> Vec<u8> {
    let mut line = serde_json::to_vec(response).expect("our answers have text keys only");
    line.push(b'\n');
    line
}

fn stopping() -> Response {
    Response::Failed("the daemon is stopping; try again".into())
}

/// The kind of request, without names and addresses: those do not go to the log.
fn kind(request: &Request) -> &'static str {
    match request {
        Request::On => "on",
        Request::Off => "off",
        Request::Pause { .. } => "pause",
        Request::Resume => "resume",
        Request::Status => "status",
        Request::Log(_) => "log",
        Request::Explain { .. } => "explain",
        Request::AddRule(_) => "add_rule",
        Request::RemoveRule { .. } => "remove_rule",
        Request::Rules => "rules",
        Request::Vendors => "vendors",
        Request::SetVendor { .. } => "set_vendor",
        Request::Report { .. } => "report",
        Request::Capture { .. } => "capture",
        Request::Reload => "reload",
        Request::Lists => "lists",
        Request::Tunnel => "tunnel",
        Request::ChangeLists(_) => "change_lists",
    }
}

/// Open connections at a time. A person has one, a few `log -f` and a dashboard.
pub const MOST_CONNECTIONS: usize = 32;

/// Bytes of a request with its line end. The longest sound one is near 1 KiB.
const LONGEST_REQUEST: u64 = 64 * 1024;

/// For a request to arrive and for a line to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// For the daemon to answer: a report over months on a slow flash takes its time.
const DAEMON_PATIENCE: Duration = Duration::from_mins(1);

/// Before trying again when accepting failed, as for want of descriptors.
const AFTER_A_FAULT: Duration = Duration::from_millis(200);

/// Answers that wait for a slow peer.
const QUEUE: usize = 64;
