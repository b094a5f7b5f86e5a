//! `netmart demo`: two stacks in one process.

use clap::Args;

/// Download from a declared web server over an impaired link, both stacks in this process
#[derive(Args, Debug)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<()> {
        Ok(())
    }
}
