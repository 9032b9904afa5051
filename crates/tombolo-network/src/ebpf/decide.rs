//! What the maps that are in the kernel say about a packet, step for step as `bpf/tombolo.c` asks
//! them.

use std::net::Ipv4Addr;

use super::datapath::DataPath;
use super::entries::{EndpointKey, RouteEntry, admission_key, route_key};
use crate::tables::Admission;
use crate::{DropReason, EngineError, Packet, RouteTableNumber, VpcNumber};

/// What becomes of a packet; the number is the index of the link that it goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Local(u32),
    Peering(u32),
    Drop(DropReason),
}

/// Decides about a packet that comes from `link`, which is not there any more if it is `None`.
pub(super) fn decide(
    data_path: &DataPath,
    link: Option<u32>,
    packet: &Packet,
) -> Result<Decision, EngineError> {
    let from = match link {
        Some(link) => data_path.interfaces.look_up(&link)?,
        None => None,
    };
    let Some(from) = from else {
        return Ok(Decision::Drop(DropReason::UnknownInterface));
    };
    if packet.source != Ipv4Addr::from(from.address) {
        return Ok(Decision::Drop(DropReason::SpoofedAddress));
    }
    let table = RouteTableNumber(from.route_table);
    let towards = route_key(table, packet.destination.into());
    let Some(RouteEntry { kind, vpc }) = data_path.routes.look_up(&towards)? else {
        return Ok(Decision::Drop(DropReason::NoRoute));
    };
    let vpc = VpcNumber(vpc);
    if kind != RouteEntry::LOCAL {
        let entering = admission_key(&Admission {
            to: vpc,
            from: VpcNumber(from.vpc),
            sources: packet.source.into(),
        });
        if data_path.admissions.look_up(&entering)?.is_none() {
            return Ok(Decision::Drop(DropReason::NotAdmitted));
        }
    }
    let destination = EndpointKey::new(vpc, packet.destination);
    Ok(match data_path.endpoints.look_up(&destination)? {
        None => Decision::Drop(DropReason::NoSuchDestination),
        Some(to) if kind == RouteEntry::LOCAL => Decision::Local(to.link),
        Some(to) => Decision::Peering(to.link),
    })
}
