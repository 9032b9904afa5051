//! The supervisor's side of the control socket.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::poll::{PollFd, PollFlags};
use serde::Serialize;

use super::event_log::EventLog;
use crate::api::control::{MAX_REQUEST_BYTES, Request, socket_path};
use crate::step::{Doing, StepError};

/// How many connections are served at once; the control plane needs two.
const MAX_CONNECTIONS: usize = 16;

/// How much of a request is read at a time, in bytes.
const CHUNK: usize = 4096;

/// A client that asks on without reading what it is sent gets no more answers beyond this many
/// bytes.
const MAX_UNREAD_BYTES: usize = 1 << 20;

/// The control socket and who is connected to it. Nothing here ever blocks: a client that does not
/// read is simply not written to.
pub(super) struct Clients {
    listener: UnixListener,
    connected: Vec<Client>,
    next: u64,
}

/// Whom a request came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct From(u64);

struct Client {
    id: From,
    stream: UnixStream,
    /// The beginning of a request whose line has not ended yet.
    input: Vec<u8>,
    /// Lines, or the rest of one, that the socket had no room for.
    output: Vec<u8>,
    /// The last event that was put into `output`, once the client asked for events.
    sent: Option<u64>,
}

impl Clients {
    /// Binds the control socket in the instance's `directory`, over one that was left behind.
    pub(super) fn listen(directory: &File) -> Result<Self, StepError> {
        let path = socket_path(directory);
        let listen = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener = listen().doing(|| "binding the control socket".into())?;
        Ok(Clients {
            listener,
            connected: Vec::new(),
            next: 0,
        })
    }

    /// What to wait for.
    pub(super) fn interests(&self) -> impl Iterator<Item = PollFd<'_>> {
        let listener = PollFd::new(self.listener.as_fd(), PollFlags::POLLIN);
        let connected = self.connected.iter().map(|client| {
            let mut flags = PollFlags::POLLIN;
            flags.set(PollFlags::POLLOUT, !client.output.is_empty());
            PollFd::new(client.stream.as_fd(), flags)
        });
        // One client too many waits in the socket's backlog until another leaves.
        connected.chain((self.connected.len() < MAX_CONNECTIONS).then_some(listener))
    }

    /// Accepts the connections that wait, and returns the clients' requests, each with its client.
    pub(super) fn requests(&mut self) -> Vec<(Request, From)> {
        let mut requests = Vec::new();
        loop {
            self.connected
                .retain_mut(|client| client.read(&mut requests).is_ok());
            if !self.accept() {
                return requests;
            }
        }
    }

    /// Accepts as many as there is room for, and returns whether it was any.
    fn accept(&mut self) -> bool {
        let before = self.connected.len();
        while self.connected.len() < MAX_CONNECTIONS
            && let Ok((stream, _)) = self.listener.accept()
        {
            // A client whose socket misbehaves is hung up on.
            if stream.set_nonblocking(true).is_ok() {
                self.next += 1;
                self.connected.push(Client::new(From(self.next), stream));
            }
        }
        self.connected.len() > before
    }

    /// Answers a request, if its client is still connected.
    pub(super) fn answer(&mut self, to: From, answer: &impl Serialize) {
        let client = self.connected.iter_mut().find(|client| client.id == to);
        // Plain structs can always be written.
        if let (Some(client), Ok(mut line)) = (client, serde_json::to_vec(answer))
            && client.output.len() < MAX_UNREAD_BYTES
        {
            line.push(b'\n');
            client.output.append(&mut line);
        }
    }

    /// Sends the clients what they have not had of the event_log, as far as their sockets take it.
    pub(super) fn send(&mut self, event_log: &EventLog) {
        self.connected
            .retain_mut(|client| client.write(event_log).is_ok());
    }

    /// Whether every client that follows has had the whole event_log.
    pub(super) fn have_all(&self, event_log: &EventLog) -> bool {
        let has_all = |client: &Client| {
            client.output.is_empty()
                && client
                    .sent
                    .is_none_or(|sent| event_log.after(sent).is_none())
        };
        self.connected.iter().all(has_all)
    }
}

impl Client {
    fn new(id: From, stream: UnixStream) -> Self {
        Client {
            id,
            stream,
            input: Vec::new(),
            output: Vec::new(),
            sent: None,
        }
    }

    /// Takes in what the client sent. An error ends the connection: it was closed, or what came is
    /// no request.
    fn read(&mut self, requests: &mut Vec<(Request, From)>) -> io::Result<()> {
        let mut buffer = [0; CHUNK];
        // How much at the end of `input` may have a line's end in it.
        let mut unread;
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    self.input.extend_from_slice(&buffer[..length]);
                    unread = length;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            while let Some(end) = line_end(&self.input, unread) {
                let line: Vec<_> = self.input.drain(..=end).collect();
                unread = self.input.len();
                match serde_json::from_slice(&line)? {
                    Request::ResumeAfter(seq) => self.sent = Some(seq),
                    other => requests.push((other, self.id)),
                }
            }
            if self.input.len() > MAX_REQUEST_BYTES {
                return Err(ErrorKind::InvalidData.into());
            }
        }
    }

    /// Writes event after event until the event_log or the socket's room is at its end.
    fn write(&mut self, event_log: &EventLog) -> io::Result<()> {
        loop {
            if self.output.is_empty() {
                let Some(event) = self.sent.and_then(|sent| event_log.after(sent)) else {
                    return Ok(());
                };
                self.sent = Some(event.seq);
                self.output = serde_json::to_vec(&event)?;
                self.output.push(b'\n');
            }
            match self.stream.write(&self.output) {
                Ok(written) => drop(self.output.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
        }
        if self.output.len() > MAX_UNREAD_BYTES {
            return Err(ErrorKind::OutOfMemory.into());
        }
        Ok(())
    }
}

/// Where the first line of `input` ends, if it does, within its last `unread` bytes.
fn line_end(input: &[u8], unread: usize) -> Option<usize> {
    let from = input.len().saturating_sub(unread);
    let end = input[from..].iter().position(|byte| *byte == b'\n')?;
    Some(from + end)
}
