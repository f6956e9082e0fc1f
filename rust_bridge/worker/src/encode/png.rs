//! PNG, 8-bit RGB, for images made of copied pieces.
//!
//! Rows are not filtered: filters make smooth rows cheap, but they hide the
//! copies that textures consist of, which cost less still. The compressor is
//! zlib-rs, built without its run-time choice of instructions.

use zlib_rs::crc32::crc32;
use zlib_rs::{compress_bound, Deflate, DeflateFlush, Status};

const LEVEL: i32 = 6;
const WINDOW_BITS: u8 = 15;
/// Of a filter byte before each row.
const UNFILTERED: u8 = 0;

/// A file's bytes, or what it cannot hold.
pub fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend_from_slice(&[8, 2, 0, 0, 0]); // bits, RGB, deflate, filters, not interlaced
    chunk(&mut file, *b"IHDR", &header)?;
    chunk(&mut file, *b"IDAT", &compress(&rows(pixels, width))?)?;
    chunk(&mut file, *b"IEND", &[])?;
    Ok(file)
}

fn rows(pixels: &[u8], width: u32) -> Vec<u8> {
    let row = 3 * width as usize;
    let mut rows = Vec::with_capacity(pixels.len() + pixels.len() / row);
    for pixels in pixels.chunks_exact(row) {
        rows.push(UNFILTERED);
        rows.extend_from_slice(pixels);
    }
    rows
}

fn compress(rows: &[u8]) -> Result<Vec<u8>, String> {
    let mut stream = vec![0; compress_bound(rows.len())];
    let mut deflate = Deflate::new(LEVEL, true, WINDOW_BITS);
    match deflate.compress(rows, &mut stream, DeflateFlush::Finish) {
        Ok(Status::StreamEnd) => {}
        // Some 4 GiB are more than it takes at a time.
        other => return Err(format!("zlib-rs ended with {other:?}")),
    }
    let length = usize::try_from(deflate.total_out()).map_err(|error| error.to_string())?;
    stream.truncate(length);
    Ok(stream)
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) -> Result<(), String> {
    let length = i32::try_from(data.len()).map_err(|_| "more than 2 GiB in a PNG file")?;
    file.extend_from_slice(&length.to_be_bytes());
    let start = file.len();
    file.extend_from_slice(&kind);
    file.extend_from_slice(data);
    let sum = crc32(0, &file[start..]);
    file.extend_from_slice(&sum.to_be_bytes());
    Ok(())
}
