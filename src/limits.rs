//! Every bound of the process in one place: unit in the name, reason in the comment, relations
//! checked at compile time.
//!
//! A limit that a peer can reach has a counter (`telemetry::Counter`) and a test that reaches it.

use std::time::Duration;

// ---- HTTP/1.1 heads -----------------------------------------------------------------------------

/// Bytes of a request line, CRLF excluded; longer: 414. RFC 9112 section 3 asks for 8,000 at least.
pub const REQUEST_LINE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a whole request head, request line and blank line included; longer: 431.
pub const REQUEST_HEAD_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a whole response head; longer: 502.
pub const RESPONSE_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Field lines of a request head; more: 431.
pub const FIELDS_MAX: usize = 128;
/// Field lines of a response head; more: 502. Applications send hundreds of cookies, links and
/// policies; what they take is bounded by [`RESPONSE_HEAD_BYTES_MAX`] anyway.
pub const RESPONSE_FIELDS_MAX: usize = 1024;
/// Field lines that the proxy and the filters of a rule may add to a response; with more of them an
/// HTTP/2 client sees its stream reset.
pub const RESPONSE_FIELDS_ADDED_MAX: usize = 1000;
/// Options of all `Connection` lines of one head; more: 400 or 502. Each costs a look at every
/// field, so that without a limit a head of 32 KiB would cost two million comparisons.
pub const CONNECTION_OPTIONS_MAX: usize = 32;
/// Bytes of a host name, RFC 1035 section 2.3.4 (255 octets on the wire, 253 as text).
pub const HOST_BYTES_MAX: usize = 253;
/// Empty lines accepted before a request line, RFC 9112 section 2.2.
pub const LEADING_EMPTY_LINES_MAX: usize = 4;
/// Informational (1xx) responses relayed for one request; more: 502. An upstream may not keep a
/// client waiting for ever with them.
pub const INFORMATIONAL_RESPONSES_MAX: u32 = 16;

// ---- HTTP/1.1 chunked coding --------------------------------------------------------------------

/// Bytes of the extensions of one chunk-size line; more: 400 or 502.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 256;
/// Bytes of all chunk extensions of one body; more: 400 or 502.
pub const CHUNK_EXTENSIONS_BYTES_MAX: usize = 8 * 1024;
/// Largest chunk size accepted. 2^48 leaves arithmetic on `u64` far from overflow.
pub const CHUNK_BYTES_MAX: u64 = 1 << 48;
/// Bytes of a whole trailer section, blank line included; more: 400 or 502.
pub const TRAILER_BYTES_MAX: usize = 8 * 1024;
/// Largest Content-Length accepted (18 digits), far from overflow.
pub const CONTENT_LENGTH_MAX: u64 = 999_999_999_999_999_999;

// ---- TLS ----------------------------------------------------------------------------------------

/// Bytes of the first flight of a client, record headers included, before its ClientHello must be
/// complete. A post-quantum key share makes it about 1.8 KiB, a large ticket some KiB more.
pub const TLS_HELLO_BYTES_MAX: usize = 16 * 1024;
/// Certificates of one chain, leaf included. Public chains have two to four.
pub const TLS_CHAIN_CERTIFICATES_MAX: usize = 16;
/// Bytes of one chain, DER. A handshake message of more than 64 KiB is refused by every client.
pub const TLS_CHAIN_BYTES_MAX: usize = 48 * 1024;
/// Certificates of a bundle of authorities that client certificates are checked against. All their
/// names go to the client in one message of at most 64 KiB.
pub const TLS_CA_CERTIFICATES_MAX: usize = 256;
/// Intermediate authorities between a client's certificate and a root, where
/// `auth-tls-verify-depth` says nothing; as in ingress-nginx.
pub const TLS_VERIFY_DEPTH: u8 = 1;
/// The same of servers whose authorities are those of the system; public chains have up to three.
pub const TLS_UPSTREAM_VERIFY_DEPTH: u8 = 6;
/// Signatures that are checked for one chain. A peer can send many certificates with one name, each
/// of which might be the issuer.
pub const TLS_CHAIN_SIGNATURES_MAX: usize = 16;
/// Revocation lists of one such bundle.
pub const TLS_CRLS_MAX: usize = 256;
/// Ticket keys given from outside: next, current, and two that still open old tickets.
pub const TLS_TICKET_KEYS_MAX: usize = 4;
/// Life of a session ticket. RFC 8446 section 4.6.1 allows a week; stolen ticket keys open what was
/// recorded in that time, so half a day, as rustls does with keys of its own.
pub const TLS_TICKET_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);
/// Server names whose sessions are kept for resumption by one core towards one backend.
pub const TLS_UPSTREAM_SESSIONS_MAX: usize = 256;
/// RSA keys below this are no proof of anything: 112 bits of security, as OpenSSL demands from
/// level 2 on.
pub const TLS_RSA_BITS_MIN: usize = 2048;
/// Bytes of a server name that is none and masked; the longest that OpenSSL takes.
pub const TLS_SERVER_NAME_BYTES_MAX: usize = 255;
/// Life of the certificate that is served if no other is. It is made at start and never renewed, so
/// longer than any process.
pub const TLS_SELF_SIGNED_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// How far the clock of whoever gets a certificate of ours may be behind ours.
pub const CLOCK_SKEW: Duration = Duration::from_secs(86_400);

// ---- HTTP/2 -------------------------------------------------------------------------------------

/// Streams of one connection at a time; one that the client gave up counts until its upstream work
/// is over. More: REFUSED_STREAM.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Bytes of a decoded field list, names, values and 32 per field (RFC 9113 section 6.5.2).
pub const HTTP2_HEADER_LIST_BYTES_MAX: u32 = 64 * 1024;
/// The same of a backend's response: as much as one of HTTP/1.1, and 32 for each of the most
/// fields.
pub const HTTP2_RESPONSE_LIST_BYTES_MAX: u32 = 64 * 1024 + 32 * 1024;
/// Octets of a field block before decoding, at most four times the list that we accept: so far the
/// rest of a list that is refused is read, because the table of later ones depends on it.
pub const HTTP2_BLOCK_BYTES_MAX: usize = 4 * HTTP2_HEADER_LIST_BYTES_MAX as usize;
/// Octets of literals that are decoded for the sake of the table alone. Those of an honest sender
/// are hardly more than its block has; a name in the table makes two octets thousands.
pub const HTTP2_DECODED_BYTES_MAX: usize = 4 * HTTP2_BLOCK_BYTES_MAX;
/// Bytes a client may send on one stream before we have passed any on.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all streams of a connection.
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1024 * 1024;
/// Memory that a stream whose octets were taken, or a field list, keeps for the next one.
pub const HTTP2_STREAM_INBOX_KEPT_BYTES: usize = 4 * 1024;
/// Streams that are over, and field lists, whose memory a connection keeps for the next ones.
pub const HTTP2_STREAMS_KEPT: usize = 2;
/// Bytes a peer may send on one stream before we have passed any on, if what it sends is taken as
/// fast as its window lets it come: 40 MB a second over 100 ms of delay.
pub const HTTP2_STREAM_WINDOW_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// Bytes that the windows of one connection may grow by: two streams at their largest.
pub const HTTP2_GROWN_CONNECTION_BYTES_MAX: u32 = 2 * HTTP2_STREAM_WINDOW_BYTES_MAX;
/// The same of all connections of a core, to clients and to backends.
pub const HTTP2_GROWN_CORE_BYTES_MAX: u32 = 32 * 1024 * 1024;
/// Longest time that is believed to be one of a round trip: a peer that answers our SETTINGS late
/// gets no larger windows for it.
pub const HTTP2_ROUND_TRIP_MAX: Duration = Duration::from_secs(1);
/// Bytes of a frame's payload; the smallest that may be announced, and enough.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 16 * 1024;
/// Bytes of the table of a connection that decodes field blocks.
pub const HTTP2_HEADER_TABLE_BYTES_MAX: u32 = 4096;
/// Size updates at the beginning of a field block: the smallest since the last block, and the
/// present one (RFC 7541 section 4.2).
pub const HTTP2_TABLE_UPDATES_MAX: u32 = 2;
/// Streams that we reset and remember for frames that were under way: as many as may be open.
pub const HTTP2_RESET_STREAMS_MAX: usize = HTTP2_STREAMS_MAX as usize;
/// Streams of a connection that its peer may make us reset (CVE-2025-8671), above those that
/// ended well. More: GOAWAY.
pub const HTTP2_LOCAL_RESETS_MAX: usize = 100;
/// Bytes to be sent that the socket has not taken; above it streams wait, and nothing is read whose
/// answer would come on top.
pub const HTTP2_OUTBOX_BYTES_MAX: usize = 128 * 1024;
/// Tokens of a connection; see `http2::guard` for what costs and what gives. Some 600 rapid
/// resets, 2,500 PINGs or 5,000 PRIORITY frames in one go.
pub const HTTP2_GLITCHES_MAX: u32 = 10_000;
/// Tokens that time gives: 25 PINGs or 6 abandoned streams a second for ever.
pub const HTTP2_GLITCHES_PER_SECOND: u32 = 100;
/// Bytes from which on DATA with padding counts as work; padding is 256 octets at most.
pub const HTTP2_PADDED_BYTES_MIN: u32 = 1024;
/// PING, WINDOW_UPDATE and RST_STREAM frames, each, that what we sent may have made free at a time:
/// those of a full connection window in small frames.
pub const HTTP2_UNASKED_CREDIT_MAX: u32 = 2048;
/// CONTINUATION frames of one field block (CVE-2024-27316); 4 hold the largest list we accept.
pub const HTTP2_CONTINUATIONS_MAX: u32 = 16;
/// Bytes of a DATA frame that must come in each `--client-header-timeout`, or else its end: a frame
/// that does not get on holds up every stream of its connection. 17 bytes a second by default, far
/// below any link that loads a page.
pub const HTTP2_DATA_PROGRESS_BYTES_MIN: usize = 1024;

/// Streams of one connection to a backend at a time; what the backend allows, if that is less.
pub const HTTP2_UPSTREAM_STREAMS_MAX: u32 = 100;
/// Bytes that wait to be sent to a backend; above it no stream is opened. The heads of as many
/// streams as may be open: what is above them is of streams that were given up.
pub const HTTP2_UPSTREAM_UNSENT_BYTES_MAX: usize =
    HTTP2_UPSTREAM_STREAMS_MAX as usize * REQUEST_HEAD_BYTES_MAX;
/// Connections of one core to one endpoint; requests beyond their streams wait.
pub const HTTP2_UPSTREAM_CONNECTIONS_MAX: usize = 8;
/// Requests that wait for a stream to one endpoint on one core; more: 503. Five times what all its
/// connections carry at a time: whoever comes later would hardly get a turn in time.
pub const HTTP2_UPSTREAM_WAITERS_MAX: usize = 4096;
const _: () = assert!(
    HTTP2_UPSTREAM_WAITERS_MAX
        > HTTP2_UPSTREAM_CONNECTIONS_MAX * HTTP2_UPSTREAM_STREAMS_MAX as usize
);
/// Bytes a backend may send on one stream before the client took any.
pub const HTTP2_UPSTREAM_STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// The same for all streams of a connection: as much as their windows together, so that clients
/// that do not read never hold up those that do.
pub const HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES: u32 =
    HTTP2_UPSTREAM_STREAM_WINDOW_BYTES * HTTP2_UPSTREAM_STREAMS_MAX;
/// How often a connection to a backend is probed by PING while streams are open on it.
pub const HTTP2_UPSTREAM_PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long the answer may take; later, the connection counts as dead.
pub const HTTP2_UPSTREAM_PING_TIMEOUT: Duration = Duration::from_secs(10);

// ---- Buffers, per core --------------------------------------------------------------------------

/// Bytes of the buffer a connection reads a head into. Most heads fit; larger ones move to a buffer
/// of the next class.
pub const BUFFER_SMALL_BYTES: usize = 4 * 1024;
/// Bytes of the buffer that bodies are read into at first.
pub const BUFFER_MEDIUM_BYTES: usize = 16 * 1024;
/// Bytes of the buffer for heads above the medium class and for mid-size bodies.
pub const BUFFER_LARGE_BYTES: usize = 64 * 1024;
/// Free buffers kept per core by class (small, medium, large: 16 MiB each); above it they go back
/// to the allocator. As many as a few thousand requests in flight hold: with 256, a thousand of
/// them went through the allocator with every wave.
pub const BUFFERS_FREE_MAX: [usize; 3] = [4096, 1024, 256];
/// Free places for the futures of requests kept per core and type; as many as requests under way at
/// a time, within reason.
pub const PLACES_KEPT_MAX: usize = 4096;
/// Free scratches of requests kept per core, the same.
pub const SCRATCHES_KEPT_MAX: usize = 1024;
/// Bytes of a request body that came with its head up to which it is kept, so that a failed attempt
/// can be repeated.
pub const WHOLE_BODY_BYTES_MAX: usize = BUFFER_MEDIUM_BYTES;
/// Bytes of a chunked request body that is held until its length is known, for backends that are
/// spoken to in HTTP/1.0; longer: 411. Chunked bodies of programs that do not know their length are
/// short, or streams that such a backend could not take anyway.
pub const COLLECTED_BODY_BYTES_MAX: usize = BUFFER_LARGE_BYTES;
/// Bytes of a run of octets, unchanged from one socket to the other, from which on it goes through
/// a pipe; see `proxy::transport::way`.
pub const SPLICED_BYTES_MIN: u64 = 32 * 1024;
/// Bytes that a pipe holds at most. Its places are pages: a sender's `sendfile` fills each with
/// 4 KiB, its `send` with 32.
pub const PIPE_BYTES: usize = 512 * 1024;
/// Pipes of a core, each of two descriptors. One would do if all clients took what they get at
/// once; who does not keeps one. Bodies for which none is left are copied.
pub const PIPES_MAX: usize = 128;
/// Of so many descriptors one may belong to a pipe.
pub const PIPE_DESCRIPTOR_SHARE: u64 = 256;
/// Bytes of one body that are moved before others get their turn: some 100 us.
pub const TURN_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a body up to which it is read in the largest pieces.
///
/// PERF: 100 KiB took 49 us of CPU in 16 KiB pieces and 39 us in 64 KiB ones. 1 MiB took 450 to 480
/// us either way; 64 KiB ones varied more from run to run (344 to 550 us), because what is written
/// then is no longer in the first-level cache when the kernel copies it.
pub const MID_SIZE_BODY_BYTES_MAX: u64 = 256 * 1024;
/// Window of brotli in bits, 256 KiB: what memory goes by. nginx's module has 19.
pub const BROTLI_WINDOW_BITS: i32 = 18;
/// The same of zstd. Clients need not take more than 8 MiB (RFC 8878 section 3.1.1.1.2).
pub const ZSTD_WINDOW_BITS: u32 = 18;
/// Bytes of a coder of gzip, which takes some 300 KiB of them.
pub const GZIP_BYTES: usize = 512 * 1024;
/// Bytes of another coder at its usual level: zstd takes 1.8 MiB, brotli without its hash tables
/// less than 2 MiB.
pub const COMPRESSOR_BYTES: usize = 2 * 1024 * 1024;
/// Hardest level of zstd: the next one takes 22 MiB.
pub const ZSTD_LEVEL_MAX: u8 = 9;
/// Bytes of a coder of zstd from level 4 on.
pub const ZSTD_HARD_BYTES: usize = 12 * 1024 * 1024;
/// Bytes of the hash tables of brotli by level.
pub const BROTLI_HASH_BYTES: [usize; 12] = {
    const MIB: usize = 1024 * 1024;
    [MIB, MIB, MIB, MIB, MIB, 2 * MIB, 4 * MIB, 4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 32 * MIB]
};
/// Bytes that the coders at work of a core may take, on top of [`CORE_BYTES_MAX`] where compression
/// is on: 128 bodies at a time by gzip, 32 by zstd. Where none is free, bodies go as they are.
pub const COMPRESSORS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Coders that wait for another body, per core.
pub const COMPRESSORS_KEPT_MAX: usize = 16;
/// Pieces of a body that a coder takes without letting anything out: it is made to then, because
/// others get their turn while that is written.
pub const SILENT_PIECES_MAX: u32 = 8;
/// Media types of one coding.
pub const COMPRESSED_TYPES_MAX: usize = 256;
/// Bytes of the expression for User-Agents that get nothing by gzip.
pub const USER_AGENT_PATTERN_BYTES_MAX: usize = 4 * 1024;
/// Texts that are replaced in the bodies of a rule.
pub const SUBSTITUTIONS_MAX: usize = 16;
/// Bytes of one of them. Each octet of a body may be compared with all of them, 2 KiB.
pub const SUBSTITUTED_BYTES_MAX: usize = 128;
/// Bytes that stand in the place of one; longer ones end there.
pub const SUBSTITUTE_BYTES_MAX: usize = 8 * 1024;
/// How long free buffers, places and scratches stay unused before they go back to the allocator,
/// and what a burst left there to the system: twice this after its end.
pub const SPARES_PERIOD: Duration = Duration::from_secs(10);
/// Bytes read and thrown away from a client whose request was answered before it was read.
pub const LINGER_BYTES_MAX: u64 = 256 * 1024;
/// How long such a client may take.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection that got 503 for want of room is kept, for the answer to leave.
pub const OVERLOADED_LINGER: Duration = Duration::from_millis(20);

// ---- Connections and time -----------------------------------------------------------------------

/// Pending connections of a listening socket; the kernel caps it at `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 65_535;
/// How long a port in use is waited for at start. The sockets of a process that was killed live on
/// in its ring for some tens of milliseconds; whoever asks longer is told who holds the port.
pub const BIND_PATIENCE: Duration = Duration::from_secs(1);
/// Between two tries for a port in use, for as long as patience lasts.
pub const BIND_PAUSE: Duration = Duration::from_millis(10);
/// Between two tries for an entry point that could not be opened while others are served.
pub const BIND_RETRY: Duration = Duration::from_secs(5);
/// Entry points that are open at a time: each is a socket and some tasks on each core.
pub const ENTRY_POINTS_MAX: usize = 1024;
/// Addresses of `--gateway-addresses` that are tried for a Gateway, which are taken mostly where as
/// many Gateways have one.
pub const GATEWAY_ADDRESS_TRIES: u32 = 4096;
/// Of a text of a certificate, and of a path, as a label of metrics: tenants choose them, and
/// each stands in many lines. Paths that begin alike are one then.
pub const LABEL_BYTES_MAX: usize = 256;
/// Listeners of a Gateway and its ListenerSets, which are compared with each other; the others are
/// refused, and their states say so.
pub const GATEWAY_LISTENERS_MAX: usize = 2_048;
/// How long a listening socket that is to be closed waits for its queue to be accepted. It is empty
/// after some milliseconds, unless there are no descriptors left.
pub const CLOSING_QUEUE_MAX: Duration = Duration::from_secs(10);
/// Tries for a free port that is free in both families.
pub const BIND_TRIES_FREE_PORT: u32 = 16;
/// Descriptors of other processes that are looked at for the name of who holds a port; at some
/// microseconds each, about a second.
pub const HOLDER_DESCRIPTORS_MAX: usize = 200_000;
/// The same while the control thread has other things to do: some milliseconds.
pub const HOLDER_DESCRIPTORS_SERVING_MAX: usize = 2_000;
/// Bytes of the largest datagram that there can be.
pub const DATAGRAM_BYTES_MAX: usize = 65_535;
/// Datagrams of one socket that are passed on before others get their turn.
pub const DATAGRAMS_IN_A_ROW: usize = 32;
/// Clients of a UDP service at an address and port that a core has sessions with, two descriptors
/// each; a further one takes the place of the most silent one.
pub const UDP_SESSIONS_MAX: usize = 2048;
/// How long the session of a client at a UDPRoute outlasts its last datagram, if
/// `proxy-stream-timeout` is not less: what RFC 4787 (REQ-5) has a NAT keep at least.
pub const UDP_FLOW_IDLE: Duration = Duration::from_secs(120);
/// How long answers of an endpoint are taken whose client was led to another one: more than a
/// question to a near server takes.
pub const UDP_LATE_ANSWERS: Duration = Duration::from_secs(1);
/// Accept operations kept armed per listener and core.
pub const ACCEPTS_IN_FLIGHT: usize = 8;
/// Submission queue entries of a core's ring: twice the operations of a busy turn. The queue is
/// flushed when full.
pub const RING_ENTRIES: u32 = 2048;
/// Completion queue entries: more than one turn completes even with thousands of armed operations.
pub const RING_COMPLETIONS: u32 = 16 * 1024;
/// Workers of one process; far above any machine, far below what would exhaust it by a slip.
pub const CORES_MAX: usize = 1024;
/// Longest time a flag may say, seconds: a year, far from overflow of any deadline.
pub const FLAG_SECONDS_MAX: u32 = 365 * 86_400;
/// Descriptors kept free for listeners, rings, the log, the watcher and the API server.
pub const OWN_DESCRIPTORS: u64 = 64;
/// Of so many descriptors one may belong to a connection of the admin or the admission listener;
/// where that is less than [`CONTROL_CONNECTIONS_MAX`], each of its parts shrinks.
pub const CONTROL_DESCRIPTOR_SHARE: u64 = 8;
/// Of so many descriptors one may belong to an idle upstream connection, however many clients there
/// may be.
pub const POOL_DESCRIPTOR_SHARE: u64 = 8;
/// How long a request waits for a descriptor for an upstream connection before it gets 503.
pub const DESCRIPTOR_WAIT: Duration = Duration::from_secs(1);
/// First pause between two looks for one; doubles.
pub const DESCRIPTOR_PAUSE: Duration = Duration::from_millis(1);
/// Pause after the kernel refused a descriptor (EMFILE, ENFILE).
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Resolution of every deadline of a core.
pub const TICK: Duration = Duration::from_millis(20);
/// How often a waiting exchange looks whether its client is still there.
pub const CLIENT_CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a request body may wait for `100 Continue` before it is sent unasked, RFC 9110 10.1.1.
pub const CONTINUE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a connection that is between two requests may still send one once a drain has begun.
pub const DRAIN_IDLE_GRACE: Duration = Duration::from_secs(1);
/// How long handshakes that have begun may take to end once a drain has begun: a round trip to a
/// client far away, and a half as much again.
pub const DRAIN_HANDSHAKE_GRACE: Duration = Duration::from_millis(300);
/// How long past `--drain-timeout` workers may take to end what they cut off.
pub const DRAIN_END_GRACE: Duration = Duration::from_secs(1);
/// How often the end of a drain is looked for.
pub const DRAIN_POLL: Duration = Duration::from_millis(20);
/// A core whose loop did not turn for this long is reported stuck and fails liveness.
pub const LOOP_LAG_MAX: Duration = Duration::from_secs(10);

// ---- PROXY protocol -----------------------------------------------------------------------------

/// Octets of a version 1 line, CRLF included: the longest one there can be (specification 2.1).
pub const PROXY_LINE_BYTES_MAX: usize = 107;
/// Octets of a whole PROXY header; longer: the connection is closed. 4 KiB, as nginx takes, behind
/// the 16 octets of version 2 that come first: balancers of clouds put certificates and names of
/// their own into extensions.
pub const PROXY_HEADER_BYTES_MAX: usize = 16 + 4096;

// ---- Upstreams ----------------------------------------------------------------------------------

/// Tries of one request where no number is set (`--proxy-next-upstream-tries 0`), as the balancer
/// of ingress-nginx.
pub const TRIES_MAX: u32 = 20;
/// Longest pause before another try that a rule may ask for: a request holds memory meanwhile.
pub const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(10);
/// Pause before another try of a route that says how tries are repeated, and not when: a backend
/// that stumbles has a moment, and no client notices.
pub const RETRY_PAUSE: Duration = Duration::from_millis(25);
/// Failures in a row that eject an endpoint.
pub const EJECT_AFTER_FAILURES: u32 = 5;
/// First ejection; doubles each time up to the maximum.
pub const EJECT_TIME_BASE: Duration = Duration::from_secs(10);
/// Longest ejection.
pub const EJECT_TIME_MAX: Duration = Duration::from_secs(300);
/// Least time without any answer after which an endpoint that was asked counts as silent.
pub const SILENCE_MIN: Duration = Duration::from_millis(60);
/// The same as a multiple of what its answers usually take, if that is more.
pub const SILENCE_LATENCIES: f64 = 4.0;
/// First pause until a silent endpoint gets a request all the same; doubles up to the maximum. As
/// long as a first ejection: each such request of each core is lost if the endpoint hangs.
pub const SILENCE_PROBE_MIN: Duration = EJECT_TIME_BASE;
/// Longest such pause.
pub const SILENCE_PROBE_MAX: Duration = Duration::from_secs(20);
/// Decay time of the peak EWMA of an endpoint's response time, as in ingress-nginx's `ewma`.
pub const EWMA_DECAY: Duration = Duration::from_secs(10);

// ---- Passwords ----------------------------------------------------------------------------------

/// Octets of a password that can be right: as many as crypt(3) takes.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Octets of name, colon and password together; more are no credentials. A name of any use is no
/// longer than a password.
pub const PASSWORD_CREDENTIALS_BYTES_MAX: usize = 1024;
/// Octets of the text of a hash: a plain password, or a salted digest with a salt of any use.
pub const PASSWORD_HASH_BYTES_MAX: usize = 1024;
/// Highest cost of bcrypt that is looked at: 2 to 3 s. A higher one would hold up everybody's.
pub const PASSWORD_BCRYPT_COST_MAX: u32 = 15;
/// Most rounds of SHA crypt that are looked at, for the same reason.
pub const PASSWORD_ROUNDS_MAX: u32 = 1_000_000;
/// Users of one Secret; the surplus is a problem on who names it. A Secret holds 1 MiB.
pub const PASSWORD_USERS_MAX: usize = 20_000;
/// Defects of one Secret with passwords that are told; the first say it all.
pub const PASSWORD_DEFECTS_TOLD_MAX: usize = 5;
/// Passwords that wait on a core to be checked, of all clients. Each is a request that waits.
pub const PASSWORDS_WAITING_MAX: usize = 1024;
/// Of them of one client for the users of one Secret: an office behind one address.
pub const PASSWORDS_WAITING_PER_CLIENT_MAX: usize = 64;
/// Checks of one core under way at a time: one that is worked on and the next. All others wait
/// where who is next can still be chosen.
pub const PASSWORD_CHECKS_PER_CORE: usize = 2;
/// Questions of `explain` that wait for a core, which serves nobody while it answers one. Operators
/// ask them, one at a time.
pub const EXPLANATIONS_WAITING_MAX: usize = 4;
/// How long a core may take to explain a request, and the control plane to tell origins of values.
pub const EXPLANATION_PATIENCE: Duration = Duration::from_secs(5);
/// Octets of an explanation that is asked for by the admin listener.
pub const EXPLANATION_BYTES_MAX: usize = 4 << 20;
/// Rules that an explanation tells of; a host may have thousands.
pub const EXPLAINED_RULES_MAX: usize = 64;
/// Endpoints of a backend that an explanation tells of.
pub const EXPLAINED_ENDPOINTS_MAX: usize = 64;
/// Annotations and keys that may have set a value: each costs another lowering of a rule.
pub const EXPLAINED_CAUSES_MAX: usize = 128;
/// Explanations that the admin listener has made at a time.
pub const ADMIN_EXPLANATIONS_MAX: usize = 2;
/// Octets of a secret of a request that is hidden in other texts, too: shorter ones stand in too
/// many of them by accident.
pub const HIDDEN_VALUE_BYTES_MIN: usize = 4;
/// Octets of a value that an explanation repeats: long ones are texts of answers and lists.
pub const EXPLAINED_VALUE_BYTES_MAX: usize = 240;
/// Threads that check passwords, at most; there are half as many as cores. They are nicer than
/// cores and share their CPUs.
pub const PASSWORD_THREADS_MAX: usize = 4;
/// How long a request waits for the check of its password; then 503. Five of the slowest.
pub const PASSWORD_WAIT: Duration = Duration::from_secs(10);
/// Users whose last right password a core remembers. 80 bytes each.
pub const PASSWORDS_REMEMBERED_MAX: usize = 8 * 1024;
/// Who has not come for so long, or twice that, has his password checked anew.
pub const PASSWORDS_REMEMBERED_PERIOD: Duration = Duration::from_secs(600);

// ---- Limits of clients --------------------------------------------------------------------------

/// Requests in a second, or in a minute, that an annotation may allow; more is no limit to anybody.
pub const CLIENT_RATE_MAX: u32 = 1_000_000;
/// How many times as many it may allow at once.
pub const CLIENT_BURST_MULTIPLIER_MAX: u32 = 100_000;
/// Buckets of seven clients that are counted at a time, of the process and for each of three kinds
/// of limit; a power of two. 229,376 clients, nearly three times what ingress-nginx has room for
/// in each of its zones.
pub const QUOTA_BUCKETS: usize = 1 << 15;
/// Bytes that they take, once a rule has all kinds of limits.
pub const QUOTA_BYTES_MAX: usize = 3 * QUOTA_BUCKETS * 128;
/// How long a request may wait for another one of its client to be over, where there are as many as
/// may be: that it is over is known to its core alone until that turns.
pub const CLIENT_ROOM_PATIENCE: Duration = TICK;
/// Least pause of a response that is held back (`limit-rate`): ten pieces a second, whatever the
/// rate.
pub const PACE_PAUSE_MIN: Duration = Duration::from_millis(100);
const _: () = assert!(PACE_PAUSE_MIN.as_millis() < CLIENT_CHECK_INTERVAL.as_millis());
const _: () = assert!(QUOTA_BUCKETS.is_power_of_two());
const _: () = assert!(QUOTA_BYTES_MAX <= 16 * 1024 * 1024);

// ---- Control plane ------------------------------------------------------------------------------

/// Certificates that end sooner are told by `check`: whoever renews them does so a month before.
pub const CERTIFICATE_ENDS_SOON: Duration = Duration::from_secs(14 * 86_400);

/// Bytes of one manifest file; larger: the file is a problem and keeps its last good objects.
pub const MANIFEST_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Files of one manifest directory.
pub const MANIFEST_FILES_MAX: usize = 10_000;
/// Folders of one manifest directory, itself included. Each is one inotify watch, of which a user
/// has 8,192 on the smallest machines.
pub const MANIFEST_FOLDERS_MAX: usize = 1_000;
/// Levels of folders below a manifest directory: more than anybody sorts manifests by, and an end
/// to what links to folders lead through.
pub const MANIFEST_DEPTH_MAX: usize = 16;
/// Symbolic links on the way to one file, as in the kernel (MAXSYMLINKS).
pub const LINKS_MAX: usize = 40;
/// Nesting of a YAML node.
pub const YAML_DEPTH_MAX: usize = 64;
/// Nodes of one YAML document, aliases expanded ("billion laughs").
pub const YAML_NODES_MAX: usize = 2_000_000;
/// Bytes of keys and scalars of one YAML document, aliases expanded; twice a file, so that only
/// aliases reach it.
pub const YAML_BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of a request body where neither a flag nor the Ingress says how many: ingress-nginx's
/// `proxy-body-size`.
pub const INGRESS_BODY_BYTES_MAX: u64 = 1024 * 1024;
/// Paths of one Ingress; the surplus is a problem on it.
pub const PATHS_PER_INGRESS_MAX: usize = 10_000;
/// Names in one `server-alias`; the surplus is a problem on the Ingress.
pub const ALIASES_PER_INGRESS_MAX: usize = 128;
/// Canaries of one path; the surplus is a problem on the youngest. A request asks each of them.
pub const CANARIES_PER_RULE_MAX: usize = 64;
/// Variables of one text that is put together for a request; the surplus is a problem on its owner.
/// Each may stand for as much as a request head holds.
pub const TEXT_VARIABLES_MAX: usize = 64;
/// Entries of one list of addresses; more are an error on its owner. An object holds some 13,000.
pub const ADDRESS_RANGES_MAX: usize = 10_000;
/// Origins that CORS lets in by one Ingress; the surplus is a problem on it. A request is compared
/// with each.
pub const CORS_ORIGINS_MAX: usize = 256;
/// Points that an endpoint has on the ring of consistent hashing; as many as in ingress-nginx, so
/// that sessions stay where they are when somebody comes from there.
pub const RING_POINTS_PER_ENDPOINT: usize = 160;
/// Endpoints that a ring leads to; those beyond get no requests that are bound. A ring of so many
/// has 13 MiB.
pub const RING_ENDPOINTS_MAX: usize = 10_000;
/// Points of a ring that one request looks at for an endpoint that does well.
pub const RING_STEPS_MAX: usize = 1_024;
/// Endpoints that share the requests of one hash, at most (`upstream-hash-by-subset-size`).
pub const HASH_GROUP_MAX: usize = 64;
/// Keys that are drawn for a new session until one leads to an endpoint that does well.
pub const SESSION_PICKS_MAX: usize = 64;
/// Longest key of a session that is looked at; those of ingress-nginx have 30 octets or so. A
/// client with a longer one begins a new session.
pub const SESSION_KEY_BYTES_MAX: usize = 128;
/// Octets of a name, a path or a domain in the cookie of a session.
pub const SESSION_TEXT_BYTES_MAX: usize = 1_024;
/// Rules of an HTTPRoute or GRPCRoute, as the API has it; the surplus serves nobody and is told.
pub const ROUTE_RULES_MAX: usize = 16;
/// Matches of all its rules, as the API has it; likewise.
pub const ROUTE_MATCHES_MAX: usize = 128;
/// References to certificates of authorities at one port of a Gateway, as the API has it; more:
/// nobody comes in there.
pub const CLIENT_CA_REFERENCES_MAX: usize = 16;
/// Gateways that a BackendTLSPolicy says its state for, as the API has it.
pub const POLICY_ANCESTORS_MAX: usize = 16;
/// Alternative names that a BackendTLSPolicy demands one of: more than the API has; the surplus
/// closes its Service.
pub const POLICY_NAMES_MAX: usize = 16;
/// Filters or backends of a rule, as the API has it; likewise.
pub const ROUTE_PARTS_MAX: usize = 16;
/// Servers that get copies of the requests of one rule: as many as it can have filters (Gateway API
/// `HTTPRouteRule.filters`).
pub const RULE_MIRRORS_MAX: usize = 16;
/// Copies of requests (`mirror-target`) that a core has under way; more are let go and counted.
pub const MIRRORS_IN_FLIGHT_MAX: usize = 128;
/// Bytes of a body that are kept for a copy; the copy of a request with a longer one is let go and
/// counted.
pub const MIRROR_BODY_BYTES_MAX: usize = 128 * 1024;
/// How long a copy may take, its tries and its answer included.
pub const MIRROR_TIME_MAX: Duration = Duration::from_secs(60);
/// Bytes of the copies of a core: head and body, each twice while it is sent.
const MIRRORS_BYTES_MAX: usize =
    MIRRORS_IN_FLIGHT_MAX * 2 * (REQUEST_HEAD_BYTES_MAX + MIRROR_BODY_BYTES_MAX);
/// Bytes of a text of nginx directives; the surplus makes it unreadable. The longest that is known
/// is a tenth of it.
pub const DIRECTIVES_BYTES_MAX: usize = 64 * 1024;
/// Directives of such a text, those in blocks included: each may cost a look with every request.
pub const DIRECTIVES_MAX: usize = 1024;
/// Words of one directive, besides its name.
pub const DIRECTIVE_WORDS_MAX: usize = 128;
/// Blocks in each other. nginx itself allows a condition in a location in a server.
pub const DIRECTIVE_DEPTH_MAX: usize = 4;
/// Locations that a text adds to a host. Those whose paths are expressions are tried one after the
/// other.
pub const SCRIPT_LOCATIONS_MAX: usize = 64;
/// Texts of one kind that directives replace in answers: each is compared with each place.
pub const SCRIPT_REPLACEMENTS_MAX: usize = 16;
/// Expressions of a `map`: each is tried where it is asked for.
pub const SCRIPT_MAP_EXPRESSIONS_MAX: usize = 64;
/// Limits of one kind that a text names for its rules: each costs a look-up for each request.
pub const SCRIPT_LIMITS_MAX: usize = 3;
/// Limits of requests under way that a rule has: those of directives, and that of its annotation.
pub const RULE_OPEN_LIMITS_MAX: usize = SCRIPT_LIMITS_MAX + 1;
/// Servers of an `upstream`.
pub const SCRIPT_SERVERS_MAX: usize = 64;
/// Bytes that directives may put together for one request, all values of variables included; more:
/// 500.
pub const SCRIPT_OCTETS_MAX: usize = 64 * 1024;
/// Bytes that expressions of directives may look at for one request; more: 500.
pub const SCRIPT_SEARCHED_MAX: usize = 1024 * 1024;
/// Times that rewrites may lead one request to another rule, as in nginx; more: 500.
pub const SCRIPT_ROUNDS_MAX: u32 = 10;
/// Names of fields that a rule takes from a server of external authentication; the surplus closes
/// the rules.
pub const AUTH_NAMES_MAX: usize = 64;
/// Bytes of a question to such a server, which holds the head of the request and texts with parts
/// of it; above: 500.
pub const AUTH_QUESTION_BYTES_MAX: usize = 2 * REQUEST_HEAD_BYTES_MAX;
/// Bytes of the body of its answer; a longer one is not passed on.
pub const ASKED_BODY_BYTES_MAX: usize = 64 * 1024;
/// How long the rest of an answer is waited for that nobody reads, so that its connection can be
/// used again.
pub const ASKED_REST_TIMEOUT: Duration = Duration::from_millis(100);
/// Answers of such servers that a core keeps; the oldest make room.
pub const AUTH_ANSWERS_MAX: usize = 4096;
/// Bytes of these and of their keys; one that would take more than an eighth is not kept.
pub const AUTH_ANSWERS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long one is kept at most, whatever a rule says: as long as anybody would let a session be.
pub const AUTH_ANSWER_TIME_MAX: Duration = Duration::from_secs(24 * 3600);
/// TLS entries of one Ingress; the surplus is a problem on it. A host that no entry lists is held
/// against the certificate of each.
pub const TLS_ENTRIES_PER_INGRESS_MAX: usize = 1_000;
/// Hosts in all TLS entries of one Ingress; the surplus is a problem on it.
pub const TLS_HOSTS_PER_INGRESS_MAX: usize = 10_000;
/// Bytes of one path of a rule.
pub const PATH_BYTES_MAX: usize = 4 * 1024;
/// Bytes of compiled form of one regular expression.
pub const REGEX_BYTES_MAX: usize = 1 << 20;
/// Bytes of the compiled form of a path that is a regular expression, twice where it has one that
/// goes one way only: an Ingress may have [`PATHS_PER_INGRESS_MAX`] of them.
pub const PATH_REGEX_BYTES_MAX: usize = 64 * 1024;
/// Groups of such a path; the surplus is a problem on its object. What they capture is held on the
/// stack of a request.
pub const PATH_GROUPS_MAX: usize = 32;
/// Bytes in which a core remembers, while it tries all ways through such a path, where it has been.
/// A request path for which they are not enough is matched in another way, in linear time too.
pub const PATH_SCRATCH_BYTES_MAX: usize = 128 * 1024;
/// Problems kept of one object; the rest is counted.
pub const PROBLEMS_PER_OBJECT_MAX: usize = 16;
/// Problems kept of one manifest file; the rest is counted.
pub const PROBLEMS_PER_FILE_MAX: usize = 1_000;
/// Entries of a list in the ConfigMap of the controller, and fields that one adds for all; each is
/// looked at for every request.
pub const GENERAL_WORDS_MAX: usize = 1_000;
/// Edits that make a word the slip of another one; of three, half the names are neighbours.
pub const SLIP_EDITS_MAX: usize = 2;
/// Characters of a value that a problem repeats.
pub const VALUE_SHOWN_CHARACTERS_MAX: usize = 60;
/// Ports that a problem lists: enough to see the slip.
pub const PORTS_SHOWN_MAX: usize = 8;
/// Namespaces that a problem lists.
pub const NAMESPACES_SHOWN_MAX: usize = 10;
/// Owners of foreign annotations that a problem names; more are "others".
pub const OWNERS_SHOWN_MAX: usize = 4;
/// How long a burst of changes may settle before a rebuild starts.
pub const SETTLE_IDLE: Duration = Duration::from_millis(3);
/// How long a stream of changes may put off a rebuild.
pub const SETTLE_MAX: Duration = Duration::from_millis(25);
/// How long new endpoints wait for their siblings; endpoints that go away never wait.
pub const ENDPOINTS_SETTLE: Duration = Duration::from_millis(10);
/// Batches of the thread that watches the API server which the control thread has not taken yet;
/// beyond that they are merged before they are handed over.
pub const CLUSTER_BATCHES_MAX: usize = 16;
/// Reviews of the admission webhook that wait for the control thread; beyond that they are answered
/// without a judgement.
pub const ADMISSION_REVIEWS_MAX: usize = 64;
/// How long the thread that writes status and Events may take to end with the process.
pub const CLUSTER_END: Duration = Duration::from_secs(5);
/// How long after the start of the process a Node is asked for before it is asked again.
pub const ZONE_RETRY: Duration = Duration::from_secs(5);
/// A file that lost objects and was written to more recently than this is read again before the
/// loss counts: an editor may have truncated it a moment ago.
pub const WRITE_QUIET: Duration = Duration::from_millis(20);
/// How often a manifest directory is looked at that inotify cannot watch. A look at 10,000 files
/// costs some 20 ms.
pub const MANIFEST_POLL: Duration = Duration::from_secs(1);
/// Share of the time that such looks may take: one part of so many.
pub const MANIFEST_POLL_SHARE: u32 = 50;
/// How often in a row a directory is looked at that others change meanwhile.
pub const MANIFEST_WALKS_MAX: usize = 8;
/// Bytes of inotify's events read at a time: some hundred events.
pub const INOTIFY_BUFFER_BYTES: usize = 16 * 1024;
/// Such reads before others get their turn.
pub const INOTIFY_READS_MAX: usize = 64;
/// How often an ExternalName Service is resolved again.
pub const DNS_REFRESH: Duration = Duration::from_secs(30);
/// How long one attempt to resolve a name may take.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses kept of one ExternalName.
pub const DNS_ADDRESSES_MAX: usize = 64;
/// Messages from the control plane a core may have outstanding; a full channel coalesces.
pub const UPDATES_IN_FLIGHT_MAX: usize = 64;
/// Replaced tables and endpoint sets of a core that wait to be freed by the control thread. Several
/// channels full, because long requests can hold old tables back and let go of them together.
pub const RETIRED_PER_CORE_MAX: usize = 4 * UPDATES_IN_FLIGHT_MAX;
/// Publications that wait for cores; the next is made one with the last of them. As many as come,
/// one each [`SETTLE_MAX`], before a core that does not turn fails liveness.
pub const PUBLICATIONS_WAITING_MAX: usize =
    (LOOP_LAG_MAX.as_millis() / SETTLE_MAX.as_millis()) as usize;
/// The same of the control thread; ten thousand Ingresses at start take seconds.
pub const CONTROL_LAG_MAX: Duration = Duration::from_secs(60);
/// How often the control thread tells that it turns.
pub const CONTROL_BEAT: Duration = Duration::from_secs(1);
/// Connections of the admin listener that have sent no head yet; each further one takes the place
/// of the oldest (`control::admin::door`). Many, for a client that is busy needs some milliseconds
/// between connecting and asking.
pub const ADMIN_WAITING_MAX: usize = 128;
/// Those of one address. A node's kubelet and a Prometheus need one or two.
pub const ADMIN_WAITING_PER_ADDRESS_MAX: usize = 96;
/// Connections accepted before those that wait are looked at again: who speaks at once is heard
/// before others take the places.
pub const ADMIN_ACCEPTS_IN_A_ROW: usize = 16;
/// Pause after waiting for them failed, which it would again at once.
pub const ADMIN_POLL_PAUSE: Duration = Duration::from_millis(1);
/// Requests of the admin listener that wait to be answered; then none is accepted for a moment.
pub const ADMIN_CALLERS_MAX: usize = 16;
/// Requests of the admin listener that are answered at a time; each further one takes the place of
/// the one that has done least for the longest time (`control::seats`), or waits.
pub const ADMIN_CONNECTIONS_MAX: usize = 32;
/// Those of one address.
pub const ADMIN_CONNECTIONS_PER_ADDRESS_MAX: usize = 16;
/// Connections accepted before those that were accepted get a turn, so that a request that came
/// with its connection is read. Of the admission listener, too.
pub const SEATS_ACCEPTS_IN_A_ROW: u32 = 8;
/// Pause before a place is looked for again, where nobody can be put off.
pub const ADMIN_PLACE_PAUSE: Duration = Duration::from_millis(2);
/// How long an answer may be under way before somebody else may have its place, and how long a
/// scrape waits for its turn before it does.
pub const ADMIN_ANSWER_PATIENCE: Duration = Duration::from_secs(1);
/// Connections to the control plane at a time, with descriptors enough.
pub const CONTROL_CONNECTIONS_MAX: usize =
    ADMIN_WAITING_MAX + ADMIN_CALLERS_MAX + ADMIN_CONNECTIONS_MAX + ADMISSION_CONNECTIONS_MAX;
/// Bytes of a request head on the admin listener; the smallest that hyper takes.
pub const ADMIN_REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Field lines of a request on the admin listener.
pub const ADMIN_FIELDS_MAX: usize = 64;
/// Head of a request on the admin listener, first byte to last.
pub const ADMIN_HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A whole connection of the admin listener, accept to close; it carries one request.
pub const ADMIN_CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);
/// Rows of a list that the admin listener answers with at a time; the rest is asked for by offset.
pub const API_ROWS_MAX: usize = 500;
/// Those of who does not say how many.
pub const API_ROWS: usize = 100;
/// Characters that the rows of a list are chosen by: a host and a path.
pub const API_FILTER_BYTES_MAX: usize = 1024;
/// Names of a certificate in an answer: all those of certificates as authorities issue them.
pub const API_NAMES_MAX: usize = 100;
/// Lists that the admin listener makes or sends at a time, each of tens of thousands of rows that
/// it goes through, or of [`API_ROWS_MAX`] in memory; others wait for their turn.
pub const ADMIN_VIEWS_MAX: usize = 4;
/// Streams of events of the admin listener at a time: pages that are open. A part of
/// [`ADMIN_CONNECTIONS_MAX`], whose places they give up before anybody else.
pub const ADMIN_STREAMS_MAX: usize = 8;
/// Between two events of a stream.
pub const ADMIN_EVENT_PERIOD: Duration = Duration::from_secs(1);
/// A stream ends then and may begin again, so that none outlasts a connection.
pub const ADMIN_STREAM_LIFETIME: Duration = Duration::from_secs(25);
/// Octets of the token of the admin listener, and of its file.
pub const ADMIN_TOKEN_BYTES_MAX: usize = 4096;
/// A shorter one is guessed.
pub const ADMIN_TOKEN_BYTES_MIN: usize = 16;
/// Metrics answers in memory at a time; one of [`SERIES_MAX`] series that all have requests is 180
/// MB, and [`SAMPLES_SHOWN_MAX`] lines by the names of ingress-nginx 120 MB more.
pub const ADMIN_SCRAPES_MAX: usize = 2;
/// Bytes of one admission request: an object and the version before it, 3 MiB each as the API
/// server takes them, and an envelope.
pub const ADMISSION_BODY_BYTES_MAX: usize = 6 * 1024 * 1024 + 64 * 1024;
/// Bytes of an admission request up to which it is read and judged without waiting for room: nearly
/// every Ingress.
pub const ADMISSION_SMALL_BODY_BYTES: usize = 64 * 1024;
/// Fields and elements of an admission request; more are let in without a judgement. 10,000 paths,
/// old and new, have 200,000.
pub const ADMISSION_VALUES_MAX: usize = 400_000;
/// Larger admission requests in memory at a time.
pub const ADMISSION_LARGE_BODIES_MAX: usize = 4;
/// Connections of the admission listener under way at a time; each further one takes the place of
/// the one that has done least for the longest time. An API server keeps a few.
pub const ADMISSION_CONNECTIONS_MAX: usize = 64;
/// Those of one address.
pub const ADMISSION_CONNECTIONS_PER_ADDRESS_MAX: usize = 32;
/// How long an answer may be sent before somebody else may have its place.
pub const ADMISSION_ANSWER_PATIENCE: Duration = Duration::from_secs(5);
/// Above so many of them, each carries one request only and has to come to the point.
pub const ADMISSION_CONNECTIONS_PLENTY: usize = 32;
/// TLS handshake of a connection of the admission listener, and its first head when they are many.
pub const ADMISSION_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// Idle time between two requests of such a connection; more than the 90 s after which the API
/// server closes it, so that it never sends into a connection that ends.
pub const ADMISSION_IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A whole connection of the admission listener; then it ends after the request under way.
pub const ADMISSION_CONNECTION_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Body of an admission request, first byte to last.
pub const ADMISSION_BODY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a judgement may wait for the control thread; then the object is let in. The API server
/// gives up after 10 s unless told otherwise.
pub const ADMISSION_DEADLINE: Duration = Duration::from_secs(2);
/// Bytes of one problem in an admission answer; the rest is cut. Warnings have less.
pub const ADMISSION_LINE_BYTES_MAX: usize = 1024;
/// Bytes of all problems in the message of a refusal; the rest is counted.
pub const ADMISSION_MESSAGE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of one warning; the API server cuts longer ones.
pub const ADMISSION_WARNING_BYTES_MAX: usize = 256;
/// Bytes of all warnings of an answer; the API server drops what is beyond.
pub const ADMISSION_WARNINGS_BYTES_MAX: usize = 4096;
/// Ingresses whose reviews are counted apart.
pub const CHECKED_INGRESSES_MAX: usize = 1_000;
/// Secrets of TLS entries that a review of one Ingress looks at. Each may have to be parsed.
pub const REVIEWED_SECRETS_MAX: usize = 32;
/// Life of the certificate of the admission listener and of its CA.
pub const ADMISSION_CERTIFICATE_LIFETIME: Duration = Duration::from_secs(365 * 86_400);
/// It is renewed when less than this is left: a third.
pub const ADMISSION_CERTIFICATE_RENEWAL: Duration = Duration::from_secs(365 * 86_400 / 3);
/// How often the clock is asked whether that is so; up to a half is added, so that replicas do not
/// ask at once.
pub const ADMISSION_CERTIFICATE_CHECK: Duration = Duration::from_secs(60 * 60);
/// Bytes of the file with its certificate, or with its key, that are read: what a Secret can hold.
pub const ADMISSION_FILE_BYTES_MAX: u64 = 1024 * 1024;
/// How often these files are read again: a kubelet writes a changed Secret within a minute or so.
pub const ADMISSION_FILES_CHECK: Duration = Duration::from_secs(10);
/// How long API servers may take to hear of a new CA before a certificate of it is served.
pub const ADMISSION_ROLLOVER_DELAY: Duration = Duration::from_secs(5);
/// Longest pause between two writes of the certificate keeper that fail or that somebody else
/// undoes.
pub const ADMISSION_RETRY_MAX: Duration = Duration::from_secs(60);
/// After so long without a write its pauses begin anew; longer than the longest.
pub const ADMISSION_CALM: Duration = Duration::from_secs(300);
/// How long one call of the certificate keeper to the API server may take.
pub const ADMISSION_CALL_TIMEOUT: Duration = Duration::from_secs(10);

// ---- Writing to the API server ------------------------------------------------------------------

/// One call of the API server by the writer of Lease, status and Events.
pub const API_CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause after a failed write of an object; doubled with each further one.
pub const API_RETRY_MIN: Duration = Duration::from_secs(1);
/// Longest pause between two writes of an object that fail or that somebody else undoes.
pub const API_RETRY_MAX: Duration = Duration::from_secs(300);
/// Missing rights told at a time, one for each kind of call and namespace; the first say it all.
pub const MISSING_RIGHTS_MAX: usize = 16;
/// Bytes of an answer of the API server that a message repeats.
pub const API_ANSWER_BYTES_MAX: usize = 512;
/// `leaseDurationSeconds`: how long others wait for a holder that died; client-go's default.
pub const LEASE_DURATION: Duration = Duration::from_secs(15);
/// Longest duration of a record that is honoured; a record of hours would end the election.
pub const LEASE_DURATION_MAX: Duration = Duration::from_secs(60);
/// How long after its last renewal a holder still calls itself one; client-go's default.
pub const LEASE_RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// How often the holder renews: twice before its deadline.
pub const LEASE_RENEW: Duration = Duration::from_secs(5);
/// How often others look, and a holder retries a failed renewal; client-go's default.
pub const LEASE_RETRY: Duration = Duration::from_secs(2);
/// Status writes a second. 10,000 Ingresses take 200 s; API priority and fairness gives the share
/// "workload-low" of a small server several times as much.
pub const STATUS_WRITES_PER_SECOND: u32 = 50;
/// Status writes at once after a quiet time.
pub const STATUS_WRITES_BURST: u32 = 100;
/// Status writes under way at a time.
pub const STATUS_WRITES_IN_FLIGHT_MAX: usize = 4;
/// An Ingress not written for so long starts its pauses anew; longer than the longest pause.
pub const STATUS_CALM: Duration = Duration::from_secs(600);
/// Addresses written to a status; the rest is left out. Each is repeated in every Ingress.
pub const STATUS_ADDRESSES_MAX: usize = 64;
/// How often the nodes that run us are looked up.
pub const NODE_ADDRESSES_REFRESH: Duration = Duration::from_secs(60);
/// Longest name of a Service that is made, and value of a label (RFC 1035 section 2.3.4).
pub const SERVICE_NAME_BYTES_MAX: usize = 63;
/// Ingresses that are told that a route wants a host of theirs, for each route; the first say it
/// all.
pub const OVERLAPS_TOLD_MAX: usize = 16;
/// How often it is looked whether GatewayClasses that are used have their finalizer, which nobody
/// else has a reason to take away.
pub const GATEWAY_CLASSES_REFRESH: Duration = Duration::from_secs(60);
/// How often it is looked up which pods the Services of Gateways lead to.
pub const GATEWAY_SERVICES_REFRESH: Duration = Duration::from_secs(10);
/// How long what others do to Services of Gateways is gathered before something is done about it.
pub const GATEWAY_SERVICES_SETTLE: Duration = Duration::from_secs(1);
/// Pods of ours looked at.
pub const REPLICAS_MAX: u32 = 500;
/// How long taking the addresses back, and then giving the Lease up, may each hold up the end; a
/// pod has 30 s by default.
pub const FAREWELL_TIMEOUT: Duration = Duration::from_secs(5);
/// Status writes under way at a time while the addresses are taken back.
pub const STATUS_WITHDRAWALS_IN_FLIGHT_MAX: usize = 16;
/// Event writes a second; twice what [`EVENT_PROBLEMS_MAX`] repetitions need.
pub const EVENT_WRITES_PER_SECOND: u32 = 20;
/// Event writes at once after a quiet time.
pub const EVENT_WRITES_BURST: u32 = 50;
/// Event writes under way at a time.
pub const EVENT_WRITES_IN_FLIGHT_MAX: usize = 4;
/// Problems told by Events; the rest is counted (`WriterState::counts`, `events_dropped`).
pub const EVENT_PROBLEMS_MAX: usize = 20_000;
/// How long a problem stands before it is told; objects that belong together arrive apart.
pub const EVENT_STAND: Duration = Duration::from_secs(1);
/// How often a problem that stands is told again; the API server forgets Events after an hour.
pub const EVENT_REPEAT: Duration = Duration::from_secs(30 * 60);
/// Bytes of the note of an Event, events.k8s.io/v1.
pub const EVENT_NOTE_BYTES_MAX: usize = 1024;
/// Bytes of `reportingInstance` of an Event, events.k8s.io/v1.
pub const EVENT_INSTANCE_BYTES_MAX: usize = 128;
/// Bytes of the name of an object, RFC 1123 subdomain.
pub const OBJECT_NAME_BYTES_MAX: usize = 253;

// ---- API server ---------------------------------------------------------------------------------

/// Minor version of the oldest Kubernetes 1.x that has every API version that we and the chart use:
/// autoscaling/v2 came last, before it server-side apply (1.22) and discovery/v1 (1.21).
pub const KUBERNETES_MINOR_LEAST: u32 = 23;
/// Objects of one page of a list. As client-go; 500 Ingresses are about 2 MB of JSON.
pub const KUBE_PAGE_OBJECTS: u32 = 500;
/// The same of EndpointSlices, each with up to 1,000 (by default 100) endpoints.
pub const KUBE_PAGE_SLICES: u32 = 100;
/// Seconds after which the server ends a watch and we take up the next where it was. A connection
/// that broke without a word is noticed then, and a bookmark comes before, so that quiet kinds do
/// not fall behind what the server remembers.
pub const KUBE_WATCH_SECONDS: u32 = 60;
/// How much later than asked for the end of a watch may come before the connection counts as dead.
pub const KUBE_WATCH_GRACE: Duration = Duration::from_secs(5);
/// How long an answer to any other request may take.
pub const KUBE_ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// First pause after a request that failed; doubles each time, with jitter.
pub const KUBE_BACKOFF_MIN: Duration = Duration::from_millis(200);
/// Longest pause: changes are caught up this long after the server came back. Seven watches that
/// knock every five seconds are no burden to a server that starts.
pub const KUBE_BACKOFF_MAX: Duration = Duration::from_secs(5);
/// Pause after an answer that only a change of rights or flags can make better. An API server that
/// starts refuses everything for some seconds, which must not hold up status for long.
pub const KUBE_REFUSED_RETRY: Duration = Duration::from_secs(10);
/// Longest pause that a server may ask for (Retry-After).
pub const KUBE_RETRY_AFTER_MAX: Duration = Duration::from_secs(30);
/// Steps of watches that wait to be collected; above it the watches wait.
pub const KUBE_STEPS_MAX: usize = 64;
/// How long a stream of events may keep what was collected from being passed on.
pub const KUBE_DRAIN_MAX: Duration = Duration::from_millis(10);
/// Bytes of what the server says that are kept in a problem.
pub const KUBE_TEXT_BYTES_MAX: usize = 300;
/// Secrets and ConfigMaps that are read at a time; 1,000 take half a second.
pub const NAMED_GETS_MAX: usize = 8;
/// How long an Ingress waits for Secrets and ConfigMaps that were never read, so that no host
/// answers with the default certificate, and no rule with 503, in between.
pub const NAMED_WAIT: Duration = Duration::from_millis(500);
/// How often Secrets and ConfigMaps that we may read, not watch, are read again.
pub const NAMED_REFRESH: Duration = Duration::from_secs(60);
/// How soon one of them that could not be read is tried again.
pub const NAMED_RETRY: Duration = Duration::from_secs(2);

// ---- Doctor -------------------------------------------------------------------------------------

/// How long `ringway doctor` waits for one answer of the API server.
pub const DOCTOR_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// An answer that takes longer says that the API server is busy.
pub const DOCTOR_ANSWER_SLOW: Duration = Duration::from_secs(1);
/// How long `ringway doctor` may ask the API server in all.
pub const DOCTOR_TIME_MAX: Duration = Duration::from_secs(60);
/// Questions under way at a time; its priority level is shared with the controllers of the cluster.
pub const DOCTOR_QUESTIONS_IN_FLIGHT: usize = 8;
/// Rights asked for; the rest is counted. Some forty for each of a few dozen namespaces.
pub const DOCTOR_RIGHTS_MAX: usize = 2_000;
/// Objects of one page of a list.
pub const DOCTOR_PAGE_OBJECTS: u32 = 500;
/// Objects read of one kind; with more, objects are not judged. In a pod `doctor` shares the memory
/// limit with the Ringway that serves.
pub const DOCTOR_OBJECTS_MAX: usize = 20_000;
/// Secrets and ConfigMaps that Ingresses name and that are read; what is wrong with the rest is not
/// told.
pub const DOCTOR_NAMED_MAX: usize = 1_000;
/// Problems of objects printed; the rest is counted.
pub const DOCTOR_PROBLEMS_MAX: usize = 50;
/// Names listed in one line; the rest is counted.
pub const DOCTOR_NAMES_MAX: usize = 5;

// ---- Migration ----------------------------------------------------------------------------------

/// Hosts and paths of an access log that are remembered with what they came to, some hundred octets
/// each; more are looked at anew.
pub const REPLAY_KNOWN_MAX: usize = 200_000;
/// Octets of such a host and path together; longer ones are looked at each time.
pub const REPLAY_KEY_BYTES_MAX: usize = 512;
/// Differences of an access log that are listed; requests with further ones are counted.
pub const REPLAY_DIFFERENCES_MAX: usize = 10_000;
/// Between two words to whoever waits for a long log to be read.
pub const PROGRESS_PERIOD: Duration = Duration::from_secs(1);
/// Octets of a line of an access log; longer ones are not read.
pub const REPLAY_LINE_BYTES_MAX: usize = 64 * 1024;
/// Octets of a segment of a path that is told; longer ones are hidden, as tokens are.
pub const REPLAY_SHAPE_BYTES_MAX: usize = 64;
/// Segments of a path that is told; what follows is left out, so that long paths are few shapes.
pub const REPLAY_SEGMENTS_MAX: usize = 16;

// ---- Demo ---------------------------------------------------------------------------------------

/// Connections that a backend of `ringway demo` serves at a time; more are closed at once.
pub const DEMO_CONNECTIONS_MAX: usize = 512;
/// Bytes of a request head there; more end the connection.
pub const DEMO_HEAD_BYTES_MAX: u64 = 64 * 1024;
/// Bytes of a request body that are read there; more end the connection.
pub const DEMO_BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Idle time of a connection there. Longer than the proxy's pool keeps one, so that the proxy
/// closes.
pub const DEMO_IDLE_TIMEOUT: Duration = Duration::from_secs(120);

// ---- Telemetry ----------------------------------------------------------------------------------

/// Series (object, backend) with counters of their own; the rest shares one named `_overflow`.
pub const SERIES_MAX: usize = 20_000;
/// Pairs of method and status of one series that the metrics of ingress-nginx tell apart; further
/// ones are told apart by the class of the status.
pub const KINDS_PER_SERIES_MAX: usize = 32;
/// Such pairs of all series of a core; further requests are counted as those of one Ingress called
/// `_overflow`, though not in our own names.
pub const KINDS_MAX: usize = 4096;
/// Lines of such pairs in one scrape, whatever the number of cores: 93 of 300 bytes each with
/// buckets as many as usual. What does not fit is counted as beyond [`KINDS_MAX`].
pub const SAMPLES_SHOWN_MAX: usize = 400_000;
/// Buckets of a histogram that a flag asks for; each is a line, as often as there are pairs.
pub const FLAG_BUCKETS_MAX: usize = 32;
/// Access-log bytes a core collects before it hands them to the writer.
pub const ACCESS_LOG_BUFFER_BYTES: usize = 64 * 1024;
/// Access-log buffers under way to the writer, all cores; above it lines are dropped and counted.
pub const ACCESS_LOG_BUFFERS_MAX: usize = 64;
/// Bytes of one access-log field that a client controls; the rest is cut.
pub const ACCESS_LOG_FIELD_BYTES_MAX: usize = 2 * 1024;
/// Bytes of the form of an access-log line, which is a value of the ConfigMap.
pub const LOG_FORM_BYTES_MAX: usize = 4 * 1024;
/// Targets that the ConfigMap leaves out of the access log; a request is compared with each.
pub const LOG_TARGETS_LEFT_OUT_MAX: usize = 64;
/// Attempts of one exchange that its access-log line lists; the rest is left out.
pub const ACCESS_LOG_ATTEMPTS_MAX: usize = 16;
/// Room that a line finds in a buffer: six client fields and everything else with space to spare.
pub const ACCESS_LOG_LINE_BYTES_MAX: usize = 8 * ACCESS_LOG_FIELD_BYTES_MAX;
/// Bytes of a name from an object, escaped: manifests are not always checked by an API server,
/// which allows no longer one.
pub const ACCESS_LOG_NAME_BYTES_MAX: usize = HOST_BYTES_MAX;
/// Orders that wait for the writer of the access log, which is slow where its sink is; the surplus
/// is told again.
pub const LOG_ORDERS_MAX: usize = 4;
/// Pause after a sink in non-blocking mode took nothing.
pub const ACCESS_LOG_SINK_PAUSE: Duration = Duration::from_millis(5);
/// How long what is left of the access log may take to be written at the end.
pub const ACCESS_LOG_END_TIMEOUT: Duration = Duration::from_millis(500);
/// Between two looks whether it is.
pub const ACCESS_LOG_END_POLL: Duration = Duration::from_millis(1);
/// Octets of `tracestate` that are passed on, which is what everybody has to take; a longer one is
/// dropped as a whole (W3C Trace Context, section 3.3.1.5).
pub const TRACE_STATE_BYTES_MAX: usize = 512;
/// Members of it (section 3.3.1.1).
pub const TRACE_STATE_MEMBERS_MAX: usize = 32;
/// Octets of the name or of the value of a member of it (sections 3.3.1.3.1 and 3.3.1.3.2).
pub const TRACE_STATE_PART_BYTES_MAX: usize = 256;
/// Octets of spans that a core collects before it hands them over; half of it is enough to do so.
pub const SPAN_BUFFER_BYTES: usize = 64 * 1024;
/// Batches of spans under way to who sends them, all cores; above it spans are dropped and counted.
pub const SPAN_BATCHES_MAX: usize = 64;
/// Octets of the name or of an attribute of a span, which clients may make; the rest is cut.
pub const SPAN_TEXT_BYTES_MAX: usize = 1024;
/// Octets of the name of the service in traces, which is a value of the ConfigMap.
pub const SPAN_SERVICE_BYTES_MAX: usize = 255;
/// Spans that may wait for the collector, whatever the ConfigMap says: some 100 MB.
pub const SPANS_WAITING_MAX: u32 = 64 * 1024;
/// Milliseconds between two sendings, whatever the ConfigMap says.
pub const SPANS_DELAY_MILLIS_MAX: u32 = 60 * 60 * 1000;
/// How long a connection to the collector may take.
pub const SPANS_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a collector may take to answer: the default of OTLP.
pub const SPANS_EXPORT_TIMEOUT: Duration = Duration::from_secs(10);
/// Octets of a collector's answer; a longer one is none.
pub const SPANS_ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Pause after a collector took no spans; twice as long after each further time.
pub const SPANS_RETRY_MIN: Duration = Duration::from_secs(1);
/// The longest one.
pub const SPANS_RETRY_MAX: Duration = Duration::from_secs(30);
/// How long a batch is tried before it is lost.
pub const SPANS_RETRY_TIME: Duration = Duration::from_secs(60);
/// How long the last spans may take to be sent when the process ends.
pub const SPANS_END_TIMEOUT: Duration = Duration::from_secs(1);
/// Exact status codes that a series counts; further ones are counted by class.
pub const STATUS_CODES_MAX: usize = 16;

// ---- Memory of a core ---------------------------------------------------------------------------

/// Bytes of an idle HTTP/1.1 connection in clear text as measured, rounded up; those of TLS and
/// HTTP/2 are in `loadtest/RESULTS.md`.
const IDLE_CONNECTION_BYTES: usize = 2 * 1024;
/// Bytes of the future of one request at most.
pub const PLACE_BYTES: usize = 8 * 1024;
/// Bytes of the parsed form of one field.
pub const FIELD_BYTES: usize = 20;
/// Bytes of one series on a core that counts for it, at most, where nothing is told apart.
pub const SERIES_BYTES: usize = 1280;
/// Bytes of what is measured of one pair, with buckets as many as usual.
const KIND_BYTES: usize = 2048;
/// Bytes that a core may take for the metrics of ingress-nginx, on top of [`CORE_BYTES_MAX`] where
/// they are on: the table of pairs of every series and its rest, and the pairs.
pub const KINDS_BYTES_MAX: usize =
    SERIES_MAX * (KINDS_PER_SERIES_MAX * 32 + KIND_BYTES) + KINDS_MAX * KIND_BYTES;
/// Bytes that parsed heads and paths of one request may take: each octet of a path may become
/// three, once for rules to match and once rewritten.
const SCRATCH_BYTES_MAX: usize =
    FIELD_BYTES * (FIELDS_MAX + RESPONSE_FIELDS_MAX) + 2 * 3 * REQUEST_LINE_BYTES_MAX;
/// Bytes that one request of HTTP/1.1 in clear text may hold while it is under way.
const REQUEST_BYTES_MAX: usize = PLACE_BYTES
    + SCRATCH_BYTES_MAX
    // The request's head; it stays until no attempt can follow.
    + BUFFER_LARGE_BYTES
    // A piece of the request's body, or all of it where it is collected.
    + BUFFER_LARGE_BYTES
    // The response's head, or a piece of its body.
    + BUFFER_LARGE_BYTES
    // What is written first: a head of ours.
    + BUFFER_SMALL_BYTES;
/// Bytes that a core may keep free after a burst, for twice [`SPARES_PERIOD`].
const SPARE_BYTES_MAX: usize = BUFFERS_FREE_MAX[0] * BUFFER_SMALL_BYTES
    + BUFFERS_FREE_MAX[1] * BUFFER_MEDIUM_BYTES
    + BUFFERS_FREE_MAX[2] * BUFFER_LARGE_BYTES
    + PLACES_KEPT_MAX * PLACE_BYTES
    + SCRATCHES_KEPT_MAX * SCRATCH_BYTES_MAX;
/// Bytes of a core that serves nobody: both queues of its ring (64 and 16 octets an entry, 4 of the
/// index), one buffer each of the access log and of spans, memory to match paths in, every series.
const OWN_BYTES_MAX: usize = RING_ENTRIES as usize * (64 + 4)
    + RING_COMPLETIONS as usize * 16
    + ACCESS_LOG_BUFFER_BYTES
    + SPAN_BUFFER_BYTES
    + AUTH_ANSWERS_BYTES_MAX
    + PATH_SCRATCH_BYTES_MAX
    + MIRRORS_BYTES_MAX
    + SERIES_MAX * SERIES_BYTES;
/// Bytes that an HTTP/2 connection of a client may hold besides its requests: octets that no
/// backend took, octets that it does not take, a field block with its list, and the table.
pub const HTTP2_CLIENT_BYTES_MAX: usize = HTTP2_CONNECTION_WINDOW_BYTES as usize
    + HTTP2_OUTBOX_BYTES_MAX
    + HTTP2_BLOCK_BYTES_MAX
    + HTTP2_HEADER_LIST_BYTES_MAX as usize
    + HTTP2_HEADER_TABLE_BYTES_MAX as usize
    + HTTP2_FRAME_BYTES_MAX as usize;
/// Bytes that an HTTP/2 connection to a backend may hold besides its requests: octets that clients
/// do not take, octets that the backend does not take, a field block with its list, and the table.
pub const HTTP2_BACKEND_BYTES_MAX: usize = HTTP2_UPSTREAM_CONNECTION_WINDOW_BYTES as usize
    + HTTP2_OUTBOX_BYTES_MAX
    + HTTP2_UPSTREAM_UNSENT_BYTES_MAX
    + HTTP2_BLOCK_BYTES_MAX
    + HTTP2_RESPONSE_LIST_BYTES_MAX as usize
    + HTTP2_HEADER_TABLE_BYTES_MAX as usize
    + HTTP2_FRAME_BYTES_MAX as usize;
/// Bytes of one core with 10,000 idle connections and 1,000 requests under way, each as large as
/// may be: what `docs/operations.md` says to plan with.
pub const CORE_BYTES_MAX: usize =
    OWN_BYTES_MAX + SPARE_BYTES_MAX + 10_000 * IDLE_CONNECTION_BYTES + 1_000 * REQUEST_BYTES_MAX;
/// Bytes of such a core that compresses, tells metrics apart as ingress-nginx does, and has bodies
/// of HTTP/2 come over long ways.
const FULL_CORE_BYTES_MAX: usize =
    CORE_BYTES_MAX + COMPRESSORS_BYTES_MAX + KINDS_BYTES_MAX + HTTP2_GROWN_CORE_BYTES_MAX as usize;

const _: () = assert!(CORE_BYTES_MAX <= 512 * 1024 * 1024);
const _: () = assert!(HTTP2_CLIENT_BYTES_MAX <= 2 * 1024 * 1024);
const _: () = assert!(HTTP2_BACKEND_BYTES_MAX <= 10 * 1024 * 1024);
const _: () = assert!(KINDS_BYTES_MAX <= 68 * 1024 * 1024);
const _: () = assert!(COMPRESSORS_BYTES_MAX > COMPRESSOR_BYTES + BROTLI_HASH_BYTES[11]);
const _: () = assert!(COMPRESSORS_BYTES_MAX / COMPRESSOR_BYTES >= 32);
const _: () = assert!(COMPRESSORS_BYTES_MAX / GZIP_BYTES >= 128);
const _: () = assert!(FULL_CORE_BYTES_MAX <= 672 * 1024 * 1024);
const _: () = assert!(REQUEST_LINE_BYTES_MAX < REQUEST_HEAD_BYTES_MAX);
const _: () = assert!(REQUEST_HEAD_BYTES_MAX <= BUFFER_LARGE_BYTES);
const _: () = assert!(RESPONSE_HEAD_BYTES_MAX <= BUFFER_LARGE_BYTES);
const _: () = assert!(COLLECTED_BODY_BYTES_MAX <= BUFFER_LARGE_BYTES);
const _: () = assert!(BUFFER_SMALL_BYTES < BUFFER_MEDIUM_BYTES);
const _: () = assert!(BUFFER_MEDIUM_BYTES < BUFFER_LARGE_BYTES);
const _: () = assert!(CHUNK_EXTENSION_BYTES_MAX <= CHUNK_EXTENSIONS_BYTES_MAX);
const _: () = assert!(ACCESS_LOG_LINE_BYTES_MAX < ACCESS_LOG_BUFFER_BYTES);
const _: () = assert!(SPANS_RETRY_MIN.as_secs() < SPANS_RETRY_MAX.as_secs());
const _: () = assert!(SPANS_RETRY_MAX.as_secs() < SPANS_RETRY_TIME.as_secs());
const _: () = assert!(LOG_FORM_BYTES_MAX + ACCESS_LOG_FIELD_BYTES_MAX < ACCESS_LOG_LINE_BYTES_MAX);
const _: () = assert!(
    HTTP2_RESPONSE_LIST_BYTES_MAX as usize == RESPONSE_HEAD_BYTES_MAX + 32 * RESPONSE_FIELDS_MAX
);
const _: () = assert!(PROXY_LINE_BYTES_MAX < PROXY_HEADER_BYTES_MAX);
const _: () = assert!(PROXY_HEADER_BYTES_MAX <= BUFFER_MEDIUM_BYTES);
const _: () = assert!(STATUS_CODES_MAX.is_power_of_two());
const _: () =
    assert!(HTTP2_HEADER_LIST_BYTES_MAX <= HTTP2_CONTINUATIONS_MAX * HTTP2_FRAME_BYTES_MAX);
const _: () = assert!(ADMISSION_CONNECTIONS_PLENTY < ADMISSION_CONNECTIONS_MAX);
const _: () = assert!(ADMISSION_CONNECTIONS_PER_ADDRESS_MAX < ADMISSION_CONNECTIONS_MAX);
const _: () = assert!(ADMIN_CONNECTIONS_PER_ADDRESS_MAX < ADMIN_CONNECTIONS_MAX);
const _: () = assert!(ADMIN_STREAMS_MAX < ADMIN_CONNECTIONS_PER_ADDRESS_MAX);
const _: () = assert!(ADMIN_STREAM_LIFETIME.as_millis() < ADMIN_CONNECTION_TIMEOUT.as_millis());
const _: () = assert!(ADMIN_TOKEN_BYTES_MAX < ADMIN_REQUEST_BYTES_MAX);
const _: () = assert!(ADMIN_WAITING_PER_ADDRESS_MAX < ADMIN_WAITING_MAX);
const _: () = assert!(ADMIN_ACCEPTS_IN_A_ROW < ADMIN_WAITING_PER_ADDRESS_MAX);
const _: () = assert!((SEATS_ACCEPTS_IN_A_ROW as usize) < ADMIN_CONNECTIONS_PER_ADDRESS_MAX);
const _: () = assert!(CONTROL_BEAT.as_millis() * 10 < CONTROL_LAG_MAX.as_millis());
const _: () = assert!(ADMISSION_SMALL_BODY_BYTES < ADMISSION_BODY_BYTES_MAX);
const _: () = assert!(TICK.as_millis() < CLIENT_CHECK_INTERVAL.as_millis());
const _: () = assert!(LEASE_RENEW.as_secs() < LEASE_RENEW_DEADLINE.as_secs());
const _: () = assert!(LEASE_RENEW_DEADLINE.as_secs() < LEASE_DURATION.as_secs());
const _: () = assert!(API_RETRY_MAX.as_secs() < STATUS_CALM.as_secs());
const _: () = assert!(KUBE_BACKOFF_MIN.as_millis() < KUBE_BACKOFF_MAX.as_millis());
