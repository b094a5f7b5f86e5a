//! `netmart trace`: reading what a stack recorded.

use clap::Args;

/// Read a trace file
#[derive(Args, Debug)]
pub(super) struct Trace {}

impl Trace {
    pub(super) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
