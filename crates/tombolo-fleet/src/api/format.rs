//! Versions of the files in an instance's directory.
//!
//! An instance lives through an upgrade of the server, and so do its files. Each is a JSON object
//! that says in `version` of which version of its format it is; one that says none is of version 0,
//! as releases wrote before formats had versions. A file of an earlier version is migrated when it
//! is read, one version at a time, and is of the newest when it is written next.
//! `tests/golden` has a file of every version.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::private_file::write_private;

/// A file in an instance's directory.
pub(crate) trait InstanceFile: Serialize + DeserializeOwned {
    /// Its name.
    const NAME: &'static str;

    /// The version that is written, and the newest that is read.
    const VERSION: u32;

    /// What to do about a file that cannot be read.
    const REMEDY: &'static str;

    /// From what a file of version `from` says, [`VERSION`](Self::VERSION) or older, to the next
    /// version.
    fn migrate(from: u32, file: Value) -> Value {
        let _ = from;
        file
    }

    /// Where the file of the instance in `directory` is.
    fn path_in(directory: &Path) -> PathBuf {
        directory.join(Self::NAME)
    }

    /// The file of the instance in `directory`; an error of the kind `NotFound` when there is none.
    fn read(directory: &Path) -> io::Result<Self> {
        Self::read_at(&Self::path_in(directory))
    }

    /// The file at `path`.
    fn read_at(path: &Path) -> io::Result<Self> {
        Self::parse(io::BufReader::new(File::open(path)?)).map_err(io::Error::from)
    }

    /// Writes the file of the instance in `directory`, so that a reader finds all of it or the one
    /// before.
    fn write(&self, directory: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(&Versioned {
            version: Self::VERSION,
            file: self,
        })?;
        write_private(&Self::path_in(directory), &bytes)
    }

    /// Reads a file of any version that there has been.
    fn parse(text: impl io::Read) -> Result<Self, FormatError> {
        let malformed = |source| FormatError::Malformed {
            name: Self::NAME,
            remedy: Self::REMEDY,
            source,
        };
        let mut file: Value = serde_json::from_reader(text).map_err(malformed)?;
        let found = version_of(&file).map_err(malformed)?;
        if found > Self::VERSION {
            return Err(FormatError::Newer {
                name: Self::NAME,
                found,
                newest: Self::VERSION,
            });
        }
        for version in found..Self::VERSION {
            file = Self::migrate(version, file);
        }
        serde_json::from_value(file).map_err(malformed)
    }
}

#[derive(Serialize)]
struct Versioned<'f, F> {
    version: u32,
    #[serde(flatten)]
    file: &'f F,
}

fn version_of(file: &Value) -> Result<u32, serde_json::Error> {
    match file.get("version") {
        Some(version) => u32::deserialize(version),
        None => Ok(0),
    }
}

/// A file that this release cannot read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FormatError {
    /// A later release wrote it.
    #[error(
        "{name} is of version {found} of its format, and this release reads versions up to \
         {newest}; run the release that wrote it, or a later one"
    )]
    Newer {
        /// The file's name.
        name: &'static str,
        /// Its version.
        found: u32,
        /// The newest that is read.
        newest: u32,
    },
    /// It is no JSON, or lacks something.
    #[error("{name} cannot be parsed; {remedy}")]
    Malformed {
        /// The file's name.
        name: &'static str,
        /// What to do about it.
        remedy: &'static str,
        /// Where, and what is wrong.
        source: serde_json::Error,
    },
}

impl From<FormatError> for io::Error {
    fn from(error: FormatError) -> Self {
        io::Error::new(ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At first a name alone, then with a number, and now both under other names.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Example {
        label: String,
        count: u32,
    }

    impl InstanceFile for Example {
        const NAME: &'static str = "example.json";
        const VERSION: u32 = 2;
        const REMEDY: &'static str = "remove it";

        fn migrate(from: u32, file: Value) -> Value {
            match from {
                0 => serde_json::json!({ "name": file, "number": 1 }),
                _ => serde_json::json!({ "label": file["name"], "count": file["number"] }),
            }
        }
    }

    fn example(count: u32) -> Example {
        Example {
            label: "a".into(),
            count,
        }
    }

    fn parse(text: &str) -> Result<Example, String> {
        Example::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_of_any_earlier_version_is_migrated_step_by_step() {
        assert_eq!(parse(r#""a""#), Ok(example(1)));
        assert_eq!(
            parse(r#"{"version":1,"name":"a","number":7}"#),
            Ok(example(7))
        );
        assert_eq!(
            parse(r#"{"version":2,"label":"a","count":7}"#),
            Ok(example(7))
        );
    }

    #[test]
    fn what_is_written_has_the_newest_version_and_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        example(7).write(directory.path()).unwrap();
        let text = std::fs::read_to_string(Example::path_in(directory.path())).unwrap();
        assert_eq!(text, r#"{"version":2,"label":"a","count":7}"#);
        assert_eq!(Example::read(directory.path()).unwrap(), example(7));
    }

    #[test]
    fn a_file_of_a_later_release_is_refused_with_what_to_do() {
        assert_eq!(
            parse(r#"{"version":3,"other":"a"}"#).unwrap_err(),
            "example.json is of version 3 of its format, and this release reads versions up to 2; \
             run the release that wrote it, or a later one"
        );
    }

    #[test]
    fn a_file_that_does_not_parse_is_refused_with_what_to_do() {
        for text in [
            "",
            "{",
            "[]",
            r#"{"version":2}"#,
            r#"{"version":-1,"label":"a","count":7}"#,
            r#"{"version":"2","label":"a","count":7}"#,
            r#"{"version":4294967296,"label":"a","count":7}"#,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(
                error, "example.json cannot be parsed; remove it",
                "{text:?}"
            );
        }
    }
}
