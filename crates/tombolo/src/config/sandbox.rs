//! `[sandbox]`: what server processes may do and use.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, bail};
use nix::unistd::Uid;
use serde::Deserialize;
use serde::de::{self, DeserializeOwned, Deserializer};
use tombolo_fleet::Limits;
use tombolo_node::SandboxSettings;

/// What an instance may use unless the configuration says otherwise.
const MEMORY: u64 = 2 << 30;
const PROCESSES: u64 = 512;

/// The most processes and threads that Linux has, and that its control groups take: `PID_MAX_LIMIT`.
const MAX_PROCESSES: u64 = 4 << 20;

/// The least memory with which a server process can start at all, in bytes.
const MIN_MEMORY: u64 = 16 << 20;

/// The least room for files that is of use, in bytes.
const MIN_DISK_SPACE: u64 = 1 << 20;

/// The bounds of instances, and the file system that their server processes see.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sandbox {
    /// Memory of one instance, with the files that its processes write.
    pub memory: Option<Limit<Bytes>>,
    /// Processes and threads of one instance together.
    pub processes: Option<Limit<u64>>,
    /// CPUs of one instance.
    pub cpus: Option<Limit<f64>>,
    /// What one server process may keep in files.
    pub tmp: Option<Bytes>,
    /// What `install.sh` may change in a build.
    pub install: Option<Bytes>,
    /// A root file system in place of the host's `/usr`, `/bin`, `/lib` and the like.
    pub root: Option<PathBuf>,
}

impl Sandbox {
    pub(super) fn check(&self) -> Result<()> {
        if let Some(Limit::AtMost(Bytes(memory))) = self.memory
            && memory < MIN_MEMORY
        {
            bail!(
                "sandbox.memory = {memory}: is in bytes, and no server process starts with less \
                 than {MIN_MEMORY}; write \"2 GiB\""
            );
        }
        match self.processes {
            Some(Limit::AtMost(0)) => {
                bail!(
                    "sandbox.processes = 0: is the most that may run; write \"none\" for no limit"
                )
            }
            Some(Limit::AtMost(processes)) if processes > MAX_PROCESSES => bail!(
                "sandbox.processes = {processes}: Linux has no more than {MAX_PROCESSES}; write \
                 \"none\" for no limit"
            ),
            _ => {}
        }
        if let Some(Limit::AtMost(cpus)) = self.cpus
            && !(0.01..=4096.0).contains(&cpus)
        {
            bail!("sandbox.cpus = {cpus}: must be from 0.01 to 4096, or \"none\"");
        }
        for (name, size) in [("tmp", self.tmp), ("install", self.install)] {
            if let Some(Bytes(bytes)) = size
                && bytes < MIN_DISK_SPACE
            {
                bail!(
                    "sandbox.{name} = {bytes}: is in bytes, at least {MIN_DISK_SPACE}; write \"64 MiB\""
                );
            }
        }
        if let Some(root) = &self.root
            && !root.is_absolute()
        {
            bail!("sandbox.root = {root:?}: must be an absolute path");
        }
        Ok(())
    }

    /// As the instances take it. Limits take root, so that another user has none unless they are
    /// asked for, which is then refused when an instance starts.
    pub(crate) fn settings(&self) -> SandboxSettings {
        let default = tombolo_fleet::Sandbox::default();
        let may_limit = Uid::effective().is_root();
        let limit = |asked: Option<Limit<u64>>, most: u64| match asked {
            Some(Limit::AtMost(most)) => Some(most),
            Some(Limit::None) => None,
            None => may_limit.then_some(most),
        };
        let memory = self.memory.map(|memory| match memory {
            Limit::AtMost(Bytes(bytes)) => Limit::AtMost(bytes),
            Limit::None => Limit::None,
        });
        let cpu_millis = match self.cpus {
            // Within what `check` lets through.
            Some(Limit::AtMost(cpus)) => Some((cpus * 1000.0).round() as u64),
            Some(Limit::None) | None => None,
        };
        let bytes = |size: Option<Bytes>, default| size.map_or(default, |Bytes(bytes)| bytes);
        SandboxSettings(tombolo_fleet::Sandbox {
            limits: Limits {
                memory_bytes: limit(memory, MEMORY),
                processes: limit(self.processes, PROCESSES),
                cpu_millis,
            },
            root: self.root.clone(),
            tmp_bytes: bytes(self.tmp, default.tmp_bytes),
            install_bytes: bytes(self.install, default.install_bytes),
            first_user: None,
        })
    }
}

/// The most of something, or `"none"`: as much as there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit<T> {
    /// So much.
    AtMost(T),
    /// No limit.
    None,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Limit<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(word) if word == "none" => Ok(Limit::None),
            value => T::deserialize(value)
                .map(Limit::AtMost)
                .map_err(|error| de::Error::custom(format!("{}, or \"none\"", error.message()))),
        }
    }
}

/// A number of bytes: `2147483648`, or `"2 GiB"` with KiB, MiB, GiB or TiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
        let unit = text[digits.len()..].trim();
        let shift = match unit {
            "" | "B" => 0,
            "KiB" => 10,
            "MiB" => 20,
            "GiB" => 30,
            "TiB" => 40,
            _ => {
                return Err(format!(
                    "{text:?} is no size; write \"512 MiB\" or \"2 GiB\""
                ));
            }
        };
        let number: Option<u64> = digits.parse().ok();
        number
            .and_then(|number| number.checked_mul(1 << shift))
            .map(Bytes)
            .ok_or_else(|| format!("{text:?} is no size; write \"512 MiB\" or \"2 GiB\""))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::Integer(bytes) => u64::try_from(bytes)
                .map(Bytes)
                .map_err(|_| de::Error::custom(format!("{bytes} is no size"))),
            toml::Value::String(text) => text.parse().map_err(de::Error::custom),
            other => Err(de::Error::custom(format!(
                "{other} is no size; write \"512 MiB\" or \"2 GiB\""
            ))),
        }
    }
}
