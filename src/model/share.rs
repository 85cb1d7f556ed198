//! A share of requests.

/// Parts of a total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Share {
    /// 0: none; as many as `total` or more: all.
    pub weight: u32,
    /// At least 1.
    pub total: u32,
}

impl Share {
    /// What a total is if nobody says it, and the least that it can be, as in ingress-nginx.
    pub const TOTAL: u32 = 100;
    /// All of it.
    pub const ALL: Self = Self { weight: 1, total: 1 };
}

impl Default for Share {
    fn default() -> Self {
        Self { weight: 0, total: Self::TOTAL }
    }
}
