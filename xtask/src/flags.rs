//! The command line, defined once for the parser and for the help.

#![allow(missing_docs, reason = "xflags gives its structs no documentation")]

xflags::xflags! {
    /// The project's own tasks.
    ///
    /// CONTRIBUTING.md says when to use which.
    cmd xtask {
        /// Explain COMMAND, or all of them.
        cmd help {
            /// The command to explain.
            optional command: String
        }

        /// Check what can be checked without root, and without apt, pip and npm.
        ///
        /// The format, clippy's lints, the files that are derived from others, and every test of the
        /// tier `unprivileged`, with clippy beside the tests. A derived file whose tool is missing is
        /// reported as not checked; with CI=true in the environment, it fails.
        ///
        /// The tests have their temporary files in /dev/shm, so that none waits for the disk, if there is
        /// enough room and programs may run there. TMPDIR names another place.
        cmd check {}

        /// Run every check and every test, or the suites that are named.
        ///
        /// Needs root, installs what is missing, and ends with the line `N passed, N failed`. Before
        /// that line it prints how long each suite took. It fails if anything of the tests is left on
        /// the machine: a process, network namespace, mount, control group, pinned BPF object, link
        /// or temporary file; what is this run's own is then taken away. In /tmp, which everybody has,
        /// files named `tmb-*`, `tombolo*` or `.tmp*` are counted.
        ///
        /// A suite is named by its own name, by its tier, or by one of its test targets. For one test
        /// of a target use cargo: `cargo test -p CRATE --test TARGET PART-OF-ITS-NAME`.
        cmd test {
            /// Suites to run instead of everything.
            repeated suite: String
        }

        /// Measure, and print tables, which stay under target/bench/.
        ///
        /// Parts: api, store, path, players, first-packet, fleet, fairness, growth, scale. Without any, all.
        /// Needs root.
        ///
        /// With --against, this tree and another revision are built and measured in turns. A figure is
        /// worse if its median is, by 3 % or more, and the intervals of the two medians are apart; then
        /// the command fails.
        cmd bench {
            /// Parts to measure instead of all.
            repeated part: String
            /// A revision to compare this tree with: a commit, a branch or a tag.
            optional --against revision: String
            /// How often each is measured, 10 by default. Fewer than 6 prove little.
            optional --rounds count: usize
        }

        /// Only install what the tests need: Debian packages, and pinned packages from PyPI and npm under target/.
        cmd setup {}

        /// Compile the data path, crates/tombolo-network/bpf/tombolo.o. Needs clang 14.
        cmd bpf {
            /// Compare the committed object with what clang makes, and write nothing.
            optional --check
        }

        /// Write the man pages and completions in docs/.
        cmd man {
            /// Compare with the committed ones, and write nothing.
            optional --check
        }

        /// Check the dependencies by deny.toml: licences, bans, sources and advisories.
        ///
        /// Installs cargo-deny under target/ if there is none. Advisories come from a repository on
        /// GitHub; where that cannot be reached, they are reported as not checked.
        cmd deny {}

        /// Derive the API models, crates/tombolo-api/models, from botocore.
        ///
        /// Of each service, what the operations in models/served.json need.
        cmd model {
            /// Compare with the committed ones, and write nothing.
            optional --check
        }

        /// List the operations in docs/operations.md and in models/served.json, from their tables.
        cmd operations {
            /// Compare with the committed lists, and write nothing.
            optional --check
        }

        /// Make everything that is derived: operations, model, bpf and man.
        ///
        /// For whoever has added an operation, or changed anything else that files are made from. Without
        /// clang 14 the BPF object is left as it is and reported as not made; with CI=true in the
        /// environment, that fails.
        cmd derive {}
    }
}

impl Xtask {
    /// The help of one command, or of all. `None` if there is no such command.
    pub(crate) fn help(command: Option<&str>) -> Option<String> {
        let Some(command) = command else {
            return Some(Self::HELP_.to_owned());
        };
        // Each command's part begins with its name and ends where the next one's begins.
        let mut parts = Self::HELP_.split("\n\nxtask ").skip(1);
        let part = parts.find(|part| part.split_whitespace().next() == Some(command))?;
        Some(format!("xtask {}\n", part.trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_has_its_own_help() {
        for command in [
            "help",
            "check",
            "test",
            "bench",
            "setup",
            "bpf",
            "man",
            "deny",
            "model",
            "operations",
            "derive",
        ] {
            let help = Xtask::help(Some(command)).unwrap();
            assert!(help.starts_with(&format!("xtask {command}\n")), "{help}");
            assert_eq!(help.matches("\nxtask ").count(), 0, "{help}");
        }
        assert_eq!(Xtask::help(Some("nothing")), None);
        assert!(Xtask::help(None).unwrap().contains("xtask model"));
    }
}
