//! Options between the notation of scripts and the octets of the wire.
//!
//! Scripts put padding where they like and repeat what makes no sense, so this knows nothing but shapes.

use netmart_proto::wire::tcp::kind;

use super::ast::{Number, TcpOption};

/// Why options cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unwritable {
    /// A number is left open.
    Open,
    /// They take more than 40 octets, or one of them more than fit.
    TooLong,
}

/// The most octets that options may take.
const MAX_LEN: usize = 40;

/// Writes options as they stand, with EOL behind them up to a multiple of four octets.
///
/// `map` gives SACK edges and echoed timestamps the numbers of the wire.
pub(super) fn write(
    options: &[TcpOption],
    edge: impl Fn(u32) -> u32,
    echo: impl Fn(u32) -> u32,
) -> Result<Vec<u8>, Unwritable> {
    let mut octets = Vec::with_capacity(MAX_LEN);
    for option in options {
        let (kind, data) = match option {
            TcpOption::Nop => {
                octets.push(kind::NOP);
                continue;
            }
            TcpOption::Eol => {
                octets.push(kind::EOL);
                continue;
            }
            TcpOption::Mss(mss) => (kind::MSS, closed(mss)?.to_be_bytes().to_vec()),
            TcpOption::WindowScale(shift) => (kind::WINDOW_SCALE, vec![*closed(shift)?]),
            TcpOption::SackPermitted => (kind::SACK_PERMITTED, Vec::new()),
            TcpOption::Sack(blocks) => {
                let edges = closed(blocks)?.iter().flat_map(|(left, right)| [*left, *right]);
                (kind::SACK, edges.flat_map(|number| edge(number).to_be_bytes()).collect())
            }
            TcpOption::Timestamps { value, echo: echoed } => {
                let echoed = match echoed {
                    Number::Exactly(value) => echo(*value),
                    Number::Absolute(value) => *value,
                    Number::Any => return Err(Unwritable::Open),
                };
                let mut data = closed(value)?.to_be_bytes().to_vec();
                data.extend_from_slice(&echoed.to_be_bytes());
                (kind::TIMESTAMPS, data)
            }
            TcpOption::FastOpen(cookie) => (kind::FAST_OPEN, closed(cookie)?.clone()),
            TcpOption::FastOpenExperimental(cookie) => (
                kind::EXPERIMENT,
                [&kind::EXPERIMENT_FAST_OPEN, closed(cookie)?.as_slice()].concat(),
            ),
            TcpOption::AccEcn { kind, counters } => {
                let counters = counters.iter().flat_map(|counter| {
                    let [_, a, b, c] = counter.to_be_bytes();
                    [a, b, c]
                });
                (*kind, counters.collect())
            }
            TcpOption::Md5(signature) => (kind::MD5, signature.clone()),
            TcpOption::Other { kind, data } => (*kind, data.clone()),
        };
        octets.push(kind);
        octets.push(u8::try_from(data.len() + 2).map_err(|_| Unwritable::TooLong)?);
        octets.extend_from_slice(&data);
    }
    octets.resize(octets.len().next_multiple_of(4), kind::EOL);
    if octets.len() > MAX_LEN { Err(Unwritable::TooLong) } else { Ok(octets) }
}

fn closed<T>(number: &Number<T>) -> Result<&T, Unwritable> {
    match number {
        Number::Any => Err(Unwritable::Open),
        Number::Exactly(value) | Number::Absolute(value) => Ok(value),
    }
}

/// Reads options that have been parsed before: what is malformed ends them.
pub(super) fn read(octets: &[u8]) -> Vec<TcpOption> {
    let mut options = Vec::new();
    let mut rest = octets;
    while let [kind, behind @ ..] = rest {
        match *kind {
            kind::NOP => {
                options.push(TcpOption::Nop);
                rest = behind;
            }
            kind::EOL => {
                options.push(TcpOption::Eol);
                rest = behind;
            }
            kind => {
                let Some((&len, _)) = behind.split_first() else { break };
                let Some(data) = rest.get(2..usize::from(len)) else { break };
                options.push(one(kind, data));
                rest = &rest[usize::from(len)..];
            }
        }
    }
    options
}

fn one(kind: u8, data: &[u8]) -> TcpOption {
    use Number::Exactly;
    let word = |octets: &[u8]| octets.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet));
    match (kind, data) {
        (kind::MSS, &[a, b]) => TcpOption::Mss(Exactly(u16::from_be_bytes([a, b]))),
        (kind::WINDOW_SCALE, &[shift]) => TcpOption::WindowScale(Exactly(shift)),
        (kind::SACK_PERMITTED, []) => TcpOption::SackPermitted,
        (kind::SACK, blocks) if blocks.len() % 8 == 0 => {
            let blocks = blocks.chunks(8).map(|block| (word(&block[..4]), word(&block[4..])));
            TcpOption::Sack(Exactly(blocks.collect()))
        }
        (kind::TIMESTAMPS, clocks) if clocks.len() == 8 => TcpOption::Timestamps {
            value: Exactly(word(&clocks[..4])),
            echo: Exactly(word(&clocks[4..])),
        },
        (kind::MD5, signature) => TcpOption::Md5(signature.to_vec()),
        (kind::FAST_OPEN, cookie) => TcpOption::FastOpen(Exactly(cookie.to_vec())),
        (kind::ACC_ECN_0 | kind::ACC_ECN_1, counters) if counters.len() % 3 == 0 => {
            TcpOption::AccEcn { kind, counters: counters.chunks(3).map(word).collect() }
        }
        (kind::EXPERIMENT, data) if data.starts_with(&kind::EXPERIMENT_FAST_OPEN) => {
            TcpOption::FastOpenExperimental(Exactly(data[2..].to_vec()))
        }
        (kind, data) => TcpOption::Other { kind, data: data.to_vec() },
    }
}
