//! Tells when a device is gone.

use netmart::actors::message::{LinkId, LinkUp, OnLink};
use netmart::bus::{Actor, Change, Context, Spawn, Watcher};
use tokio::sync::oneshot;

/// Watches one link for as long as it works.
pub(crate) struct Sentinel {
    gone: Option<oneshot::Sender<()>>,
}

impl Sentinel {
    /// Watches `link`; says so to `gone` when it works no longer, or does not to begin with.
    pub(crate) fn spawn(link: LinkId, gone: oneshot::Sender<()>) -> Spawn<Self> {
        Spawn::new("sentinel", Self { gone: Some(gone) }).watch::<LinkUp>(OnLink { link }.exactly())
    }
}

impl Actor for Sentinel {}

impl Watcher<LinkUp> for Sentinel {
    fn changed(&mut self, change: Change<LinkUp>, ctx: &mut Context<'_, Self>) {
        match change {
            Change::Appeared(_) => {}
            Change::Snapshot(facts) if !facts.is_empty() => {}
            Change::Snapshot(_) | Change::Gone(_) => {
                if let Some(gone) = self.gone.take() {
                    // Whoever asked may have gone, too.
                    let _ = gone.send(());
                }
                ctx.stop();
            }
        }
    }
}
