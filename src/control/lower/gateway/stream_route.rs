//! TLSRoute, TCPRoute, UDPRoute → where connections and datagrams are relayed to.

use super::meaning::{Lowering, Meaning, Refused, Traffic};
use crate::control::gateway_api::stream_routes::StreamRule;
use crate::model::{Dial, Kind, TransportProtocol, WeightedBackend};

/// What the route comes to.
pub(super) fn lower(lowering: Lowering<'_>, rules: &[StreamRule]) -> Meaning {
    let mut meaning = Meaning::default();
    let [StreamRule { name: _, backend_refs }] = rules else {
        meaning.refused = Some(Refused {
            reason: "UnsupportedValue",
            field: "spec.rules".into(),
            message: format!("There are {} rules; write one.", rules.len()),
        });
        meaning.traffic = Traffic::Streams(Vec::new());
        return meaning;
    };
    let transport = match lowering.reference.kind {
        Kind::UDPRoute => TransportProtocol::Udp,
        _ => TransportProtocol::Tcp,
    };
    let (world, referrer) = (lowering.world, lowering.referrer());
    let references = &mut meaning.references;
    let backends = backend_refs.iter().enumerate().map(|(index, backend)| {
        let field = format!("spec.rules[0].backendRefs[{index}]");
        let dial = Dial { transport, ..Dial::default() };
        let target = references.backend(world, referrer, &backend.backend(), &field, dial);
        let weight = backend.weight.unwrap_or(1);
        WeightedBackend { weight, ..WeightedBackend::only(target) }
    });
    meaning.traffic = Traffic::Streams(backends.collect());
    meaning
}
