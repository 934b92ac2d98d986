//! Groups, and maps of servers.

use rafttree_model::{InvalidMembers, MOST_SERVERS, Members, ServerId, ServerMap, ServerSet};

use crate::support::{group, id};

fn members(ids: impl IntoIterator<Item = u32>) -> Result<Members, InvalidMembers> {
    Members::new(ids.into_iter().map(ServerId::new))
}

#[test]
fn a_group_has_one_to_nine_servers_each_named_once() {
    assert_eq!(members([]), Err(InvalidMembers::Empty));
    for size in 1..=MOST_SERVERS as u32 {
        assert!(members(1..=size).is_ok(), "{size} servers");
    }
    assert_eq!(members(1..=10), Err(InvalidMembers::TooMany));
    assert_eq!(members([3, 1, 3]), Err(InvalidMembers::Repeated(id(3))));
    assert_eq!(members((1..=9).chain([9])), Err(InvalidMembers::Repeated(id(9))), "the clearer complaint wins");
}

#[test]
fn a_refused_group_says_why() {
    assert_eq!(InvalidMembers::Empty.to_string(), "a group needs at least one server");
    assert_eq!(InvalidMembers::TooMany.to_string(), "a group has at most 9 servers");
    assert_eq!(InvalidMembers::Repeated(id(3)).to_string(), "server 3 is named twice");
}

#[test]
fn the_order_in_which_a_group_is_named_does_not_matter() {
    assert_eq!(members([7, 2, 5]), members([2, 5, 7]));
    let group = members([7, 2, 5]).expect("three servers make a group");
    assert!(group.ids().eq([2, 5, 7].map(ServerId::new)));
    assert!(group.contains(id(5)) && !group.contains(id(4)));
}

#[test]
fn a_map_keeps_one_value_for_each_server_by_rising_id() {
    let mut map = ServerMap::<u8>::default();
    assert!(map.is_empty());
    for (server, value) in [(3, 30), (1, 10), (2, 20), (3, 31)] {
        map.insert(id(server), value);
    }
    assert!(map.iter().eq([(id(1), 10), (id(2), 20), (id(3), 31)]));
    assert_eq!((map.len(), map.get(id(2)), map.get(id(4))), (3, Some(&20), None));
    *map.get_mut(id(2)).expect("server 2 was inserted") += 1;
    assert_eq!(map.get(id(2)), Some(&21));
}

#[test]
fn a_server_is_found_whichever_ids_are_left_out() {
    for chosen in 0..1u32 << 10 {
        let ids = || {
            (0..10)
                .filter(|bit| chosen >> bit & 1 == 1)
                .take(MOST_SERVERS)
                .map(|bit| [0, 1, 2, 3, 4, 5, 8, 9, 40, u32::MAX][bit])
        };
        let map: ServerMap<u32> = ids().map(|number| (id(number), number)).collect();
        for number in (0..12).chain([39, 40, 41, u32::MAX - 1, u32::MAX]) {
            let expected = ids().find(|&there| there == number);
            assert_eq!(map.get(id(number)).copied(), expected, "{number} in {map:?}");
            assert_eq!(map.contains(id(number)), expected.is_some(), "{number} in {map:?}");
        }
    }
}

#[test]
fn sets_are_equal_however_they_were_filled() {
    let there: ServerSet = group(9).ids().collect();
    let back: ServerSet = (1..=9).rev().map(ServerId::new).collect();
    assert_eq!(there, back);
}
