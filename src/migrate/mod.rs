//! From ingress-nginx to Ringway: what every object comes to here, judged by the lowering that
//! serves, and what differs. Nothing is sent and nothing is changed.

mod arithmetic;
mod change;
mod controller;
mod differences;
mod facts;
mod fates;
mod folder;
mod html;
mod judge;
mod locations;
mod log_line;
mod markdown;
mod replay;
mod report;
#[cfg(test)]
mod tests;
mod values;
mod verify;
mod yaml;

pub use controller::{Controller, Replicas, controllers, is_controller};
pub use folder::{OutFile, Usage};
pub use html::Html;
pub use judge::{Input, Judgement, judge};
pub use markdown::Markdown;
pub use replay::Replay;
pub use report::{Differing, Finding, Judged, Replayed, Report, Total, Verdict};
