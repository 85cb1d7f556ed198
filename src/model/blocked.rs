//! Of whom no request is served, whatever it asks for.

use std::net::IpAddr;

use super::matches::TextMatch;
use crate::filter::AddressRanges;

/// Of whom no request is served.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Blocked {
    /// By address.
    pub addresses: AddressRanges,
    /// By the value of User-Agent.
    pub user_agents: Vec<TextMatch>,
    /// By the value of Referer.
    pub referers: Vec<TextMatch>,
}

impl Blocked {
    /// Whether there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether one of them asks. Of a field that is not there the value is empty.
    #[must_use]
    pub fn has(&self, client: IpAddr, user_agent: &[u8], referer: &[u8]) -> bool {
        let any = |texts: &[TextMatch], value| texts.iter().any(|text| text.is_match(value));
        self.addresses.contains(client)
            || any(&self.user_agents, user_agent)
            || any(&self.referers, referer)
    }
}
