//! What several actors ask of the interests in a channel.

use netmart_bus::{Change, Demand, DemandMatcher, Interest, Role};

use crate::address::Direction;
use crate::message::Channel;

/// Whether an interest is that of a channel's user: who subscribes to what comes in, or provides what
/// goes out. The other sides are the stack's own.
pub(crate) fn is_users(interest: &Interest<Channel>) -> bool {
    let users = match interest.role {
        Role::Subscriber => Direction::Inbound,
        Role::Provider => Direction::Outbound,
    };
    interest.pattern.direction.is_none_or(|direction| direction == users)
}

/// How `change` changes the number of those who hold an interest in the very connection that is
/// watched, or in all connections of its listener. Whoever wants every channel there is is no party to
/// any.
pub(crate) fn parties(before: u32, change: &Change<Interest<Channel>>) -> u32 {
    let is_party = |interest: &Interest<Channel>| u32::from(interest.pattern.local.is_some());
    match change {
        Change::Snapshot(interests) => before + interests.iter().map(is_party).sum::<u32>(),
        Change::Appeared(interest) => before + is_party(interest),
        Change::Gone(interest) => before - is_party(interest),
    }
}

/// Tells a matcher what `change` means for the demand that `wish_of` reads from interests.
pub(crate) fn feed_demand<K: Ord + Clone>(
    matcher: &mut DemandMatcher<K>,
    change: Change<Interest<Channel>>,
    wish_of: impl Fn(&Interest<Channel>) -> Option<Demand<K>>,
) {
    match change {
        Change::Snapshot(interests) => {
            interests.iter().filter_map(wish_of).for_each(|wish| matcher.demand_appeared(wish));
        }
        Change::Appeared(interest) => {
            wish_of(&interest).into_iter().for_each(|wish| matcher.demand_appeared(wish));
        }
        Change::Gone(interest) => {
            wish_of(&interest).into_iter().for_each(|wish| matcher.demand_gone(wish));
        }
    }
}
