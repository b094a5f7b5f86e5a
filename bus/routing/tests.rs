use proptest::prelude::*;

use super::*;

crate::key! {
    /// A place with three coordinates.
    #[derive(Copy)]
    pub(crate) struct Spot / SpotPattern {
        pub(crate) x: u8,
        pub(crate) y: u8,
        pub(crate) z: u8,
    }
}

struct Nothing;

impl Entry for Nothing {
    fn rank(&self) -> Rank {
        Rank::new(ActorId::HOST, 0)
    }
}

fn pattern() -> impl Strategy<Value = SpotPattern> {
    let field = || proptest::option::weighted(0.7, 0u8..4);
    (field(), field(), field()).prop_map(|(x, y, z)| SpotPattern { x, y, z })
}

fn sorted(mut patterns: Vec<SpotPattern>) -> Vec<SpotPattern> {
    patterns.sort_by_key(|pattern| (pattern.x, pattern.y, pattern.z));
    patterns
}

proptest! {
    /// Interning, removing and asking in any order finds what a walk over all patterns finds,
    /// before and after groups came into being.
    #[test]
    fn the_router_finds_what_a_walk_finds(
        steps in proptest::collection::vec((0u8..6, pattern(), (0u8..4, 0u8..4, 0u8..4)), 0..300),
        seed: u64,
    ) {
        let mut router = Router::<SpotPattern, Nothing>::new(FixedState::with_seed(seed));
        let mut all: Vec<(SpotPattern, u32)> = Vec::new();
        for (what, pattern, (x, y, z)) in steps {
            match what {
                0..=2 => {
                    let node = router.intern(pattern);
                    if !all.iter().any(|(known, _)| *known == pattern) {
                        all.push((pattern, node));
                    }
                    prop_assert!(all.contains(&(pattern, node)));
                }
                3 => if let Some(at) = all.iter().position(|(known, _)| *known == pattern) {
                    let (_, node) = all.swap_remove(at);
                    prop_assert_eq!(router.remove(node).pattern, pattern);
                },
                4 => {
                    let key = Spot { x, y, z };
                    let mut found = Vec::new();
                    router.each_match(&key, |_, node| found.push(node.pattern));
                    let walk = all.iter().map(|(known, _)| *known).filter(|p| p.matches(&key));
                    prop_assert_eq!(sorted(found), sorted(walk.collect()));
                }
                _ => {
                    router.prepare(pattern.mask());
                    let mut found = Vec::new();
                    router.each_overlap(&pattern, |_, node| found.push(node.pattern));
                    let walk = all.iter().map(|(known, _)| *known).filter(|p| p.overlaps(&pattern));
                    prop_assert_eq!(sorted(found), sorted(walk.collect()));
                }
            }
        }
    }
}

#[test]
fn a_mask_goes_with_its_last_pattern() {
    let mut router = Router::<SpotPattern, Nothing>::new(FixedState::with_seed(1));
    let wild = router.intern(SpotPattern::any());
    let exact = router.intern(Spot { x: 1, y: 2, z: 3 }.exactly());
    assert_eq!(router.masks.len(), 2);
    router.remove(wild);
    assert_eq!(router.masks.len(), 1);
    router.remove(exact);
    assert_eq!(router.masks.len(), 0);
}

#[test]
fn the_nearest_pattern_differs_in_the_fewest_fields() {
    let mut router = Router::<SpotPattern, Nothing>::new(FixedState::with_seed(1));
    for spot in [Spot { x: 9, y: 9, z: 9 }, Spot { x: 1, y: 2, z: 9 }] {
        let node = router.intern(spot.exactly());
        router.node_mut(node).add(Nothing);
    }
    let (pattern, differing) =
        router.nearest(&Spot { x: 1, y: 2, z: 3 }).expect("somebody is interested");
    assert_eq!((pattern.x, differing), (Some(1), 0b100));
}
