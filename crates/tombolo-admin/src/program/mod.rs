//! Network interfaces for the programs of `tombolo run`.

mod end;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use tombolo_api::ec2::new_interface::{self, NewInterface};
use tombolo_api::lookup::ScopedTransaction;
use tombolo_domain::account::Account;
use tombolo_domain::host::{HostBoot, Locality};
use tombolo_domain::id::{SubnetId, VpcId};
use tombolo_domain::principal::{Action, Principal};
use tombolo_domain::vpc::{Attachment, NetworkInterface, Subnet, Vpc};
use tombolo_network::EngineKind;
use tombolo_store::keys;

use crate::hint::hinted;
use crate::message::{AttachProgram, AttachedProgram, DetachProgram};
use crate::process::ProcessIdentity;
use crate::service::{AdminService, find_account};

pub use end::end_all;

/// How long the engine may take to make an interface; it takes milliseconds.
const INTERFACE_TIMEOUT: Duration = Duration::from_secs(10);

/// What running a program in a VPC is at EC2, where only instances run.
const RUN_INSTANCES: Action = Action::new("ec2", "RunInstances");

/// The longest description of an interface, in characters (EC2's limit).
const MAX_DESCRIPTION: usize = 255;

impl AdminService {
    /// Makes a network interface that lives as long as a process, and waits until the engine has
    /// it.
    pub async fn attach_program(&self, request: AttachProgram) -> Result<AttachedProgram> {
        if self.network == EngineKind::Simulated {
            return Err(hinted(
                "this server's network is simulated: no packet flows in it, so no program can run \
                 in a VPC",
                "`tombolo doctor` says what real packets need; then start the server as root",
            ));
        }
        let (account, principal) = self.owner_of(&request).await?;
        let interface = self
            .transact_as(&principal, async |tx| {
                let vpc = find_vpc(tx, &account, &request.vpc).await?;
                let subnet = find_subnet(tx, &vpc, request.subnet.as_ref()).await?;
                let description = format!("tombolo run -- {}", request.command);
                let new = NewInterface {
                    vpc: &vpc,
                    subnet: &subnet,
                    address: request.address,
                    groups: request.security_groups.clone(),
                    mtu: request.mtu,
                    description: description.chars().take(MAX_DESCRIPTION).collect(),
                    attachment: Some(self.attachment_of(request.process)),
                };
                Ok(new_interface::create(tx, &*self.ids, new).await?)
            })
            .await?;
        match self.namespace_of(&interface).await {
            Ok(namespace) => Ok(AttachedProgram {
                interface: interface.id,
                subnet: interface.subnet,
                address: interface.address,
                namespace,
            }),
            Err(error) => {
                self.delete(&interface).await?;
                Err(error)
            }
        }
    }

    /// Takes the interface of a program away, if it is still that program's. The reconcilers do
    /// the same when the process is gone without having asked.
    pub async fn detach_program(&self, request: DetachProgram) -> Result<()> {
        let mut tx = self.read();
        let Some(scope) = tx.get(&keys::vpc_scope(&request.vpc)).await? else {
            return Ok(());
        };
        let key = keys::interface(&scope, &request.vpc, &request.interface);
        match tx.get(&key).await? {
            Some(interface)
                if is_of(interface.attachment.as_ref(), request.process, &self.host) =>
            {
                self.delete(&interface).await
            }
            _ => Ok(()),
        }
    }

    /// What the interface of a process of this host, in this boot, is attached to.
    fn attachment_of(&self, process: ProcessIdentity) -> Attachment {
        Attachment::Program {
            pid: process.pid,
            start_time: process.start_time,
            boot: Some(self.host.clone()),
        }
    }

    /// The account that is asked for, and who acts for it in the Region of the VPC.
    async fn owner_of(&self, request: &AttachProgram) -> Result<(Account, Principal)> {
        let mut tx = self.read();
        let account = find_account(&mut tx, &request.account).await?;
        let owner = tx.get(&keys::vpc_scope(&request.vpc)).await?;
        match owner.filter(|owner| owner.account == account.id) {
            Some(owner) => {
                let principal = self.principal(&account, Some(owner.region))?;
                Ok((account, principal))
            }
            None => Err(no_vpc(&account, &request.vpc)),
        }
    }

    async fn namespace_of(&self, interface: &NetworkInterface) -> Result<PathBuf> {
        self.node
            .namespace_of(&interface.id, INTERFACE_TIMEOUT)
            .await
    }

    async fn delete(&self, interface: &NetworkInterface) -> Result<()> {
        self.transact(async |tx| {
            tx.remove(interface);
            Ok(())
        })
        .await
    }
}

/// Whether this is the attachment of a process that runs in `here`. One that was recorded before hosts
/// had ids names no boot.
fn is_of(attachment: Option<&Attachment>, process: ProcessIdentity, here: &HostBoot) -> bool {
    match attachment {
        Some(Attachment::Program {
            pid,
            start_time,
            boot,
        }) => {
            here.locality_of(boot.as_ref()) == Locality::ThisBoot
                && (*pid, *start_time) == (process.pid, process.start_time)
        }
        _ => false,
    }
}

/// The VPC if it is the account's and no fleet's hidden one: those look unknown.
async fn find_vpc(tx: &mut ScopedTransaction<'_>, account: &Account, id: &VpcId) -> Result<Vpc> {
    let found = tx.vpc(id.as_str()).find(RUN_INSTANCES).await?;
    found.ok_or_else(|| no_vpc(account, id))
}

fn no_vpc(account: &Account, id: &VpcId) -> anyhow::Error {
    hinted(
        format!("account {} ({}) has no VPC {id}", account.name, account.id),
        format!(
            "`aws ec2 describe-vpcs --profile {}` shows those that it has",
            account.name
        ),
    )
}

/// The named subnet of the VPC, or its first.
async fn find_subnet(
    tx: &mut ScopedTransaction<'_>,
    vpc: &Vpc,
    id: Option<&SubnetId>,
) -> Result<Subnet> {
    let mut of_vpc: Vec<Subnet> = tx.subnets_of(vpc).peek().await?;
    of_vpc.sort_by_key(|one| one.cidr);
    let listed = match id {
        None => of_vpc.into_iter().next(),
        Some(id) => of_vpc.into_iter().find(|one| one.id == *id),
    };
    // Read again by its key, so that the commit depends on this subnet and on no other.
    let found = match listed {
        Some(subnet) => tx.subnet_in(vpc, &subnet.id).await?,
        None => None,
    };
    found.ok_or_else(|| match id {
        None => hinted(
            format!("VPC {} has no subnet", vpc.id),
            format!(
                "create one with `aws ec2 create-subnet --vpc-id {} --cidr-block {}`",
                vpc.id, vpc.cidr
            ),
        ),
        Some(id) => hinted(
            format!("VPC {} has no subnet {id}", vpc.id),
            format!(
                "`aws ec2 describe-subnets --filters Name=vpc-id,Values={}`",
                vpc.id
            ),
        ),
    })
}

#[cfg(test)]
mod tests {
    use tombolo_domain::id::{BootId, HostId};
    use tombolo_domain::testing::SeededIds;

    use super::*;

    #[test]
    fn an_attachment_is_of_the_process_that_started_then_in_this_boot() {
        let ids = SeededIds::new(1);
        let here = HostBoot {
            host: HostId::generate(&ids),
            boot: BootId::generate(&ids),
        };
        let earlier = HostBoot {
            boot: BootId::generate(&ids),
            ..here.clone()
        };
        let process = ProcessIdentity {
            pid: 40,
            start_time: 1000,
        };
        let attached = |pid, start_time, boot: Option<&HostBoot>| {
            let attachment = Attachment::Program {
                pid,
                start_time,
                boot: boot.cloned(),
            };
            is_of(Some(&attachment), process, &here)
        };
        assert!(attached(40, 1000, Some(&here)));
        assert!(attached(40, 1000, None), "from before hosts had ids");
        assert!(!attached(40, 1000, Some(&earlier)));
        assert!(!attached(40, 1001, Some(&here)), "the pid was given again");
        assert!(!attached(41, 1000, None));
        assert!(!is_of(None, process, &here));
    }
}
