//! Tasks of a core: the panic of one costs itself alone and is counted.

use std::rc::Rc;

use crate::proxy::rt;
use crate::telemetry::{CoreTelemetry, Counter};

/// Starts tasks.
#[derive(Clone)]
pub struct Tasks(Rc<CoreTelemetry>);

impl Tasks {
    /// Those of the core that counts by `telemetry`.
    #[must_use]
    pub const fn new(telemetry: Rc<CoreTelemetry>) -> Self {
        Self(telemetry)
    }

    /// Starts one. The panic hook tells what a panic was.
    pub fn start(&self, task: impl Future<Output = ()> + 'static) {
        let witness = Rc::clone(&self.0);
        rt::spawn(task, move |_payload| witness.count(Counter::Panics));
    }
}
