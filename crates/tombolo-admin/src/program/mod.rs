//! Network interfaces for the programs of `tombolo run`.

mod end;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tombolo_api::ec2::new_interface::{self, NewInterface};
use tombolo_domain::account::Account;
use tombolo_domain::id::{SubnetId, VpcId};
use tombolo_domain::time::Clock;
use tombolo_domain::vpc::{Attachment, NetworkInterface, Subnet, Vpc};
use tombolo_network::EngineKind;
use tombolo_store::keys;
use tombolo_store::typed::Transaction;

use crate::hint::hinted;
use crate::message::{AttachProgram, AttachedProgram, DetachProgram};
use crate::server::{Door, find_account};

pub use end::end_all;

/// How long the engine may take to make an interface; it takes milliseconds.
const INTERFACE: Duration = Duration::from_secs(10);

/// The longest description of an interface, in characters (EC2's limit).
const MAX_DESCRIPTION: usize = 255;

impl Door {
    /// Makes a network interface that lives as long as a process, and waits until the engine has
    /// it.
    pub async fn attach_program(self: Arc<Self>, ask: AttachProgram) -> Result<AttachedProgram> {
        if self.network == EngineKind::Simulated {
            return Err(hinted(
                "this server's network is simulated: no packet flows in it, so no program can run \
                 in a VPC",
                "`tombolo doctor` says what real packets need; then start the server as root",
            ));
        }
        let interface = self
            .transact(async |tx| {
                let account = find_account(tx, &ask.account).await?;
                let vpc = find_vpc(tx, &account, &ask.vpc).await?;
                let subnet = find_subnet(tx, &vpc, ask.subnet.as_ref()).await?;
                let description = format!("tombolo run -- {}", ask.command);
                let new = NewInterface {
                    vpc: &vpc,
                    subnet: &subnet,
                    address: ask.address,
                    groups: ask.security_groups.clone(),
                    mtu: ask.mtu,
                    description: description.chars().take(MAX_DESCRIPTION).collect(),
                    attachment: Some(Attachment::Program {
                        pid: ask.process.pid,
                        start_time: ask.process.start_time,
                    }),
                };
                Ok(new_interface::create(tx, &*self.ids, self.clock.now(), new).await?)
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
    pub async fn detach_program(self: Arc<Self>, ask: DetachProgram) -> Result<()> {
        let mut tx = self.read();
        let Some(scope) = tx.get(&keys::vpc_scope(&ask.vpc)).await? else {
            return Ok(());
        };
        let attachment = Attachment::Program {
            pid: ask.process.pid,
            start_time: ask.process.start_time,
        };
        match tx
            .get(&keys::interface(&scope, &ask.vpc, &ask.interface))
            .await?
        {
            Some(interface) if interface.attachment == Some(attachment) => {
                self.delete(&interface).await
            }
            _ => Ok(()),
        }
    }

    async fn namespace_of(&self, interface: &NetworkInterface) -> Result<PathBuf> {
        let reconcilers = self.reconcilers.read().await;
        let reconcilers = reconcilers.as_ref().context("the server is stopping")?;
        Ok(reconcilers.namespace_of(&interface.id, INTERFACE).await?)
    }

    async fn delete(&self, interface: &NetworkInterface) -> Result<()> {
        self.transact(async |tx| {
            tx.remove(interface);
            Ok(())
        })
        .await
    }
}

/// The VPC if it is the account's and no fleet's hidden one: those look unknown.
async fn find_vpc(tx: &mut Transaction, account: &Account, id: &VpcId) -> Result<Vpc> {
    let scope = tx.get(&keys::vpc_scope(id)).await?;
    let vpc = match scope.filter(|scope| scope.account == account.id) {
        Some(scope) => tx.get(&keys::vpc(&scope, id)).await?,
        None => None,
    };
    vpc.filter(|vpc| vpc.fleet.is_none()).ok_or_else(|| {
        hinted(
            format!("account {} ({}) has no VPC {id}", account.name, account.id),
            format!(
                "`aws ec2 describe-vpcs --profile {}` shows those that it has",
                account.name
            ),
        )
    })
}

/// The named subnet of the VPC, or its first.
async fn find_subnet(tx: &mut Transaction, vpc: &Vpc, id: Option<&SubnetId>) -> Result<Subnet> {
    let mut of_vpc: Vec<Subnet> = tx.peek(&keys::subnets_of(&vpc.scope, &vpc.id)).await?;
    of_vpc.sort_by_key(|one| one.cidr);
    let listed = match id {
        None => of_vpc.into_iter().next(),
        Some(id) => of_vpc.into_iter().find(|one| one.id == *id),
    };
    // Read again by its key, so that the commit depends on this subnet and on no other.
    let found = match listed {
        Some(subnet) => {
            tx.get(&keys::subnet(&vpc.scope, &vpc.id, &subnet.id))
                .await?
        }
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
