//! Comparing with the committed files, and recording them anew when somebody asks for it.

use std::path::PathBuf;
use std::{env, fs};

use tombolo_tests::binary;

/// Lines that a difference is shown with.
const SHOWN: usize = 12;

/// Where the recordings are.
pub(crate) fn folder() -> PathBuf {
    binary::workspace().join("crates/tombolo-tests/golden")
}

/// Whether this run records.
pub(crate) fn is_recording() -> bool {
    env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1")
}

/// Holds `found` against the recording `name`, or records it.
///
/// # Panics
/// They differ; the first lines that do are shown.
#[track_caller]
pub(crate) fn expect(name: &str, found: &str) {
    let path = folder().join(name);
    if is_recording() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, found).unwrap();
        return;
    }
    let recorded = fs::read_to_string(&path).unwrap_or_default();
    if recorded == found {
        return;
    }
    // The whole of it, to be looked at with `diff`.
    let other = binary::target().join("golden").join(name);
    fs::create_dir_all(other.parent().unwrap()).unwrap();
    fs::write(&other, found).unwrap();
    panic!(
        "{}\n\nAll of it: diff {} {}\nIf clients are to see this, record it: UPDATE_EXPECT=1 cargo \
         test -p tombolo-tests --test golden",
        difference(&recorded, found),
        path.display(),
        other.display()
    );
}

/// The first lines that differ, and what comes before them.
fn difference(recorded: &str, found: &str) -> String {
    let (recorded, found): (Vec<_>, Vec<_>) = (recorded.lines().collect(), found.lines().collect());
    let same = recorded.iter().zip(&found);
    let first = same.take_while(|(one, other)| one == other).count();
    let start = first.saturating_sub(SHOWN);
    let part = |lines: &[&str], mark: char| -> String {
        let lines = lines.iter().skip(first).take(SHOWN);
        lines.map(|line| format!("{mark} {line}\n")).collect()
    };
    let before: String = recorded[start..first]
        .iter()
        .map(|line| format!("  {line}\n"))
        .collect();
    format!(
        "line {} differs from the recording (-):\n{before}{}{}",
        first + 1,
        part(&recorded, '-'),
        part(&found, '+')
    )
}
