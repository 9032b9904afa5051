//! `tombolo fleet`.

mod reading;
mod screen;

use std::time::Instant;

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{DescribeFleet, FleetDescription};

use super::live::Screens;
use crate::cli::FleetArguments;
use crate::output::{self, Reader};

use reading::Dashboard;

/// Shows a fleet until somebody ends it or nobody reads any more, or once.
pub(super) async fn run(arguments: FleetArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let request = DescribeFleet {
        fleet: arguments.fleet,
        account: arguments.account,
    };
    let screens = Screens::of(arguments.format.json, arguments.once);
    let mut before = read(&server, &request).await?;
    loop {
        tokio::time::sleep(arguments.interval).await;
        let now = read(&server, &request).await?;
        let elapsed = now.0.duration_since(before.0);
        let dashboard = Dashboard::between(&before.1, now.1.clone(), elapsed);
        let reader = output::offer(screens.screen(&dashboard, screen::of)?.as_bytes())?;
        if arguments.once || reader == Reader::Gone {
            return Ok(());
        }
        before = now;
    }
}

async fn read(
    server: &AdminClient,
    request: &DescribeFleet,
) -> Result<(Instant, FleetDescription)> {
    let reading = server.send(request).await?;
    Ok((Instant::now(), reading))
}
