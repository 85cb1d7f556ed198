//! TLSRoute → where connections are relayed to.

use super::meaning::{Lowering, Meaning, Refused, Traffic};
use crate::control::gateway_api::stream_routes::StreamRule;
use crate::model::{Dial, WeightedBackend};

/// What the route comes to. The API allows one rule.
pub(super) fn lower(lowering: Lowering<'_>, rules: &[StreamRule]) -> Meaning {
    let mut meaning = Meaning::default();
    let mut backends = Vec::new();
    for (index, StreamRule { name: _, backend_refs }) in rules.iter().enumerate() {
        for (nth, backend) in backend_refs.iter().enumerate() {
            let field = format!("spec.rules[{index}].backendRefs[{nth}]");
            let (world, referrer) = (lowering.world, lowering.referrer());
            let reference = backend.backend();
            let dial = Dial::default();
            let target = meaning.references.backend(world, referrer, &reference, &field, dial);
            let weight = backend.weight.unwrap_or(1);
            backends.push(WeightedBackend { weight, ..WeightedBackend::only(target) });
        }
    }
    if backends.iter().filter(|backend| backend.weight > 0).count() > 1 {
        meaning.refused = Some(Refused {
            reason: "UnsupportedValue",
            field: "spec.rules[0].backendRefs".into(),
            message: "Connections go to one backend; give the others weight 0.".into(),
        });
    }
    meaning.traffic = Traffic::Streams(backends);
    meaning
}
