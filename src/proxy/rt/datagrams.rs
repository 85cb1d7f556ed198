//! A socket for datagrams of one core: waits without a buffer, reads and sends at once or not at
//! all.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// A socket for datagrams.
pub struct Datagrams {
    /// For its readiness.
    inner: monoio::net::udp::UdpSocket,
    /// The same socket; never blocks.
    socket: std::net::UdpSocket,
}

impl Datagrams {
    /// Takes a bound socket.
    ///
    /// # Errors
    /// There is no descriptor left, or it could not be registered with the driver.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let waiting = socket.try_clone()?;
        // Of both: they share it.
        socket.set_nonblocking(true)?;
        Ok(Self { inner: monoio::net::udp::UdpSocket::from_std(waiting)?, socket })
    }

    /// One of its own towards `address` and nobody else.
    ///
    /// # Errors
    /// As [`Self::new`], or there is no way to that address.
    pub fn connected(address: SocketAddr) -> io::Result<Self> {
        let any: SocketAddr = match address {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = std::net::UdpSocket::bind(any)?;
        socket.connect(address)?;
        Self::new(socket)
    }

    /// Waits until a datagram is there, or an error. May be dropped at any time.
    ///
    /// # Errors
    /// The descriptor failed.
    pub async fn readable(&self) -> io::Result<()> {
        self.inner.readable(false).await
    }

    /// Takes a datagram: how long it is, and who sent it.
    ///
    /// # Errors
    /// `WouldBlock`: none is there. Else what the kernel was told of one that was sent.
    pub fn try_take(&self, into: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(into)
    }

    /// Sends a datagram to the address that it is connected to.
    ///
    /// # Errors
    /// It is not on its way: there is no room for it, or as above.
    pub fn try_send(&self, datagram: &[u8]) -> io::Result<()> {
        self.socket.send(datagram).map(drop)
    }

    /// The same to any address.
    ///
    /// # Errors
    /// As [`Self::try_send`].
    pub fn try_send_to(&self, datagram: &[u8], address: SocketAddr) -> io::Result<()> {
        self.socket.send_to(datagram, address).map(drop)
    }
}
