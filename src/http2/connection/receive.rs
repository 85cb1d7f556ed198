//! What the peer sends: octets to frames, frames to changes of streams and connection.

use super::super::body::trailer_lines;
use super::super::follows::Follows;
use super::super::frame::{
    ErrorCode, FRAME_HEAD_BYTES, Frame, FrameError, FrameHead, Parent, WINDOW_MAX, flag, kind,
    put_frame_head, put_ping, put_reset, setting, settings,
};
use super::super::guard::{Glitch, Verdict};
use super::super::hpack::HpackError;
use super::server::DRAIN_PING;
use super::stream::{Closer, Receiving};
use super::{Block, Connection, Ended, Phase, Purpose, Role, lose};
use crate::limits::HTTP2_FRAME_BYTES_MAX;

/// An error of the connection, or nothing.
type Step = Result<(), ErrorCode>;

impl Connection {
    /// Takes in octets from the peer, split anywhere.
    ///
    /// # Errors
    /// The connection ended because of them; it takes in no more.
    pub fn receive(&mut self, octets: &[u8], now_millis: u64) -> Result<(), Ended> {
        if self.phase == Phase::Over {
            return Ok(());
        }
        self.growth.heard(now_millis);
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
            Frame::Data { stream, octets, flow, follows } => {
                self.data(stream, octets, flow, follows)
            }
            Frame::Headers { stream, fragment, follows, block, parent } => {
                self.begin_block(stream, follows, parent)?;
                self.fragment(fragment, block)
            }
            Frame::Continuation { fragment, block, .. } => {
                // The stream is that of the block, which was looked at above.
                if self.block.is_none() {
                    return Err(ErrorCode::ProtocolError);
                }
                self.fragment(fragment, block)
            }
            Frame::Priority { stream, parent: Parent::Itself } if !self.is_idle(stream) => {
                self.fail_if_known(stream, ErrorCode::ProtocolError)
            }
            Frame::Reset { stream, code } => self.reset_by_peer(stream, code),
            Frame::Settings(payload) => self.settings(payload),
            Frame::Ping(octets) => {
                put_ping(&mut self.out, flag::ACK, octets);
                Ok(())
            }
            Frame::PingAck(octets) => {
                if octets == DRAIN_PING {
                    self.drained();
                } else {
                    self.answered(octets);
                }
                Ok(())
            }
            Frame::WindowUpdate { stream: 0, increment } => self.widen(increment),
            Frame::WindowUpdate { stream, increment } => self.widen_stream(stream, increment),
            Frame::GoAway { last } => {
                self.turned_away(last);
                Ok(())
            }
            Frame::SettingsAck => {
                self.growth.acknowledged();
                Ok(())
            }
            Frame::Priority { .. } | Frame::Unknown => Ok(()),
        }
    }

    /// Whether this stream was not opened yet. Even numbers are never opened.
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

    fn data(&mut self, id: u32, octets: &[u8], flow: u32, follows: Follows) -> Step {
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
        if stream.receiving == Receiving::Head {
            self.credit_connection(flow);
            return self.fail(id, ErrorCode::ProtocolError);
        }
        stream.held = stream.held.saturating_add(flow);
        let Some(window) = stream.receive_window.checked_sub(flow) else {
            return self.fail(id, ErrorCode::FlowControlError);
        };
        stream.receive_window = window;
        stream.push(octets);
        if follows == Follows::Nothing {
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
        if self.is_forgotten(id) { Ok(()) } else { self.fail(id, ErrorCode::StreamClosed) }
    }

    fn begin_block(&mut self, id: u32, follows: Follows, parent: Parent) -> Step {
        let purpose = match self.role {
            Role::Server if id.is_multiple_of(2) => return Err(ErrorCode::ProtocolError),
            Role::Server if id > self.last => self.begin_request(id, parent),
            Role::Client if self.is_idle(id) => return Err(ErrorCode::ProtocolError),
            Role::Server | Role::Client => self.continue_message(id)?,
        };
        self.list.clear();
        self.block = Some(Block { stream: id, follows, purpose });
        Ok(())
    }

    /// What another field block on a stream is for that is open, or was.
    fn continue_message(&self, id: u32) -> Result<Purpose, ErrorCode> {
        let Some(stream) = self.streams.get(&id) else {
            let is_late = self.is_forgotten(id);
            return if is_late { Ok(Purpose::Ignore) } else { Err(ErrorCode::StreamClosed) };
        };
        Ok(match (stream.closer, stream.receiving) {
            (Some(Closer::Us), _) => Purpose::Ignore,
            (None, Receiving::Head) => Purpose::Response,
            (None, Receiving::Open) => Purpose::Trailers,
            _ => Purpose::Fail(ErrorCode::StreamClosed),
        })
    }

    fn fragment(&mut self, fragment: &[u8], follows: Follows) -> Step {
        self.decoder.decode(fragment, follows, &mut self.list).map_err(|error| match error {
            HpackError::TooLong => ErrorCode::EnhanceYourCalm,
            _ => ErrorCode::CompressionError,
        })?;
        if follows == Follows::More {
            return Ok(());
        }
        let Some(block) = self.block.take() else { return Ok(()) };
        match block.purpose {
            Purpose::Request => {
                self.accept(block.stream, block.follows);
                Ok(())
            }
            Purpose::Response => self.answer(block.stream, block.follows),
            Purpose::Trailers => self.trailers(block.stream, block.follows),
            Purpose::Refuse => {
                put_reset(&mut self.out, block.stream, ErrorCode::RefusedStream);
                self.remember(block.stream);
                Ok(())
            }
            Purpose::Fail(code) => self.fail(block.stream, code),
            Purpose::Ignore => Ok(()),
        }
    }

    /// RFC 9113 section 8.1: trailers end their message.
    fn trailers(&mut self, id: u32, follows: Follows) -> Step {
        let lines = match follows {
            Follows::Nothing => trailer_lines(&self.list).ok(),
            Follows::More => None,
        };
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        let Some(lines) = lines else {
            if self.role == Role::Client {
                return self.fail(id, ErrorCode::ProtocolError);
            }
            self.count_error()?;
            self.refuse(id);
            return Ok(());
        };
        stream.receiving = Receiving::Done;
        stream.trailers = (!lines.is_empty()).then_some(lines);
        stream.wake_reader(&mut self.wakes);
        Ok(())
    }

    fn reset_by_peer(&mut self, id: u32, code: u32) -> Step {
        if self.is_idle(id) {
            return Err(ErrorCode::ProtocolError);
        }
        let is_refusal = self.role == Role::Client && code == ErrorCode::RefusedStream as u32;
        let closer = if is_refusal { Closer::Refusal } else { Closer::Peer };
        if let Some(stream) = self.streams.get_mut(&id)
            && stream.closer.is_none()
        {
            let held = lose(stream, self.role, closer, &mut self.wakes);
            self.leave_turn(id);
            self.credit_connection(held);
        }
        Ok(())
    }

    fn settings(&mut self, payload: &[u8]) -> Step {
        for (identifier, value) in settings(payload) {
            match identifier {
                setting::HEADER_TABLE_SIZE => self.encoder.limit(value),
                setting::ENABLE_PUSH if value > self.push_max() => {
                    return Err(ErrorCode::ProtocolError);
                }
                setting::MAX_CONCURRENT_STREAMS if self.role == Role::Client => {
                    self.streams_max = value;
                }
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

    /// RFC 9113 section 6.5.2: no backend may ask for pushes.
    const fn push_max(&self) -> u32 {
        match self.role {
            Role::Server => 1,
            Role::Client => 0,
        }
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
