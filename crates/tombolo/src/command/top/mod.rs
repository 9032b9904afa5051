//! `tombolo top`.

mod reading;
mod screen;

use std::io::{self, IsTerminal};
use std::time::Instant;

use anyhow::Result;
use terminal_size::{Height, Width};

use crate::admin::client::AdminClient;
use crate::admin::message::{ReadTraffic, TrafficReading};
use crate::cli::TopArguments;
use crate::output::{self, Reader};

use reading::Top;

/// Moves the cursor to the top and clears what is below it (ECMA-48).
const HOME: &str = "\x1b[H\x1b[J";

/// The rows and columns of a terminal that does not tell them: those of a VT100.
const USUAL_SCREEN: (usize, usize) = (24, 80);

/// Shows tables until somebody ends it or nobody reads them any more, or one.
pub(super) async fn run(arguments: TopArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let is_live = !arguments.once && !arguments.format.json && io::stdout().is_terminal();
    let mut before = read(&server).await?;
    loop {
        tokio::time::sleep(arguments.interval).await;
        let now = read(&server).await?;
        let top = Top::between(&before.1, &now.1, now.0.duration_since(before.0));
        let table = if arguments.format.json {
            output::json_line(&top)?
        } else if is_live {
            // Looked at each time: the window may have been made another size.
            let (height, width) = size();
            format!("{HOME}{}", screen::fitting(&top, height, width))
        } else {
            screen::of(&top, usize::MAX)
        };
        let reader = output::offer(table.as_bytes())?;
        if arguments.once || reader == Reader::Gone {
            return Ok(());
        }
        before = now;
    }
}

/// The rows and columns of the terminal.
fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or(USUAL_SCREEN, |(Width(width), Height(height))| {
        (height.into(), width.into())
    })
}

async fn read(server: &AdminClient) -> Result<(Instant, TrafficReading)> {
    let reading = server.ask(&ReadTraffic {}).await?;
    Ok((Instant::now(), reading))
}
