//! RDP, as far as the gateway takes part in it: everything before the first picture.
//!
//! The only crate that names `ironrdp-*` or `sspi`. In the order of a connection:
//! [`cleanpath`] (what the browser asks and is told), [`negotiation`] (X.224 with the host),
//! [`credssp`] (network level authentication, done by the gateway), [`connect`] (rewriting of the
//! two PDUs that say who logs on and how). After that the gateway relays bytes.
//!
//! Read [`cleanpath::Request`] and [`connect::ConnectRewriter`] first.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod account;
pub mod certificate;
pub mod cleanpath;
#[doc(hidden)]
pub mod client;
pub mod connect;
pub mod credssp;
#[doc(hidden)]
pub mod fuzzing;
pub mod input;
pub mod negotiation;
