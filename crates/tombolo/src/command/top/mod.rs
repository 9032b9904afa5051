//! `tombolo top`.

mod reading;
mod screen;

use std::time::Instant;

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{ReadTraffic, TrafficReading};

use super::live::Screens;
use crate::cli::TopArguments;
use crate::output::{self, Reader};

use reading::Top;

/// Shows tables until somebody ends it or nobody reads them any more, or one.
pub(super) async fn run(arguments: TopArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let screens = Screens::of(arguments.format.json, arguments.once);
    let mut before = read(&server).await?;
    loop {
        tokio::time::sleep(arguments.interval).await;
        let now = read(&server).await?;
        let top = Top::between(&before.1, &now.1, now.0.duration_since(before.0));
        let reader = output::offer(screens.screen(&top, screen::of)?.as_bytes())?;
        if arguments.once || reader == Reader::Gone {
            return Ok(());
        }
        before = now;
    }
}

async fn read(server: &AdminClient) -> Result<(Instant, TrafficReading)> {
    let reading = server.send(&ReadTraffic {}).await?;
    Ok((Instant::now(), reading))
}
