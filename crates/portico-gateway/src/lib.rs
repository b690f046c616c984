//! The gateway: takes viewers' WebSockets, redeems their tickets and relays to session hosts. It
//! never chooses a host: where to go comes from the broker's grant alone.
//!
//! Read [`Gateway`] and [`BrokerSeam`] first, then `desktop` (RDCleanPath, then the relay) and
//! `terminal` (to the engine role).
//!
//! # How a connection ends, as the viewer sees it
//!
//! Before a desktop is open every failure is an RDCleanPath error PDU. After that, and for
//! terminals, the WebSocket is closed with one of these codes; the reason text begins with the
//! [`EndReason`](portico_model::session::EndReason) in kebab case, and a detail of the broker may
//! follow after a blank, such as `taken-over by=192.0.2.7`, or `host-failed cause=firewall-drops`
//! when a host is not reached of which the broker's checks know why:
//!
//! | Code | Reason | What the viewer should do |
//! | --- | --- | --- |
//! | 1000 | `client-closed` | nothing, it closed itself |
//! | 4000 | `host-closed` | the session is over or was disconnected by the host |
//! | 4001 | `host-lost` | offer to reconnect |
//! | 4002 | `host-failed` | show the error |
//! | 4003 | `taken-over` | say so, do not reconnect by itself |
//! | 4004 | `user-disconnected` | nothing |
//! | 4005 | `user-ended` | nothing |
//! | 4006 | `operator-ended` | say so |
//! | 4007 | `idle-timeout` | say so, offer to reconnect |
//! | 4008 | `total-timeout` | say so, offer to reconnect |
//! | 4009 | `signed-out` | go to sign-in |
//! | 4010 | `limit-reached` | say so |
//! | 4011 | `process-stopped` | reconnect with the grant |
//! | 4012 | `ticket-lapsed` | fetch another ticket |
//! | 4013 | `program-exited` | the program ended by itself |
//! | 4014 | `client-lost` | never seen: the path to the client is broken |
//!
//! Breaches of the WebSocket protocol itself end with the codes of RFC 6455 (1002, 1003, 1009).
#![forbid(unsafe_code)]

mod channel;
mod close_code;
mod desktop;
mod gateway;
mod limits;
mod seam;
mod terminal;
mod upgrade;
mod websocket;

pub use close_code::close_code;
pub use gateway::{Body, DESKTOP_PATH, Gateway, GatewayParts, Peer, TERMINAL_PATH};
pub use limits::Limits;
pub use seam::BrokerSeam;
pub use terminal::{
    EngineError, end_session as end_terminal_session, sessions as terminal_sessions,
};
