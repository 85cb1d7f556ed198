//! The validating admission webhook: judges an Ingress before it is stored.
//!
//! A help for its author and no guard of the data plane: whatever gets past it is judged again when
//! it is applied. So nothing is refused that the object is not itself at fault for, and whatever
//! cannot be judged is let in.
//!
//! ```text
//!  API server ──HTTPS──▶ server ──ReviewRequest──▶ Controller::review (index in memory)
//!                          ▲ ServerConfig
//!  Secret, ValidatingWebhookConfiguration ◀──▶ certificate, or files (kube thread)
//! ```

pub mod certificate;
pub mod files;
pub mod review;
pub mod server;
mod state;

pub use server::{Asking, start};
pub use state::{AdmissionState, ReviewRequest, Verdict};
