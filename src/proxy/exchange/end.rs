//! How an exchange ends, and how its connection goes on.

use crate::proxy::rt::buffer::Buffer;

/// How the connection goes on.
pub enum After {
    /// With the next request, whose first octets may be here already.
    KeepAlive(Option<Buffer>),
    /// Not at all.
    Close,
    /// Not at all, but octets of the client may still be under way.
    Linger,
}

/// How the exchange leaves the connection.
pub enum End {
    /// See [`After::Close`].
    Close,
    /// See [`After::Linger`].
    Linger,
    /// The next request begins in this buffer, or has not come yet.
    Next(Option<Buffer>),
    /// The next request begins so many octets behind the start of this one's buffer.
    Behind(usize),
}
