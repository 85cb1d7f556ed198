//! Decisions about one request between match and forward: pure, no I/O, no clock.
//!
//! Policy is written once here; protocols only carry the result.

mod addresses;
mod answer_fields;
mod binding;
mod body_change;
mod client_limits;
mod compression;
mod cors;
mod external_auth;
mod fields;
mod forwarded;
mod gates;
mod goto;
mod log_form;
mod mirror;
mod origin;
mod outcome;
mod overlay;
mod pace;
mod password;
mod path_pattern;
pub mod pcre;
mod redirect;
mod replacement;
mod returned_places;
mod rewrite;
mod scheme;
pub mod script;
mod session;
mod substitutions;
mod text;
mod trace;
mod units;

pub use crate::http1::fields::is_token;
pub use addresses::{AddressRanges, AddressRangesError, AddressRules, Admission};
pub use answer_fields::{AddedFields, AnswerFields, CorsAnswer, Statuses};
pub use binding::{Binding, HashBy};
pub use body_change::{BodyChange, LineChange, Validators};
pub use client_limits::{Asker, ClientLimits, Excess, LimitKey, LimitStatuses, Rate, Zone};
pub use compression::{Choice, CodingPolicy, Compressible, Compression, ContentCoding, MediaTypes};
pub use cors::{Cors, CorsRequest, CorsTerms, Credentials, Origins, RouteCors};
pub use external_auth::{AuthCachePolicy, AuthDurations, AuthDurationsError, AuthProtocol};
pub use external_auth::{ExternalAuth, SentFields, Unnamed, Verdict};
pub use external_auth::{is_of_answer, is_own_field, merged};
pub use fields::{FieldEditError, FieldEdits};
pub use forwarded::{
    Believed, FORWARDED_FOR, ForwardedList, ForwardedPolicy, ListReach, first_host,
};
pub use gates::{Answer, Facts, Gate, Gates, Inquiry, Intent, Phase, Place, Question, Raised};
pub use gates::{Refusal, Said, Satisfy, Step, Walk};
pub use goto::{Destination, Goto, HttpsForm, LastSlash, RedirectPort};
pub use log_form::{DEFAULT_LOG_FORM, Escaping, LogForm, LogFormError};
pub use mirror::{Mirror, MirrorBody, MirrorTarget};
pub use origin::{OriginError, OriginPattern};
pub use outcome::Outcome;
pub use overlay::RequestOverlay;
pub use pace::{Allowance, Pace};
pub use password::{Challenge, PasswordDemand};
pub use path_pattern::{Captures, PathPattern, PathPatternError};
pub use redirect::{NamedPort, Redirect, RedirectParts, RedirectQuery};
pub use replacement::{GoesTo, PathReplacement, encode_part, encode_path};
pub use returned_places::{CookieFlags, Flag, Replaced, Replacement, ReturnedPlaces, SiteFlag};
pub use rewrite::{PathEdit, Rewrite};
pub use scheme::Scheme;
pub use script::{AnswerOverlay, Answered, Course, Ending, EndingPlace, Script, ScriptState};
pub use session::{
    NewKey, OnFailure, SameSite, Secure, Session, SessionCookie, SessionHeader, SessionMode,
    Setting,
};
pub use substitutions::{Substitution, SubstitutionError, Substitutions, Times};
pub use text::{CertificatePart, Entries, Mapping, NothingKnown, Part, Text, TextError};
pub use text::{Variable, Variables};
pub use trace::{Call, Incoming, IncomingSpans, ParentWord, Ratio, RootSampler, Sampler};
pub use trace::{Sampling, SpanContext, SpanId, Trace, TraceId, TracePlan, TraceValue, put_hex};
pub use units::{TimeError, nginx_size, nginx_time};

/// One step of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Answers the request; no backend is asked.
    Redirect(Redirect),
    /// Changes what passes; in the order of the rule.
    Edit(Edit),
}

/// A change to what passes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Edits fields on the way to the upstream.
    RequestFields(FieldEdits),
    /// Edits fields on the way to the client.
    ResponseFields(FieldEdits),
    /// Changes host and path on the way to the upstream.
    Rewrite(Rewrite),
}
