//! The Huffman code of field values and names, RFC 7541 section 5.2 and appendix B: encoded symbol
//! by symbol, decoded four bits at a time by a table that the compiler makes.

use super::error::HpackError;

/// Symbols: the octets, and EOS.
const SYMBOLS: usize = 257;
const EOS: usize = 256;
/// Longest code, that of EOS.
const BITS_MAX: u8 = 30;

/// Bits of each octet's code. The code is canonical: of two codes of one length the smaller octet
/// has the smaller one, and shorter codes come first.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

/// Code of each symbol, in its lowest bits, and the count of them.
const CODES: [(u32, u8); SYMBOLS] = {
    let mut codes = [(0, 0); SYMBOLS];
    let mut next = 0_u32;
    let mut bits = 1;
    while bits <= BITS_MAX {
        next <<= 1;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            let length = if symbol == EOS { BITS_MAX } else { LENGTHS[symbol] };
            if length == bits {
                codes[symbol] = (next, bits);
                next += 1;
            }
            symbol += 1;
        }
        bits += 1;
    }
    codes
};

/// A child in the tree of codes: an inner node below 256, else a symbol above.
const LEAF: u16 = 256;

/// The tree of codes; 257 leaves make 256 inner nodes, of which 0 is the root.
const TREE: [[u16; 2]; 256] = {
    let mut tree = [[0; 2]; 256];
    let mut count = 1;
    let mut symbol = 0_u16;
    while (symbol as usize) < SYMBOLS {
        let (code, bits) = CODES[symbol as usize];
        let mut node = 0;
        let mut left = bits;
        while left > 1 {
            left -= 1;
            let bit = (code >> left & 1) as usize;
            if tree[node][bit] == 0 {
                tree[node][bit] = count;
                count += 1;
            }
            node = tree[node][bit] as usize;
        }
        tree[node][(code & 1) as usize] = LEAF + symbol;
        symbol += 1;
    }
    tree
};

/// What four bits lead to.
#[derive(Clone, Copy)]
struct Step {
    /// Inner node in which they end.
    next: u8,
    symbol: u8,
    /// `symbol` was completed; the shortest code has five bits, so that there is one at most.
    has_symbol: bool,
    /// EOS was met.
    is_wrong: bool,
}

const STEPS: [[Step; 16]; 256] = {
    let mut steps = [[Step { next: 0, symbol: 0, has_symbol: false, is_wrong: false }; 16]; 256];
    let mut from = 0;
    while from < 256 {
        let mut nibble = 0;
        while nibble < 16 {
            steps[from][nibble] = walk(from, nibble);
            nibble += 1;
        }
        from += 1;
    }
    steps
};

#[expect(clippy::cast_possible_truncation, reason = "nodes are below 256, checked before")]
const fn walk(from: usize, nibble: usize) -> Step {
    let mut step = Step { next: 0, symbol: 0, has_symbol: false, is_wrong: false };
    let mut node = from;
    let mut left = 4;
    while left > 0 {
        left -= 1;
        let child = TREE[node][nibble >> left & 1];
        if child < LEAF {
            node = child as usize;
        } else if child == LEAF + EOS as u16 {
            step.is_wrong = true;
            node = 0;
        } else {
            step.symbol = (child - LEAF) as u8;
            step.has_symbol = true;
            node = 0;
        }
    }
    step.next = node as u8;
    step
}

/// Nodes in which a string may end: none, or up to seven bits of ones, the beginning of EOS.
const IS_END: [bool; 256] = {
    let mut is_end = [false; 256];
    let mut node = 0;
    let mut ones = 0;
    while ones <= 7 {
        is_end[node] = true;
        node = TREE[node][1] as usize;
        ones += 1;
    }
    is_end
};

static DECODE: [[Step; 16]; 256] = STEPS;
static ENCODE: [(u32, u8); SYMBOLS] = CODES;

/// Appends the octets of a coded string.
///
/// # Errors
/// [`HpackError::Huffman`]; what was appended means nothing.
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    // The shortest code has five bits.
    out.reserve(coded.len().saturating_mul(8) / 5);
    let mut node = 0_u8;
    for octet in coded {
        for nibble in [octet >> 4, octet & 0xf] {
            let step = DECODE[usize::from(node)][usize::from(nibble)];
            if step.is_wrong {
                return Err(HpackError::Huffman);
            }
            if step.has_symbol {
                out.push(step.symbol);
            }
            node = step.next;
        }
    }
    if IS_END[usize::from(node)] { Ok(()) } else { Err(HpackError::Huffman) }
}

/// Octets of `plain` when it is coded.
#[must_use]
pub fn encoded_len(plain: impl Iterator<Item = u8>) -> usize {
    let bits: usize = plain.map(|octet| usize::from(LENGTHS[usize::from(octet)])).sum();
    bits.div_ceil(8)
}

/// Appends the code of `plain`, padded with ones.
pub fn encode(plain: impl Iterator<Item = u8>, out: &mut Vec<u8>) {
    let mut bits = 0_u64;
    let mut count = 0;
    for octet in plain {
        let (code, length) = ENCODE[usize::from(octet)];
        // INVARIANT: below 32 bits are waiting, and a code has 30 at most.
        bits = bits << length | u64::from(code);
        count += u32::from(length);
        if count >= 32 {
            count -= 32;
            out.extend_from_slice(&low_word(bits >> count));
        }
    }
    let padding = (8 - count % 8) % 8;
    bits = bits << padding | ((1 << padding) - 1);
    count += padding;
    while count > 0 {
        count -= 8;
        out.push(low_word(bits >> count)[3]);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are what is wanted")]
const fn low_word(bits: u64) -> [u8; 4] {
    (bits as u32).to_be_bytes()
}
