//! `tombolo repairs`.

use anyhow::Result;
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::ListRepairs;

use crate::cli::RepairsArguments;
use crate::output;

pub(super) async fn run(arguments: RepairsArguments) -> Result<()> {
    let server = AdminClient::new(&arguments.server.dir);
    let repairs = server.send(&ListRepairs {}).await?;
    if arguments.format.json {
        return output::json(&repairs);
    }
    let rows = repairs
        .into_iter()
        .map(|one| [format!("{:.0}", one.at), one.kind, one.found]);
    output::table(["WHEN", "WHAT", "FOUND AND PUT RIGHT"], rows)
}
