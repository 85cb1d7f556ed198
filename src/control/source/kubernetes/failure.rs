//! Why a request to the API server failed, as the one who can help needs to know it.

use std::time::Duration;

use crate::limits::{KUBE_RETRY_AFTER_MAX, KUBE_TEXT_BYTES_MAX};

/// Why a request failed, and what the server or the system said.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// 403: a role is missing.
    #[error("{0}")]
    Forbidden(String),
    /// 401: the server does not know who we are.
    #[error("{0}")]
    Unauthorized(String),
    /// 404 of a list or watch: the server does not serve the kind.
    #[error("{0}")]
    NotServed(String),
    /// 400: the question is wrong, which only flags can be at fault for.
    #[error("{0}")]
    Invalid(String),
    /// 410: what was asked for is forgotten; the objects have to be listed anew.
    #[error("{0}")]
    Expired(String),
    /// 429, 503, 504: not now, and how long to wait at least.
    #[error("{0}")]
    Busy(String, Duration),
    /// Any other answer that is none, such as 500, and how long to wait at least.
    #[error("{0}")]
    Refused(String, Duration),
    /// No answer.
    #[error("{0}")]
    Unreachable(String),
    /// An answer that is not what was asked for.
    #[error("{0}")]
    Unreadable(String),
}

impl Failure {
    /// Nothing came in time.
    pub(super) fn silence(time: Duration) -> Self {
        Self::Unreachable(format!("no answer within {} s", time.as_secs()))
    }

    /// Whether only somebody's doing will change the answer.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Forbidden(_) | Self::Unauthorized(_) | Self::NotServed(_) | Self::Invalid(_)
        )
    }

    /// Whether the next try may well be answered, whatever was asked for.
    pub(super) fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unauthorized(_) | Self::Busy(..))
    }

    /// Whether we may not do this and may do other things.
    pub(super) fn is_of_kind(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::NotServed(_))
    }
}

impl From<&kube::core::Status> for Failure {
    fn from(status: &kube::core::Status) -> Self {
        let text = clean(&status.message);
        match status.code {
            400 => Self::Invalid(text),
            401 => Self::Unauthorized(text),
            403 => Self::Forbidden(text),
            404 => Self::NotServed(text),
            410 => Self::Expired(text),
            code => {
                let after = status.details.as_ref().map_or(0, |d| d.retry_after_seconds);
                let after = Duration::from_secs(after.into()).min(KUBE_RETRY_AFTER_MAX);
                let text = format!("{code} {text}");
                match code {
                    429 | 503 | 504 => Self::Busy(text, after),
                    _ => Self::Refused(text, after),
                }
            }
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => Self::from(&**status),
            kube::Error::SerdeError(error) => Self::Unreadable(clean(&error.to_string())),
            kube::Error::FromUtf8(error) => Self::Unreadable(clean(&error.to_string())),
            other => {
                // The outer errors of a failed connection say only that it failed.
                let mut cause: &dyn std::error::Error = other;
                while let Some(inner) = cause.source() {
                    cause = inner;
                }
                Self::Unreachable(clean(&cause.to_string()))
            }
        }
    }
}

/// One line of bounded length, whatever the server said.
fn clean(text: &str) -> String {
    let mut line = String::new();
    for c in text.trim_end_matches('.').chars() {
        if line.len() >= KUBE_TEXT_BYTES_MAX {
            line.push('…');
            break;
        }
        line.push(if c.is_control() { ' ' } else { c });
    }
    if line.is_empty() { "no reason given".into() } else { line }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn failure(code: u16, message: &str) -> Failure {
        let message = message.to_owned();
        Failure::from(kube::Error::Api(Status { code, message, ..Status::default() }.boxed()))
    }

    #[test]
    fn each_answer_has_its_meaning() {
        let text = || "no".to_owned();
        assert_eq!(failure(400, "no."), Failure::Invalid(text()));
        assert_eq!(failure(401, "no."), Failure::Unauthorized(text()));
        assert_eq!(failure(403, "no."), Failure::Forbidden(text()));
        assert_eq!(failure(404, "no."), Failure::NotServed(text()));
        assert_eq!(failure(410, "no."), Failure::Expired(text()));
        assert_eq!(failure(500, "no."), Failure::Refused("500 no".into(), Duration::ZERO));
        for code in [429, 503, 504] {
            assert_eq!(failure(code, "no"), Failure::Busy(format!("{code} no"), Duration::ZERO));
            assert!(failure(code, "no").is_no_answer() && !failure(code, "no").is_refusal());
        }
        let broken = serde_json::from_str::<u8>("x").map_err(kube::Error::SerdeError);
        assert!(matches!(broken.map_err(Failure::from), Err(Failure::Unreadable(_))));
        let gone = std::io::Error::other("gone\n");
        let expected = Failure::Unreachable("gone ".into());
        assert_eq!(Failure::from(kube::Error::ReadEvents(gone)), expected);
        assert!(failure(403, "").is_refusal() && failure(404, "").is_of_kind());
    }

    #[test]
    fn what_the_server_says_is_bounded() {
        let Failure::Forbidden(text) = failure(403, &"ä\n".repeat(5_000)) else { unreachable!() };
        assert!(text.len() < KUBE_TEXT_BYTES_MAX + 8 && !text.contains('\n'));
        assert_eq!(failure(403, ""), Failure::Forbidden("no reason given".into()));
    }
}
