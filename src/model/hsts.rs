//! Strict-Transport-Security: that browsers come by TLS alone from now on.

use std::sync::Arc;

/// What hosts with a TLS entry say on answers over https.
///
/// Source: RFC 6797 section 6.1; `preload` is the browsers' own addition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hsts {
    /// Whether they say anything.
    pub is_sent: bool,
    /// Seconds that it holds; 0: it ends at once.
    pub max_age: u32,
    /// Whether it is for subdomains, too.
    pub includes_subdomains: bool,
    /// Whether browsers may be shipped with it.
    pub allows_preload: bool,
}

impl Default for Hsts {
    /// Nothing; if it is sent, what ingress-nginx says.
    fn default() -> Self {
        let max_age = 31_536_000;
        Self { is_sent: false, max_age, includes_subdomains: true, allows_preload: false }
    }
}

impl Hsts {
    /// The value of the field; `None`: it is not sent.
    #[must_use]
    pub fn value(&self) -> Option<Arc<str>> {
        let subdomains = if self.includes_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.allows_preload { "; preload" } else { "" };
        self.is_sent.then(|| format!("max-age={}{subdomains}{preload}", self.max_age).into())
    }
}
