//! May a failed attempt be repeated, and how long may it look for a connection? Pure.
//!
//! As `proxy_next_upstream` of nginx: what nothing was sent of is repeated whatever the method,
//! what may have reached an application only where that does no harm, or its owner says so.
//!
//! Source: RFC 9110 section 9.2.2, RFC 9112 section 9.3.1; nginx `proxy_next_upstream`.

use std::time::Duration;

use crate::http1::head::ResponseHead;
use crate::limits::TICK;
use crate::model::{RetryCause, RetryCauses};
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::pool::Freshness;

/// What the decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// Tries made, this one included.
    pub tries: u32,
    /// Tries allowed.
    pub tries_max: u32,
    /// What another try may make good.
    pub causes: RetryCauses,
    /// Of the connection.
    pub freshness: Freshness,
    /// The method may be repeated by definition.
    pub is_idempotent: bool,
    /// Every octet of the request is still here.
    pub is_replayable: bool,
}

/// What is left for another try.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Time, by the policy and by the deadline of the whole exchange.
    pub is_in_time: bool,
    /// Time for connections ([`ConnectTime::is_left`]).
    pub may_connect: bool,
}

/// Whether to try again.
///
/// Where there is no other endpoint the same one is asked again, as ingress-nginx does. The time
/// for connections is one for all tries: the only endpoint may use it up, or a try end before.
#[must_use]
pub fn may_repeat(failure: Failure, facts: Facts, room: Room) -> bool {
    if !facts.is_replayable || facts.tries >= facts.tries_max || !room.is_in_time {
        return false;
    }
    let is_cause = |cause| facts.causes.has(cause);
    match failure {
        Failure::Connect | Failure::Tls | Failure::Refused => is_cause(RetryCause::Error),
        // The race of keep-alive, of which the endpoint knows nothing.
        Failure::NothingSent => is_cause(RetryCause::Error) || facts.is_reused(),
        Failure::ConnectTimeout => is_cause(RetryCause::Timeout) && room.may_connect,
        Failure::NoResponse | Failure::Truncated => is_cause(RetryCause::Error) && facts.is_safe(),
        Failure::Timeout => is_cause(RetryCause::Timeout) && facts.is_safe(),
        // What lies on a connection since it was idle answers nothing.
        Failure::Malformed => {
            let is_left_over = facts.is_reused() && is_cause(RetryCause::Error);
            (is_left_over || is_cause(RetryCause::InvalidHead)) && facts.is_safe()
        }
        Failure::Local => false,
    }
}

impl Facts {
    fn is_reused(self) -> bool {
        self.freshness == Freshness::Reused
    }

    /// Whether an application may be asked the same again that may have done it already.
    fn is_safe(self) -> bool {
        self.is_idempotent || self.causes.has(RetryCause::NonIdempotent)
    }
}

/// Which connection the next try takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// One of the pool, if there is one.
    Any,
    /// A new one: that of the try before had been idle.
    Fresh,
}

impl Wanted {
    /// What follows a failure on such a connection.
    #[must_use]
    pub fn behind(self, freshness: Freshness) -> Self {
        match freshness {
            Freshness::Reused => Self::Fresh,
            Freshness::Fresh => self,
        }
    }
}

/// Whether a failure is the race of keep-alive, which is no try: the connection ended while it was
/// idle, and the next one is fresh.
#[must_use]
pub fn is_free(failure: Failure, freshness: Freshness, wanted: Wanted) -> bool {
    (freshness, wanted) == (Freshness::Reused, Wanted::Any)
        && matches!(failure, Failure::NothingSent | Failure::NoResponse)
}

/// Whether a response is what an upstream says before it closes an idle connection, so that it
/// answers no request.
///
/// Source: RFC 9110 section 15.5.9: the request may be repeated on a new connection.
#[must_use]
pub fn is_farewell(head: &ResponseHead, facts: Facts) -> bool {
    let room = Room { is_in_time: true, may_connect: true };
    head.status == 408
        && !head.is_persistent
        && facts.is_reused()
        && may_repeat(Failure::NoResponse, facts, room)
}

/// Time that one request may wait for connections, all its tries together.
#[derive(Debug, Clone, Copy)]
pub struct ConnectTime(Duration);

impl ConnectTime {
    /// All of it.
    #[must_use]
    pub const fn new(time: Duration) -> Self {
        Self(time)
    }

    /// What is left: so long may the next connection take.
    #[must_use]
    pub const fn left(self) -> Duration {
        self.0
    }

    /// The same while there is another endpoint to turn to: half of it, so that one that cannot be
    /// reached costs no answer.
    #[must_use]
    pub fn share(self) -> Duration {
        self.0 / 2
    }

    /// Whether another connection may be tried: what the clock of a core tells apart is there.
    #[must_use]
    pub fn is_left(self) -> bool {
        self.0 >= TICK
    }

    /// So much went by.
    pub const fn spend(&mut self, time: Duration) {
        self.0 = self.0.saturating_sub(time);
    }
}

/// Whether a response with this status counts as a failed attempt that is to be repeated.
#[must_use]
pub fn is_status_repeated(status: u16, statuses: &[u16], facts: Facts, room: Room) -> bool {
    statuses.contains(&status)
        && facts.is_replayable
        && facts.is_safe()
        && facts.tries < facts.tries_max
        && room.is_in_time
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts = Facts {
        tries: 1,
        tries_max: 3,
        causes: RetryCauses::DEFAULT,
        freshness: Freshness::Fresh,
        is_idempotent: true,
        is_replayable: true,
    };
    const POST: Facts = Facts { is_idempotent: false, ..FACTS };
    const ROOM: Room = Room { is_in_time: true, may_connect: true };
    const USED_UP: Room = Room { may_connect: false, ..ROOM };

    use Failure::*;

    /// Every failure that is not in `repeated` is final.
    #[track_caller]
    fn check(facts: Facts, room: Room, repeated: &[Failure]) {
        for failure in Failure::ALL {
            let expected = repeated.contains(&failure);
            assert_eq!(
                may_repeat(failure, facts, room),
                expected,
                "{failure:?} {facts:?} {room:?}"
            );
        }
    }

    #[test]
    fn failures_are_repeated_by_method_connection_and_what_else_there_is() {
        let reused = |facts| Facts { freshness: Freshness::Reused, ..facts };
        let unsent = [Connect, Tls, Refused, ConnectTimeout, NothingSent];
        let elsewhere = [&unsent[..], &[NoResponse, Truncated, Timeout]].concat();
        check(FACTS, ROOM, &elsewhere);
        check(reused(FACTS), ROOM, &[&elsewhere[..], &[Malformed]].concat());
        check(POST, ROOM, &unsent);
        check(reused(POST), ROOM, &unsent);
        // Where the time for connections is used up, what was connected is repeated all the same.
        check(
            FACTS,
            USED_UP,
            &[Connect, Tls, Refused, NothingSent, NoResponse, Truncated, Timeout],
        );
        check(POST, USED_UP, &[Connect, Tls, Refused, NothingSent]);
        // Nothing to repeat it with.
        check(Facts { is_replayable: false, ..FACTS }, ROOM, &[]);
        check(Facts { tries: 3, ..FACTS }, ROOM, &[]);
        check(FACTS, Room { is_in_time: false, ..ROOM }, &[]);
    }

    #[test]
    fn the_owner_says_what_is_made_good() {
        let of = |facts, causes| Facts { causes, ..facts };
        let reused = |facts| Facts { freshness: Freshness::Reused, ..facts };
        let none = RetryCauses::default();
        let only = |cause| none.with(cause);
        let unsent = [Connect, Tls, Refused, NothingSent];
        check(of(FACTS, none), ROOM, &[]);
        check(reused(of(POST, none)), ROOM, &[NothingSent]);
        let errors = [&unsent[..], &[NoResponse, Truncated]].concat();
        check(of(FACTS, only(RetryCause::Error)), ROOM, &errors);
        check(of(FACTS, only(RetryCause::Timeout)), ROOM, &[ConnectTimeout, Timeout]);
        check(of(POST, only(RetryCause::Timeout)), ROOM, &[ConnectTimeout]);
        check(of(FACTS, only(RetryCause::InvalidHead)), ROOM, &[Malformed]);
        check(of(POST, only(RetryCause::InvalidHead)), ROOM, &[]);
        let any = RetryCauses::DEFAULT.with(RetryCause::NonIdempotent);
        let sent = [NoResponse, Truncated, Timeout];
        check(of(POST, any), ROOM, &[&unsent[..], &[ConnectTimeout], &sent].concat());
        check(of(POST, only(RetryCause::NonIdempotent)), ROOM, &[]);
    }

    #[test]
    fn the_race_of_keep_alive_is_no_try_once() {
        for failure in Failure::ALL {
            let expected = matches!(failure, NothingSent | NoResponse);
            assert_eq!(is_free(failure, Freshness::Reused, Wanted::Any), expected, "{failure:?}");
            assert!(!is_free(failure, Freshness::Reused, Wanted::Fresh), "{failure:?}");
            assert!(!is_free(failure, Freshness::Fresh, Wanted::Any), "{failure:?}");
        }
    }

    #[test]
    fn a_408_before_the_close_of_an_idle_connection_answers_nothing() {
        let reused = Facts { freshness: Freshness::Reused, ..FACTS };
        for (status, is_persistent, facts, expected) in [
            (408, false, reused, true),
            (408, true, reused, false),
            (408, false, FACTS, false),
            (408, false, Facts { is_idempotent: false, ..reused }, false),
            (408, false, Facts { tries: 3, ..reused }, false),
            (500, false, reused, false),
        ] {
            let head = ResponseHead { status, is_persistent, ..ResponseHead::default() };
            assert_eq!(is_farewell(&head, facts), expected, "{status} {facts:?}");
        }
    }

    #[test]
    fn connections_of_one_request_share_its_time() {
        let mut time = ConnectTime::new(Duration::from_secs(5));
        assert_eq!(time.left(), Duration::from_secs(5));
        assert!(!ConnectTime::new(TICK / 2).is_left());
        for (spent, half) in [(2500, 1250), (1250, 625), (1250, 0), (9000, 0)] {
            time.spend(Duration::from_millis(spent));
            assert_eq!(time.share(), Duration::from_millis(half));
            assert_eq!(time.left(), Duration::from_millis(2 * half));
            assert_eq!(time.is_left(), half > 0);
        }
    }

    #[test]
    fn status_codes_are_repeated_by_policy_alone_and_where_that_does_no_harm() {
        let late = Room { is_in_time: false, ..ROOM };
        let careless = RetryCauses::DEFAULT.with(RetryCause::NonIdempotent);
        for (status, statuses, facts, room, expected) in [
            (503, &[503][..], FACTS, ROOM, true),
            (500, &[503], FACTS, ROOM, false),
            (503, &[], FACTS, ROOM, false),
            (503, &[503], POST, ROOM, false),
            (503, &[503], Facts { causes: careless, ..POST }, ROOM, true),
            (503, &[503], Facts { tries: 3, ..FACTS }, ROOM, false),
            (503, &[503], Facts { is_replayable: false, ..FACTS }, ROOM, false),
            (503, &[503], FACTS, late, false),
        ] {
            let found = is_status_repeated(status, statuses, facts, room);
            assert_eq!(found, expected, "{status} {statuses:?} {facts:?}");
        }
    }
}
