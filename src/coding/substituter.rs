//! Texts replaced in a body as it passes, over the borders of its pieces.

use std::sync::Arc;

use super::step::{Progress, Then};
use crate::filter::{Substitutions, Times};

/// Replaces in one body.
pub struct Substituter {
    substitutions: Arc<Substitutions>,
    /// What stands in the place of each; `None`: it was replaced as often as it may be.
    replacements: Vec<Option<Box<[u8]>>>,
    /// Octets that a text may begin with that is looked for.
    begins: [bool; 256],
    /// What was not yet looked at, or may be the beginning of such a text.
    held: Vec<u8>,
}

/// What stands at a place.
enum Found {
    Nothing,
    /// This one of the texts.
    Text(usize),
    /// The beginning of one, as far as it is known.
    Beginning,
}

impl Substituter {
    /// At the beginning of a body; `replacements` are what stands in the place of each text.
    #[must_use]
    pub fn new(
        substitutions: &Arc<Substitutions>,
        replacements: impl Iterator<Item = Box<[u8]>>,
    ) -> Self {
        let mut substituter = Self {
            substitutions: Arc::clone(substitutions),
            replacements: replacements.map(Some).collect(),
            begins: [false; 256],
            held: Vec::new(),
        };
        substituter.note_beginnings();
        substituter
    }

    fn note_beginnings(&mut self) {
        self.begins = [false; 256];
        let pairs = self.substitutions.pairs().iter().zip(&self.replacements);
        for (pair, _) in pairs.filter(|(_, put)| put.is_some()) {
            let first = pair.find().first().copied().unwrap_or_default();
            for octet in [first, first.to_ascii_uppercase()] {
                if let Some(begins) = self.begins.get_mut(usize::from(octet)) {
                    *begins = true;
                }
            }
        }
    }

    /// Takes all of `input` and appends to `out` until that has some `most` octets. While it is
    /// [`Progress::Full`], it has to be asked again, with the same `then` and no further input.
    pub fn code(&mut self, input: &[u8], out: &mut Vec<u8>, most: usize, then: Then) -> Progress {
        self.held.extend_from_slice(input);
        let held = std::mem::take(&mut self.held);
        let mut rest = &*held;
        let mut progress = Progress::Done;
        while !rest.is_empty() {
            if out.len() >= most {
                progress = Progress::Full;
                break;
            }
            let run = self.plain_run(rest).min(most - out.len());
            let (plain, behind) = rest.split_at(run);
            out.extend_from_slice(plain);
            rest = behind;
            if run > 0 {
                continue;
            }
            match self.at(rest, then) {
                Found::Nothing => {
                    out.extend(rest.first());
                    rest = rest.get(1..).unwrap_or_default();
                }
                Found::Text(index) => rest = self.replace(index, rest, out),
                Found::Beginning => break,
            }
        }
        let left = held.len() - rest.len();
        self.held = held;
        self.held.drain(..left);
        progress
    }

    /// How many octets at the front no text begins with.
    fn plain_run(&self, rest: &[u8]) -> usize {
        let begins = |octet: &u8| self.begins.get(usize::from(*octet)).copied().unwrap_or(false);
        rest.iter().position(begins).unwrap_or(rest.len())
    }

    fn at(&self, rest: &[u8], then: Then) -> Found {
        let pairs = self.substitutions.pairs().iter().zip(&self.replacements).enumerate();
        for (index, (pair, _)) in pairs.filter(|(_, (_, put))| put.is_some()) {
            let find = pair.find();
            let here = rest.get(..find.len()).unwrap_or(rest);
            let known = find.get(..here.len()).unwrap_or_default();
            if here.eq_ignore_ascii_case(known) {
                match then {
                    _ if here.len() == find.len() => return Found::Text(index),
                    Then::More | Then::Pause => return Found::Beginning,
                    Then::End => {}
                }
            }
        }
        Found::Nothing
    }

    fn replace<'r>(&mut self, index: usize, rest: &'r [u8], out: &mut Vec<u8>) -> &'r [u8] {
        let find = self.substitutions.pairs().get(index).map_or(1, |pair| pair.find().len());
        if let Some(place) = self.replacements.get_mut(index) {
            out.extend_from_slice(place.as_deref().unwrap_or_default());
            if self.substitutions.times == Times::Once {
                *place = None;
                self.note_beginnings();
            }
        }
        rest.get(find..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Substitution, Text};

    fn substituted(
        pairs: &[(&str, &str)],
        times: Times,
        body: &str,
        piece: usize,
        most: usize,
    ) -> String {
        let list =
            pairs.iter().map(|(find, put)| Substitution::new(find, Text::literal(put)).unwrap());
        let mut all = Substitutions::new(list).unwrap();
        all.times = times;
        let puts = pairs.iter().map(|(_, put)| put.as_bytes().into());
        let mut substituter = Substituter::new(&Arc::new(all), puts);
        let mut whole = Vec::new();
        let mut put = |input: &[u8], then| {
            let mut input = input;
            loop {
                let mut out = Vec::new();
                let progress = substituter.code(input, &mut out, most, then);
                whole.extend_from_slice(&out);
                if progress == Progress::Done {
                    return;
                }
                input = &[];
            }
        };
        for (number, piece) in body.as_bytes().chunks(piece).enumerate() {
            put(piece, if number % 2 == 0 { Then::More } else { Then::Pause });
        }
        put(b"", Then::End);
        String::from_utf8(whole).unwrap()
    }

    #[test]
    fn texts_are_replaced_over_borders() {
        let one: &[_] = &[("ab", "x")];
        type Case<'a> = (&'a [(&'a str, &'a str)], Times, &'a str, &'a str);
        let cases: [Case<'_>; 14] = [
            (one, Times::All, "", ""),
            (one, Times::All, "cab aB AB b a", "cx x x b a"),
            (one, Times::Once, "ab ab ab", "x ab ab"),
            (one, Times::All, "aab aaab", "ax aax"),
            (one, Times::All, "ends with a", "ends with a"),
            (&[("a", "b"), ("b", "a")], Times::All, "abab", "baba"),
            (&[("a", "b"), ("b", "a")], Times::Once, "aabb", "baab"),
            (&[("abc", "1"), ("ab", "2")], Times::All, "abc abd", "1 2d"),
            (&[("ab", "2"), ("abc", "1")], Times::All, "abc abd", "2c 2d"),
            (&[("abcd", "1"), ("bc", "2")], Times::All, "abce abcd", "a2e 1"),
            (&[("ab", "2"), ("abc", "1")], Times::Once, "abc abc abc", "2c 1 abc"),
            (&[("</HEAD>", "<s/></head>")], Times::Once, "<head></Head>", "<head><s/></head>"),
            (&[("a", "")], Times::All, "banana", "bnn"),
            (&[("aaaa", "x"), ("aa", "y")], Times::All, "aaaaaaa", "xya"),
        ];
        for (pairs, times, body, expected) in cases {
            for piece in [1, 2, 3, 100] {
                for most in [1, 2, 100] {
                    let found = substituted(pairs, times, body, piece, most);
                    assert_eq!(found, expected, "{pairs:?} {body} {piece} {most}");
                }
            }
        }
    }

    #[test]
    fn what_comes_out_at_a_time_is_bounded() {
        let pair = Substitution::new("a", Text::literal("x")).unwrap();
        let mut all = Substitutions::new([pair]).unwrap();
        all.times = Times::All;
        let put: Box<[u8]> = vec![b'x'; 1000].into();
        let mut substituter = Substituter::new(&Arc::new(all), std::iter::once(put));
        let (mut input, mut octets) = (vec![b'a'; 500], 0);
        loop {
            let mut out = Vec::new();
            let progress = substituter.code(&input, &mut out, 4096, Then::End);
            assert!(out.len() < 4096 + 1000);
            octets += out.len();
            input.clear();
            if progress == Progress::Done {
                break;
            }
        }
        assert_eq!(octets, 500_000);
    }
}
