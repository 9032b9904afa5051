//! Showing what server processes wrote.

mod tail;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use futures::Stream;
use futures::stream;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tombolo_domain::fleet::FleetStatus;
use tombolo_domain::id::InstanceId;
use tombolo_node::logs_directory;

use self::tail::{Chunk, Tail};
use crate::fleet::find_fleet;
use crate::message::{FollowLogs, LogLines, LogPart, LogSource};
use crate::service::AdminService;

/// The interval at which followed logs are polled while none of them has new lines.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

impl AdminService {
    /// What a fleet's server processes wrote; followed, until the server stops.
    pub async fn follow_logs(
        self: Arc<Self>,
        request: FollowLogs,
    ) -> Result<impl Stream<Item = LogPart> + Send + use<>> {
        let status = self.status_for_logs(&request).await?;
        let directory = logs_directory(&self.directory, &request.fleet);
        let stopping = self.stopping.clone();
        let reader = LogReader::new(directory, status, request);
        Ok(stream::unfold(reader, move |mut reader| {
            let stopping = stopping.clone();
            let next = async move {
                loop {
                    // Files are read where it may block.
                    let step = spawn_blocking(move || {
                        let step = reader.step();
                        (reader, step)
                    });
                    let step = step.await.ok()?;
                    reader = step.0;
                    match step.1 {
                        Step::Tell(part) => return Some((part, reader)),
                        Step::Wait => sleep(POLL_INTERVAL).await,
                        Step::End => return None,
                    }
                }
            };
            async move { stopping.run_until_cancelled(next).await? }
        }))
    }

    /// The status of the fleet that logs are asked for.
    async fn status_for_logs(&self, request: &FollowLogs) -> Result<FleetStatus> {
        let mut tx = self.read();
        let fleet = find_fleet(&mut tx, &request.fleet, request.account.as_deref()).await?;
        Ok(fleet.status)
    }
}

/// The stream of log lines to one client. For a client that does not read, only the position in
/// each log is kept.
struct LogReader {
    directory: PathBuf,
    request: FollowLogs,
    /// Sent first, and once.
    status: Option<FleetStatus>,
    logs: BTreeMap<LogSource, Tail>,
    /// The logs still to be polled in this round, the next one last.
    round: Vec<LogSource>,
    /// Whether anything was new in this round.
    is_news: bool,
}

enum Step {
    Tell(LogPart),
    /// Nothing is new.
    Wait,
    End,
}

impl LogReader {
    fn new(directory: PathBuf, status: FleetStatus, request: FollowLogs) -> Self {
        let mut reader = LogReader {
            directory,
            status: Some(status),
            logs: BTreeMap::new(),
            round: Vec::new(),
            is_news: false,
            request,
        };
        reader.look(reader.request.lines);
        reader.begin_round();
        reader
    }

    fn step(&mut self) -> Step {
        if let Some(status) = self.status.take() {
            let logs = self.logs.len();
            return Step::Tell(LogPart::Fleet { status, logs });
        }
        while let Some(source) = self.round.last().cloned() {
            let chunk = match self.logs.get_mut(&source) {
                Some(tail) => tail.next(self.request.follow),
                None => Chunk::End,
            };
            let part = match chunk {
                Chunk::Lines(lines) => LogPart::Lines(LogLines {
                    source: source.clone(),
                    lines,
                }),
                Chunk::Skipped => LogPart::Skipped(source.clone()),
                Chunk::End => {
                    self.round.pop();
                    continue;
                }
            };
            self.is_news = true;
            if self.request.follow {
                // One that writes without end must not keep the others out.
                self.round.pop();
            }
            return Step::Tell(part);
        }
        if !self.request.follow {
            return Step::End;
        }
        if !self.is_news {
            // Logs that appear later are read from their beginning.
            self.look(None);
        }
        let wait = !self.is_news;
        self.begin_round();
        if wait { Step::Wait } else { self.step() }
    }

    fn begin_round(&mut self) {
        self.is_news = false;
        self.round = self.logs.keys().rev().cloned().collect();
    }

    /// Finds the logs that were not there yet, to show so many of their last lines.
    fn look(&mut self, lines: Option<u64>) {
        let found = find(&self.directory, &self.request).unwrap_or_else(|error| {
            let directory = self.directory.display();
            tracing::warn!("looking for logs in {directory}: {error}");
            Vec::new()
        });
        for (source, path) in found {
            if let Entry::Vacant(place) = self.logs.entry(source) {
                place.insert(Tail::new(path, lines));
            }
        }
    }
}

/// The logs that are asked for, each by its newest file.
fn find(directory: &Path, request: &FollowLogs) -> io::Result<Vec<(LogSource, PathBuf)>> {
    let mut logs = Vec::new();
    for folder in entries(directory)? {
        let name = folder.file_name();
        let Some(instance) = name.to_str().filter(|name| is_requested(name, request)) else {
            continue;
        };
        for file in entries(&folder.path())? {
            let path = file.path();
            if path.extension().is_some_and(|extension| extension == "log")
                && let Some(process) = path.file_stem().and_then(|name| name.to_str())
                && request
                    .process
                    .as_ref()
                    .is_none_or(|wanted| wanted == process)
            {
                let source = LogSource {
                    instance: instance.to_owned(),
                    process: process.to_owned(),
                };
                logs.push((source, path));
            }
        }
    }
    Ok(logs)
}

/// Whether the logs in the folder of this name are asked for.
fn is_requested(folder: &str, request: &FollowLogs) -> bool {
    if folder == LogSource::INSTALL {
        return request.install;
    }
    match &request.instance {
        Some(wanted) => wanted.as_str() == folder,
        None => folder.parse::<InstanceId>().is_ok(),
    }
}

/// What is in a directory; nothing if it is not there yet, or no more.
fn entries(directory: &Path) -> io::Result<Vec<fs::DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}
