//! Where directives may stand.

/// A kind of block, or of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// `http-snippet` of the ConfigMap.
    Http,
    /// `server-snippet`.
    Server,
    /// `configuration-snippet`.
    Rule,
    /// A `location` of a server.
    Location,
    /// An `if` of a server.
    ServerIf,
    /// One of a location or a rule.
    RuleIf,
    /// `auth-snippet`.
    Auth,
}

/// Some of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Places(u8);

impl Places {
    pub(super) const fn of(places: &[Place]) -> Self {
        let (mut bits, mut rest) = (0, places);
        while let [place, others @ ..] = rest {
            bits |= 1 << *place as u8;
            rest = others;
        }
        Self(bits)
    }

    pub(super) const fn has(self, place: Place) -> bool {
        self.0 & 1 << place as u8 != 0
    }
}

impl Place {
    /// In the words of a sentence.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Http => "for all hosts",
            Self::Server => "for a host",
            Self::Rule => "for a rule",
            Self::Location => "in a location",
            Self::ServerIf | Self::RuleIf => "in an if",
            Self::Auth => "for the question to a server of external authentication",
        }
    }
}
