//! Which requests of a rule a canary gets. Pure; does not allocate.
//!
//! Among several canaries a field that says yes comes before every cookie, and a cookie before
//! chance, whichever canary's it is; of equals the oldest. Their shares of all requests lie next to
//! each other, and the rest is the rule's. What a field or a cookie keeps from a canary is the
//! rule's, too.

use std::sync::Arc;

use crate::filter::Said;
use crate::model::{CanaryCriteria, FieldMeaning, Share};

/// What shares are parts of: one more than any 32 bits.
const WHOLE: u64 = 1 << 32;

/// The canaries of a rule, the oldest first.
#[derive(Debug)]
pub struct Canaries<T>(Box<[Canary<T>]>);

#[derive(Debug)]
struct Canary<T> {
    criteria: Arc<CanaryCriteria>,
    /// Where its share ends; it begins where that of the one before does.
    share_end: u64,
    target: T,
}

/// What canaries look at.
pub trait CanaryRequest {
    /// The values of all lines of a field. `name` is lower case.
    fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]>;
    /// The value of the first cookie of `name`, in any case.
    fn cookie(&self, name: &[u8]) -> Option<&[u8]>;
}

impl<T> Canaries<T> {
    /// Those with these criteria, in their order; `None`: there are none.
    pub(super) fn new(
        canaries: impl Iterator<Item = (Arc<CanaryCriteria>, T)>,
    ) -> Option<Box<Self>> {
        let mut end = 0;
        let canaries = canaries.map(|(criteria, target)| {
            end = WHOLE.min(end + part(criteria.share));
            Canary { criteria, share_end: end, target }
        });
        let canaries: Box<[Canary<T>]> = canaries.collect();
        (!canaries.is_empty()).then(|| Box::new(Self(canaries)))
    }

    /// Where canaries lead, in order.
    pub fn targets(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|canary| &canary.target)
    }

    /// Where the request goes; `None`: to the rule's own backend. `dice`: 32 random bits, asked for
    /// where chance decides.
    pub fn choose(&self, request: &impl CanaryRequest, dice: impl FnOnce() -> u32) -> Option<&T> {
        let by_field = self.0.iter().find(|canary| canary.by_field(request) == Some(Said::Yes));
        let by_cookie = || self.0.iter().find(|canary| canary.said(request) == Some(Said::Yes));
        let by_chance = || {
            let number = u64::from(dice());
            let lucky = self.0.iter().find(|canary| number < canary.share_end)?;
            lucky.said(request).is_none().then_some(lucky)
        };
        let chosen = by_field.or_else(by_cookie).or_else(by_chance)?;
        Some(&chosen.target)
    }
}

impl<T> Canary<T> {
    fn said(&self, request: &impl CanaryRequest) -> Option<Said> {
        self.by_field(request).or_else(|| {
            let name = self.criteria.cookie.as_deref()?;
            word(request.cookie(name.as_bytes())?)
        })
    }

    fn by_field(&self, request: &impl CanaryRequest) -> Option<Said> {
        let criterion = self.criteria.field.as_ref()?;
        let mut values = request.values(criterion.name.as_bytes());
        match &criterion.meaning {
            FieldMeaning::Words => word(only(values)?),
            FieldMeaning::Value(wanted) => {
                (only(values)? == wanted.as_bytes()).then_some(Said::Yes)
            }
            FieldMeaning::Pattern(pattern) => {
                values.any(|value| pattern.is_match(value)).then_some(Said::Yes)
            }
            FieldMeaning::Unknown => values.next().map(|_| Said::No),
        }
    }
}

/// nginx joins the lines of a field: two are neither of two words.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn word(value: &[u8]) -> Option<Said> {
    match value {
        b"always" => Some(Said::Yes),
        b"never" => Some(Said::No),
        _ => None,
    }
}

/// Of [`WHOLE`].
pub(super) fn part(share: Share) -> u64 {
    let Share { weight, total } = share;
    let part = (u64::from(weight) << 32).checked_div(total.into()).unwrap_or(0);
    part.min(WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FieldCriterion, Pattern};

    /// Lines of fields, and the values of Cookie.
    struct Request(Vec<(&'static str, &'static str)>);

    impl CanaryRequest for Request {
        fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
            let lines = self.0.iter().filter(move |(found, _)| found.as_bytes() == name);
            lines.map(|(_, value)| value.as_bytes())
        }

        fn cookie(&self, name: &[u8]) -> Option<&[u8]> {
            let name = format!("cookie {}", std::str::from_utf8(name).unwrap());
            let found = self.0.iter().find(|(found, _)| *found == name);
            found.map(|(_, value)| value.as_bytes())
        }
    }

    fn criteria(field: Option<FieldMeaning>, cookie: bool, weight: u32) -> CanaryCriteria {
        CanaryCriteria {
            field: field.map(|meaning| FieldCriterion { name: "x".into(), meaning }),
            cookie: cookie.then(|| "beta".into()),
            share: Share { weight, total: 100 },
        }
    }

    fn canaries(all: Vec<CanaryCriteria>) -> Canaries<u32> {
        let all = all.into_iter().zip(0..).map(|(one, number)| (Arc::new(one), number));
        *Canaries::new(all).unwrap()
    }

    /// The number of the chosen one.
    #[track_caller]
    fn check(
        canaries: &Canaries<u32>,
        lines: &[(&'static str, &'static str)],
        dice: u32,
        expected: Option<u32>,
    ) {
        let chosen = canaries.choose(&Request(lines.to_vec()), || dice);
        assert_eq!(chosen.copied(), expected, "{lines:?} {dice}");
    }

    const LAST: u32 = u32::MAX;

    #[test]
    fn field_cookie_and_chance_decide_in_this_order() {
        let all = canaries(vec![criteria(Some(FieldMeaning::Words), true, 50)]);
        let half = 1 << 31;
        for (lines, dice, expected) in [
            (&[("x", "always"), ("cookie beta", "never")][..], LAST, true),
            (&[("x", "never"), ("cookie beta", "always")], 0, false),
            (&[("x", "other"), ("cookie beta", "always")], LAST, true),
            (&[("x", "other"), ("cookie beta", "never")], 0, false),
            (&[("x", "Always")], LAST, false),
            (&[("x", "always"), ("x", "always")], LAST, false),
            (&[("x", ""), ("cookie beta", "other")], half - 1, true),
            (&[], half - 1, true),
            (&[], half, false),
        ] {
            check(&all, lines, dice, expected.then_some(0));
        }
    }

    #[test]
    fn values_and_patterns_say_yes_or_nothing() {
        let value = canaries(vec![criteria(Some(FieldMeaning::Value("eu".into())), true, 0)]);
        let pattern = FieldMeaning::Pattern(Pattern::new("b+c").unwrap());
        let pattern = canaries(vec![criteria(Some(pattern), true, 0)]);
        let unknown = canaries(vec![criteria(Some(FieldMeaning::Unknown), true, 100)]);
        for (of, lines, expected) in [
            (&value, &[("x", "eu"), ("cookie beta", "never")][..], true),
            (&value, &[("x", "always")], false),
            (&value, &[("x", "never"), ("cookie beta", "always")], true),
            (&value, &[("x", "eu"), ("x", "us")], false),
            (&pattern, &[("x", "aabbcc")], true),
            (&pattern, &[("x", "ac")], false),
            (&pattern, &[("x", "ac"), ("x", "bc")], true),
            (&pattern, &[("x", "never"), ("cookie beta", "always")], true),
            (&unknown, &[("x", "always"), ("cookie beta", "always")], false),
            (&unknown, &[("x", "")], false),
            (&unknown, &[("cookie beta", "never")], false),
            (&unknown, &[], true),
        ] {
            check(of, lines, 7, expected.then_some(0));
        }
    }

    #[test]
    fn shares_are_exact_at_both_ends() {
        for (weight, total, dice, expected) in [
            (0, 100, 0, false),
            (1, 100, 0, true),
            (100, 100, LAST, true),
            (250, 100, LAST, true),
            (99, 100, LAST, false),
            (u32::MAX, u32::MAX, LAST, true),
            (1, u32::MAX, 0, true),
            (1, u32::MAX, 2, false),
            (50, 200, (1 << 30) - 1, true),
            (50, 200, 1 << 30, false),
            (1, 0, 0, false),
        ] {
            let share = Share { weight, total };
            let all = canaries(vec![CanaryCriteria { share, ..CanaryCriteria::default() }]);
            check(&all, &[], dice, expected.then_some(0));
        }
    }

    #[test]
    fn several_canaries_share_one_rule() {
        let words = || Some(FieldMeaning::Words);
        let named = |name: &str, mut one: CanaryCriteria| {
            one.field = one.field.map(|field| FieldCriterion { name: name.into(), ..field });
            one
        };
        let all = canaries(vec![
            named("one", criteria(words(), true, 25)),
            named("two", criteria(words(), false, 25)),
            named("three", criteria(words(), false, 75)),
        ]);
        let quarter = 1 << 30;
        for (lines, dice, expected) in [
            (&[("three", "always")][..], 0, Some(2)),
            (&[("three", "always"), ("cookie beta", "always")], 0, Some(2)),
            (&[("two", "always"), ("one", "always")], 0, Some(0)),
            (&[("one", "never"), ("cookie beta", "always")], quarter, Some(1)),
            (&[("one", "never")], 0, None),
            (&[("two", "never")], quarter, None),
            (&[("two", "never")], 0, Some(0)),
            (&[], quarter - 1, Some(0)),
            (&[], quarter, Some(1)),
            (&[], 2 * quarter, Some(2)),
            // More than all is all.
            (&[], LAST, Some(2)),
        ] {
            check(&all, lines, dice, expected);
        }
    }
}
