//! Who answers datagrams, and who asks.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Answers each datagram with its name and what it got, until it is stopped by an empty one.
pub(crate) fn answerer_at(address: &str, name: &'static str) -> SocketAddr {
    let socket = UdpSocket::bind(address).expect("a port");
    let address = socket.local_addr().expect("an address");
    std::thread::spawn(move || {
        let mut datagram = [0; 2048];
        while let Ok((octets @ 1.., from)) = socket.recv_from(&mut datagram) {
            let answer = [name.as_bytes(), b" ", &datagram[..octets]].concat();
            drop(socket.send_to(&answer, from));
        }
    });
    address
}

/// A client whose datagrams go to `at`.
pub(crate) fn asker(at: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.connect(at).expect("a way");
    socket.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    socket
}

/// What is answered; `None`: nothing in time, or nobody is there.
pub(crate) fn asked(socket: &UdpSocket, question: &str) -> Option<String> {
    socket.send(question.as_bytes()).ok()?;
    let mut answer = [0; 2048];
    let octets = socket.recv(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..octets]).into_owned())
}
