//! What goes between instances and the outside.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use tombolo_domain::id::NetworkInterfaceId;

use super::{
    Datagram, End, Flow, FlowKey, Kind, Model, OUTSIDE, Outcome, Payload, Ports, Replaced, end,
    fragment, key, ports, protocol, seen, too_big,
};
use crate::drop_reason::DropReason;
use crate::network::{Interface, TransportProtocol};
use crate::outside::OutsideConfig;
use crate::outside::is_source;
use crate::rules::{ICMP, TCP, UDP};
use crate::verdict::{
    FirstPacket, Verdict, allows_egress, allows_ingress, longest_match, may_begin_outside,
};

/// How the machine is joined to what is outside.
#[derive(Debug, Clone)]
pub(crate) struct Joint {
    pub(crate) config: OutsideConfig,
    pub(crate) mtu: u16,
}

impl Model {
    /// A datagram that no route of its sender's takes.
    pub(super) fn leave(
        &mut self,
        from: &NetworkInterfaceId,
        sender: &Interface,
        datagram: &Datagram,
        chosen: &BTreeMap<FlowKey, u16>,
    ) -> Result<Outcome, DropReason> {
        let Joint { config, mtu } = self.outside.clone().unwrap();
        let later = datagram.fragment_offset != 0;
        let protocol = protocol(&datagram.payload);
        let fragment = fragment([sender.vpc, OUTSIDE], datagram);
        let ports = match later {
            true => self.recall(&fragment, datagram.fragment_offset)?,
            false => ports(datagram, false),
        };
        let seen = seen(datagram);
        let between = [Some(from.clone()), None];
        let ends = [
            end(sender, ports.flow[0]),
            outer(datagram.destination, ports.flow[1]),
        ];
        let live = self
            .find(&between, ends, &ports, protocol, &seen, None)
            .filter(|flow| self.may_go_on(flow, from, sender, ports, &config));
        let mut public_port = live.and_then(|flow| flow.public_port);
        if public_port.is_none() {
            may_begin_outside(&config, sender, datagram.destination)?;
            let has_ports = matches!(protocol, TCP | UDP | ICMP);
            if ports.kind != Kind::Begins || !has_ports {
                return Err(DropReason::NoFlow);
            }
            let beginning = FirstPacket {
                protocol,
                service: ports.service,
            };
            allows_egress(&self.network, sender, datagram.destination, &beginning)?;
        }
        if datagram.length > mtu {
            return Ok(too_big(&ports, later, mtu));
        }
        match public_port {
            Some(_) if ports.kind != Kind::Quotes => self.go_on(ends, &ports, &seen),
            Some(_) => {}
            None => {
                let key = key(ends, protocol);
                let chosen = chosen.get(&key).copied();
                let (port, is_new) = self.take_port(from, ends, protocol, &config, chosen)?;
                public_port = Some(port);
                self.begin(&between, ends, &ports, public_port, &seen)?;
                if is_new {
                    let translation = (ends[1].address, ends[1].port, port, protocol);
                    let inside = (from.clone(), ends[0].port);
                    self.translations.insert(translation, inside);
                }
            }
        }
        self.remember(fragment, ports, datagram);
        Ok(Outcome {
            verdict: Verdict::Outside,
            told: None,
            translation: public_port.map(|port| Replaced {
                address: config.address,
                port,
            }),
        })
    }

    /// Whether a live flow still goes by a port that leads to its interface.
    fn may_go_on(
        &self,
        flow: &Flow,
        from: &NetworkInterfaceId,
        sender: &Interface,
        ports: Ports,
        config: &OutsideConfig,
    ) -> bool {
        let Some(port) = flow.public_port else {
            return false;
        };
        let begun_here = flow.begun_by.is_some();
        let may_begin = sender.outside.as_ref().is_some_and(|one| one.internet);
        if begun_here && (!may_begin || config.internet_ports.contains(port)) {
            return may_begin;
        }
        transport(ports.flow_protocol).is_some_and(|transport| {
            let leads = self.mapping.inside(transport, port);
            leads == Some(&(from.clone(), ports.flow[0]))
        })
    }

    /// The port that a flow to the outside may go by, and whether that is one that leads to nobody
    /// else yet. A `chosen` one that it may not go by is as good as none.
    fn take_port(
        &self,
        from: &NetworkInterfaceId,
        [inside, remote]: [End; 2],
        protocol: u8,
        config: &OutsideConfig,
        chosen: Option<u16>,
    ) -> Result<(u16, bool), DropReason> {
        let mapped = transport(protocol)
            .and_then(|transport| self.mapping.public(from, transport, inside.port));
        if let Some(port) = mapped {
            return Ok((port, false));
        }
        let key = |port| (remote.address, remote.port, port, protocol);
        let before = self.flows.get(&self::key([inside, remote], protocol));
        let before = before.and_then(|flow| flow.public_port).filter(|&port| {
            self.translations.get(&key(port)) == Some(&(from.clone(), inside.port))
        });
        if let Some(port) = before {
            return Ok((port, false));
        }
        let is_free = |port: &u16| !self.translations.contains_key(&key(*port));
        let mut free = config.internet_ports.iter().filter(is_free);
        // Where it does not begin for another reason, any stands for what would have been chosen.
        let port = match chosen {
            Some(chosen) => free.find(|&port| port == chosen),
            None => free.next(),
        };
        Ok((port.ok_or(DropReason::InternetPortsFull)?, true))
    }

    /// A datagram comes from outside.
    pub(crate) fn arrive(&mut self, datagram: &Datagram) -> Outcome {
        match self.enter(datagram) {
            Ok(outcome) => outcome,
            Err(reason) => Verdict::Drop(reason).into(),
        }
    }

    fn enter(&mut self, datagram: &Datagram) -> Result<Outcome, DropReason> {
        let Joint { config, .. } = self.outside.clone().unwrap();
        if datagram.destination != config.address {
            return Err(DropReason::NotAPublicPort);
        }
        if !is_source(datagram.source) || datagram.source == config.address {
            return Err(DropReason::SpoofedAddress);
        }
        let later = datagram.fragment_offset != 0;
        if datagram.cut_short && !later {
            return Err(DropReason::Malformed);
        }
        let protocol = protocol(&datagram.payload);
        let fragment = fragment([OUTSIDE; 2], datagram);
        let as_it_came = match later {
            true => self.recall(&fragment, datagram.fragment_offset)?,
            false => ports(datagram, true),
        };
        // An error is about whom the quoted packet went to, whoever sends it.
        let remote = match (&datagram.payload, as_it_came.kind) {
            (Payload::IcmpError { about, .. }, Kind::Quotes) => about.destination,
            _ => datagram.source,
        };
        let [remote_port, public_port] = as_it_came.flow;
        let nowhere = DropReason::NotAPublicPort;
        if as_it_came.kind == Kind::Alone {
            return Err(nowhere);
        }
        let flow_protocol = as_it_came.flow_protocol;
        let mapped = transport(flow_protocol)
            .and_then(|transport| self.mapping.inside(transport, public_port));
        let translation = (remote, remote_port, public_port, flow_protocol);
        let (is_public, (id, port)) = match mapped {
            Some(inside) => (true, inside.clone()),
            None => {
                let inside = self.translations.get(&translation).ok_or(nowhere)?;
                (false, inside.clone())
            }
        };
        let network = self.network.clone();
        let receiver = network.interfaces.get(&id);
        let receiver = receiver.ok_or(DropReason::NoSuchDestination)?;
        if longest_match(&self.tables, receiver.route_table, datagram.source).is_some() {
            return Err(DropReason::SpoofedAddress);
        }
        let may_begin = receiver.outside.as_ref().is_some_and(|one| one.internet);
        if !is_public && !may_begin {
            return Err(DropReason::NoInternet);
        }
        let ports = Ports {
            flow: [remote_port, port],
            service: match protocol {
                ICMP => as_it_came.service,
                _ => port,
            },
            ..as_it_came
        };
        let seen = seen(datagram);
        let between = [None, Some(id.clone())];
        let ends = [outer(remote, remote_port), end(receiver, port)];
        let live = self
            .find(&between, ends, &ports, protocol, &seen, Some(public_port))
            .is_some();
        if !live {
            if !is_public || ports.kind != Kind::Begins {
                return Err(DropReason::NoFlow);
            }
            let beginning = FirstPacket {
                protocol,
                service: ports.service,
            };
            allows_ingress(&network, receiver, remote, &beginning)?;
        }
        if datagram.length > receiver.mtu {
            return Ok(too_big(&ports, later, receiver.mtu));
        }
        match ports.kind {
            Kind::Quotes => {}
            _ if live => self.go_on(ends, &ports, &seen),
            _ => self.begin(&between, ends, &ports, Some(public_port), &seen)?,
        }
        self.remember(fragment, as_it_came, datagram);
        Ok(Outcome {
            verdict: Verdict::Local(id),
            told: None,
            translation: Some(Replaced {
                address: receiver.address,
                port,
            }),
        })
    }
}

fn transport(protocol: u8) -> Option<TransportProtocol> {
    match protocol {
        TCP => Some(TransportProtocol::Tcp),
        UDP => Some(TransportProtocol::Udp),
        _ => None,
    }
}

/// An end that is outside.
fn outer(address: Ipv4Addr, port: u16) -> End {
    End {
        vpc: OUTSIDE,
        address,
        port,
    }
}
