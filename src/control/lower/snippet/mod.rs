//! Texts of nginx directives → what they mean here: settings where an annotation says the same,
//! and a program where the request has a say.
//!
//! A closed set of directives is read. Another one, or one that nginx would refuse, is told with
//! its place; whether the rest may be served without it is [`Weight`].

mod backend_tls;
mod bodies;
mod clients;
mod coding;
mod conditions;
mod fields;
mod guards;
mod limits;
mod logs;
mod maps;
pub(super) mod meaning;
mod merge;
pub(super) mod places;
mod read;
mod reading;
mod returned;
mod rows;
mod simple;
mod traces;
mod upstreams;

pub(super) use guards::{Verdict, judge};
pub(super) use meaning::{Fault, LocationText, Names, Snippet, Weight};
pub(super) use merge::{apply, apply_tls, inherit, location_policies, policies};
pub(super) use read::read;
