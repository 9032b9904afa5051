//! `tombolo build`.

use anyhow::{Context, Result};
use tombolo_admin::client::AdminClient;
use tombolo_admin::message::{ImportBuild, ListBuilds};
use tombolo_domain::fleet::Build;

use crate::cli::{BuildCommand, ImportArguments};
use crate::output;
use crate::report::OrHint;

pub(super) async fn run(command: BuildCommand) -> Result<()> {
    match command {
        BuildCommand::Import(arguments) => import(arguments).await,
        BuildCommand::List {
            account,
            server,
            format,
        } => {
            let request = ListBuilds {
                account: account.account,
                build: None,
            };
            let builds = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                output::json(&builds)
            } else {
                list(&builds)
            }
        }
        BuildCommand::Show {
            id,
            account,
            server,
            format,
        } => {
            let request = ListBuilds {
                account: account.account,
                build: Some(id),
            };
            let builds = AdminClient::new(&server.dir).send(&request).await?;
            if format.json {
                output::json(&builds)
            } else {
                builds.iter().try_for_each(show)
            }
        }
    }
}

fn list(builds: &[Build]) -> Result<()> {
    let rows = builds.iter().map(|build| {
        [
            build.id.to_string(),
            build.status.to_string(),
            plain(build.name.as_deref()).unwrap_or_default(),
            plain(build.version.as_deref()).unwrap_or_default(),
            size(build),
            format!("{:.0}", build.created),
            build.scope.region.to_string(),
            build.failure.clone().unwrap_or_default(),
        ]
    });
    let headings = [
        "BUILD", "STATUS", "NAME", "VERSION", "BYTES", "CREATED", "REGION", "REASON",
    ];
    output::table(headings, rows)
}

fn show(build: &Build) -> Result<()> {
    let Build {
        id, scope, status, ..
    } = build;
    output::line(format!("{id} in {}: {status}", scope.region))?;
    let lines = [
        ("name", plain(build.name.as_deref())),
        ("version", plain(build.version.as_deref())),
        ("created", Some(format!("{:.0}", build.created))),
        ("bytes", build.size_on_disk.map(|size| size.to_string())),
        (
            "from",
            build
                .source
                .as_ref()
                .map(|source| format!("s3://{}/{}", source.bucket, source.key.escape_debug())),
        ),
        ("reason", build.failure.clone()),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            output::line(format!("  {name:<9}{value}"))?;
        }
    }
    Ok(())
}

/// A text that anybody may have chosen, without what a terminal would take for commands.
fn plain(text: Option<&str>) -> Option<String> {
    text.map(|text| text.escape_debug().to_string())
}

/// The size of a build's files; `-` while they are not here.
fn size(build: &Build) -> String {
    let size = build.size_on_disk.map(|size| size.to_string());
    size.unwrap_or_else(|| "-".to_owned())
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
    let request = ImportBuild {
        account: arguments.account.account,
        region: arguments.region,
        name: arguments.name,
        version: arguments.build_version,
        operating_system,
        root,
    };
    let build = AdminClient::new(&arguments.server.dir)
        .send(&request)
        .await?;
    if arguments.format.json {
        output::json(&build)
    } else {
        output::line(build.build_id.to_string())
    }
}
