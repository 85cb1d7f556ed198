//! From ingress-nginx to Ringway: what every object comes to here, judged by the lowering that
//! serves, and what differs. Nothing is sent and nothing is changed.

mod arithmetic;
mod change;
mod controller;
mod differences;
mod facts;
mod fates;
mod html;
mod judge;
mod markdown;
mod report;
#[cfg(test)]
mod tests;

pub use controller::{Controller, Replicas, controllers};
pub use html::Html;
pub use judge::{Input, Judgement, judge};
pub use markdown::Markdown;
pub use report::{Finding, Judged, Report, Total, Verdict};
