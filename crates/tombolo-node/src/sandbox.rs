//! What server processes may do and use, as the server's configuration says.

use nix::unistd::Uid;
use tombolo_fleet::{PROCESS_SLOTS, Sandbox};

/// The first user of the first instance: above every range that Linux distributions and systemd
/// give to people, services and containers.
const FIRST_USER: u32 = 1_879_048_192;

/// How many instances have users of their own; the one after that has those of the first again,
/// which has ended long ago. The last user is below 2^31, beyond which some programs count wrong.
const SLOTS: u32 = 4_000_000;

/// The sandbox of every instance, but for its users.
#[derive(Debug, Clone, Default)]
pub struct SandboxSettings(pub Sandbox);

impl SandboxSettings {
    /// The sandbox of the instance that has `number`. Without the right to become another user, its
    /// processes run as the one that runs this.
    pub(crate) fn for_instance(&self, number: u32) -> Sandbox {
        Sandbox {
            first_user: Uid::effective().is_root().then(|| first_user(number)),
            ..self.0.clone()
        }
    }
}

fn first_user(number: u32) -> u32 {
    FIRST_USER + number % SLOTS * PROCESS_SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_one_time_share_no_user() {
        assert_eq!(first_user(0), FIRST_USER);
        assert_eq!(first_user(1), FIRST_USER + PROCESS_SLOTS);
        let last = first_user(SLOTS - 1) + PROCESS_SLOTS - 1;
        assert!(last < 1 << 31, "{last}");
        assert_eq!(first_user(SLOTS), first_user(0));
    }
}
