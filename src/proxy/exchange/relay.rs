//! A response body on its way from endpoint to client: decode ─▶ coder ─▶ frame ─▶ write.

use std::fmt::Display;

use crate::coding::Then;
use crate::http1::body::{BodyDecoder, EndOfMessage, Sender};
use crate::http1::framing::BodyLength;
use crate::limits::{MID_SIZE_BODY_BYTES_MAX, SILENT_PIECES_MAX};
use crate::proxy::exchange::coder::{Coded, Coder};
use crate::proxy::exchange::downstream::Gone;
use crate::proxy::exchange::pacing::Pacing;
use crate::proxy::exchange::request::Request;
use crate::proxy::exchange::response::{Begun, Unsaid};
use crate::proxy::rt::Side;
use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::transport::Ending;
use crate::proxy::transport::frame::HEADROOM;
use crate::proxy::transport::way::{Flow, Passage};
use crate::proxy::upstream::call::{Read, Reply};
use crate::proxy::upstream::failure::Failure;
use crate::proxy::upstream::request_body::End;

/// How much of the response the client got.
pub enum Relayed {
    /// All of it.
    Complete(EndOfMessage),
    /// Nothing, not even the head, because the endpoint failed.
    Unsent(Unsaid, Failure),
    /// A part, because the endpoint failed; the client sees that something is missing.
    Cut(Ending, Failure),
    /// A part, because the client takes or sends no more.
    Gone,
}

/// The way of a body behind its decoder.
pub struct Relay<'a> {
    /// What it answers.
    pub request: &'a Request<'a>,
    /// What is done to its octets.
    pub coder: Coder,
    /// How fast it may go; `None`: as fast as it can.
    pub pacing: Option<Pacing>,
    /// The head before it.
    pub begun: Begun,
    /// Counts octets that are sent.
    pub sent: &'a mut u64,
}

impl Relay<'_> {
    /// Relays the body of `reply`, which is of `length`, to its end.
    pub async fn run(mut self, reply: &mut Reply<'_>, length: BodyLength) -> Relayed {
        let mut decoder = BodyDecoder::new(length, Sender::Upstream);
        let mut piece = std::mem::replace(&mut reply.octets, Buffer::unallocated());
        let mut silent = 0;
        loop {
            let decoded = match decoder.decode(piece.unread_mut()) {
                Ok(decoded) => decoded,
                Err(error) => return self.break_off(reply, Failure::Malformed, &error),
            };
            piece.truncate(decoded.body);
            if decoder.is_done() {
                break;
            }
            let read = if let Some(passage) = self.passage(reply, &decoder) {
                let first = std::mem::replace(&mut piece, Buffer::unallocated());
                // PERF: in memory of its own, so that others do not carry it.
                Box::pin(self.splice(reply, &mut decoder, first, passage)).await
            } else {
                let class = self.read_class(&decoder);
                let early = self.early(reply, &mut piece, class);
                if matches!(early, Some(Read::Octets)) {
                    continue;
                }
                if let Some(Read::Broken(error)) = &early {
                    return self.break_off(reply, Failure::Truncated, error);
                }
                if self.pass(reply, piece, &mut silent).await.is_err() {
                    return Relayed::Gone;
                }
                piece = Buffer::with_headroom(class, HEADROOM);
                match early {
                    Some(read) => Ok(read),
                    None => self.read(reply, &mut piece).await,
                }
            };
            match read {
                Ok(Read::Octets) => {}
                Ok(Read::Closed) => break,
                Ok(Read::BodyFailed) | Err(Gone) => return Relayed::Gone,
                Ok(Read::Broken(error)) => {
                    return self.break_off(reply, Failure::Truncated, &error);
                }
            }
        }
        match decoder.finish() {
            Ok(end) => self.end(reply, piece, end).await.unwrap_or(Relayed::Gone),
            Err(error) => self.break_off(reply, Failure::Truncated, &error),
        }
    }

    /// PERF: a head whose body is right behind it goes with that, not alone.
    fn early(&self, reply: &mut Reply<'_>, piece: &mut Buffer, class: Class) -> Option<Read> {
        let is_alone = piece.is_empty() && self.begun.is_held();
        if !is_alone || !matches!(self.coder, Coder::Identity) {
            return None;
        }
        *piece = Buffer::with_headroom(class, HEADROOM);
        reply.read_here(piece)
    }

    /// Sends a piece, or what the coder makes of it.
    async fn pass(
        &mut self,
        reply: &mut Reply<'_>,
        piece: Buffer,
        silent: &mut u32,
    ) -> Result<(), Gone> {
        match &mut self.coder {
            Coder::Identity => self.put(&mut reply.sending, piece).await,
            // PERF: in memory of its own, so that others do not carry it.
            Coder::Recoding(_) => Box::pin(self.recode(&mut reply.sending, piece, silent)).await,
        }
    }

    /// The way around us for the octets that come next, if nothing is done to them.
    fn passage<'t>(&self, reply: &Reply<'t>, decoder: &BodyDecoder) -> Option<Passage<'t>>
    where
        Self: 't,
    {
        if self.pacing.is_some() || !matches!(self.coder, Coder::Identity) {
            return None;
        }
        let Request { core, downstream, .. } = self.request;
        reply.passage(&downstream.stream, decoder.run(), &core.pipes)
    }

    /// Sends `first`, then the run of octets that comes next as the kernel moves them, as long as
    /// there is a pipe.
    async fn splice(
        &mut self,
        reply: &mut Reply<'_>,
        decoder: &mut BodyDecoder,
        mut first: Buffer,
        mut passage: Passage<'_>,
    ) -> Result<Read, Gone> {
        while decoder.run() > 0 && passage.is_open() {
            let here = reply.take_here(&mut passage, decoder.run());
            let known = std::mem::replace(&mut first, Buffer::unallocated());
            if matches!(here, Some(Read::Octets)) {
                let octets = decoder.skip(passage.held() as u64);
                *self.sent += octets + known.len() as u64;
                self.begun.send_past(self.request, &mut reply.sending, known, &mut passage).await?;
                continue;
            }
            // What is known goes before a wait, and before an end.
            self.put(&mut reply.sending, known).await?;
            let read = match here {
                Some(end) => end,
                None => reply.await_more(&mut passage).await,
            };
            if !matches!(read, Read::Octets) {
                return Ok(read);
            }
        }
        Ok(Read::Octets)
    }

    /// How much to read at once, by what is left.
    fn read_class(&self, decoder: &BodyDecoder) -> Class {
        let class = match decoder.remaining() {
            Some(left) if left <= Class::Small.bytes() as u64 => Class::Small,
            Some(left) if left <= Class::Medium.bytes() as u64 => Class::Medium,
            Some(left) if left <= MID_SIZE_BODY_BYTES_MAX => Class::Large,
            _ => Class::Medium,
        };
        if self.pacing.is_some() { class.min(Class::Medium) } else { class }
    }

    /// Sends a piece as it is.
    async fn put(&mut self, sending: &mut Side<'_, End>, piece: Buffer) -> Result<(), Gone> {
        *self.sent += piece.len() as u64;
        let due = self.paced(sending, piece).await?;
        self.begun.send(self.request, sending, due).await
    }

    /// Sends what may not go in one go; gives the rest back.
    async fn paced(&mut self, sending: &mut Side<'_, End>, piece: Buffer) -> Result<Buffer, Gone> {
        let Self { request, begun, pacing: Some(pacing), .. } = self else { return Ok(piece) };
        // PERF: in memory of its own, so that others do not carry it.
        Box::pin(pacing.hold_back(request, sending, begun, piece)).await
    }

    /// Sends what the coder makes of a piece, if it lets anything out.
    async fn recode(
        &mut self,
        sending: &mut Side<'_, End>,
        piece: Buffer,
        silent: &mut u32,
    ) -> Result<(), Gone> {
        let then = if *silent < SILENT_PIECES_MAX { Then::More } else { Then::Pause };
        let rest = self.coded(sending, piece, then).await?;
        if rest.is_empty() {
            *silent += 1;
            return Ok(());
        }
        *silent = 0;
        self.put(sending, rest).await
    }

    /// What the coder makes of a piece; most of it is sent already if it is much.
    async fn coded(
        &mut self,
        sending: &mut Side<'_, End>,
        mut piece: Buffer,
        then: Then,
    ) -> Result<Buffer, Gone> {
        loop {
            let Coder::Recoding(recoder) = &mut self.coder else { return Ok(piece) };
            match recoder.code(&mut piece, then) {
                Ok(Coded::Part(part)) => self.put(sending, part).await?,
                Ok(Coded::All(rest)) => return Ok(rest),
                // What the client has is cut off, so that it cannot take it for the whole.
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Reads on. If that may take a while, the client gets before what is known so far.
    async fn read(&mut self, reply: &mut Reply<'_>, piece: &mut Buffer) -> Result<Read, Gone> {
        if matches!(self.coder, Coder::Identity) {
            return Ok(reply.read(piece, Flow::Full).await);
        }
        if let Some(read) = reply.read_here(piece) {
            return Ok(read);
        }
        let pause = async {
            let sending = &mut reply.sending;
            let rest = self.coded(sending, Buffer::unallocated(), Then::Pause).await?;
            self.put(sending, rest).await
        };
        Box::pin(pause).await?;
        Ok(reply.read(piece, Flow::Waiting).await)
    }

    async fn end(
        mut self,
        reply: &mut Reply<'_>,
        piece: Buffer,
        end: EndOfMessage,
    ) -> Result<Relayed, Gone> {
        let sending = &mut reply.sending;
        let last = match self.coder {
            Coder::Identity => piece,
            Coder::Recoding(_) => Box::pin(self.coded(sending, piece, Then::End)).await?,
        };
        *self.sent += last.len() as u64;
        let last = self.paced(sending, last).await?;
        self.begun.end(self.request, sending, last, end.trailers()).await?;
        Ok(Relayed::Complete(end))
    }

    fn break_off(self, reply: &Reply<'_>, failure: Failure, cause: &dyn Display) -> Relayed {
        let Some(failure) = reply.blame(failure, cause) else { return Relayed::Gone };
        match self.begun.break_off(self.request) {
            Ok(unsaid) => Relayed::Unsent(unsaid, failure),
            Err(ending) => Relayed::Cut(ending, failure),
        }
    }
}
