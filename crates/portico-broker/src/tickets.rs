//! Launch tickets: in memory only, known by their hash, good once and for a minute.
//!
//! Their time is monotonic, so that setting the clock neither voids nor prolongs them.

use std::{collections::HashMap, net::IpAddr, time::Duration};

use portico_identity::tokens;
use portico_model::{
    BrokerId, GatewayId, ResourceId, Secret, SessionId, SignInId, UserId, estate::Protocol,
    grant::LAUNCH_TICKET_LIFE_MS,
};
use tokio::time::Instant;

/// Tickets that may be out at once.
pub(crate) const TICKETS_MAX: usize = 20_000;
/// Longest text that is looked at as a ticket.
const TICKET_LEN_MAX: usize = 128;

/// What a ticket stands for.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) session: SessionId,
    pub(crate) user: UserId,
    pub(crate) resource: ResourceId,
    pub(crate) sign_in: Option<SignInId>,
    pub(crate) gateway: GatewayId,
    pub(crate) protocol: Protocol,
    pub(crate) sealed_password: Option<Vec<u8>>,
    pub(crate) client_address: Option<IpAddr>,
    pub(crate) reconnect_grant_hash: String,
}

/// The tickets that are out.
#[derive(Debug)]
pub(crate) struct Tickets {
    broker: BrokerId,
    by_hash: HashMap<String, (Instant, Ticket)>,
    tickets_max: usize,
}

/// Why no ticket is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoTicket {
    /// [`TICKETS_MAX`] are out.
    TooMany,
}

impl Tickets {
    pub(crate) fn new(broker: BrokerId) -> Self {
        Self {
            broker,
            by_hash: HashMap::new(),
            tickets_max: TICKETS_MAX,
        }
    }

    /// Gives out a ticket of which `secret` is the part that cannot be guessed. Its text exists
    /// only in the return value.
    pub(crate) fn issue(
        &mut self,
        now: Instant,
        secret: &Secret,
        ticket: Ticket,
    ) -> Result<Secret, NoTicket> {
        if self.by_hash.len() >= self.tickets_max {
            self.forget_lapsed(now);
        }
        if self.by_hash.len() >= self.tickets_max {
            return Err(NoTicket::TooMany);
        }
        let text = format!("{}.{}", self.broker, secret.expose());
        let hash = tokens::sha256_hex(text.as_bytes());
        let lapses = now + Duration::from_millis(LAUNCH_TICKET_LIFE_MS.unsigned_abs());
        self.by_hash.insert(hash, (lapses, ticket));
        Ok(Secret::new(text))
    }

    /// Takes a ticket: whatever comes of it, it is used. `None` when it is not one of ours, was
    /// used, has lapsed, or belongs to another gateway.
    pub(crate) fn take(&mut self, now: Instant, text: &str, gateway: &GatewayId) -> Option<Ticket> {
        if text.len() > TICKET_LEN_MAX {
            return None;
        }
        // Looking up a hash takes no time that depends on how much of a guess is right.
        let hash = tokens::sha256_hex(text.as_bytes());
        let (lapses, ticket) = self.by_hash.remove(&hash)?;
        (now < lapses && ticket.gateway == *gateway).then_some(ticket)
    }

    /// Voids the tickets of a sign-in that has ended.
    pub(crate) fn void_sign_in(&mut self, sign_in: &SignInId) {
        self.by_hash
            .retain(|_, (_, ticket)| ticket.sign_in.as_ref() != Some(sign_in));
    }

    /// Voids the tickets of a user.
    pub(crate) fn void_user(&mut self, user: &UserId) {
        self.by_hash.retain(|_, (_, ticket)| ticket.user != *user);
    }

    pub(crate) fn forget_lapsed(&mut self, now: Instant) {
        self.by_hash.retain(|_, (lapses, _)| now < *lapses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gateway(id: &str) -> GatewayId {
        GatewayId::new(id).unwrap()
    }

    fn ticket(sign_in: &str) -> Ticket {
        Ticket {
            session: SessionId::from_random(1),
            user: UserId::new("ina").unwrap(),
            resource: ResourceId::new("desktop").unwrap(),
            sign_in: Some(SignInId::new(sign_in).unwrap()),
            gateway: gateway("g"),
            protocol: Protocol::Rdp,
            sealed_password: None,
            client_address: None,
            reconnect_grant_hash: String::new(),
        }
    }

    fn secret() -> Secret {
        tokens::random_token().unwrap()
    }

    fn tickets() -> Tickets {
        Tickets::new(BrokerId::new("b1").unwrap())
    }

    #[test]
    fn a_ticket_names_its_broker_and_works_once() {
        let (mut tickets, now) = (tickets(), Instant::now());
        let text = tickets.issue(now, &secret(), ticket("s")).unwrap();
        assert!(text.expose().starts_with("b1."));
        assert_eq!(text.expose().len(), 3 + 22);
        assert!(
            !format!("{tickets:?}").contains(text.expose()),
            "only its hash is kept"
        );
        assert!(tickets.take(now, text.expose(), &gateway("g")).is_some());
        assert!(tickets.take(now, text.expose(), &gateway("g")).is_none());
    }

    #[test]
    fn a_ticket_lapses_after_a_minute() {
        let (mut tickets, now) = (tickets(), Instant::now());
        let minute = Duration::from_secs(60);
        let (first, second) = (
            tickets.issue(now, &secret(), ticket("s")).unwrap(),
            tickets.issue(now, &secret(), ticket("s")).unwrap(),
        );
        let just_before = now + minute - Duration::from_millis(1);
        assert!(
            tickets
                .take(just_before, first.expose(), &gateway("g"))
                .is_some()
        );
        assert!(
            tickets
                .take(now + minute, second.expose(), &gateway("g"))
                .is_none()
        );
    }

    #[test]
    fn another_gateway_uses_it_up_and_gets_nothing() {
        let (mut tickets, now) = (tickets(), Instant::now());
        let text = tickets.issue(now, &secret(), ticket("s")).unwrap();
        assert!(
            tickets
                .take(now, text.expose(), &gateway("other"))
                .is_none()
        );
        assert!(tickets.take(now, text.expose(), &gateway("g")).is_none());
    }

    #[test]
    fn what_is_no_ticket_is_refused() {
        let (mut tickets, now) = (tickets(), Instant::now());
        let text = tickets.issue(now, &secret(), ticket("s")).unwrap();
        let text = text.expose();
        let foreign = text.replacen("b1", "b2", 1);
        let long = format!("{text}{}", "A".repeat(1_000_000));
        for wrong in [
            "",
            ".",
            "b1.",
            &foreign,
            &long,
            &text.to_uppercase(),
            &text[3..],
        ] {
            assert!(tickets.take(now, wrong, &gateway("g")).is_none());
        }
        for end in 0..text.len() {
            assert!(tickets.take(now, &text[..end], &gateway("g")).is_none());
        }
        assert!(tickets.take(now, text, &gateway("g")).is_some());
    }

    #[test]
    fn signing_out_voids_its_tickets_and_no_others() {
        let (mut tickets, now) = (tickets(), Instant::now());
        let (mine, other) = (
            tickets.issue(now, &secret(), ticket("s")).unwrap(),
            tickets.issue(now, &secret(), ticket("t")).unwrap(),
        );
        tickets.void_sign_in(&SignInId::new("s").unwrap());
        assert!(tickets.take(now, mine.expose(), &gateway("g")).is_none());
        assert!(tickets.take(now, other.expose(), &gateway("g")).is_some());
    }

    #[test]
    fn the_number_of_tickets_is_limited_and_lapsed_ones_make_room() {
        let (mut tickets, now) = (tickets(), Instant::now());
        tickets.tickets_max = 3;
        for _ in 0..3 {
            tickets.issue(now, &secret(), ticket("s")).unwrap();
        }
        assert_eq!(
            tickets.issue(now, &secret(), ticket("s")).unwrap_err(),
            NoTicket::TooMany
        );
        let later = now + Duration::from_secs(60);
        assert!(tickets.issue(later, &secret(), ticket("s")).is_ok());
        assert_eq!(tickets.by_hash.len(), 1);
    }
}
