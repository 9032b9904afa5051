//! Changing links behind the engine's back.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// Removes a link of the calling thread's namespace.
pub fn delete_link(name: &str) {
    change_link(name, RouteNetlinkMessage::DelLink);
}

/// Sends a request about a link of the calling thread's namespace to the kernel.
pub fn change_link(name: &str, request: impl FnOnce(LinkMessage) -> RouteNetlinkMessage) {
    let mut link = LinkMessage::default();
    link.header.index = nix::net::if_::if_nametoindex(name).unwrap();
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(request(link)));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);

    let mut socket = Socket::new(NETLINK_ROUTE).unwrap();
    socket.bind_auto().unwrap();
    socket.connect(&SocketAddr::new(0, 0)).unwrap();
    socket.send(&bytes, 0).unwrap();
    let (answer, _) = socket.recv_from_full().unwrap();
    match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer)
        .unwrap()
        .payload
    {
        NetlinkPayload::Error(error) => assert_eq!(error.code, None),
        other => panic!("{other:?}"),
    }
}
