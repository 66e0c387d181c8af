//! Gzipped bodies.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A body as sent with `Content-Encoding: gzip`.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    gzip_at(body, 9)
}

/// The same, compressed at this level.
pub(crate) fn gzip_at(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds")
}
