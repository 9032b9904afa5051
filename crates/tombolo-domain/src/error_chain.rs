//! Errors for a reader who has one line.

use std::error::Error;
use std::iter::successors;

/// An error and what caused it, on one line: `reading spec.json: permission denied`.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error), |&error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{doing}")]
    struct Failed {
        doing: &'static str,
        source: Box<dyn Error>,
    }

    #[test]
    fn causes_follow_the_error_from_the_outer_to_the_inner() {
        let inner = Failed {
            doing: "reading spec.json",
            source: io::Error::other("permission denied").into(),
        };
        let outer = Failed {
            doing: "starting the instance",
            source: inner.into(),
        };
        assert_eq!(
            error_chain(&outer),
            "starting the instance: reading spec.json: permission denied"
        );
        assert_eq!(error_chain(&io::Error::other("alone")), "alone");
    }
}
