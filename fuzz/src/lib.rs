//! The parts of the proxy that are fuzzed, compiled alone from the proxy's own sources. It adds
//! nothing to them; the targets see them under the proxy's name, as `tests/corpus.rs` does.

extern crate self as ringway;

#[path = "../../src/limits.rs"]
pub mod limits;

#[path = "../../src/http1/mod.rs"]
pub mod http1;

#[path = "../../src/http2/mod.rs"]
pub mod http2;

#[path = "../../src/tls/mod.rs"]
pub mod tls;

#[path = "../../src/protobuf.rs"]
pub mod protobuf;

#[path = "../../src/ext_authz.rs"]
pub mod ext_authz;

#[path = "../targets/ext_authz.rs"]
pub mod ext_authz_target;

#[path = "../../src/proxy_protocol.rs"]
pub mod proxy_protocol;

#[path = "../../src/passwords/mod.rs"]
pub mod passwords;

#[path = "../../src/filter/mod.rs"]
pub mod filter;

#[path = "../../src/model/mod.rs"]
#[allow(unused_imports, reason = "who reports problems is not compiled here")]
pub mod model;

#[path = "../../src/table/mod.rs"]
pub mod table;

#[path = "../../src/explain/mod.rs"]
pub mod explain;

#[path = "../../src/directives.rs"]
pub mod directives;

#[path = "../targets/directives.rs"]
pub mod directives_target;

#[path = "../targets/expressions.rs"]
pub mod expressions;

#[path = "../targets/traces.rs"]
pub mod traces;

#[path = "../targets.rs"]
pub mod targets;

#[path = "../targets/access.rs"]
pub mod access;

#[path = "../targets/lookup.rs"]
pub mod lookup;
