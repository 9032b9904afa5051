//! Joining the core namespace to what is outside, and keeping it joined.

use nix::net::if_::if_nametoindex;
use tombolo_domain::error_chain;

use super::Machine;
use crate::ebpf::error::Doing;
use crate::ebpf::links::attachment::{Attached, Attachments};
use crate::ebpf::links::uplink::{NEAR_NAME, Uplink};
use crate::ebpf::maps::entries::OutsideEntry;
use crate::engine::{Applied, EngineError};
use crate::repair::RepairKind;

/// The pins of the programs in the machine's namespace. An upgrade finds the earlier build's by
/// these names, whatever the programs are called.
const INGRESS_PIN: &str = "take";
const EGRESS_PIN: &str = "send";

impl Machine {
    /// Sees to it that there is a way outside, or none; says whether there was one, whole. Where
    /// that fails there is none, which [`Applied::outside`] says, and the networks go on without.
    pub(super) fn join_outside(&mut self, applied: &mut Applied) -> Result<bool, EngineError> {
        let Some(uplink) = self.uplink.take() else {
            self.leave_outside(applied)?;
            return Ok(false);
        };
        let joined = self.join_by(&uplink, applied);
        self.uplink = Some(uplink);
        match joined {
            Ok((entry, was_whole)) => {
                if self.data_path.set_outside(entry)? {
                    applied.changes += 1;
                }
                Ok(was_whole)
            }
            Err(error) => {
                let reason = error_chain(&error);
                tracing::warn!(reason, "the uplink to the public address cannot be set up");
                applied.outside = Some(reason);
                self.leave_outside(applied)?;
                Ok(false)
            }
        }
    }

    fn join_by(
        &mut self,
        uplink: &Uplink,
        applied: &mut Applied,
    ) -> Result<(OutsideEntry, bool), EngineError> {
        let looking = || format!("looking at the uplink {}", uplink.far_name());
        let was_joined = self.data_path.outside()?.address != [0; 4];
        let near = self.links.get(NEAR_NAME).cloned();
        let whole = match &near {
            Some(near) => uplink.is_whole(near).doing(looking)?,
            None => false,
        };
        let near = match near {
            Some(near) if whole => near.index,
            near => {
                if was_joined {
                    applied.repairs.add(RepairKind::Uplink, || {
                        format!("the uplink {} was gone or changed", uplink.far_name())
                    });
                }
                if let Some(near) = near {
                    self.delete(&[near])?;
                }
                self.make_uplink(uplink)?;
                applied.changes += 1;
                if_nametoindex(NEAR_NAME).doing(looking)?
            }
        };
        let joined = uplink.set_up(near).doing(looking)?;
        if whole {
            applied.changes += joined.missed.len();
            for found in joined.missed {
                applied.repairs.add(RepairKind::Uplink, || found);
            }
        } else {
            self.netlink
                .wait_until_operational(near)
                .and_then(|()| self.netlink.set_alias(near, &uplink.alias()))
                .doing(|| format!("putting the uplink {} into service", uplink.far_name()))?;
        }
        self.links = self.list_links()?;
        Ok((joined.entry, whole))
    }

    /// Makes the pair, with the program at its near end before anything can come by it.
    fn make_uplink(&mut self, uplink: &Uplink) -> Result<(), EngineError> {
        let making = || format!("making the uplink {}", uplink.far_name());
        let near = uplink.create(&mut self.netlink).doing(making)?;
        self.links = self.list_links()?;
        self.attachments
            .attach_to_stay(&mut self.data_path.uplink_ingress, NEAR_NAME)?;
        self.netlink.set_up(near).doing(making)
    }

    /// Takes the way outside away, whoever made it.
    fn leave_outside(&mut self, applied: &mut Applied) -> Result<(), EngineError> {
        if self.data_path.set_outside(OutsideEntry::default())? {
            applied.changes += 1;
        }
        self.attachments.forget_as(INGRESS_PIN)?;
        self.attachments.forget_as(EGRESS_PIN)?;
        if let Some(near) = self.links.get(NEAR_NAME).cloned() {
            self.delete(&[near])?;
            applied.changes += 1;
        }
        Ok(())
    }

    /// Attaches this build's programs where the way outside goes, once they know where it leads.
    /// With `was_whole` they should be there already.
    pub(super) fn attach_outside(
        &mut self,
        was_whole: bool,
        applied: &mut Applied,
    ) -> Result<(), EngineError> {
        let Some(uplink) = self.uplink.take() else {
            return Ok(());
        };
        let attached = match applied.outside {
            None => self.attach_uplink(&uplink, was_whole, applied),
            Some(_) => Ok(()),
        };
        self.uplink = Some(uplink);
        let Err(error) = attached else {
            return Ok(());
        };
        let reason = error_chain(&error);
        tracing::warn!(reason, "the uplink to the public address cannot be set up");
        applied.outside = Some(reason);
        self.leave_outside(applied)
    }

    fn attach_uplink(
        &mut self,
        uplink: &Uplink,
        was_whole: bool,
        applied: &mut Applied,
    ) -> Result<(), EngineError> {
        let mut note = |attached, link: &str| note(attached, link, was_whole, applied);
        let entered = self.attachments.ensure(
            &mut self.data_path.uplink_ingress,
            NEAR_NAME,
            Attachments::attach_to_stay,
        )?;
        note(entered, NEAR_NAME);
        let Some(interface) = uplink.interface_name() else {
            self.attachments.forget_as(INGRESS_PIN)?;
            return self.attachments.forget_as(EGRESS_PIN);
        };
        let entry = self.data_path.outside()?;
        let attachments = &self.attachments;
        let (take, send) = (
            &mut self.data_path.host_ingress,
            &mut self.data_path.host_egress,
        );
        let far = uplink.far_name();
        let attached = uplink.on_the_machine(|| {
            // What is taken can be answered from the first packet on.
            let sent = attachments.ensure_as(EGRESS_PIN, send, far, entry.far_end);
            Ok(sent.and_then(|sent| {
                let taken = attachments.ensure_as(INGRESS_PIN, take, interface, entry.interface)?;
                Ok([sent, taken])
            }))
        });
        let [sent, taken] =
            attached.doing(|| format!("attaching to {interface} in the machine's namespace"))??;
        note(sent, far);
        note(taken, interface);
        Ok(())
    }
}

/// Takes note of an attachment that was missing, or another build's.
fn note(attached: Attached, link: &str, was_whole: bool, applied: &mut Applied) {
    match attached {
        Attached::Already => {}
        Attached::InPlaceOfAnother => applied.changes += 1,
        Attached::Anew => {
            applied.changes += 1;
            if !was_whole {
                return;
            }
            applied.repairs.add(RepairKind::Attachment, || {
                format!("no program was attached to the link {link}")
            });
        }
    }
}
