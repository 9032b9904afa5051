//! The demo's database: keys and values by TCP, an echo by UDP.
//!
//! A TCP connection sends lines: `GET KEY` is answered by the value, or an empty line. `TAKE` is
//! followed by bytes until the sender's end, and answered by how many they were.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::thread;

use anyhow::{Context, Result};

use super::measure;
use crate::cli::DatabaseArguments;

/// What the database has: one entry, enough to show that it was the database that answered.
pub(super) const ENTRY: (&str, &str) = ("player/1/name", "Ada");

/// Bytes that one read takes at most.
const CHUNK: usize = 128 << 10;

/// Serves until the process ends.
pub(crate) fn run(arguments: &DatabaseArguments) -> Result<()> {
    measure::pin();
    let address = arguments.listen;
    let echo = UdpSocket::bind(address).with_context(|| format!("binding UDP {address}"))?;
    let listener = TcpListener::bind(address).with_context(|| format!("binding TCP {address}"))?;
    eprintln!("{}", listening(address));
    thread::spawn(move || {
        for stream in listener.incoming() {
            match stream {
                Ok(stream) => drop(thread::spawn(|| serve(stream))),
                Err(error) => eprintln!("accepting: {error}"),
            }
        }
    });
    let mut datagram = [0; 2048];
    loop {
        // A sender that went away is reported on the socket, and is none of its others' concern.
        if let Ok((length, sender)) = echo.recv_from(&mut datagram) {
            let _ = echo.send_to(&datagram[..length], sender);
        }
    }
}

/// What the database says when it can be reached by whoever may.
pub(super) fn listening(address: impl Display) -> String {
    format!("the database listens on {address}")
}

fn serve(stream: TcpStream) {
    if let Err(error) = answer(stream) {
        eprintln!("a connection ended: {error}");
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(CHUNK, stream.try_clone()?);
    let mut line = String::new();
    while reader.by_ref().take(1024).read_line(&mut line)? > 0 {
        match line.trim_end().split_once(' ') {
            Some(("GET", key)) => {
                let value = if key == ENTRY.0 { ENTRY.1 } else { "" };
                writeln!(stream, "{value}")?;
            }
            None if line.trim_end() == "TAKE" => {
                let taken = io::copy(&mut reader, &mut io::sink())?;
                return writeln!(stream, "{taken}");
            }
            _ => writeln!(stream)?,
        }
        line.clear();
    }
    Ok(())
}
