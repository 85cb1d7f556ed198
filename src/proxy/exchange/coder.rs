//! What is done to the octets of a body between decoding and framing: which coders it gets, and how
//! one works behind the other.

use crate::coding::{Broken, Progress, Substituter, Then};
use crate::filter::{BodyChange, Choice, Compressible, Validators};
use crate::http1::framing::BodyLength;
use crate::http1::head::{ResponseHead, Version, is_grpc};
use crate::limits::SUBSTITUTE_BYTES_MAX;
use crate::proxy::compressors::Loan;
use crate::proxy::exchange::request::Request;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::frame::HEADROOM;
use crate::table::plan::ResponsePlan;
use crate::telemetry::Counter;

/// A coder of one body.
pub enum Coder {
    /// Leaves every octet where it is.
    Identity,
    /// Makes others of them.
    Recoding(Box<Recoder>),
}

/// Texts are replaced, then all is compressed; one of the two at least.
pub struct Recoder {
    substituter: Option<Substituter>,
    compressor: Option<Loan>,
    /// What stands between the two.
    between: Buffer,
}

/// What came of a piece.
pub enum Coded {
    /// A part; the coder is to be asked again.
    Part(Buffer),
    /// All of it, or the rest; may be nothing.
    All(Buffer),
}

impl Coder {
    /// The coder of the body behind `head`, whose spans lie in `octets`; and what it means for the
    /// fields there. What is said of a body that HEAD asked about is said of the coded one; there
    /// is none to code.
    #[inline]
    pub fn of(
        request: &Request<'_>,
        head: &ResponseHead,
        octets: &[u8],
        plan: &ResponsePlan,
    ) -> (Self, BodyChange) {
        if plan.compression.is_none() && plan.substitutions.is_none() {
            return (Self::Identity, BodyChange::NONE);
        }
        Self::chosen(request, head, octets, plan)
    }

    #[inline(never)]
    fn chosen(
        request: &Request<'_>,
        head: &ResponseHead,
        octets: &[u8],
        plan: &ResponsePlan,
    ) -> (Self, BodyChange) {
        let facts = BodyFacts::of(head, octets);
        let mut change = BodyChange::NONE;
        if facts.content_type.is_some_and(is_grpc) {
            return (Self::Identity, change);
        }
        let substituter = substituter(request, head, &facts, plan, &mut change);
        let compressor = compressor(request, head, &facts, plan, &mut change);
        if substituter.is_none() && compressor.is_none() {
            return (Self::Identity, change);
        }
        let recoder = Recoder { substituter, compressor, between: Buffer::unallocated() };
        (Self::Recoding(Box::new(recoder)), change)
    }
}

/// What coders depend on of a response.
struct BodyFacts<'a> {
    content_type: Option<&'a [u8]>,
    /// Content-Encoding that is not empty.
    coding: Option<&'a [u8]>,
    /// RFC 9111 section 5.2.2.6.
    is_not_to_be_transformed: bool,
}

impl<'a> BodyFacts<'a> {
    fn of(head: &ResponseHead, octets: &'a [u8]) -> Self {
        let mut facts = Self { content_type: None, coding: None, is_not_to_be_transformed: false };
        for field in &head.fields {
            let (name, value) = (field.name.of(octets), field.value.of(octets));
            match name.len() {
                12 if name.eq_ignore_ascii_case(b"content-type") => {
                    facts.content_type = facts.content_type.or(Some(value));
                }
                16 if name.eq_ignore_ascii_case(b"content-encoding") => {
                    facts.coding =
                        facts.coding.or_else(|| Some(value).filter(|value| !value.is_empty()));
                }
                13 if name.eq_ignore_ascii_case(b"cache-control") => {
                    let mut directives =
                        value.split(|octet| *octet == b',').map(<[u8]>::trim_ascii);
                    facts.is_not_to_be_transformed |=
                        directives.any(|directive| directive.eq_ignore_ascii_case(b"no-transform"));
                }
                _ => {}
            }
        }
        facts
    }
}

fn substituter(
    request: &Request<'_>,
    head: &ResponseHead,
    facts: &BodyFacts<'_>,
    plan: &ResponsePlan,
    change: &mut BodyChange,
) -> Option<Substituter> {
    let substitutions = plan.substitutions.as_ref()?;
    if head.body == BodyLength::Known(0)
        || !substitutions.apply_to(head.status, facts.content_type, facts.coding)
    {
        return None;
    }
    change.validators =
        if substitutions.keeps_validators { Validators::Weakened } else { Validators::Dropped };
    if head.body == BodyLength::None {
        return None;
    }
    let replacements = substitutions.pairs().iter().map(|pair| {
        let mut text = Vec::new();
        request.put_text(pair.put(), &mut text);
        text.truncate(SUBSTITUTE_BYTES_MAX);
        text.into_boxed_slice()
    });
    Some(Substituter::new(substitutions, replacements))
}

fn compressor(
    request: &Request<'_>,
    head: &ResponseHead,
    facts: &BodyFacts<'_>,
    plan: &ResponsePlan,
    change: &mut BodyChange,
) -> Option<Loan> {
    let policy = plan.compression.as_ref()?;
    let compressible = Compressible {
        status: head.status,
        length: head.declared_length,
        content_type: facts.content_type,
        is_fixed: facts.coding.is_some() || facts.is_not_to_be_transformed,
    };
    // Without the chunked coding nothing would tell a whole body from one that was cut; nor does
    // nginx (`gzip_http_version 1.1`).
    let is_capable = request.head.version == Version::Http11;
    let lines = request.head.fields.iter().filter(|line| {
        is_capable && line.name.of(request.bytes).eq_ignore_ascii_case(b"accept-encoding")
    });
    let accepted = lines.map(|line| line.value.of(request.bytes));
    // RFC 9110 section 15.4.5: it says of validators and `Vary` what a 200 would. What the body
    // would be is not said, so that an ETag is good for any coding of it.
    if head.status == 304 {
        change.varies = true;
        if policy.codings.may_code(accepted) && change.validators == Validators::Kept {
            change.validators = Validators::Weakened;
        }
        return None;
    }
    let choice = policy.codings.choose(&compressible, accepted, || {
        let agent = request.head.find_name(request.bytes, b"user-agent");
        let refused = policy.gzip_refused.as_ref();
        refused.zip(agent).is_some_and(|(refused, agent)| refused.is_match(agent))
    });
    change.varies = choice != Choice::Fixed;
    let Choice::Coded(coding, level) = choice else { return None };
    let core = request.core;
    let loan = match head.body {
        BodyLength::None => None,
        _ => match core.compressors.lend(coding, level) {
            Some(loan) => {
                core.count(Counter::ResponsesCompressed);
                Some(loan)
            }
            None => {
                core.count(Counter::CompressionsForgone);
                return None;
            }
        },
    };
    change.coding = Some(coding);
    if change.validators == Validators::Kept {
        change.validators = Validators::Weakened;
    }
    loan
}

impl Recoder {
    /// Codes what is unread in `piece`. Until it is [`Coded::All`], it has to be asked again with
    /// the rest of it and the same `then`.
    ///
    /// # Errors
    /// The body cannot go on.
    pub fn code(&mut self, piece: &mut Buffer, then: Then) -> Result<Coded, Broken> {
        let Self { substituter, compressor, between } = self;
        let Some(substituter) = substituter else {
            return compress(compressor.as_mut().ok_or(Broken)?, piece, then);
        };
        let mut progress = Progress::Full;
        if between.is_empty() {
            let mut out = Buffer::with_headroom(Class::Medium, HEADROOM);
            let most = out.as_vec().len().saturating_add(out.spare());
            progress = substituter.code(piece.unread(), out.as_vec(), most, then);
            piece.clear();
            *between = out;
        }
        let Some(compressor) = compressor else {
            let out = std::mem::replace(between, Buffer::unallocated());
            return Ok(match progress {
                Progress::Done => Coded::All(out),
                Progress::Full => Coded::Part(out),
            });
        };
        let then = if progress == Progress::Done { then } else { Then::More };
        match (compress(compressor, between, then)?, progress) {
            (Coded::All(out), Progress::Full) => Ok(Coded::Part(out)),
            (coded, _) => Ok(coded),
        }
    }
}

fn compress(compressor: &mut Loan, piece: &mut Buffer, then: Then) -> Result<Coded, Broken> {
    let mut out = Buffer::with_headroom(Class::Medium, HEADROOM);
    let room = out.spare();
    let octets = out.as_vec();
    octets.resize(HEADROOM + room, 0);
    let free = octets.get_mut(HEADROOM..).unwrap_or_default();
    let step = compressor.code(piece.unread(), free, then)?;
    octets.truncate(HEADROOM + step.made);
    piece.consume(step.taken);
    Ok(match step.progress {
        Progress::Done => Coded::All(out),
        Progress::Full => Coded::Part(out),
    })
}
