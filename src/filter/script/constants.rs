//! What of a script is the same for every request: it becomes part of the lists that plans have
//! anyway, so that it costs what an annotation costs.

use super::super::answer_fields::Statuses;
use super::super::fields::FieldEdits;
use super::super::text::Text;
use super::program::{Block, Extent, FieldChange, Presence, Script};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Constants {
    /// What is taken away of what backends answer.
    pub hidden: FieldEdits,
    /// Of requests on their way to the backend.
    pub request: FieldEdits,
    /// Of all answers.
    pub answer: FieldEdits,
    /// Lines (name, value) that `add_header` adds without `always`.
    pub added: Box<[(Box<str>, Box<str>)]>,
}

/// Who is told what the client sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// The backend alone.
    Backend,
    /// A server of external authentication, before that.
    AuthServer,
}

impl Script {
    /// What is constant of it, and the rest; `None`: nothing is left. `audience`: who is told what
    /// the client sent.
    #[must_use]
    pub fn split(&self, audience: Audience) -> (Constants, Option<Self>) {
        let Some((first, ifs)) = self.blocks.split_first() else {
            return (Constants::default(), Some(self.clone()));
        };
        let mut rest = self.clone();
        let hidden = std::mem::take(&mut rest.hidden);
        let mut constants = Constants { hidden, ..Constants::default() };
        let is_untold = audience == Audience::Backend || first.received.is_empty();
        if is_untold
            && ifs.iter().all(|block| block.sent == first.sent && block.received == first.received)
            && let Some(request) = of_request(first)
        {
            constants.request = request;
            for block in &mut rest.blocks {
                (block.sent, block.received) = (Box::default(), Box::default());
            }
        }
        if ifs.iter().all(|block| block.answered == first.answered && block.added == first.added)
            && let Some((answer, added)) = of_answer(first)
        {
            (constants.answer, constants.added) = (answer, added);
            for block in &mut rest.blocks {
                (block.answered, block.added) = (Box::default(), Box::default());
            }
        }
        (constants, (!rest.is_empty()).then_some(rest))
    }
}

/// The field and what it is set to, where nothing of that depends on the message.
fn constant(change: &FieldChange) -> Option<(&str, &str)> {
    let FieldChange { name, extent, value, presence, statuses, types } = change;
    let is_constant = *extent == Extent::Whole
        && *presence == Presence::Any
        && statuses.is_empty()
        && types.is_empty();
    let value = value.as_ref().map_or(Some(""), Text::constant)?;
    is_constant.then_some((&**name, value.trim()))
}

/// Of each change sees the next one what it left.
fn edits<'a>(changes: impl Iterator<Item = Option<(&'a str, &'a str)>>) -> Option<FieldEdits> {
    let mut all = FieldEdits::default();
    for change in changes {
        let (name, value) = change?;
        all.append(&FieldEdits::line(name, value).ok()?);
    }
    Some(all)
}

fn of_request(block: &Block) -> Option<FieldEdits> {
    let received = block.received.iter().map(constant);
    let sent = block.sent.iter().map(|(name, text)| Some((&**name, text.constant()?.trim())));
    edits(received.chain(sent))
}

type Answered = (FieldEdits, Box<[(Box<str>, Box<str>)]>);

fn of_answer(block: &Block) -> Option<Answered> {
    let mut all = edits(block.answered.iter().map(constant))?;
    let mut added = Vec::new();
    for line in &block.added {
        let value = line.value.constant()?.trim();
        match line.statuses {
            _ if value.is_empty() => {}
            Statuses::Any => {
                all.append(&FieldEdits::new([], [(&*line.name, value)], []).ok()?);
            }
            Statuses::Successes => added.push((line.name.clone(), value.into())),
        }
    }
    Some((all, added.into()))
}
