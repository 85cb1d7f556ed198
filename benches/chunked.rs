//! Time to decode a chunked body of 64 KiB that arrives in reads of 16 KiB, octets per second. The
//! copy into the read buffer, which decoding overwrites, is part of each round.

#![allow(clippy::expect_used, reason = "a bench that cannot go on has failed")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ringway::http1::body::{BodyDecoder, Sender};
use ringway::http1::encode::{CRLF, LAST_CHUNK, put_chunk_head};
use ringway::http1::framing::BodyLength;
use ringway::limits::BUFFER_MEDIUM_BYTES;

const BODY_BYTES: usize = 64 * 1024;

fn encode(chunk_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in vec![b'x'; BODY_BYTES].chunks(chunk_bytes) {
        put_chunk_head(&mut out, chunk.len());
        out.extend_from_slice(chunk);
        out.extend_from_slice(CRLF);
    }
    out.extend_from_slice(LAST_CHUNK);
    out
}

fn decode(wire: &[u8], buf: &mut [u8]) -> usize {
    let mut decoder = BodyDecoder::new(BodyLength::Chunked, Sender::Upstream);
    let mut octets = 0;
    for read in wire.chunks(buf.len()) {
        let buf = &mut buf[..read.len()];
        buf.copy_from_slice(read);
        octets += decoder.decode(buf).expect("the body is good").body;
    }
    assert!(decoder.is_done());
    octets
}

fn chunked(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked_decode");
    group.throughput(Throughput::Bytes(BODY_BYTES as u64));
    let mut buf = vec![0; BUFFER_MEDIUM_BYTES];
    for chunk_bytes in [16, 256, 4096, BODY_BYTES] {
        let wire = encode(chunk_bytes);
        group.bench_function(format!("chunks_of_{chunk_bytes}"), |bencher| {
            bencher.iter(|| black_box(decode(black_box(&wire), &mut buf)));
        });
    }
    group.finish();
}

criterion_group!(benches, chunked);
criterion_main!(benches);
