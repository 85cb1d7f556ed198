//! Directives of nginx that have a condition or depend on the request, as a program: plain data,
//! bounded when it was made. Its phases are nginx's: the rewrites of the host, those of the rule,
//! then what its blocks say of the fields of request and answer.

mod answer;
mod constants;
mod overlay;
mod program;
mod run;
mod state;

pub use answer::Answered;
pub use constants::{Audience, Constants};
pub use overlay::AnswerOverlay;
pub use program::{
    AddedLine, Block, Condition, ErrorPage, Extent, FieldChange, Instead, Intercepts, KeepsQuery,
    Logged, PageStatus, Presence, Returned, Rewrite, Script, Step, Then, Wanted,
};
pub use run::{Course, put_location};
pub use state::{Ending, EndingPlace, Known, ScriptState, parameter};

#[cfg(test)]
mod tests;
