//! A bit stream and prefix (Huffman) codes, as lossless WebP has them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Bits, the lowest first.
#[derive(Debug, Default)]
pub struct Bits {
    bytes: Vec<u8>,
    pending: u64,
    count: usize,
}

impl Bits {
    /// Appends the lowest `count` (at most 32) bits of `value`, whose others are 0.
    pub fn put(&mut self, value: usize, count: usize) {
        self.pending |= (value as u64) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.bytes
                .extend_from_slice(&self.pending.to_le_bytes()[..4]);
            self.pending >>= 32;
            self.count -= 32;
        }
    }

    /// The bytes, the last one filled up with zeros.
    pub fn into_bytes(mut self) -> Vec<u8> {
        let rest = self.count.div_ceil(8);
        self.bytes
            .extend_from_slice(&self.pending.to_le_bytes()[..rest]);
        self.bytes
    }
}

/// The longest code that the format knows.
pub const LONGEST: usize = 15;
const LONGEST_OF_LENGTHS: usize = 7;
/// Lengths of codes are themselves coded, in this order of symbols.
const LENGTH_ORDER: [usize; 19] = [
    17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
];

/// A canonical prefix code. One of a single symbol takes no bits.
pub struct PrefixCode {
    lengths: Vec<usize>,
    words: Vec<usize>,
    only: Option<usize>,
}

impl PrefixCode {
    /// The code for symbols that occur `counts` times, none longer than `longest` bits.
    pub fn new(counts: &[u32], longest: usize) -> Self {
        let used = counts.iter().filter(|&&count| count > 0).count();
        if used < 2 {
            let only = counts.iter().position(|&count| count > 0).unwrap_or(0);
            return Self {
                lengths: Vec::new(),
                words: Vec::new(),
                only: Some(only),
            };
        }
        let lengths = code_lengths(counts, longest);
        Self {
            words: words(&lengths),
            lengths,
            only: None,
        }
    }

    /// Writes `symbol`.
    pub fn put(&self, bits: &mut Bits, symbol: usize) {
        if self.only.is_none() {
            bits.put(self.words[symbol], self.lengths[symbol]);
        }
    }

    /// Writes the code itself.
    pub fn put_lengths(&self, bits: &mut Bits) {
        if let Some(symbol) = self.only {
            bits.put(0b101, 3); // a simple code, of one symbol, of 8 bits
            bits.put(symbol, 8);
            return;
        }
        let runs = runs(&self.lengths);
        let mut counts = [0; LENGTH_ORDER.len()];
        for run in &runs {
            counts[run.0] += 1;
        }
        if runs.iter().all(|run| run.0 == runs[0].0) {
            counts[usize::from(runs[0].0 == 0)] += 1; // a code of one symbol has no lengths
        }
        let code = Self::new(&counts, LONGEST_OF_LENGTHS);
        bits.put(0, 1); // not a simple code
        let last = LENGTH_ORDER
            .iter()
            .rposition(|&symbol| code.lengths[symbol] > 0);
        let listed = last.map_or(4, |last| (last + 1).max(4));
        bits.put(listed - 4, 4);
        for &symbol in &LENGTH_ORDER[..listed] {
            bits.put(code.lengths[symbol], 3);
        }
        bits.put(0, 1); // lengths of the whole alphabet follow
        for (symbol, extra, count) in runs {
            code.put(bits, symbol);
            bits.put(extra, count);
        }
    }
}

/// Lengths as symbols with further bits: 0 to 15 themselves, 16 the last one
/// again, 17 and 18 zeros.
fn runs(lengths: &[usize]) -> Vec<(usize, usize, usize)> {
    let mut runs = Vec::new();
    for group in lengths.chunk_by(|a, b| a == b) {
        let mut rest = group.len();
        let value = group[0];
        if value > 0 {
            runs.push((value, 0, 0));
            rest -= 1;
        }
        while rest > 0 {
            let (symbol, least, most, count) = match (value, rest) {
                (_, ..3) => (value, 1, 1, 0),
                (0, ..11) => (17, 3, 10, 3),
                (0, _) => (18, 11, 138, 7),
                _ => (16, 3, 6, 2),
            };
            let taken = rest.min(most);
            runs.push((symbol, taken - least, count));
            rest -= taken;
        }
    }
    runs
}

/// Huffman's lengths; where one is too long, from flatter counts.
fn code_lengths(counts: &[u32], longest: usize) -> Vec<usize> {
    let mut counts = counts.to_vec();
    loop {
        let lengths = huffman(&counts);
        if lengths.iter().all(|&length| length <= longest) {
            return lengths;
        }
        for count in counts.iter_mut().filter(|count| **count > 0) {
            *count = *count / 2 + 1;
        }
    }
}

fn huffman(counts: &[u32]) -> Vec<usize> {
    // Of equal weights the older node is the lighter: ties are settled.
    let mut heap: BinaryHeap<_> = (0..counts.len())
        .filter(|&symbol| counts[symbol] > 0)
        .map(|symbol| Reverse((u64::from(counts[symbol]), symbol)))
        .collect();
    let mut parents = vec![0; counts.len()];
    while let (Some(Reverse(light)), Some(Reverse(heavy))) = (heap.pop(), heap.pop()) {
        let node = parents.len();
        parents[light.1] = node;
        parents[heavy.1] = node;
        parents.push(0);
        heap.push(Reverse((light.0 + heavy.0, node)));
        if heap.len() == 1 {
            break;
        }
    }
    let mut depths = vec![0; parents.len()];
    for node in (0..parents.len() - 1).rev() {
        if parents[node] > 0 {
            depths[node] = depths[parents[node]] + 1;
        }
    }
    depths.truncate(counts.len());
    depths
}

/// Canonical code words, their bits turned round for a stream of lowest bits first.
fn words(lengths: &[usize]) -> Vec<usize> {
    let mut next = 0usize;
    let mut words = vec![0; lengths.len()];
    for length in 1..=LONGEST {
        next <<= 1;
        for symbol in (0..lengths.len()).filter(|&symbol| lengths[symbol] == length) {
            words[symbol] = next.reverse_bits() >> (usize::BITS as usize - length);
            next += 1;
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_lowest() {
        let mut bits = Bits::default();
        bits.put(0b1, 1);
        bits.put(0b10, 2);
        bits.put(0xffff_ffff, 32);
        assert_eq!(bits.into_bytes(), [0xfd, 0xff, 0xff, 0xff, 0x07]);
    }

    #[test]
    fn a_code_is_complete_and_no_longer_than_allowed() {
        let mut counts = vec![1, 1];
        for i in 0..30 {
            counts.push(counts[i] + counts[i + 1]); // Huffman's lengths would reach 31
        }
        let code = PrefixCode::new(&counts, LONGEST);
        assert!(code
            .lengths
            .iter()
            .all(|length| (1..=LONGEST).contains(length)));
        let space: usize = code
            .lengths
            .iter()
            .map(|length| 1 << (LONGEST - length))
            .sum();
        assert_eq!(space, 1 << LONGEST);
    }

    #[test]
    fn lengths_are_written_in_runs() {
        let lengths = [vec![0; 150], vec![3; 9], vec![0; 5], vec![2; 2]].concat();
        let expected = [
            (18, 127, 7),
            (18, 1, 7),
            (3, 0, 0),
            (16, 3, 2),
            (3, 0, 0),
            (3, 0, 0),
            (17, 2, 3),
            (2, 0, 0),
            (2, 0, 0),
        ];
        assert_eq!(runs(&lengths), expected);
    }
}
