//! The program that directives are: plain data.

use super::super::addresses::AddressRanges;
use super::super::answer_fields::Statuses;
use super::super::fields::FieldEdits;
use super::super::path_pattern::PathPattern;
use super::super::text::{Text, Variable};

/// What is done with the requests of a rule besides what its plan says.
///
/// INVARIANT: names of fields are tokens, and none says where a message goes or ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Script {
    /// Before the rule is looked up, once a request.
    pub host: Box<[Step]>,
    /// Once the request has a rule, and again with every rule that a rewrite leads to.
    pub rule: Box<[Step]>,
    /// What holds for the fields: the first, unless an `if` with a block of its own was true, of
    /// which the last counts. What a block takes from the ones around it, it has.
    pub blocks: Box<[Block]>,
    /// Variables (name, value) that are set once a server of external authentication answered.
    pub of_auth: Box<[(Box<str>, Text)]>,
    /// Fields of backends that clients do not get.
    pub hidden: FieldEdits,
    /// Media type of texts that are returned.
    pub media_type: Box<str>,
    /// Whose errors others stand for.
    pub intercepts: Intercepts,
}

/// Whose errors are not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Intercepts {
    /// Those that no backend gave.
    #[default]
    Ours,
    /// Those of backends, too.
    All,
}

/// One step of a phase of rewrites.
///
/// Source: nginx, module `ngx_http_rewrite_module`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// `set`: a variable has a value from here on.
    Set(Box<str>, Text),
    /// `if`: where the condition holds, the steps are taken, and the block with this index is the
    /// one that counts.
    If(Condition, Box<[Self]>, Option<usize>),
    /// `return`: the request ends.
    Return(u16, Returned),
    /// `rewrite`.
    Rewrite(Box<Rewrite>),
    /// `break`: the phase ends.
    Break,
    /// `internal`: the request ends in status 404, unless something led it here.
    Internal,
}

/// Condition of an `if`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The variable is neither empty nor `0`.
    IsSet(Variable),
    /// It is the text, or it is not.
    Is(Variable, Wanted, Text),
    /// The client's address is none of these.
    IsOutside(AddressRanges),
    /// The expression matches somewhere in it, or nowhere. What it captures is known from then on.
    Matches(Variable, Wanted, PathPattern),
}

/// Which outcome of a comparison makes a condition hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wanted {
    /// `=`, `~`.
    Yes,
    /// `!=`, `!~`.
    No,
}

/// What `return` returns.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Returned {
    /// The status says it all.
    Nothing,
    /// A body.
    Text(Text),
    /// Where the client is sent.
    Location(Text),
}

/// A `rewrite`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// What the path has to match.
    pub pattern: PathPattern,
    /// The new path, or where the client is sent.
    pub path: Text,
    /// The new query; `None`: that of the request alone.
    pub query: Option<Text>,
    /// Whether the query of the request stays, behind the new one.
    pub keeps_query: KeepsQuery,
    /// What follows.
    pub then: Then,
}

/// What becomes of the query of a request that is rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeepsQuery {
    /// It stays, behind what the rewrite says.
    Yes,
    /// It goes: the new path ends with `?`.
    No,
}

/// What follows a rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Then {
    /// The next step; in the end the new path is looked up.
    Next,
    /// `last`: the new path is looked up.
    LookUp,
    /// `break`: the rule serves the new path.
    Serve,
    /// The client is sent there with this status.
    Redirect(u16),
}

/// What holds for the fields of one request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Block {
    /// Changes to what the client sent, in order.
    pub received: Box<[FieldChange]>,
    /// Fields (name, value) that the backend gets in the place of the client's and of ours. One
    /// without a value it does not get.
    pub sent: Box<[(Box<str>, Text)]>,
    /// Changes to the fields of answers, in order.
    pub answered: Box<[FieldChange]>,
    /// Fields that are added to answers.
    pub added: Box<[AddedLine]>,
    /// Answers that are others instead.
    pub errors: Box<[ErrorPage]>,
    /// Whether they are logged.
    pub log: Logged,
}

/// Whether requests are in the access log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Logged {
    /// As the rule says.
    #[default]
    AsRule,
    /// They are not.
    Never,
}

/// A change to a field.
///
/// Source: module `ngx_headers_more`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldChange {
    /// As it is written.
    pub name: Box<str>,
    /// Which fields it is about.
    pub extent: Extent,
    /// `None`, or one that comes to nothing: there is no such field.
    pub value: Option<Text>,
    /// Whether there has to be one already.
    pub presence: Presence,
    /// Statuses of answers that are changed; empty: all.
    pub statuses: Box<[u16]>,
    /// Media types of messages that are changed, in lower case; empty: all.
    pub types: Box<[Box<str>]>,
}

/// Which fields a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// Those of this name.
    Whole,
    /// Those whose names begin so.
    Beginning,
}

/// Whether a field is set that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Presence {
    /// It is.
    Any,
    /// It is not (`-r`).
    Needed,
}

/// A line that is added to answers beside others of its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AddedLine {
    /// As it is written.
    pub name: Box<str>,
    /// Where it comes to nothing there is no line.
    pub value: Text,
    /// To which.
    pub statuses: Statuses,
}

/// An answer that another one stands for.
///
/// Source: nginx, `error_page`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ErrorPage {
    /// The statuses that it would have had.
    pub statuses: Box<[u16]>,
    /// Which one.
    pub instead: Instead,
}

/// What stands for an answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instead {
    /// A redirect with this status.
    Redirect(u16, Text),
    /// What is found at a path of the host, or at a location without one (`@name`).
    Path(PageStatus, Text),
}

/// Which status an answer has that stands for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageStatus {
    /// That of the other one.
    OfError,
    /// Its own.
    Own,
    /// This.
    Fixed(u16),
}

impl Script {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { host, rule, blocks, of_auth, hidden, media_type: _, intercepts: _ } = self;
        host.is_empty()
            && hidden.is_empty()
            && rule.is_empty()
            && of_auth.is_empty()
            && blocks.iter().all(|block| *block == Block::default())
    }

    /// Whether something happens before the rule is asked: steps, or what its path captures is
    /// needed.
    #[must_use]
    pub fn has_rule_phase(&self) -> bool {
        !self.rule.is_empty() || self.texts().any(Text::is_captured)
    }

    /// The texts of its blocks.
    fn texts(&self) -> impl Iterator<Item = &Text> {
        self.blocks.iter().flat_map(|block| {
            let Block { received, sent, answered, added, errors, log: _ } = block;
            let changes =
                received.iter().chain(answered).filter_map(|change| change.value.as_ref());
            let lines = sent.iter().map(|(_, text)| text).chain(added.iter().map(|l| &l.value));
            let pages = errors.iter().map(|page| match &page.instead {
                Instead::Redirect(_, text) | Instead::Path(_, text) => text,
            });
            changes.chain(lines).chain(pages)
        })
    }

    /// Whether it may keep a request from the backend.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.host.iter().chain(&self.rule).any(Step::may_end)
    }

    /// Statuses of backends' answers that others stand for; ascending.
    #[must_use]
    pub fn intercepted(&self) -> Vec<u16> {
        let errors = self.blocks.iter().flat_map(|block| &block.errors);
        let statuses = errors.flat_map(|page| &page.statuses).copied();
        let mut statuses: Vec<u16> =
            statuses.filter(|_| self.intercepts == Intercepts::All).collect();
        statuses.sort_unstable();
        statuses.dedup();
        statuses
    }

    /// The block with this index.
    #[must_use]
    pub fn block(&self, index: usize) -> Option<&Block> {
        self.blocks.get(index)
    }
}

impl Step {
    fn may_end(&self) -> bool {
        match self {
            Self::Return(..) | Self::Internal => true,
            Self::Rewrite(rewrite) => matches!(rewrite.then, Then::Redirect(_)),
            Self::If(_, steps, _) => steps.iter().any(Self::may_end),
            Self::Set(..) | Self::Break => false,
        }
    }
}
