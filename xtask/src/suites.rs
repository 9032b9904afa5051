//! The suites of tests, and what each takes of a machine.
//!
//! A crate's test targets are a suite, which needs neither root nor anything installed. What takes
//! more is named in [`SPECIAL`]. Forgetting that fails: as root, suites that need no root run
//! without capabilities. So no target is in no suite, and none in the wrong tier for long.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::command::cargo;
use crate::workspace;

/// What a suite takes of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// Neither root nor anything that is installed.
    Unprivileged,
    /// Root: network namespaces, BPF programs, control groups.
    Privileged,
    /// Root, and the clients, databases and games that `cargo xtask setup` installs.
    Clients,
}

impl Tier {
    pub(crate) const ALL: [Tier; 3] = [Tier::Unprivileged, Tier::Privileged, Tier::Clients];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Tier::Unprivileged => "unprivileged",
            Tier::Privileged => "privileged",
            Tier::Clients => "clients",
        }
    }
}

/// Tests that are run together.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: String,
    pub(crate) tier: Tier,
    pub(crate) about: String,
    pub(crate) tests: Tests,
}

/// Which tests a suite has.
#[derive(Debug)]
pub(crate) enum Tests {
    /// Those beside the code, of all crates, but for [`KERNEL_TESTS`].
    Unit,
    /// Those beside the code in modules [`KERNEL_TESTS`].
    Kernel,
    /// Test targets, by their names, which are unique in the workspace.
    Targets(Vec<String>),
    /// The examples in the documentation.
    Documentation,
}

/// The one program that has unit tests. The others are a few lines over their crates' libraries, or for tests
/// themselves, and each would be linked once more for nothing.
const TESTED_PROGRAM: &str = "xtask";

/// The name of the modules whose unit tests take root.
const KERNEL_TESTS: &str = "kernel_tests::";

/// Suites that are not just a crate's test targets: name, tier, what it is about, its targets.
const SPECIAL: &[(&str, Tier, &str, &[&str])] = &[
    // Its fleets have instances, whose namespaces a user may make and root without capabilities may
    // not.
    (
        "golden",
        Tier::Privileged,
        "what clients, scripts and scrapes see, byte for byte",
        &["golden"],
    ),
    (
        "packets",
        Tier::Privileged,
        "real packets through the ebpf engine",
        &[
            "agreement",
            "conformance",
            "counting",
            "flows",
            "full",
            "groups",
            "internet",
            "isolation",
            "outside",
            "packets",
            "persistence",
            "preflight",
            "repairs",
            "sizes",
            "uplink",
        ],
    ),
    (
        "instances",
        Tier::Privileged,
        "real supervisors and server processes, in their sandbox and under the reconcilers",
        &["instance", "instances"],
    ),
    (
        "e2e",
        Tier::Clients,
        "real clients, the real binary, real packets and real games",
        &["e2e"],
    ),
];

/// Every suite, in the order in which all are run: those that need least first.
///
/// # Errors
/// cargo does not know the workspace; two crates have a test target of the same name, so that
/// neither can be run alone; or a target that [`SPECIAL`] names is in no crate.
pub(crate) fn all() -> anyhow::Result<Vec<Suite>> {
    let suite = |name: &str, tier, about: &str, tests| Suite {
        name: name.to_owned(),
        tier,
        about: about.to_owned(),
        tests,
    };
    let mut suites = vec![
        suite(
            "unit",
            Tier::Unprivileged,
            "the tests beside the code",
            Tests::Unit,
        ),
        suite(
            "documentation",
            Tier::Unprivileged,
            "the examples in the documentation",
            Tests::Documentation,
        ),
        suite(
            "kernel",
            Tier::Privileged,
            "the data path through BPF_PROG_TEST_RUN, and other unit tests that take root",
            Tests::Kernel,
        ),
    ];
    let mut seen = BTreeSet::new();
    for package in workspace::packages()? {
        let mut targets = test_targets(&package)?;
        for target in &targets {
            ensure!(
                seen.insert(target.clone()),
                "two crates have a test target {target}: rename one, so that each can be named"
            );
        }
        targets.retain(|target| !SPECIAL.iter().any(|row| row.3.contains(&target.as_str())));
        if !targets.is_empty() {
            let text = |key: &str| package[key].as_str().unwrap_or_default();
            let name = text("name");
            let name = name.strip_prefix("tombolo-").unwrap_or(name);
            let tests = Tests::Targets(targets);
            suites.push(suite(name, Tier::Unprivileged, text("description"), tests));
        }
    }
    for (name, tier, about, targets) in SPECIAL {
        let targets: Vec<String> = targets.iter().map(|&target| target.to_owned()).collect();
        let gone: Vec<_> = targets
            .iter()
            .filter(|target| !seen.contains(*target))
            .collect();
        ensure!(
            gone.is_empty(),
            "no crate has the test targets {gone:?}: take them out of xtask/src/suites.rs"
        );
        suites.push(suite(name, *tier, about, Tests::Targets(targets)));
    }
    suites.sort_by_key(|suite| suite.tier);
    Ok(suites)
}

/// The names of a package's test targets.
fn test_targets(package: &Value) -> anyhow::Result<Vec<String>> {
    let targets = package["targets"]
        .as_array()
        .context("a package has targets")?;
    let is_test = |target: &&Value| {
        let kinds = target["kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "test"))
    };
    let names = targets.iter().filter(is_test).map(|target| {
        let name = target["name"].as_str().context("a target has a name")?;
        Ok(name.to_owned())
    });
    names.collect()
}

/// Those of `all` that `names` stand for, in their order; all if there are none.
///
/// # Errors
/// A name is neither that of a suite, nor of a tier, nor of a test target.
pub(crate) fn named(all: Vec<Suite>, names: &[String]) -> anyhow::Result<Vec<Suite>> {
    for name in names {
        if !all.iter().any(|suite| suite.is_named(name)) {
            bail!(
                "there is no suite, tier or test target {name}\n\n{}",
                list(&all)
            );
        }
    }
    let is_named = |suite: &Suite| names.iter().any(|name| suite.is_named(name));
    Ok(all
        .into_iter()
        .filter(|suite| names.is_empty() || is_named(suite))
        .collect())
}

/// All suites, by tier, as a person reads them.
pub(crate) fn list(all: &[Suite]) -> String {
    let mut text = String::from("SUITES:\n");
    for tier in Tier::ALL {
        text += &format!("    {}\n", tier.name());
        for suite in all.iter().filter(|suite| suite.tier == tier) {
            text += &format!("      {:<15}{}\n", suite.name, suite.about);
        }
    }
    text
}

impl Suite {
    fn is_named(&self, name: &str) -> bool {
        let is_target = match &self.tests {
            Tests::Targets(targets) => targets.iter().any(|target| target == name),
            Tests::Unit | Tests::Kernel | Tests::Documentation => false,
        };
        self.name == name || self.tier.name() == name || is_target
    }
}

/// The command that runs suites together, by cargo-nextest if that is there. The examples in the
/// documentation and the kernel's unit tests are run only by themselves.
pub(crate) fn command(suites: &[&Suite], nextest: bool) -> Command {
    let is = |wanted: fn(&Tests) -> bool| suites.iter().any(|suite| wanted(&suite.tests));
    let (unit, kernel) = (
        is(|tests| matches!(tests, Tests::Unit)),
        is(|tests| matches!(tests, Tests::Kernel)),
    );
    // nextest leaves the examples in the documentation out.
    let nextest = nextest && !is(|tests| matches!(tests, Tests::Documentation));
    let mut command = match nextest {
        true => cargo(["nextest", "run", "--no-fail-fast"]),
        false => cargo(["test", "--no-fail-fast"]),
    };
    command.args(selection(suites));
    match (unit, kernel, nextest) {
        (true, _, true) => command.args(["-E", &format!("not test({KERNEL_TESTS})")]),
        (true, _, false) => command.args(["--", "--skip", KERNEL_TESTS]),
        (false, true, true) => command.args(["-E", &format!("test({KERNEL_TESTS})")]),
        (false, true, false) => command.args(["--", KERNEL_TESTS]),
        (false, false, _) => &mut command,
    };
    command
}

/// The command that compiles suites and everything that they start.
pub(crate) fn build(suites: &[Suite]) -> Command {
    let compiled: Vec<&Suite> = suites
        .iter()
        .filter(|suite| !matches!(suite.tests, Tests::Documentation))
        .collect();
    let mut command = cargo(["test", "--no-run"]);
    command.args(selection(&compiled));
    let start_tombolo = |name: &str| name == "golden" || name == "e2e";
    if suites.iter().any(|suite| start_tombolo(&suite.name)) {
        command.args(["--bin", "tombolo"]);
    }
    command
}

/// Whether a source has examples in its documentation that are compiled: a fence begins with ``` alone, or
/// with anything but `text`.
#[cfg(test)]
fn has_examples(source: &str) -> bool {
    let mut is_open = false;
    source.lines().any(|line| {
        let line = line.trim_start();
        let text = line
            .strip_prefix("///")
            .or_else(|| line.strip_prefix("//!"));
        let Some(language) = text.and_then(|text| text.trim().strip_prefix("```")) else {
            return false;
        };
        is_open = !is_open;
        is_open && language != "text"
    })
}

/// The arguments by which cargo selects targets. The whole workspace always is, so that everything is
/// built with the same features of its dependencies.
fn selection<'a>(suites: &[&'a Suite]) -> Vec<&'a str> {
    let mut selection = vec!["--workspace"];
    for suite in suites {
        match &suite.tests {
            Tests::Unit | Tests::Kernel => selection.extend(["--lib", "--bin", TESTED_PROGRAM]),
            Tests::Targets(targets) => {
                selection.extend(targets.iter().flat_map(|target| ["--test", target]));
            }
            Tests::Documentation => selection.push("--doc"),
        }
    }
    // A flag counts once.
    let mut seen = BTreeSet::new();
    selection.retain(|word| *word == "--test" || seen.insert(*word));
    selection
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    fn names(asked: &[&str]) -> Vec<String> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        let suites = named(all().unwrap(), &asked).unwrap();
        suites.into_iter().map(|suite| suite.name).collect()
    }

    #[test]
    fn a_suite_is_named_by_itself_its_tier_or_a_target_of_it() {
        assert_eq!(names(&["store"]), ["store"]);
        assert_eq!(names(&["crash", "wire"]), ["api", "store"]);
        assert_eq!(
            names(&["privileged"]),
            ["kernel", "golden", "packets", "instances"]
        );
        assert_eq!(names(&[]).len(), all().unwrap().len());
        let error = named(all().unwrap(), &["nothing".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("nothing") && error.contains("packets"),
            "{error}"
        );
    }

    /// The Rust sources in a folder and below.
    fn sources(folder: &Path) -> Vec<PathBuf> {
        let mut folders = vec![folder.to_owned()];
        let mut found = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    found.push(path);
                }
            }
        }
        found
    }

    /// The targets of a kind, each with its package.
    fn targets(kind: &str) -> Vec<(Value, Value)> {
        let mut found = Vec::new();
        for package in workspace::packages().unwrap() {
            for target in package["targets"].as_array().unwrap() {
                if target["kind"][0] == kind {
                    found.push((package.clone(), target.clone()));
                }
            }
        }
        found
    }

    /// rustdoc reads a crate for seconds to find that there is nothing to run, so a crate without
    /// examples says `doctest = false`.
    #[test]
    fn the_examples_of_every_crate_that_has_any_are_run() {
        assert!(has_examples("/// ```\n/// f();\n/// ```"));
        assert!(has_examples("    //! ```compile_fail\n"));
        assert!(!has_examples("/// ```text\n/// a picture\n/// ```\nf();"));
        for (package, library) in targets("lib") {
            let root = Path::new(library["src_path"].as_str().unwrap());
            let mut examples = sources(root.parent().unwrap());
            examples.retain(|path| has_examples(&fs::read_to_string(path).unwrap()));
            assert_eq!(
                library["doctest"].as_bool(),
                Some(!examples.is_empty()),
                "set [lib] doctest in the Cargo.toml of {} as its examples need it: {examples:?}",
                package["name"]
            );
        }
    }

    #[test]
    fn no_other_program_has_unit_tests() {
        for (_, program) in targets("bin") {
            let root = PathBuf::from(program["src_path"].as_str().unwrap());
            let folder = root.parent().unwrap();
            let is_alone = folder.parent().unwrap().ends_with("bin");
            let files = match is_alone || program["name"] == TESTED_PROGRAM {
                true => sources(folder),
                // The folder is the library's, too.
                false => vec![root],
            };
            let has_tests = |path: &PathBuf| {
                let text = fs::read_to_string(path).unwrap();
                text.lines().any(|line| line.trim() == "#[cfg(test)]")
            };
            assert_eq!(
                files.iter().any(has_tests),
                program["name"] == TESTED_PROGRAM,
                "{}: its tests are not run, or it has none any more",
                program["name"]
            );
        }
    }
}
