//! `tombolo build`.

use anyhow::{Context, Result};

use crate::admin::client::AdminClient;
use crate::admin::message::ImportBuild;
use crate::cli::{BuildCommand, ImportArguments};
use crate::output;
use crate::report::OrHint;

pub(super) async fn run(command: BuildCommand) -> Result<()> {
    let BuildCommand::Import(arguments) = command;
    import(arguments).await
}

async fn import(arguments: ImportArguments) -> Result<()> {
    // The server has another working directory than this command.
    let root = std::path::absolute(&arguments.root)
        .with_context(|| format!("finding {}", arguments.root.display()))?;
    let name = serde_json::Value::String(arguments.operating_system.clone());
    let operating_system = serde_json::from_value(name).or_hint(
        || {
            format!(
                "GameLift has no operating system {:?}",
                arguments.operating_system
            )
        },
        || "AMAZON_LINUX_2023 fits every Linux build".to_owned(),
    )?;
    let ask = ImportBuild {
        account: arguments.account.account,
        region: arguments.region,
        name: arguments.name,
        version: arguments.build_version,
        operating_system,
        root,
    };
    let build = AdminClient::new(&arguments.server.dir).ask(&ask).await?;
    if arguments.format.json {
        output::json(&build)
    } else {
        output::line(build.build_id.to_string())
    }
}
