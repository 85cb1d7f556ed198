//! Which requests are in the access log, how its lines look, and where they go.

use std::path::Path;

use super::matches::TextMatch;
use super::policy::AccessLog;
use crate::filter::LogForm;

/// Of all requests.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestLog {
    /// How a line looks; `None`: as the flag says.
    pub form: Option<LogForm>,
    /// Whether there are any.
    pub requests: AccessLog,
    /// Of those for hosts that nobody claims.
    pub unclaimed: AccessLog,
    /// Targets that have none.
    pub left_out: Box<[TextMatch]>,
    /// Where they go; `None`: as the flag says.
    pub place: Option<LogPlace>,
    /// Least severity of the other log, that of the process; `None`: as the flag says.
    pub severity: Option<LogSeverity>,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPlace {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
    /// A file.
    File(Box<Path>),
}

/// Least severity of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the severity it stands for")]
pub enum LogSeverity {
    Error,
    Warn,
    Info,
    Debug,
}

impl RequestLog {
    /// Whether a request for `target` has a line.
    #[must_use]
    pub fn has(&self, target: &[u8]) -> bool {
        let mut left_out = self.left_out.iter();
        self.requests == AccessLog::Written && !left_out.any(|it| it.is_match(target))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_left_out_as_a_whole() {
        let log = RequestLog {
            left_out: ["/healthz", "/a?b"].map(|text| TextMatch::Whole(text.into())).into(),
            ..RequestLog::default()
        };
        for (target, has) in [
            ("/", true),
            ("/healthz", false),
            ("/HealthZ", false),
            ("/healthz?x", true),
            ("/healthz/", true),
            ("/a?b", false),
            ("/a", true),
        ] {
            assert_eq!(log.has(target.as_bytes()), has, "{target}");
        }
        let none = RequestLog { requests: AccessLog::LeftOut, ..RequestLog::default() };
        assert!(!none.has(b"/"));
    }
}
