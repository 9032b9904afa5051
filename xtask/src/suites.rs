//! The suites of tests, and what each takes of a machine.
//!
//! One table, held complete by [`check`]: a test target that no suite has would be run by nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::command::cargo;

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
    pub(crate) name: &'static str,
    pub(crate) tier: Tier,
    pub(crate) about: &'static str,
    pub(crate) tests: Tests,
    /// Whether its tests start `target/debug/tombolo`.
    pub(crate) starts_tombolo: bool,
}

/// Which tests a suite has.
#[derive(Debug)]
pub(crate) enum Tests {
    /// Those beside the code, of all crates, but for [`KERNEL_TESTS`].
    Unit,
    /// Those beside the code in modules [`KERNEL_TESTS`].
    Kernel,
    /// Test targets, by their names, which are unique in the workspace.
    Targets(&'static [&'static str]),
    /// The examples in the documentation.
    Documentation,
}

/// The name of the modules whose unit tests take root.
const KERNEL_TESTS: &str = "kernel_tests::";

/// Every suite, in the order in which all are run: the quick ones first.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "unit",
        tier: Tier::Unprivileged,
        about: "the tests beside the code",
        tests: Tests::Unit,
        starts_tombolo: false,
    },
    Suite {
        name: "documentation",
        tier: Tier::Unprivileged,
        about: "the examples in the documentation",
        tests: Tests::Documentation,
        starts_tombolo: false,
    },
    Suite {
        name: "domain",
        tier: Tier::Unprivileged,
        about: "the rules, by tables and properties",
        tests: Tests::Targets(&["rules"]),
        starts_tombolo: false,
    },
    Suite {
        name: "store",
        tier: Tier::Unprivileged,
        about: "one suite over every engine of the store, records, crashes",
        tests: Tests::Targets(&["crash", "records", "sqlite", "suite", "typed"]),
        starts_tombolo: false,
    },
    Suite {
        name: "api",
        tier: Tier::Unprivileged,
        about: "every operation through the router, and the wire",
        tests: Tests::Targets(&["error_matrix", "operations", "wire"]),
        starts_tombolo: false,
    },
    Suite {
        name: "network",
        tier: Tier::Unprivileged,
        about: "the simulated engine",
        tests: Tests::Targets(&["simulated"]),
        starts_tombolo: false,
    },
    Suite {
        name: "node",
        tier: Tier::Unprivileged,
        about: "connections and fleets through the store, without instances",
        tests: Tests::Targets(&["node"]),
        starts_tombolo: false,
    },
    Suite {
        name: "command",
        tier: Tier::Unprivileged,
        about: "the command line, its configuration and its man pages",
        tests: Tests::Targets(&["command_line", "config", "manual"]),
        starts_tombolo: false,
    },
    Suite {
        name: "golden",
        tier: Tier::Unprivileged,
        about: "what clients, scripts and scrapes see, byte for byte",
        tests: Tests::Targets(&["golden"]),
        starts_tombolo: true,
    },
    Suite {
        name: "kernel",
        tier: Tier::Privileged,
        about: "the data path through BPF_PROG_TEST_RUN, and other unit tests that take root",
        tests: Tests::Kernel,
        starts_tombolo: false,
    },
    Suite {
        name: "packets",
        tier: Tier::Privileged,
        about: "real packets through the ebpf engine",
        tests: Tests::Targets(&[
            "agreement",
            "check",
            "conformance",
            "flows",
            "full",
            "groups",
            "internet",
            "isolation",
            "outside",
            "packets",
            "persistence",
            "repairs",
            "sizes",
            "uplink",
        ]),
        starts_tombolo: false,
    },
    Suite {
        name: "instances",
        tier: Tier::Privileged,
        about: "real supervisors and server processes, in their sandbox and under the reconcilers",
        tests: Tests::Targets(&["instance", "instances"]),
        starts_tombolo: false,
    },
    Suite {
        name: "e2e",
        tier: Tier::Clients,
        about: "real clients, the real binary, real packets and real games",
        tests: Tests::Targets(&["e2e"]),
        starts_tombolo: true,
    },
];

/// The suites that `names` stand for, in the order of the table; all if there are none.
///
/// # Errors
/// A name is neither that of a suite, nor of a tier, nor of a test target.
pub(crate) fn named(names: &[String]) -> anyhow::Result<Vec<&'static Suite>> {
    for name in names {
        if !SUITES.iter().any(|suite| suite.is_named(name)) {
            bail!(
                "there is no suite, tier or test target {name}\n\n{}",
                list()
            );
        }
    }
    let is_named = |suite: &&Suite| names.iter().any(|name| suite.is_named(name));
    Ok(SUITES
        .iter()
        .filter(|suite| names.is_empty() || is_named(suite))
        .collect())
}

/// All suites, by tier, as a person reads them.
pub(crate) fn list() -> String {
    let mut text = String::from("SUITES:\n");
    for tier in Tier::ALL {
        text += &format!("    {}\n", tier.name());
        for suite in SUITES.iter().filter(|suite| suite.tier == tier) {
            text += &format!("      {:<15}{}\n", suite.name, suite.about);
        }
    }
    text
}

impl Suite {
    fn is_named(&self, name: &str) -> bool {
        self.name == name || self.tier.name() == name || self.targets().contains(&name)
    }

    fn targets(&self) -> &'static [&'static str] {
        match self.tests {
            Tests::Targets(targets) => targets,
            Tests::Unit | Tests::Kernel | Tests::Documentation => &[],
        }
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
pub(crate) fn build(suites: &[&Suite]) -> Command {
    let compiled: Vec<&Suite> = suites
        .iter()
        .copied()
        .filter(|suite| !matches!(suite.tests, Tests::Documentation))
        .collect();
    let mut command = cargo(["test", "--no-run"]);
    command.args(selection(&compiled));
    if suites.iter().any(|suite| suite.starts_tombolo) {
        command.args(["--bin", "tombolo"]);
    }
    command
}

/// What cargo is told to select. The whole workspace always is, so that everything is built with the
/// same features of its dependencies.
fn selection(suites: &[&Suite]) -> Vec<&'static str> {
    let mut selection = vec!["--workspace"];
    for suite in suites {
        match suite.tests {
            Tests::Unit | Tests::Kernel => selection.extend(["--lib", "--bins"]),
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

/// Every test target of the workspace is in one suite, and every suite's targets are there.
///
/// # Errors
/// Names what is in no suite, in two, or in none of the crates.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut suites: BTreeMap<&str, u32> = BTreeMap::new();
    for target in SUITES.iter().flat_map(Suite::targets) {
        *suites.entry(target).or_default() += 1;
    }
    let targets = test_targets()?;
    let missing: Vec<&String> = targets
        .iter()
        .filter(|name| !suites.contains_key(name.as_str()))
        .collect();
    ensure!(
        missing.is_empty(),
        "the test targets {missing:?} are in no suite: add each to the table in xtask/src/suites.rs"
    );
    let twice: Vec<_> = suites.iter().filter(|(_, count)| **count > 1).collect();
    ensure!(twice.is_empty(), "in more than one suite: {twice:?}");
    let gone: Vec<_> = suites
        .keys()
        .filter(|name| !targets.contains(**name))
        .collect();
    ensure!(
        gone.is_empty(),
        "no crate has the test targets {gone:?}: take them out of the table in xtask/src/suites.rs"
    );
    Ok(())
}

/// The names of the workspace's test targets.
///
/// # Errors
/// Two crates have a target of the same name, so that neither can be run alone.
fn test_targets() -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for package in crate::workspace::packages()? {
        let targets = package["targets"].as_array().cloned().unwrap_or_default();
        for target in targets {
            let is_test = |kind: &Value| kind.as_str() == Some("test");
            if !target["kind"]
                .as_array()
                .is_some_and(|kinds| kinds.iter().any(is_test))
            {
                continue;
            }
            let name = target["name"].as_str().context("a target has a name")?;
            ensure!(
                names.insert(name.to_owned()),
                "two crates have a test target {name}: rename one, so that each can be named"
            );
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(asked: &[&str]) -> Vec<&'static str> {
        let asked: Vec<String> = asked.iter().map(|&name| name.to_owned()).collect();
        named(&asked)
            .unwrap()
            .iter()
            .map(|suite| suite.name)
            .collect()
    }

    #[test]
    fn every_test_target_is_in_one_suite() {
        check().unwrap();
    }

    #[test]
    fn a_suite_is_named_by_itself_its_tier_or_a_target_of_it() {
        assert_eq!(names(&["store"]), ["store"]);
        assert_eq!(names(&["crash", "wire"]), ["store", "api"]);
        assert_eq!(names(&["privileged"]), ["kernel", "packets", "instances"]);
        assert_eq!(names(&[]).len(), SUITES.len());
        let error = named(&["nothing".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("nothing") && error.contains("packets"),
            "{error}"
        );
    }
}
