//! `tombolo clock`.

use anyhow::Result;
use jiff::SignedDuration;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::MoveClock;

use crate::cli::{ClockCommand, Format, ServerDirectory};
use crate::output;

pub(super) async fn run(command: ClockCommand) -> Result<()> {
    match command {
        ClockCommand::Advance { by, server, format } => show(by.as_secs(), &server, format).await,
        ClockCommand::Show { server, format } => show(0, &server, format).await,
    }
}

async fn show(advance_seconds: i64, server: &ServerDirectory, format: Format) -> Result<()> {
    let reading = AdminClient::new(&server.dir)
        .send(&MoveClock { advance_seconds })
        .await?;
    if format.json {
        return output::json(&reading);
    }
    let ahead = SignedDuration::from_secs(reading.offset_seconds);
    output::line(format!(
        "{:.0} ({ahead:#} ahead of the real time)",
        reading.now
    ))
}
