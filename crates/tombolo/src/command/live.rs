//! Screens that go on: shown over and over on a terminal, cut to what it has room for.

use std::io::{self, IsTerminal};
use std::time::Duration;

use serde::Serialize;
use terminal_size::{Height, Width};
use tombolo_network::Traffic;

use crate::output;

/// Moves the cursor to the top and clears what is below it (ECMA-48).
const HOME: &str = "\x1b[H\x1b[J";

/// The rows and columns of a terminal that does not tell them: those of a VT100.
const USUAL_SCREEN: (usize, usize) = (24, 80);

/// How many rows each table of a screen has at least, before the tables below it are cut.
const MIN_ROWS: usize = 3;

/// How each screen is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screens {
    /// As JSON, a line each.
    Json,
    /// As text, everything, one below the other.
    Whole,
    /// As text, each in the place of the one before, as much as fits.
    Live,
}

impl Screens {
    /// As a command's flags and where it writes to have it.
    pub(super) fn of(json: bool, once: bool) -> Self {
        if json {
            Screens::Json
        } else if !once && io::stdout().is_terminal() {
            Screens::Live
        } else {
            Screens::Whole
        }
    }

    /// One screen of `value`, which `text` gives with at most so many rows in each table.
    pub(super) fn screen<T: Serialize>(
        self,
        value: &T,
        text: impl Fn(&T, usize) -> String,
    ) -> anyhow::Result<String> {
        Ok(match self {
            Screens::Json => output::json_line(value)?,
            Screens::Whole => text(value, usize::MAX),
            Screens::Live => {
                // Looked at each time: the window may have been made another size.
                let (height, width) = size();
                format!("{HOME}{}", fitting(|rows| text(value, rows), height, width))
            }
        })
    }
}

/// The rows and columns of the terminal.
fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size();
    size.map_or(USUAL_SCREEN, |(Width(width), Height(height))| {
        (height.into(), width.into())
    })
}

/// As much as a screen has room for: the first rows of each table, and what is left over is cut,
/// since a screen that scrolls cannot be read.
pub(super) fn fitting(text: impl Fn(usize) -> String, height: usize, width: usize) -> String {
    // The cursor stands on the last row.
    let room = height.saturating_sub(1);
    let mut rows = room;
    let text = loop {
        let text = text(rows);
        if rows <= MIN_ROWS || text.lines().count() <= room {
            break text;
        }
        rows -= 1;
    };
    let lines = text.lines().take(room);
    lines
        .map(|line| line.chars().take(width).collect::<String>() + "\n")
        .collect()
}

/// A table of `shown` of `all` rows.
pub(super) fn with_rest(table: String, all: usize, shown: usize) -> String {
    match all.checked_sub(shown) {
        Some(rest) if rest > 0 => format!("{table}... and {rest} more; --once shows all\n"),
        _ => table,
    }
}

/// With a unit's prefix where it would be long: `12.3k`.
pub(super) fn number(value: f64) -> String {
    match value {
        value if value >= 1e9 => format!("{:.1}G", value / 1e9),
        value if value >= 1e6 => format!("{:.1}M", value / 1e6),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

/// Traffic in an interval, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Rate {
    pub(super) packets_per_second: f64,
    pub(super) bytes_per_second: f64,
    pub(super) packets: u64,
    pub(super) bytes: u64,
}

impl Rate {
    /// A counter that went back was made anew meanwhile, and counts from 0.
    pub(super) fn between(was: Traffic, is: Traffic, elapsed: Duration) -> Self {
        Rate {
            packets_per_second: per_second(was.packets, is.packets, elapsed),
            bytes_per_second: per_second(was.bytes, is.bytes, elapsed),
            packets: is.packets,
            bytes: is.bytes,
        }
    }
}

/// How fast a counter went on, with what [`Rate::between`] says of one that went back.
pub(super) fn per_second(was: u64, is: u64, elapsed: Duration) -> f64 {
    is.checked_sub(was).unwrap_or(is) as f64 / elapsed.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_what_came_in_a_second_and_starts_over_with_its_counter() {
        let traffic = |packets, bytes| Traffic { packets, bytes };
        let elapsed = Duration::from_secs(2);
        let rate = Rate::between(traffic(10, 1000), traffic(30, 4000), elapsed);
        assert_eq!(
            (rate.packets_per_second, rate.bytes_per_second),
            (10.0, 1500.0)
        );
        assert_eq!((rate.packets, rate.bytes), (30, 4000));

        let anew = Rate::between(traffic(10, 1000), traffic(6, 600), elapsed);
        assert_eq!(
            (anew.packets_per_second, anew.bytes_per_second),
            (3.0, 300.0)
        );
    }
}
