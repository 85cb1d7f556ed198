//! The connection to a collector.

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, RETRY_AFTER, TE, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::message::{Answer, Verdict, verdict};
use crate::limits::{SPANS_ANSWER_BYTES_MAX, SPANS_CONNECT_TIMEOUT, SPANS_EXPORT_TIMEOUT};
use crate::model::{Collector, CollectorChannel, CollectorProtocol};
use crate::tls::client::{ClientTls, Verify};

/// A connection that spans are sent over.
pub(super) struct Link {
    collector: Collector,
    sender: Sender,
    driver: JoinHandle<()>,
}

enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// Where the service is.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const HTTP_PATH: &str = "/v1/traces";

impl Link {
    /// Connects.
    ///
    /// # Errors
    /// The collector or the network is at fault; says how.
    pub(super) async fn open(collector: &Collector) -> Result<Self, String> {
        let Ok(opened) = timeout(SPANS_CONNECT_TIMEOUT, connect(collector)).await else {
            return Err(format!("{collector} lets itself be waited for"));
        };
        let (sender, driver) = opened.map_err(|why| format!("{collector}: {why}"))?;
        Ok(Self { collector: collector.clone(), sender, driver })
    }

    /// Whether it leads there still.
    pub(super) fn leads_to(&self, collector: &Collector) -> bool {
        let is_closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        };
        self.collector == *collector && !is_closed
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: Bytes) -> Verdict {
        match timeout(SPANS_EXPORT_TIMEOUT, self.exchange(message)).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(why)) => Verdict::Again(format!("{}: {why}", self.collector), None),
            Err(_) => Verdict::Again(format!("{} does not answer", self.collector), None),
        }
    }

    async fn exchange(&mut self, message: Bytes) -> Result<Verdict, Broken> {
        let request = self.request(message)?;
        let response = match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await?
            }
        };
        read(self.collector.protocol, response).await
    }

    fn request(&self, message: Bytes) -> Result<Request<Full<Bytes>>, Broken> {
        let Collector { protocol, channel, .. } = self.collector;
        let authority = self.collector.authority();
        let request = Request::post(match protocol {
            CollectorProtocol::Grpc => format!("{}://{authority}{GRPC_PATH}", channel.scheme()),
            CollectorProtocol::Http => HTTP_PATH.to_owned(),
        });
        let request = request.header(USER_AGENT, concat!("ringway/", env!("CARGO_PKG_VERSION")));
        Ok(match protocol {
            CollectorProtocol::Grpc => request
                .header(CONTENT_TYPE, "application/grpc")
                .header(TE, "trailers")
                .body(Full::new(framed(&message))),
            CollectorProtocol::Http => request
                .header(CONTENT_TYPE, "application/x-protobuf")
                .header(HOST, authority)
                .body(Full::new(message)),
        }?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Whatever went wrong on the way; it is told, and all of it means the same.
type Broken = Box<dyn std::error::Error + Send + Sync>;

async fn connect(collector: &Collector) -> Result<(Sender, JoinHandle<()>), Broken> {
    let stream = TcpStream::connect((&*collector.host, collector.port)).await?;
    stream.set_nodelay(true)?;
    match collector.channel {
        CollectorChannel::ClearText => speak(collector.protocol, stream).await,
        CollectorChannel::Tls => {
            let alpn: &[u8] = match collector.protocol {
                CollectorProtocol::Grpc => b"h2",
                CollectorProtocol::Http => b"http/1.1",
            };
            let tls = ClientTls::new(Verify::Native, None, &[alpn])?;
            let name = ServerName::try_from(collector.host.to_string())?;
            let stream = TlsConnector::from(tls.config()).connect(name, stream).await?;
            speak(collector.protocol, stream).await
        }
    }
}

/// Begins a connection of the protocol. How one ends is told to who sends next.
async fn speak(
    protocol: CollectorProtocol,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(Sender, JoinHandle<()>), Broken> {
    let stream = TokioIo::new(stream);
    Ok(match protocol {
        CollectorProtocol::Grpc => {
            let (sender, driver) = http2::handshake(TokioExecutor::new(), stream).await?;
            (Sender::Http2(sender), tokio::spawn(async move { drop(driver.await) }))
        }
        CollectorProtocol::Http => {
            let (sender, driver) = http1::handshake(stream).await?;
            (Sender::Http1(sender), tokio::spawn(async move { drop(driver.await) }))
        }
    })
}

/// Source: gRPC over HTTP2, "Length-Prefixed-Message".
fn framed(message: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(message.len() + 5);
    out.put_u8(0);
    // A batch is far from that long.
    out.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    out.put_slice(message);
    out.freeze()
}

async fn read(
    protocol: CollectorProtocol,
    response: Response<Incoming>,
) -> Result<Verdict, Broken> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, SPANS_ANSWER_BYTES_MAX).collect().await?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let message = body.to_bytes();
    let number = |fields: &HeaderMap, name: &str| -> Option<u64> {
        fields.get(name)?.to_str().ok()?.parse().ok()
    };
    // An answer without a message has it in its head.
    let grpc = number(&trailers, "grpc-status").or_else(|| number(&head.headers, "grpc-status"));
    let answer = Answer {
        status: head.status.as_u16(),
        grpc_status: grpc.and_then(|code| u32::try_from(code).ok()),
        retry_after: number(&head.headers, RETRY_AFTER.as_str()),
        message: &message,
    };
    Ok(verdict(protocol, answer))
}
