//! Passwords that wait to be checked, so that nobody who sends many keeps others waiting: in turn
//! by whose users they are, then by client.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::users::UsersId;
use crate::limits::{PASSWORDS_WAITING_MAX, PASSWORDS_WAITING_PER_CLIENT_MAX};

/// Who asks: an address of IPv4, or what a subscriber has of IPv6 (the first 64 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Client(IpAddr);

impl From<IpAddr> for Client {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => Self(IpAddr::V6((address.to_bits() >> 64 << 64).into())),
            address @ IpAddr::V4(_) => Self(address),
        }
    }
}

/// What waits of whom; never empty.
struct Line<K, T> {
    of: K,
    waiting: usize,
    items: T,
}

/// See the module. The first of all is the next.
pub struct Queue<T> {
    lines: VecDeque<Line<UsersId, Lines<T>>>,
    waiting: usize,
}

type Lines<T> = VecDeque<Line<Client, VecDeque<T>>>;

/// What became of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub enum Queued<T> {
    /// It waits.
    Waits,
    /// It waits in the place of this one.
    InPlaceOf(T),
    /// There is no room.
    Refused(T),
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { lines: VecDeque::new(), waiting: 0 }
    }
}

impl<T> Queue<T> {
    /// Adds `item`. Where all places are taken, the newest of who has most waiting makes room, if
    /// that is not the newcomer's own client.
    pub fn push(&mut self, users: UsersId, client: IpAddr, item: T) -> Queued<T> {
        let client = Client::from(client);
        let lines = self.lines.iter().find(|line| line.of == users);
        let of_users = lines.map_or(0, |line| line.waiting);
        let own = lines.and_then(|line| line.items.iter().find(|line| line.of == client));
        let own = own.map_or(0, |line| line.waiting);
        if own >= PASSWORDS_WAITING_PER_CLIENT_MAX {
            return Queued::Refused(item);
        }
        let mut displaced = None;
        if self.waiting >= PASSWORDS_WAITING_MAX {
            let Some(newest) = self.displace(of_users, own) else { return Queued::Refused(item) };
            displaced = Some(newest);
        }
        let line = entry(&mut self.lines, users);
        line.waiting += 1;
        let line = entry(&mut line.items, client);
        line.waiting += 1;
        line.items.push_back(item);
        self.waiting += 1;
        displaced.map_or(Queued::Waits, Queued::InPlaceOf)
    }

    /// The next.
    pub fn pop(&mut self) -> Option<T> {
        let mut line = self.lines.pop_front()?;
        let of_client = line.items.pop_front();
        let found = of_client.and_then(|mut of_client| {
            let item = of_client.items.pop_front();
            of_client.waiting -= 1;
            if of_client.waiting > 0 {
                line.items.push_back(of_client);
            }
            item
        });
        line.waiting -= 1;
        if line.waiting > 0 {
            self.lines.push_back(line);
        }
        self.waiting -= 1;
        found
    }

    /// Takes the newest item of who has most, if one more of the newcomer would not be as many.
    fn displace(&mut self, of_users: usize, own: usize) -> Option<T> {
        let most = longest(&self.lines)?;
        let is_more = self.lines.get(most)?.waiting > of_users + 1;
        let line = self.lines.get_mut(most)?;
        let longest_client = longest(&line.items)?;
        let client = line.items.get_mut(longest_client)?;
        if !is_more && client.waiting <= own + 1 {
            return None;
        }
        let item = client.items.pop_back();
        client.waiting -= 1;
        if client.waiting == 0 {
            line.items.remove(longest_client);
        }
        line.waiting -= 1;
        if line.waiting == 0 {
            self.lines.remove(most);
        }
        self.waiting -= 1;
        item
    }
}

fn entry<K: PartialEq + Copy, T: Default>(
    lines: &mut VecDeque<Line<K, T>>,
    of: K,
) -> &mut Line<K, T> {
    let at = lines.iter().position(|line| line.of == of).unwrap_or_else(|| {
        lines.push_back(Line { of, waiting: 0, items: T::default() });
        lines.len() - 1
    });
    &mut lines[at]
}

fn longest<K, T>(lines: &VecDeque<Line<K, T>>) -> Option<usize> {
    let with_index = lines.iter().enumerate();
    with_index.max_by_key(|(_, line)| line.waiting).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::super::users::Users;
    use super::*;

    fn users(name: &str) -> UsersId {
        Users::from_file(format!("{name}:{{PLAIN}}p").as_bytes()).0.id()
    }

    fn client(n: usize) -> IpAddr {
        IpAddr::from(u32::try_from(n).expect("few").to_be_bytes())
    }

    fn all(queue: &mut Queue<usize>) -> Vec<usize> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn all_come_in_turn() {
        let (a, b) = (users("a"), users("b"));
        let mut queue = Queue::default();
        for (item, users, client_number) in
            [(0, a, 1), (1, a, 1), (2, a, 1), (3, a, 2), (4, b, 1), (5, b, 1)]
        {
            assert_eq!(queue.push(users, client(client_number), item), Queued::Waits);
        }
        assert_eq!(all(&mut queue), [0, 4, 3, 5, 1, 2]);
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let mut queue = Queue::default();
        let address = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n]);
        for n in 0..PASSWORDS_WAITING_PER_CLIENT_MAX {
            let address = address(u16::try_from(n).expect("few"));
            assert_eq!(queue.push(users("a"), address, n), Queued::Waits);
        }
        assert_eq!(queue.push(users("a"), address(9_999), 0), Queued::Refused(0));
        let other = IpAddr::from([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1]);
        assert_eq!(queue.push(users("a"), other, 7), Queued::Waits);
        assert_eq!(queue.push(users("b"), address(1), 8), Queued::Waits);
    }

    /// Fills it from many clients, `each` from one.
    fn full(of: UsersId, each: usize) -> Queue<usize> {
        let mut queue = Queue::default();
        for n in 0..PASSWORDS_WAITING_MAX {
            assert_eq!(queue.push(of, client(1_000 + n / each), n), Queued::Waits);
        }
        queue
    }

    #[test]
    fn a_flood_displaces_itself() {
        let (a, b) = (users("a"), users("b"));
        // Who sends many makes room for who sends few.
        let mut queue = full(a, PASSWORDS_WAITING_PER_CLIENT_MAX);
        assert!(matches!(queue.push(a, client(1), 0), Queued::InPlaceOf(_)));
        // Others' users do not suffer from a flood of many clients, who have one each.
        let mut queue = full(a, 1);
        assert_eq!(queue.push(a, client(1), 7), Queued::Refused(7));
        for n in 0..PASSWORDS_WAITING_PER_CLIENT_MAX {
            assert!(matches!(queue.push(b, client(1), n), Queued::InPlaceOf(_)));
        }
        let next: Vec<_> = (0..4).filter_map(|_| queue.pop()).collect();
        assert_eq!(next, [0, 0, 1, 1]);
        assert_eq!(all(&mut queue).len(), PASSWORDS_WAITING_MAX - 4);
    }
}
