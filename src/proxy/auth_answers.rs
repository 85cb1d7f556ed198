//! What servers of external authentication answered, as far as it is kept: of one core, bounded.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crate::filter::RequestOverlay;
use crate::limits::{AUTH_ANSWER_TIME_MAX, AUTH_ANSWERS_BYTES_MAX, AUTH_ANSWERS_MAX};

/// A field for a client.
pub type ToldField = (Cow<'static, str>, Box<[u8]>);

/// What such a server said about a request, as far as anybody gets to know it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AuthAnswer {
    /// Its status.
    pub status: u16,
    /// What it says of the fields that the backend gets.
    pub passed: RequestOverlay,
    /// Fields for a client that is denied.
    pub told: Vec<ToldField>,
    /// Fields of the answer to a client that is not.
    pub added: Vec<ToldField>,
    /// Cookies that it sets.
    pub cookies: Vec<Box<[u8]>>,
    /// Values of fields that variables take them from, in the order of their names in the question.
    pub remembered: Vec<Box<[u8]>>,
    /// For a client that is denied; `None`: there is none that could be passed on.
    pub body: Option<Vec<u8>>,
}

/// Answers by their keys.
#[derive(Default)]
pub struct AuthAnswers(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<Rc<[u8]>, Entry>,
    /// Keys, the oldest first. A key that was renewed stands here more than once, and counts as
    /// the last of them.
    order: VecDeque<(Rc<[u8]>, u64)>,
    /// Octets of keys and answers.
    bytes: usize,
    /// Entries ever made.
    made: u64,
}

struct Entry {
    answer: Rc<AuthAnswer>,
    /// Milliseconds of the coarse clock.
    good_until: u64,
    number: u64,
}

impl AuthAnswer {
    fn bytes(&self) -> usize {
        let Self { status: _, passed, told, added, cookies, remembered, body } = self;
        let body = body.as_ref().map_or(0, Vec::len);
        let told = told.iter().chain(added);
        let told: usize = told.map(|(name, value)| name.len() + value.len()).sum();
        let cookies: usize = cookies.iter().chain(remembered).map(|value| value.len()).sum();
        passed.bytes() + told + cookies + body
    }
}

impl AuthAnswers {
    /// The answer under `key`, if there is one that is good at `now`.
    #[must_use]
    pub fn get(&self, key: &[u8], now: u64) -> Option<Rc<AuthAnswer>> {
        let kept = self.0.borrow();
        let entry = kept.entries.get(key)?;
        (now < entry.good_until).then(|| Rc::clone(&entry.answer))
    }

    /// Keeps an answer for `time`. The oldest ones make room for it; one that is too large is not
    /// kept.
    pub fn keep(&self, key: &[u8], answer: &Rc<AuthAnswer>, time: Duration, now: u64) {
        let bytes = key.len().saturating_add(answer.bytes());
        if time.is_zero() || bytes > AUTH_ANSWERS_BYTES_MAX / 8 {
            return;
        }
        let millis = u64::try_from(time.min(AUTH_ANSWER_TIME_MAX).as_millis()).unwrap_or(u64::MAX);
        let mut kept = self.0.borrow_mut();
        kept.remove(key);
        let key: Rc<[u8]> = key.into();
        kept.made += 1;
        let number = kept.made;
        let entry = Entry { answer: Rc::clone(answer), good_until: now + millis, number };
        kept.entries.insert(Rc::clone(&key), entry);
        kept.order.push_back((key, number));
        kept.bytes += bytes;
        kept.make_room();
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.borrow().entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Kept {
    fn remove(&mut self, key: &[u8]) {
        if let Some((key, entry)) = self.entries.remove_entry(key) {
            self.bytes = self.bytes.saturating_sub(key.len() + entry.answer.bytes());
        }
    }

    fn make_room(&mut self) {
        if self.order.len() > 2 * AUTH_ANSWERS_MAX {
            let entries = &self.entries;
            self.order.retain(|(key, number)| is_current(entries, key, *number));
        }
        while self.entries.len() > AUTH_ANSWERS_MAX || self.bytes > AUTH_ANSWERS_BYTES_MAX {
            let Some((key, number)) = self.order.pop_front() else { return };
            if is_current(&self.entries, &key, number) {
                self.remove(&key);
            }
        }
    }
}

fn is_current(entries: &HashMap<Rc<[u8]>, Entry>, key: &[u8], number: u64) -> bool {
    entries.get(key).is_some_and(|entry| entry.number == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, octets: usize) -> Rc<AuthAnswer> {
        Rc::new(AuthAnswer { status, body: Some(vec![b'x'; octets]), ..AuthAnswer::default() })
    }

    const MINUTE: Duration = Duration::from_secs(60);

    fn status(answers: &AuthAnswers, key: &[u8], now: u64) -> Option<u16> {
        answers.get(key, now).map(|answer| answer.status)
    }

    #[test]
    fn answers_are_good_for_their_time() {
        let answers = AuthAnswers::default();
        answers.keep(b"a", &answer(200, 1), MINUTE, 1000);
        answers.keep(b"b", &answer(401, 1), Duration::ZERO, 1000);
        for (key, now, expected) in [
            (b"a", 1000, Some(200)),
            (b"a", 60_999, Some(200)),
            (b"a", 61_000, None),
            (b"b", 1000, None),
            (b"c", 1000, None),
        ] {
            assert_eq!(status(&answers, key, now), expected, "{key:?} {now}");
        }
        answers.keep(b"a", &answer(403, 1), MINUTE, 61_000);
        assert_eq!((status(&answers, b"a", 61_000), answers.len()), (Some(403), 1));
        answers.keep(b"d", &answer(200, 1), Duration::MAX, 0);
        let most = u64::try_from(AUTH_ANSWER_TIME_MAX.as_millis()).unwrap();
        assert_eq!(status(&answers, b"d", most - 1), Some(200));
        assert_eq!(status(&answers, b"d", most), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let answers = AuthAnswers::default();
        for number in 0..=AUTH_ANSWERS_MAX {
            answers.keep(&number.to_be_bytes(), &answer(200, 0), MINUTE, 0);
        }
        assert_eq!(answers.len(), AUTH_ANSWERS_MAX);
        assert_eq!(status(&answers, &0_usize.to_be_bytes(), 0), None);
        assert_eq!(status(&answers, &1_usize.to_be_bytes(), 0), Some(200));
        // One key that is renewed again and again takes nobody's place.
        for _ in 0..3 * AUTH_ANSWERS_MAX {
            answers.keep(b"again", &answer(200, 0), MINUTE, 0);
        }
        assert_eq!(answers.len(), AUTH_ANSWERS_MAX);
        assert!(answers.0.borrow().order.len() <= 2 * AUTH_ANSWERS_MAX);
    }

    #[test]
    fn octets_are_bounded() {
        let answers = AuthAnswers::default();
        answers.keep(b"large", &answer(200, AUTH_ANSWERS_BYTES_MAX / 8), MINUTE, 0);
        assert!(answers.is_empty());
        for number in 0..32_u8 {
            answers.keep(&[number], &answer(200, AUTH_ANSWERS_BYTES_MAX / 16), MINUTE, 0);
        }
        let kept = answers.0.borrow();
        assert!(kept.bytes <= AUTH_ANSWERS_BYTES_MAX && kept.entries.len() == 15);
        let sum: usize =
            kept.entries.iter().map(|(key, entry)| key.len() + entry.answer.bytes()).sum();
        assert_eq!(kept.bytes, sum);
    }
}
