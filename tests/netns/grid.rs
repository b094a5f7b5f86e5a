//! `netmart bench grid --kernel`: netmart and the kernel over the same losses.

use std::process::Command;

use crate::harness::{can_test, succeed};

#[test]
fn a_cell_is_measured_with_netmart_and_with_the_kernel_as_sender() {
    if !can_test("a_cell_is_measured_with_netmart_and_with_the_kernel_as_sender", &[]) {
        return;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_netmart"));
    command.args(["bench", "grid", "--kernel", "--controller", "cubic", "--rate", "10M"]);
    command.args(["--rtt", "20", "--loss", "1%", "--seeds", "1", "--duration", "2s"]);
    let table = succeed(&mut command);
    let row = table.lines().nth(2).expect("a row");
    let figures: Vec<f64> = row.split('|').filter_map(|word| word.trim().parse().ok()).collect();
    // The round-trip time, three figures, and a ratio.
    assert_eq!(figures.len(), 5, "{table}");
    // How fast depends on the machine, that something arrived does not.
    assert!(figures.iter().all(|figure| *figure > 0.0), "{table}");
}
