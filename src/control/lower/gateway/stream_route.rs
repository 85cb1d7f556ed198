//! TLSRoute, TCPRoute, UDPRoute → where connections and datagrams are relayed to.

use super::meaning::{Lowering, Meaning, Refused, Traffic};
use super::references::References;
use super::rules::bounded;
use super::speech::{Speaker, Speech};
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
    if let Err(why) = bounded(backend_refs, "spec.rules[0].backendRefs") {
        meaning.refused = Some(why);
        meaning.traffic = Traffic::Streams(Vec::new());
        return meaning;
    }
    let transport = match lowering.reference.kind {
        Kind::UDPRoute => TransportProtocol::Udp,
        _ => TransportProtocol::Tcp,
    };
    let (world, referrer) = (lowering.world, lowering.referrer());
    let weighted = |weight: Option<u32>, target| {
        let weight = weight.unwrap_or(1);
        WeightedBackend { weight, ..WeightedBackend::only(target) }
    };
    let field = |index: usize| format!("spec.rules[0].backendRefs[{index}]");
    let references = &mut meaning.references;
    let backends = backend_refs.iter().enumerate().map(|(index, backend)| {
        let dial = Dial { transport, ..Dial::default() };
        let (reference, field) = (backend.backend(), field(index));
        weighted(backend.weight, references.backend(world, referrer, &reference, &field, dial))
    });
    meaning.traffic = Traffic::Streams(backends.collect());
    if lowering.reference.kind == Kind::TLSRoute {
        let speaker = Speaker { lowering, speech: Speech::Octets };
        // What is wrong with them was told.
        let mut references = References::default();
        let backends = backend_refs.iter().enumerate().map(|(index, backend)| {
            let target = speaker.backend(&mut references, &backend.backend(), &field(index));
            weighted(backend.weight, target)
        });
        meaning.decrypted = backends.collect();
        meaning.references.uses.extend(references.uses);
    }
    meaning
}
