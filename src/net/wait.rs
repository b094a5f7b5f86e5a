//! Waiting for something that another thread brings about.

use tokio::sync::Notify;

/// Waits until `look` sees something; `news` says when to look again. Dropping the future loses nothing.
pub(crate) async fn until<T>(news: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        // Listening first, then looking: what comes in between wakes us.
        let notified = news.notified();
        tokio::pin!(notified);
        notified.as_mut().enable();
        if let Some(seen) = look() {
            return seen;
        }
        notified.await;
    }
}
