//! A core's end of the socket pair by which the control thread says that there are updates.

use std::io;
use std::os::unix::net::UnixStream;

use monoio::io::AsyncReadRent;

use crate::proxy::rt::buffer::{Buffer, Class};
use crate::proxy::rt::driver::DriverChoice;

/// Waits for rings.
pub struct Doorbell(monoio::net::UnixStream);

impl Doorbell {
    /// Takes the core's half.
    ///
    /// # Errors
    /// The descriptor could not be registered with the driver.
    pub fn new(socket: UnixStream, driver: DriverChoice) -> io::Result<Self> {
        // A ring waits only on blocking descriptors; epoll only on others.
        socket.set_nonblocking(driver == DriverChoice::Epoll)?;
        monoio::net::UnixStream::from_std(socket).map(Self)
    }

    /// Waits for at least one ring.
    ///
    /// # Errors
    /// The control thread is gone: end of stream counts as `UnexpectedEof`.
    pub async fn rung(&mut self) -> io::Result<()> {
        let (result, _buffer) = self.0.read(Buffer::new(Class::Small)).await;
        match result? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
