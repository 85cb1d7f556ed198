//! One request and its response: which rule, which endpoint, which attempts, what is relayed.

pub mod answer;
pub mod ask;
pub mod attempts;
mod binding;
mod canary;
pub mod coder;
pub mod conversation;
pub mod downstream;
pub mod end;
pub mod external_auth;
pub mod forward;
pub mod gates;
pub mod lookup;
pub mod pacing;
pub mod reading;
pub mod relay;
pub mod reply;
pub mod request;
pub mod request_fields;
pub mod request_head;
pub mod response;
pub mod retry;
pub mod serve;
pub mod state;
pub mod substitute;
pub mod tunnel;
pub mod variables;
