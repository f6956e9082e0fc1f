//! Lossless WebP (VP8L) for images made of copied pieces.
//!
//! A texture repeats its patches exactly, anywhere in the image. So pixels are
//! coded as copies (LZ77 over the whole image), as entries of the colour cache,
//! or as literals less their green; prediction, which hides copies, is left out.
//! Integers only: the same bytes everywhere. Terms and numbers are those of the
//! WebP Lossless Bitstream Specification (RFC 9649, section 3).

use super::bits::{Bits, PrefixCode, LONGEST};

/// libwebp's largest side. The format has one more, which some readers take for 0.
const MAX_SIDE: u32 = (1 << 14) - 1;
/// The specification's longest copy.
const MAX_COPY: usize = 4096;
/// Distances below are short-hand for near pixels, others are raised by it.
const NEAR_CODES: usize = 120;
/// The farthest pixel that a distance code reaches.
const WINDOW: usize = (1 << 20) - NEAR_CODES;
const CACHE_BITS: usize = 10;
const FIRST_COPY: usize = 256;
const FIRST_CACHED: usize = FIRST_COPY + 24;
const ALPHABETS: [usize; 5] = [FIRST_CACHED + (1 << CACHE_BITS), 256, 256, 256, 40];
const HASH_BITS: usize = 15;
/// How many earlier places a copy is looked for at.
const MAX_TRIES: usize = 32;
const OPAQUE: u32 = 0xff00_0000;

/// A file's bytes, or what it cannot hold.
pub fn encode(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>, String> {
    let sides = 1..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(format!("{width} x {height} px do not fit into a WebP file"));
    }
    let colours: Vec<u32> = pixels.chunks_exact(3).map(less_green).collect();
    let tokens = tokens(&colours, width as usize);
    let mut bits = Bits::default();
    bits.put(0x2f, 8);
    bits.put(width as usize - 1, 14);
    bits.put(height as usize - 1, 14);
    bits.put(0, 1 + 3); // no alpha, version 0
    bits.put(0b101, 1 + 2); // a transform: subtract green
    bits.put(0, 1); // no further transform
    bits.put(1 | CACHE_BITS << 1, 1 + 4); // a colour cache
    bits.put(0, 1); // one group of prefix codes for the whole image
    put_tokens(&mut bits, &tokens);
    riff(bits.into_bytes())
}

fn less_green(rgb: &[u8]) -> u32 {
    let (red, blue) = (rgb[0].wrapping_sub(rgb[1]), rgb[2].wrapping_sub(rgb[1]));
    OPAQUE | u32::from(red) << 16 | u32::from(rgb[1]) << 8 | u32::from(blue)
}

fn riff(mut stream: Vec<u8>) -> Result<Vec<u8>, String> {
    let length = u32::try_from(stream.len()).map_err(|error| error.to_string())?;
    if length % 2 == 1 {
        stream.push(0);
    }
    let mut file = Vec::with_capacity(20 + stream.len());
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(12 + length + length % 2).to_le_bytes());
    file.extend_from_slice(b"WEBPVP8L");
    file.extend_from_slice(&length.to_le_bytes());
    file.append(&mut stream);
    Ok(file)
}

#[derive(Debug, Clone, Copy)]
enum Token {
    Literal(u32),
    Cached(usize),
    Copy { length: usize, distance: usize },
}

/// Greedy, but for a pixel alone where the next one begins a longer copy.
fn tokens(colours: &[u32], width: usize) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut history = History::new(colours);
    let mut cache = Cache::new();
    let mut at = 0;
    let mut copy = history.longest_copy(0);
    while at < colours.len() {
        history.add(at);
        let next = history.longest_copy(at + 1);
        if copy.0 < 2 || next.0 > copy.0 + 1 {
            tokens.push(cache.token(colours[at]));
            at += 1;
            copy = next;
            continue;
        }
        let (length, distance) = copy;
        let distance = match distance {
            1 => 2,
            above if above == width => 1,
            far => far + NEAR_CODES,
        };
        tokens.push(Token::Copy { length, distance });
        let end = at + length;
        colours[at..end]
            .iter()
            .for_each(|&colour| cache.add(colour));
        (at + 1..end).for_each(|passed| history.add(passed));
        at = end;
        copy = history.longest_copy(at);
    }
    tokens
}

/// Where each pair of colours was seen: chains of places, nearest first.
struct History<'a> {
    colours: &'a [u32],
    latest: Vec<u32>,
    earlier: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl<'a> History<'a> {
    fn new(colours: &'a [u32]) -> Self {
        Self {
            colours,
            latest: vec![NOWHERE; 1 << HASH_BITS],
            earlier: vec![NOWHERE; colours.len()],
        }
    }

    fn slot(&self, at: usize) -> Option<usize> {
        let [first, second] = *self.colours.get(at..at + 2)? else {
            return None;
        };
        let mixed = first.wrapping_mul(0x1e35_a7bd) ^ second.wrapping_mul(0x9e37_79b1);
        Some((mixed.wrapping_mul(0x85eb_ca6b) >> (32 - HASH_BITS)) as usize)
    }

    fn add(&mut self, at: usize) {
        if let Some(slot) = self.slot(at) {
            self.earlier[at] = self.latest[slot];
            // There are less than 2^28 pixels.
            self.latest[slot] = u32::try_from(at).unwrap_or(NOWHERE);
        }
    }

    /// Length and distance of the longest copy that begins `at`, the nearest of equals.
    fn longest_copy(&self, at: usize) -> (usize, usize) {
        let mut best = (0, 0);
        let Some(slot) = self.slot(at) else {
            return best;
        };
        let rest = &self.colours[at..self.colours.len().min(at + MAX_COPY)];
        let mut place = self.latest[slot];
        for _ in 0..MAX_TRIES {
            if place == NOWHERE || at - place as usize > WINDOW || best.0 == rest.len() {
                break;
            }
            let from = &self.colours[place as usize..];
            if from[best.0] == rest[best.0] {
                let length = from.iter().zip(rest).take_while(|(a, b)| a == b).count();
                if length > best.0 {
                    best = (length, at - place as usize);
                }
            }
            place = self.earlier[place as usize];
        }
        best
    }
}

/// The colour cache, as the decoder will have it.
struct Cache(Vec<u32>);

impl Cache {
    fn new() -> Self {
        Self(vec![0; 1 << CACHE_BITS])
    }

    fn slot(colour: u32) -> usize {
        (colour.wrapping_mul(0x1e35_a7bd) >> (32 - CACHE_BITS)) as usize
    }

    fn add(&mut self, colour: u32) {
        self.0[Self::slot(colour)] = colour;
    }

    fn token(&mut self, colour: u32) -> Token {
        let slot = Self::slot(colour);
        if self.0[slot] == colour {
            return Token::Cached(slot);
        }
        self.0[slot] = colour;
        Token::Literal(colour)
    }
}

/// A length's or distance's symbol, and its further bits as (value, count).
fn prefix(value: usize) -> (usize, usize, usize) {
    let value = value - 1;
    if value < 4 {
        return (value, 0, 0);
    }
    let count = value.ilog2() as usize - 1;
    let symbol = 2 * (count + 1) + (value >> count & 1);
    (symbol, value & ((1 << count) - 1), count)
}

/// A literal's symbols, in the order of their codes.
fn channels(colour: u32) -> [usize; 4] {
    let [blue, green, red, alpha] = colour.to_le_bytes();
    [green, red, blue, alpha].map(usize::from)
}

fn put_tokens(bits: &mut Bits, tokens: &[Token]) {
    let mut counts = ALPHABETS.map(|size| vec![0u32; size]);
    for token in tokens {
        match *token {
            Token::Literal(colour) => {
                for (count, symbol) in counts.iter_mut().zip(channels(colour)) {
                    count[symbol] += 1;
                }
            }
            Token::Cached(slot) => counts[0][FIRST_CACHED + slot] += 1,
            Token::Copy { length, distance } => {
                counts[0][FIRST_COPY + prefix(length).0] += 1;
                counts[4][prefix(distance).0] += 1;
            }
        }
    }
    let codes = counts.map(|count| PrefixCode::new(&count, LONGEST));
    for code in &codes {
        code.put_lengths(bits);
    }
    for token in tokens {
        match *token {
            Token::Literal(colour) => {
                for (code, symbol) in codes.iter().zip(channels(colour)) {
                    code.put(bits, symbol);
                }
            }
            Token::Cached(slot) => codes[0].put(bits, FIRST_CACHED + slot),
            Token::Copy { length, distance } => {
                for (code, first, value) in [(0, FIRST_COPY, length), (4, 0, distance)] {
                    let (symbol, rest, count) = prefix(value);
                    codes[code].put(bits, first + symbol);
                    bits.put(rest, count);
                }
            }
        }
    }
}
