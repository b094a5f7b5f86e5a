//! What is written is read again, and nothing that is read can do harm.

mod live;
mod samples;

use std::io;

use proptest::prelude::*;

use super::encode::Encoder;
use super::format::{BLOCK_HEADER_LEN, HEADER_LEN};
use super::read::{Fault, Item, Reader};
use samples::{events, file, file_of_blocks, sealed};

fn read(file: &[u8]) -> (Vec<Item>, Vec<Fault>) {
    let (mut items, mut faults) = (Vec::new(), Vec::new());
    match Reader::new(file) {
        Err(error) => faults.push(error.fault),
        Ok(reader) => {
            for item in reader {
                match item {
                    Ok(item) => items.push(item),
                    Err(error) => {
                        assert!(error.offset <= file.len() as u64, "{error} is not in the file");
                        faults.push(error.fault);
                    }
                }
            }
        }
    }
    (items, faults)
}

fn items(events: &[super::Event]) -> Vec<Item> {
    events.iter().cloned().map(Item::Event).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(events in events(), per_block in 1usize..20) {
        let (found, faults) = read(&file_of_blocks(&events, per_block));
        prop_assert!(faults.is_empty(), "{faults:?}");
        prop_assert_eq!(found, items(&events));
    }

    #[test]
    fn a_file_cut_anywhere_is_read_to_its_last_whole_event(
        events in events(), per_block in 1usize..20, cut: prop::sample::Index,
    ) {
        let whole = file_of_blocks(&events, per_block);
        let (found, faults) = read(&whole[..cut.index(whole.len())]);
        prop_assert_eq!(faults.len(), 1, "it says so, once: {:?}", faults);
        prop_assert_eq!(&found[..], &items(&events)[..found.len()]);
        if let Fault::Cut { read, expected } = faults[0] {
            prop_assert!(read <= expected);
            prop_assert_eq!(found.len() % per_block, read as usize % per_block);
        }
    }

    #[test]
    fn a_changed_octet_costs_one_block_at_most(
        events in events(), per_block in 1usize..20, at: prop::sample::Index, flip in 1u8..,
    ) {
        let mut file = file_of_blocks(&events, per_block);
        let at = at.index(file.len());
        file[at] ^= flip;
        let (found, faults) = read(&file);
        // The two spare octets of the header mean nothing.
        prop_assert_eq!(faults.is_empty(), at == 10 || at == 11, "{:?}", faults);
        let written = items(&events);
        prop_assert!(found.iter().all(|item| written.contains(item)), "nothing is made up");
        if let [Fault::Damaged(_)] = &faults[..] {
            prop_assert!(found.len() + per_block >= events.len());
        }
    }

    #[test]
    fn octets_of_any_kind_do_no_harm(octets: Vec<u8>) {
        read(&octets);
        let mut file = file(&[]);
        file.truncate(HEADER_LEN);
        file.extend(octets);
        read(&file);
    }

    #[test]
    fn a_payload_of_any_kind_does_no_harm(payload: Vec<u8>, events in 0u32..9) {
        let (_, faults) = read(&sealed(&payload, events));
        prop_assert!(faults.len() <= 1);
    }

    #[test]
    fn a_mutated_payload_does_no_harm(
        events in events(), at: prop::sample::Index, flip in 1u8..,
    ) {
        let file = file(&events);
        let end = file.len() - BLOCK_HEADER_LEN;
        let mut payload = file[HEADER_LEN + BLOCK_HEADER_LEN..end].to_vec();
        let at = at.index(payload.len());
        payload[at] ^= flip;
        read(&sealed(&payload, events.len() as u32));
    }
}

#[test]
fn a_file_of_another_kind_or_version_is_refused() {
    assert!(
        matches!(Reader::new(&b"GIF89a and more"[..]), Err(error) if matches!(error.fault, Fault::NotATrace))
    );
    assert!(matches!(Reader::new(&b""[..]), Err(error) if matches!(error.fault, Fault::NotATrace)));
    let mut newer = file(&[]);
    newer[8] = 2;
    let error = Reader::new(&newer[..]).expect_err("version 2 is unknown");
    assert_eq!(error.to_string(), "a trace of version 2, which is unknown here, at octet 8");
}

#[test]
fn a_block_longer_than_any_ends_the_reading_without_allocating_it() {
    let mut file = file(&[]);
    file.truncate(HEADER_LEN);
    file.extend([0xff; BLOCK_HEADER_LEN]);
    let (_, faults) = read(&file);
    assert!(matches!(faults[..], [Fault::BlockTooLong(u32::MAX)]), "{faults:?}");
}

#[test]
fn records_of_a_later_version_are_passed_over() {
    // Length 3, an unknown tag, two octets; then a gap of 5.
    let (found, faults) = read(&sealed(&[3, 99, 1, 2, 2, 5, 5], 0));
    assert!(faults.is_empty(), "{faults:?}");
    assert_eq!(found, [Item::Gap(5)]);
}

#[test]
fn what_follows_the_end_mark_is_told() {
    let mut file = file(&[]);
    file.push(0);
    let (_, faults) = read(&file);
    assert!(matches!(faults[..], [Fault::Trailing]), "{faults:?}");
}

#[test]
fn an_encoder_begins_every_block_afresh() {
    let mut encoder = Encoder::new();
    let event = samples::event(1);
    let blocks = [(); 2].map(|()| {
        samples::encode(&event, &mut encoder);
        encoder.finish().octets
    });
    assert_eq!(blocks[0], blocks[1]);
}

/// Fails after so many octets.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let taken = octets.len().min(self.0);
        self.0 -= taken;
        if taken == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_the_disk_is_told_at_the_end() {
    let trace = super::TraceFile::to(Full(HEADER_LEN)).expect("the header fits");
    let mut space = samples::space();
    space.set_recorder(Some(Box::new(trace.recorder("here"))));
    samples::chatter(&mut space, 2_000);
    let error = trace.finish().expect_err("nothing but the header fits");
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
}
