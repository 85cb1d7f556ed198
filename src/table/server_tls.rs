//! What the server configurations stand for that a model names.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::ServerTlsId;
use crate::tls::server::ServerTls;

/// By id. One stays the same object as long as its id is there: a new table makes no new sessions.
pub type ServerTlsById = HashMap<ServerTlsId, Arc<ServerTls>>;
