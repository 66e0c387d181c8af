//! Bodies that are packed.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A body as `Content-Encoding: gzip` sends it.
pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    gzip_at(body, 9)
}

/// The same, packed as well as this level does.
pub(crate) fn gzip_at(body: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(body).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}
