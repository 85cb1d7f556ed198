//! What the client sends: octets to frames, frames to changes of streams and connection.

use super::super::PREFACE;
use super::super::body::trailer_lines;
use super::super::frame::{
    ErrorCode, FRAME_HEAD_BYTES, Frame, FrameError, FrameHead, WINDOW_MAX, flag, kind,
    put_frame_head, put_goaway, put_ping, put_reset, setting, settings,
};
use super::super::guard::{Glitch, Verdict};
use super::super::hpack::HpackError;
use super::stream::{Closer, Receiving, Sending, Stream};
use super::{Block, DRAIN_PING, Drain, Ended, Opened, Phase, Purpose, Server};
use crate::limits::HTTP2_FRAME_BYTES_MAX;

/// An error of the connection, or nothing.
type Step = Result<(), ErrorCode>;

impl Server {
    /// Takes in octets from the client, split anywhere.
    ///
    /// # Errors
    /// The connection ended because of them; it takes in no more.
    pub fn receive(&mut self, octets: &[u8], now_millis: u64) -> Result<(), Ended> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        let result = match self.meter.feed(octets, now_millis) {
            Verdict::Fine => self.read(octets),
            Verdict::Exhausted(Glitch::FirstFrame) => Err(ErrorCode::ProtocolError),
            Verdict::Exhausted(_) => Err(ErrorCode::EnhanceYourCalm),
        };
        result.map_err(|code| self.abort(code))
    }

    fn read(&mut self, octets: &[u8]) -> Step {
        let mut rest = self.read_preface(octets)?;
        while !rest.is_empty() {
            if self.partial.is_empty() {
                match split_frame(rest)? {
                    Some((head, payload, behind)) => {
                        self.frame(head, payload)?;
                        rest = behind;
                    }
                    None => {
                        self.partial.extend_from_slice(rest);
                        break;
                    }
                }
                continue;
            }
            let missing = missing_len(&self.partial)?.min(rest.len());
            let (part, behind) = rest.split_at(missing);
            self.partial.extend_from_slice(part);
            rest = behind;
            let partial = std::mem::take(&mut self.partial);
            match split_frame(&partial)? {
                Some((head, payload, _)) => self.frame(head, payload)?,
                None => self.partial = partial,
            }
        }
        Ok(())
    }

    fn read_preface<'o>(&mut self, octets: &'o [u8]) -> Result<&'o [u8], ErrorCode> {
        let Phase::Preface(read) = self.phase else { return Ok(octets) };
        let wanted = PREFACE.get(read..).unwrap_or_default();
        let (part, rest) = octets.split_at(wanted.len().min(octets.len()));
        if !wanted.starts_with(part) {
            return Err(ErrorCode::ProtocolError);
        }
        let read = read + part.len();
        self.phase = if read == PREFACE.len() { Phase::Greeted } else { Phase::Preface(read) };
        Ok(rest)
    }

    fn frame(&mut self, head: FrameHead, payload: &[u8]) -> Step {
        if let Some(block) = &self.block
            && (head.kind != kind::CONTINUATION || head.stream != block.stream)
        {
            return Err(ErrorCode::ProtocolError);
        }
        let frame = match Frame::read(head, payload) {
            Ok(frame) => frame,
            Err(FrameError::Connection(code)) => return Err(code),
            Err(FrameError::Stream(id, code)) => return self.fail_if_known(id, code),
        };
        if self.phase == Phase::Greeted {
            if !matches!(frame, Frame::Settings(_)) {
                return Err(ErrorCode::ProtocolError);
            }
            self.phase = Phase::Open;
        }
        match frame {
            Frame::Data { stream, octets, flow, is_end } => self.data(stream, octets, flow, is_end),
            Frame::Headers { stream, fragment, is_end, is_whole, is_own_parent } => {
                self.begin_block(stream, is_end, is_own_parent)?;
                self.fragment(fragment, is_whole)
            }
            Frame::Continuation { fragment, is_whole, .. } => {
                // The stream is that of the block, which was looked at above.
                if self.block.is_none() {
                    return Err(ErrorCode::ProtocolError);
                }
                self.fragment(fragment, is_whole)
            }
            Frame::Priority { stream, is_own_parent: true } if !self.is_idle(stream) => {
                self.fail_if_known(stream, ErrorCode::ProtocolError)
            }
            Frame::Reset { stream } => self.reset_by_client(stream),
            Frame::Settings(payload) => self.settings(payload),
            Frame::Ping(octets) => {
                put_ping(&mut self.out, flag::ACK, octets);
                Ok(())
            }
            Frame::PingAck(octets) => {
                self.pong(octets);
                Ok(())
            }
            Frame::WindowUpdate { stream: 0, increment } => self.widen(increment),
            Frame::WindowUpdate { stream, increment } => self.widen_stream(stream, increment),
            Frame::Priority { .. } | Frame::SettingsAck | Frame::GoAway | Frame::Unknown => Ok(()),
        }
    }

    /// Whether the client did not open this stream yet. Even numbers are never opened.
    const fn is_idle(&self, id: u32) -> bool {
        id > self.last || id.is_multiple_of(2)
    }

    /// An error of a stream that may be over, or not even begun.
    fn fail_if_known(&mut self, id: u32, code: ErrorCode) -> Step {
        if self.is_idle(id) {
            return Err(code);
        }
        match self.streams.get(&id) {
            Some(stream) if stream.closer.is_none() => self.fail(id, code),
            _ => Ok(()),
        }
    }

    fn data(&mut self, id: u32, octets: &[u8], flow: u32, is_end: bool) -> Step {
        if self.is_idle(id) {
            return Err(ErrorCode::ProtocolError);
        }
        self.receive_window =
            self.receive_window.checked_sub(flow).ok_or(ErrorCode::FlowControlError)?;
        let Some(stream) = self.streams.get_mut(&id) else {
            self.credit_connection(flow);
            return self.late(id);
        };
        if stream.closer.is_some() || stream.receiving == Receiving::Done {
            let is_by_us = stream.closer == Some(Closer::Us);
            self.credit_connection(flow);
            return if is_by_us { Ok(()) } else { self.fail(id, ErrorCode::StreamClosed) };
        }
        stream.held = stream.held.saturating_add(flow);
        let Some(window) = stream.receive_window.checked_sub(flow) else {
            return self.fail(id, ErrorCode::FlowControlError);
        };
        stream.receive_window = window;
        stream.push(octets);
        if is_end {
            stream.receiving = Receiving::Done;
        }
        stream.wake_reader(&mut self.wakes);
        // Nobody takes padding: it is through at once.
        let padding = flow - u32::try_from(octets.len()).unwrap_or(flow);
        if padding > 0 {
            self.credit(id, padding);
        }
        Ok(())
    }

    /// DATA of a stream that is not in the table any more.
    fn late(&mut self, id: u32) -> Step {
        let is_dropped = matches!(self.drain, Drain::Last(last) if id > last);
        if is_dropped || self.forgotten.contains(&id) {
            return Ok(());
        }
        self.fail(id, ErrorCode::StreamClosed)
    }

    fn begin_block(&mut self, id: u32, is_end: bool, is_own_parent: bool) -> Step {
        if id.is_multiple_of(2) {
            return Err(ErrorCode::ProtocolError);
        }
        let purpose = if id > self.last {
            self.last = id;
            match self.drain {
                Drain::Last(last) if id > last => Purpose::Ignore,
                _ if is_own_parent => Purpose::Fail(ErrorCode::ProtocolError),
                _ if self.streams.len() >= self.streams_max as usize => Purpose::Refuse,
                _ => Purpose::Request,
            }
        } else if let Some(stream) = self.streams.get(&id) {
            match (stream.closer, stream.receiving) {
                (Some(Closer::Us), _) => Purpose::Ignore,
                (None, Receiving::Open) => Purpose::Trailers,
                _ => Purpose::Fail(ErrorCode::StreamClosed),
            }
        } else if self.forgotten.contains(&id)
            || matches!(self.drain, Drain::Last(last) if id > last)
        {
            Purpose::Ignore
        } else {
            return Err(ErrorCode::StreamClosed);
        };
        self.list.clear();
        self.block = Some(Block { stream: id, is_end, purpose });
        Ok(())
    }

    fn fragment(&mut self, fragment: &[u8], is_whole: bool) -> Step {
        self.decoder.decode(fragment, is_whole, &mut self.list).map_err(|error| match error {
            HpackError::TooLong => ErrorCode::EnhanceYourCalm,
            _ => ErrorCode::CompressionError,
        })?;
        if !is_whole {
            return Ok(());
        }
        let Some(block) = self.block.take() else { return Ok(()) };
        match block.purpose {
            Purpose::Request => {
                let next = self.lists.pop().unwrap_or_default();
                let fields = std::mem::replace(&mut self.list, next);
                let receiving = if block.is_end { Receiving::Done } else { Receiving::Open };
                self.streams.insert(block.stream, Stream::new(self.stream_window, receiving));
                let is_end = block.is_end;
                self.opened.push_back(Opened { id: block.stream, fields, is_end });
                Ok(())
            }
            Purpose::Trailers => self.trailers(block.stream, block.is_end),
            Purpose::Refuse => {
                put_reset(&mut self.out, block.stream, ErrorCode::RefusedStream);
                self.remember(block.stream);
                Ok(())
            }
            Purpose::Fail(code) => self.fail(block.stream, code),
            Purpose::Ignore => Ok(()),
        }
    }

    /// RFC 9113 section 8.1: trailers end the request.
    fn trailers(&mut self, id: u32, is_end: bool) -> Step {
        let lines = if is_end { trailer_lines(&self.list).ok() } else { None };
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let Some(lines) = lines else {
            self.count_error()?;
            self.refuse(id);
            return Ok(());
        };
        stream.receiving = Receiving::Done;
        stream.trailers = (!lines.is_empty()).then_some(lines);
        stream.wake_reader(&mut self.wakes);
        Ok(())
    }

    /// Ends a stream whose request turned out to be malformed: by 400 if nothing else was said, so
    /// that its sender can tell, else by a reset (RFC 9113 section 8.1.1).
    pub fn refuse(&mut self, id: u32) {
        let Some(stream) = self.streams.get(&id).filter(|stream| stream.closer.is_none()) else {
            return;
        };
        let is_unread = stream.receiving != Receiving::Done;
        let is_told = stream.sending == Sending::Head
            && self.respond(id, 400, std::iter::empty(), true).is_ok();
        if !is_told {
            put_reset(&mut self.out, id, ErrorCode::ProtocolError);
        } else if is_unread {
            put_reset(&mut self.out, id, ErrorCode::NoError);
        }
        self.close_by_us(id);
    }

    fn reset_by_client(&mut self, id: u32) -> Step {
        if self.is_idle(id) {
            return Err(ErrorCode::ProtocolError);
        }
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.closer.is_none()
        {
            let held = stream.close(Closer::Client, &mut self.wakes);
            self.leave_turn(id);
            self.credit_connection(held);
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Step {
        for (identifier, value) in settings(payload) {
            match identifier {
                setting::HEADER_TABLE_SIZE => self.encoder.limit(value),
                setting::ENABLE_PUSH if value > 1 => return Err(ErrorCode::ProtocolError),
                setting::INITIAL_WINDOW_SIZE => self.move_windows(value)?,
                // Frames of ours never go above the least that can be said.
                setting::MAX_FRAME_SIZE
                    if !(HTTP2_FRAME_BYTES_MAX..=0x00ff_ffff).contains(&value) =>
                {
                    return Err(ErrorCode::ProtocolError);
                }
                _ => {}
            }
        }
        put_frame_head(&mut self.out, 0, kind::SETTINGS, flag::ACK, 0);
        Ok(())
    }

    /// RFC 9113 section 6.9.2: the difference applies to streams that are open.
    fn move_windows(&mut self, size: u32) -> Step {
        if size > WINDOW_MAX {
            return Err(ErrorCode::FlowControlError);
        }
        let difference = i64::from(size) - self.stream_window;
        self.stream_window = i64::from(size);
        for stream in self.streams.values_mut() {
            stream.send_window += difference;
            if stream.send_window > i64::from(WINDOW_MAX) {
                return Err(ErrorCode::FlowControlError);
            }
            if stream.send_window > 0 {
                stream.wake_writer(&mut self.wakes);
            }
        }
        Ok(())
    }

    fn pong(&mut self, octets: [u8; 8]) {
        if octets == DRAIN_PING && self.drain == Drain::Announced {
            self.drain = Drain::Last(self.last);
            put_goaway(&mut self.out, self.last, ErrorCode::NoError);
        }
    }

    fn widen(&mut self, increment: u32) -> Step {
        if increment == 0 {
            return Err(ErrorCode::ProtocolError);
        }
        self.send_window += i64::from(increment);
        if self.send_window > i64::from(WINDOW_MAX) {
            return Err(ErrorCode::FlowControlError);
        }
        self.wake_turn();
        Ok(())
    }

    fn widen_stream(&mut self, id: u32, increment: u32) -> Step {
        if self.is_idle(id) {
            return Err(ErrorCode::ProtocolError);
        }
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| stream.closer.is_none())
        else {
            return Ok(());
        };
        if increment == 0 {
            return self.fail(id, ErrorCode::ProtocolError);
        }
        stream.send_window += i64::from(increment);
        if stream.send_window > i64::from(WINDOW_MAX) {
            return self.fail(id, ErrorCode::FlowControlError);
        }
        if stream.send_window > 0 {
            stream.wake_writer(&mut self.wakes);
        }
        Ok(())
    }
}

/// A frame's head and payload, and what is behind it.
type Split<'o> = (FrameHead, &'o [u8], &'o [u8]);

/// The first frame of `octets`. `None`: it is not all there.
fn split_frame(octets: &[u8]) -> Result<Option<Split<'_>>, ErrorCode> {
    let Some((head, rest)) = octets.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Ok(None);
    };
    let head = read_head(*head)?;
    Ok(rest.split_at_checked(head.len as usize).map(|(payload, rest)| (head, payload, rest)))
}

/// Octets that a frame lacks, or its head, if that is not there.
fn missing_len(octets: &[u8]) -> Result<usize, ErrorCode> {
    let Some((head, rest)) = octets.split_first_chunk::<FRAME_HEAD_BYTES>() else {
        return Ok(FRAME_HEAD_BYTES - octets.len());
    };
    Ok((read_head(*head)?.len as usize).saturating_sub(rest.len()))
}

fn read_head(octets: [u8; FRAME_HEAD_BYTES]) -> Result<FrameHead, ErrorCode> {
    let head = FrameHead::read(octets);
    match head.check_len() {
        Ok(()) => Ok(head),
        Err(FrameError::Connection(code) | FrameError::Stream(_, code)) => Err(code),
    }
}
