//! Names in few bytes: a code of one byte for each frequent piece of a name.
//!
//! The pieces are fixed, so they are part of the format. A name takes a bit more
//! than half of its length, and can be compared without being unpacked.

/// Packs names. Holds the pieces as a tree, one row for each beginning of one.
pub(super) struct Packer {
    /// Where each letter leads; 0 for nowhere.
    next: Vec<[u16; LETTERS.len()]>,
    /// The code of what has been read so far; [`RAW`] if there is none.
    codes: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> Self {
        let mut new = Self { next: vec![[0; LETTERS.len()]], codes: vec![RAW] };
        for code in 0..RAW {
            let (bytes, len) = piece(code);
            new.insert(bytes.to_le_bytes().get(..len).unwrap_or_default(), code);
        }
        new
    }

    fn insert(&mut self, piece: &[u8], code: u8) {
        let mut at = 0;
        for &byte in piece {
            let letter = usize::from(LETTER[usize::from(byte)]);
            if self.next[at][letter] == 0 {
                self.next[at][letter] = u16::try_from(self.next.len()).unwrap_or(0);
                self.next.push([0; LETTERS.len()]);
                self.codes.push(RAW);
            }
            at = usize::from(self.next[at][letter]);
        }
        self.codes[at] = code;
    }

    /// Appends the codes of `name`: of what is left of it the longest piece, again and again.
    pub(super) fn pack(&self, name: &[u8], out: &mut Vec<u8>) {
        let mut rest = name;
        while let Some(&first) = rest.first() {
            let (code, len) = self.longest(rest);
            out.push(code);
            if code == RAW {
                out.push(first);
            }
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    fn longest(&self, name: &[u8]) -> (u8, usize) {
        let (mut at, mut best) = (0, (RAW, 1));
        for (len, &byte) in (1..).zip(name) {
            let Some(row) = self.next.get(at) else { break };
            at = match row.get(usize::from(LETTER[usize::from(byte)])) {
                Some(&next) if next != 0 => usize::from(next),
                _ => break,
            };
            match self.codes.get(at) {
                Some(&RAW) | None => {}
                Some(&code) => best = (code, len),
            }
        }
        best
    }
}

/// Whether these codes are those of `name`.
pub(super) fn is_packed(codes: &[u8], name: &[u8]) -> bool {
    let tail = last_eight(name);
    let mut rest = name;
    let mut codes = codes.iter();
    while let Some(&code) = codes.next() {
        let (mut bytes, mut len) = piece(code);
        if code == RAW {
            let Some(&raw) = codes.next() else { return false };
            (bytes, len) = (raw.into(), 1);
        }
        let next = match rest.first_chunk() {
            Some(next) => u64::from_le_bytes(*next),
            None => tail.checked_shr(8 * (8 - rest.len() as u32)).unwrap_or(0),
        };
        let mask = (1 << (8 * len)) - 1;
        match rest.get(len..) {
            Some(after) if (next ^ bytes) & mask == 0 => rest = after,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// The name of these codes.
pub(super) fn unpack(codes: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    let mut codes = codes.iter();
    while let Some(&code) = codes.next() {
        if code == RAW {
            name.extend(codes.next());
        } else {
            let (bytes, len) = piece(code);
            name.extend(bytes.to_le_bytes().get(..len).unwrap_or_default());
        }
    }
    name
}

/// The last eight bytes, the last one in the highest place.
fn last_eight(name: &[u8]) -> u64 {
    match name.last_chunk() {
        Some(last) => u64::from_le_bytes(*last),
        None => {
            name.iter()
                .rev()
                .fold((0, 64), |(word, at), &byte| (word | u64::from(byte) << (at - 8), at - 8))
                .0
        }
    }
}

/// The bytes of a piece, the first one in the lowest place, and how many there are: 0 to 7.
fn piece(code: u8) -> (u64, usize) {
    let piece = PIECES[usize::from(code)];
    (piece & (u64::MAX >> 8), (piece >> 56) as usize)
}

/// Of each code its piece, with the length in the highest byte.
static PIECES: [u64; 256] = pieces();

/// Of each byte its place in [`LETTERS`], or a place past it.
static LETTER: [u8; 256] = letters();

const fn pieces() -> [u64; 256] {
    let mut pieces = [0; 256];
    let mut code = 0;
    while code < LETTERS.len() {
        pieces[code] = LETTERS[code] as u64 | 1 << 56;
        code += 1;
    }
    let words = WORDS.as_bytes();
    let (mut at, mut len) = (0, 0);
    while at <= words.len() {
        if at == words.len() || words[at] == b' ' {
            assert!(len > 1 && len < 8 && code < RAW as usize, "as the format has it");
            pieces[code] |= (len as u64) << 56;
            code += 1;
            len = 0;
        } else {
            pieces[code] |= (words[at] as u64) << (8 * len);
            len += 1;
        }
        at += 1;
    }
    assert!(code == RAW as usize, "no code is free");
    pieces
}

const fn letters() -> [u8; 256] {
    let mut letters = [u8::MAX; 256];
    let mut at = 0;
    while at < LETTERS.len() {
        letters[LETTERS[at] as usize] = at as u8;
        at += 1;
    }
    letters
}

const RAW: u8 = 0xff; // the next byte stands for itself
const LETTERS: &[u8; 39] = b"abcdefghijklmnopqrstuvwxyz0123456789-._"; // what names are made of

/// The pieces that save most on public lists of trackers (a table as FSST has it, Boncz et
/// al. 2020), learnt from at most two names of each domain so that no domain is preferred.
const WORDS: &str = "\
-p .c .cn .com .de .info .net .online .org .pl .ru .site .space .top .xyz 0.com 1.com 2.com \
3.com 4.com 5.com 6.com 7.com 8.com 9.com a.com ac ad ads. ads.com al an ap ar as at ation \
b.com ba be bi bo c.com ca ce ce.com ch ch.com cl co com d.com da de di do ds.com e. e.com \
ed en er er.com es es.com et f.com fa fi for g.com ga ge ge.com gi go gr h.com ha he ho \
i.com ic ics. in info ing ing.com ion ion.com it k.com ka ke ki l.com la le le.com li live \
ll lo m.com ma market me medi ment mi mkt mkt1 mo n.com na nd ne net new ng ng.com ni no ns \
nt o.com ol on online or ou p.com pa pe pl po post pro r.com ra re re.com ri ro rs.com rt s. \
s.com s.net sa sc se ser service sh shop si site smetr so sp st stats. t. t.com ta te te.com \
ter th ti tion to tr trac ts.com u.com un ur us ut v.com ve ver vi w.com wa web wor www. \
www.a www.ad www.b www.c www.co www.d www.e www.f www.g www.h www.i www.in www.j www.m www.o \
www.p www.re www.s www.v www.w www.x www.z x.com y. y.com z.com";
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packed(name: &[u8]) -> Vec<u8> {
        let mut codes = Vec::new();
        Packer::new().pack(name, &mut codes);
        codes
    }

    proptest! {
        #[test]
        fn every_name_comes_back_and_is_no_other(
            name in "[a-z.-]{0,40}|.{0,20}|(www\\.|metrics|\\.com|online){0,5}",
            other in "[a-z.]{0,12}"
        ) {
            let codes = packed(name.as_bytes());
            prop_assert_eq!(unpack(&codes), name.as_bytes());
            prop_assert!(is_packed(&codes, name.as_bytes()));
            prop_assert_eq!(is_packed(&codes, other.as_bytes()), name == other);
            for longer in [format!("{name}a"), format!("a{name}")] {
                prop_assert!(!is_packed(&codes, longer.as_bytes()));
            }
            if let Some((_, short)) = name.as_bytes().split_last() {
                prop_assert!(!is_packed(&codes, short));
            }
        }

        #[test]
        fn any_codes_can_be_compared(
            codes in proptest::collection::vec(any::<u8>(), 0..40),
            name in proptest::collection::vec(any::<u8>(), 0..40)
        ) {
            let is = is_packed(&codes, &name);
            prop_assert_eq!(is, unpack(&codes) == name);
        }
    }

    #[test]
    fn a_common_name_takes_half() {
        let name = b"metrics.online-shop.example.com";
        let codes = packed(name);
        assert!(codes.len() * 3 < name.len() * 2, "{} of {}", codes.len(), name.len());
    }
}
