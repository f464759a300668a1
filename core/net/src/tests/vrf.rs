//! A socket that is bound to a device, as those of VRFs are.

use super::{CLIENT, Pair, SERVER, packet, receive_until};
use bindery_types::{IfIndex, MacAddr};
use bindery_wire::v4::MessageBuilder;

const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 6]);

/// Each datagram is taken once, whichever socket the kernel gives it to, and what cannot be served is told.
#[test]
fn the_socket_of_a_device_takes_what_comes_in_there() {
    let Some(pair) = Pair::new("the_socket_of_a_device_takes_what_comes_in_there") else { return };
    let mut sockets = pair.open();
    let (link, server) = (pair.server.index("s0"), pair.server.mac("s0"));
    let s0 = (link, "s0");
    let wanted: [Vec<(IfIndex, &str)>; 4] = [vec![s0], vec![s0, (IfIndex(999), "none")], vec![], vec![s0]];
    for (turn, devices) in (0u8..).zip(wanted) {
        let (back, refused) = pair.server.run(move || {
            let refused: Vec<String> =
                sockets.serve_vrfs(&devices).iter().map(|(name, _)| (*name).to_owned()).collect();
            (sockets, refused)
        });
        sockets = back;
        assert_eq!(refused, if turn == 1 { vec!["none"] } else { Vec::new() });
        let renewal = MessageBuilder::request_renewing(MAC, CLIENT).xid(u32::from(turn)).build();
        pair.send(vec![(server, packet(CLIENT, SERVER, &renewal))]);
        let mut taken = Vec::new();
        receive_until(&mut sockets, |meta, payload| {
            taken.push((meta.link, meta.dst, payload.to_vec()));
            true
        });
        assert_eq!(taken, [(link, SERVER, renewal)]);
    }
}
