//! Which peers gave a cookie for Fast Open (RFC 7413 section 4.1.3): a value that is fed with
//! [`FastOpenHint`](crate::message::FastOpenHint).

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;
use netmart_proto::tcp::FastOpenNews;
use netmart_proto::wire::tcp::FastOpenCookie;

/// What was learned of peers, by address; of the oldest nothing, once there are too many.
#[derive(Debug, Default)]
pub(crate) struct FastOpenCache {
    by_peer: HashMap<IpAddr, Known, foldhash::fast::FixedState>,
    /// Those in `by_peer`, the one that was learned of first in front.
    order: VecDeque<IpAddr>,
}

#[derive(Clone, Copy, Debug)]
enum Known {
    Cookie(FastOpenCookie),
    /// So many dials yet without Fast Open, for something on the way did not let it pass.
    Barred(u8),
}

/// What a SYN to a peer says of Fast Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FastOpenWish {
    /// It shows this cookie, and carries data.
    Show(FastOpenCookie),
    /// It asks for a cookie.
    Ask,
    /// Nothing.
    None,
}

impl FastOpenCache {
    /// Takes in what was learned.
    pub(crate) fn learn(&mut self, peer: IpAddr, news: FastOpenNews) {
        let known = match news {
            FastOpenNews::Cookie(cookie) => Known::Cookie(cookie),
            FastOpenNews::Failed => Known::Barred(BARRED_DIALS),
        };
        if self.by_peer.insert(peer, known).is_none() {
            self.order.push_back(peer);
        }
        if self.order.len() > PEERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_peer.remove(&oldest);
        }
    }

    /// What the next SYN to a peer says.
    pub(crate) fn wish(&mut self, peer: IpAddr) -> FastOpenWish {
        match self.by_peer.get_mut(&peer) {
            Some(Known::Cookie(cookie)) => FastOpenWish::Show(*cookie),
            Some(Known::Barred(left)) if *left > 0 => {
                *left -= 1;
                FastOpenWish::None
            }
            Some(Known::Barred(_)) | None => FastOpenWish::Ask,
        }
    }
}

/// The most peers that are remembered.
const PEERS: usize = 1_024;

/// How many dials do without after one that failed.
const BARRED_DIALS: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> IpAddr {
        IpAddr::V4(number.into())
    }

    #[test]
    fn a_cookie_is_shown_until_it_fails_and_a_bar_wears_off() {
        let cookie = FastOpenCookie::new(&[1; 8]).expect("of even length");
        let mut cache = FastOpenCache::default();
        assert_eq!(cache.wish(peer(1)), FastOpenWish::Ask);
        cache.learn(peer(1), FastOpenNews::Cookie(cookie));
        assert_eq!(cache.wish(peer(1)), FastOpenWish::Show(cookie));
        assert_eq!(cache.wish(peer(2)), FastOpenWish::Ask);
        cache.learn(peer(1), FastOpenNews::Failed);
        for _ in 0..BARRED_DIALS {
            assert_eq!(cache.wish(peer(1)), FastOpenWish::None);
        }
        assert_eq!(cache.wish(peer(1)), FastOpenWish::Ask);
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut cache = FastOpenCache::default();
        for number in 0..=PEERS as u32 {
            cache.learn(peer(number), FastOpenNews::Failed);
        }
        assert_eq!((cache.by_peer.len(), cache.order.len()), (PEERS, PEERS));
        assert_eq!(cache.wish(peer(0)), FastOpenWish::Ask);
        assert_eq!(cache.wish(peer(1)), FastOpenWish::None);
    }
}
