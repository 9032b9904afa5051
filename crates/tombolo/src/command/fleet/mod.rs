//! `tombolo fleet`.

mod reading;
mod screen;

use std::time::Instant;

use anyhow::Result;

use super::live::Screens;
use crate::cli::FleetArguments;
use crate::output::{self, Reader};

use reading::Dashboard;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{FleetReading, ReadFleet};

/// Shows a fleet until somebody ends it or nobody reads any more, or once.
pub(super) async fn run(arguments: FleetArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let ask = ReadFleet {
        fleet: arguments.fleet,
        account: arguments.account,
    };
    let screens = Screens::of(arguments.format.json, arguments.once);
    let mut before = read(&server, &ask).await?;
    loop {
        tokio::time::sleep(arguments.interval).await;
        let now = read(&server, &ask).await?;
        let elapsed = now.0.duration_since(before.0);
        let dashboard = Dashboard::between(&before.1, now.1.clone(), elapsed);
        let reader = output::offer(screens.screen(&dashboard, screen::of)?.as_bytes())?;
        if arguments.once || reader == Reader::Gone {
            return Ok(());
        }
        before = now;
    }
}

async fn read(server: &AdminClient, ask: &ReadFleet) -> Result<(Instant, FleetReading)> {
    let reading = server.ask(ask).await?;
    Ok((Instant::now(), reading))
}
