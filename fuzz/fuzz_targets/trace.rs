//! Any octets as a trace file: errors, never a panic, and no end of records.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netmart::trace::Reader;

fuzz_target!(|octets: &[u8]| {
    if let Ok(reader) = Reader::new(octets) {
        for record in reader {
            if record.is_err() {
                break;
            }
        }
    }
});
