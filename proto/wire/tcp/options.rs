//! The options on the wire (RFC 9293 section 3.2).

use super::{Options, SackBlocks, SeqNumber, Timestamps, kind};
use crate::wire::{Fault, Layer, ParseError};

/// The most octets that fit behind the fixed header.
pub(super) const MAX_LEN: usize = 40;

/// Lengths of the known options, kind and length octet included.
mod len {
    pub(super) const MSS: usize = 4;
    pub(super) const WINDOW_SCALE: usize = 3;
    pub(super) const SACK_PERMITTED: usize = 2;
    pub(super) const SACK_BLOCK: usize = 8;
    pub(super) const TIMESTAMPS: usize = 10;
}

/// What nearly every segment of a connection with timestamps begins its options with
/// (RFC 7323 appendix A).
const ALIGNED_TIMESTAMPS: [u8; 4] = [kind::NOP, kind::NOP, kind::TIMESTAMPS, len::TIMESTAMPS as u8];

/// What [`parse`] would find if `octets` are those of a segment that has timestamps and nothing else.
#[inline]
pub(super) fn parse_timestamps(octets: &[u8]) -> Option<Timestamps> {
    let [a, b, c, d, v0, v1, v2, v3, e0, e1, e2, e3] = *octets else { return None };
    let value = u32::from_be_bytes([v0, v1, v2, v3]);
    let echo = u32::from_be_bytes([e0, e1, e2, e3]);
    ([a, b, c, d] == ALIGNED_TIMESTAMPS).then_some(Timestamps { value, echo })
}

/// Reads the octets behind the fixed header, which begin at octet `offset` of it.
///
/// Of an option that comes twice the last one counts. An option of known kind but of a length that
/// is not its own is an error (MUST-7).
pub(super) fn parse(octets: &[u8], offset: usize) -> Result<Options, ParseError> {
    let mut options = Options::default();
    let mut unknown = Vec::new();
    for (at, option) in (Walk { octets, at: 0 }) {
        match option.map_or(Taken::Malformed, |option| take(&mut options, option)) {
            Taken::Known => {}
            Taken::Unknown(option) => unknown.extend_from_slice(option),
            Taken::Malformed => {
                return Err(ParseError::new(Layer::Tcp, Fault::BadOptionLen, offset + at));
            }
        }
    }
    options.unknown = (!unknown.is_empty()).then(|| unknown.into());
    Ok(options)
}

/// What became of an option.
enum Taken<'a> {
    Known,
    Unknown(&'a [u8]),
    Malformed,
}

/// Notes what `option`, which has its kind and length octet, says.
///
/// A new kind is an arm here, a field of [`Options`], and a line in [`Layout::write`].
fn take<'a>(options: &mut Options, option: &'a [u8]) -> Taken<'a> {
    match *option {
        [kind::MSS, _, a, b] => options.mss = Some(u16::from_be_bytes([a, b])),
        [kind::WINDOW_SCALE, _, shift] => options.window_scale = Some(shift),
        [kind::SACK_PERMITTED, _] => options.sack_permitted = true,
        [kind::SACK, _, ref blocks @ ..] => match parse_sack(blocks) {
            Some(sack) => options.sack = sack,
            None => return Taken::Malformed,
        },
        [kind::TIMESTAMPS, _, a, b, c, d, e, f, g, h] => {
            options.timestamps = Some(Timestamps {
                value: u32::from_be_bytes([a, b, c, d]),
                echo: u32::from_be_bytes([e, f, g, h]),
            });
        }
        [kind::MSS | kind::WINDOW_SCALE | kind::SACK_PERMITTED | kind::TIMESTAMPS, ..] => {
            return Taken::Malformed;
        }
        _ => return Taken::Unknown(option),
    }
    Taken::Known
}

fn parse_sack(octets: &[u8]) -> Option<SackBlocks> {
    let (blocks, []) = octets.as_chunks::<{ len::SACK_BLOCK }>() else { return None };
    let mut sack = SackBlocks::default();
    for &[a, b, c, d, e, f, g, h] in blocks {
        let left = SeqNumber(u32::from_be_bytes([a, b, c, d]));
        let right = SeqNumber(u32::from_be_bytes([e, f, g, h]));
        // The header has no room for a fifth, so it is never refused.
        sack.push(left, right);
    }
    (!sack.is_empty()).then_some(sack)
}

/// Walks over options one by one; each step gets on by an octet at least.
///
/// Tells where each begins, and its octets with kind and length; nothing, and then no more, for one
/// that is shorter than two octets or runs past the end.
struct Walk<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Walk<'a> {
    type Item = (usize, Option<&'a [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while self.octets.get(self.at) == Some(&kind::NOP) {
            self.at += 1;
        }
        let rest = self.octets.get(self.at..)?;
        let len = match *rest {
            [] | [kind::EOL, ..] => return None,
            [_, len, ..] => usize::from(len),
            [_] => 0,
        };
        let at = self.at;
        let option = rest.get(..len).filter(|_| len >= 2);
        self.at = option.map_or(self.octets.len(), |option| at + option.len());
        Some((at, option))
    }
}

/// How the options of one segment are laid out.
///
/// They come in the order MSS, SACK permitted, timestamps, window scale, unknown ones, SACK, with
/// padding in front so that their numbers are aligned. If 40 octets are too few, the padding goes
/// first, then SACK blocks from the last one on, then unknown options from the last one on. What has
/// been parsed always fits.
pub(super) struct Layout {
    /// Room for the 40 octets and all the padding that might turn out to be too much.
    octets: [u8; 64],
    len: usize,
}

/// Whether options get padding in front.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Alignment {
    Aligned,
    Packed,
}

impl Layout {
    /// Lays `options` out.
    pub(super) fn of(options: &Options) -> Self {
        let mut layout = Self { octets: [0; 64], len: 0 };
        match options {
            Options {
                mss: None,
                window_scale: None,
                sack_permitted: false,
                timestamps,
                sack,
                unknown: None,
            } if sack.is_empty() => {
                if let Some(timestamps) = timestamps {
                    layout.push(&[kind::NOP, kind::NOP]);
                    layout.push(&timestamps_option(*timestamps));
                }
            }
            _ => {
                layout.write(options, Alignment::Aligned);
                if layout.len > MAX_LEN {
                    layout = Self { octets: [0; 64], len: 0 };
                    layout.write(options, Alignment::Packed);
                }
            }
        }
        layout
    }

    /// The octets, a multiple of four.
    pub(super) fn as_slice(&self) -> &[u8] {
        // The rest of the array is zero, which says: end of options (MUST-69).
        &self.octets[..self.len.next_multiple_of(4)]
    }

    fn write(&mut self, options: &Options, alignment: Alignment) {
        let fixed = fixed_len(options);
        let unknown = options.unknown.as_deref().unwrap_or_default();
        let unknown = whole_options(unknown, MAX_LEN - fixed);
        let room = (MAX_LEN - fixed - unknown.len()).saturating_sub(2) / len::SACK_BLOCK;
        let blocks = options.sack.as_slice();
        let blocks = &blocks[..blocks.len().min(room)];

        if let Some(mss) = options.mss {
            let [a, b] = mss.to_be_bytes();
            self.push(&[kind::MSS, len::MSS as u8, a, b]);
        }
        if options.sack_permitted {
            // It stands in for the padding of timestamps.
            self.pad(alignment, if options.timestamps.is_some() { 0 } else { 2 });
            self.push(&[kind::SACK_PERMITTED, len::SACK_PERMITTED as u8]);
        }
        if let Some(timestamps) = options.timestamps {
            self.pad(alignment, if options.sack_permitted { 0 } else { 2 });
            self.push(&timestamps_option(timestamps));
        }
        if let Some(shift) = options.window_scale {
            self.pad(alignment, 1);
            self.push(&[kind::WINDOW_SCALE, len::WINDOW_SCALE as u8, shift]);
        }
        self.push(unknown);
        if !blocks.is_empty() {
            self.pad(alignment, self.len.next_multiple_of(4) - self.len + 2);
            self.push(&[kind::SACK, (2 + blocks.len() * len::SACK_BLOCK) as u8]);
            for (left, right) in blocks {
                self.push(&left.0.to_be_bytes());
                self.push(&right.0.to_be_bytes());
            }
        }
    }

    fn push(&mut self, octets: &[u8]) {
        self.octets[self.len..self.len + octets.len()].copy_from_slice(octets);
        self.len += octets.len();
    }

    fn pad(&mut self, alignment: Alignment, nops: usize) {
        if alignment == Alignment::Aligned {
            self.octets[self.len..self.len + nops].fill(kind::NOP);
            self.len += nops;
        }
    }
}

fn timestamps_option(Timestamps { value, echo }: Timestamps) -> [u8; len::TIMESTAMPS] {
    let [a, b, c, d] = value.to_be_bytes();
    let [e, f, g, h] = echo.to_be_bytes();
    [kind::TIMESTAMPS, len::TIMESTAMPS as u8, a, b, c, d, e, f, g, h]
}

/// Octets of the options of fixed length, at most 19.
fn fixed_len(options: &Options) -> usize {
    let part = |present: bool, len: usize| if present { len } else { 0 };
    part(options.mss.is_some(), len::MSS)
        + part(options.sack_permitted, len::SACK_PERMITTED)
        + part(options.timestamps.is_some(), len::TIMESTAMPS)
        + part(options.window_scale.is_some(), len::WINDOW_SCALE)
}

/// The first options of `octets` that are well formed and take at most `room` octets together.
fn whole_options(octets: &[u8], room: usize) -> &[u8] {
    let ends = Walk { octets, at: 0 }.map_while(|(at, option)| Some(at + option?.len()));
    let end = ends.take_while(|&end| end <= room).last().unwrap_or(0);
    &octets[..end]
}
