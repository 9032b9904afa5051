//! `cargo xtask model`: derives `crates/tombolo-api/models/*.json` from botocore's models,
//! as far as the tables of operations need them.
//!
//! botocore is pinned, so that the same commit gives the same files on every machine and CI can
//! tell a file that was edited by hand from one that was derived.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::tally::Checked;
use crate::{setup, workspace};

/// The botocore whose models are served. A newer one is a change to review: members, constraints
/// and errors may have moved.
const BOTOCORE: &str = "botocore==1.44.5";

/// What `cargo xtask operations` writes: the operations of each service that Tombolo serves.
const SERVED: &str = "crates/tombolo-api/models/served.json";

struct Model {
    /// The service, and the name of the derived file.
    service: &'static str,
    /// Where botocore keeps the service's model.
    source: &'static str,
}

const MODELS: &[Model] = &[
    Model {
        service: "gamelift",
        source: "gamelift/2015-10-01",
    },
    Model {
        service: "ec2",
        source: "ec2/2016-11-15",
    },
    Model {
        service: "sts",
        source: "sts/2011-06-15",
    },
];

/// Writes the models.
///
/// # Errors
/// Python or PyPI cannot be reached, or a served operation is not in the service's model.
pub(crate) fn make() -> anyhow::Result<()> {
    let python = botocore()?;
    for model in MODELS {
        let path = model.path();
        let derived = derive(&python, model)?;
        fs::write(&path, derived).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Compares the committed models with what botocore gives, if it is there or `may_install`.
///
/// # Errors
/// As for [`make`], and a file is stale.
pub(crate) fn check(may_install: bool) -> anyhow::Result<Checked> {
    if !may_install && !setup::is_made_from(BOTOCORE, &venv()) {
        let why = format!("{BOTOCORE} is missing; `cargo xtask model --check` installs it");
        return Ok(Checked::Not(why));
    }
    let python = botocore()?;
    let mut stale = Vec::new();
    for model in MODELS {
        let path = model.path();
        if fs::read(&path).unwrap_or_default() != derive(&python, model)? {
            stale.push(path.display().to_string());
        }
    }
    ensure!(
        stale.is_empty(),
        "not what {BOTOCORE} gives: {}; run `cargo xtask model` and commit the result",
        stale.join(", ")
    );
    Ok(Checked::Right)
}

impl Model {
    /// The operations that the model is trimmed to.
    fn served(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(workspace::root().join(SERVED))
            .with_context(|| format!("reading {SERVED}"))?;
        let mut served: BTreeMap<String, Vec<String>> =
            serde_json::from_str(&text).with_context(|| format!("reading {SERVED}"))?;
        served.remove(self.service).with_context(|| {
            format!(
                "{SERVED} has no {}; run `cargo xtask operations`",
                self.service
            )
        })
    }

    /// The committed file.
    fn path(&self) -> PathBuf {
        let models = workspace::root().join("crates/tombolo-api/models");
        models.join(self.service).with_extension("json")
    }
}

/// The virtual environment with the pinned botocore.
fn venv() -> PathBuf {
    workspace::target().join("model-venv")
}

/// A Python that has the pinned botocore, in a virtual environment that is made on first use.
fn botocore() -> anyhow::Result<PathBuf> {
    let venv = venv();
    setup::unless_made_from(BOTOCORE, &venv, || setup::python_with(&venv, &[BOTOCORE]))?;
    Ok(venv.join("bin/python"))
}

fn derive(python: &Path, model: &Model) -> anyhow::Result<Vec<u8>> {
    output(
        Command::new(python)
            .arg(workspace::root().join("xtask/src/trim_model.py"))
            .arg(model.source)
            .args(model.served()?),
    )
}

fn output(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let output = command
        .output()
        .with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {stderr}", output.status);
    }
    Ok(output.stdout)
}
