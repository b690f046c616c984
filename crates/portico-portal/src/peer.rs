//! Where a request came from, as the listener saw it.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
};

use axum::{extract::FromRequestParts, http::request::Parts};

/// Where a request came from. The listener puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// Over the network.
    Network(SocketAddr),
    /// Over the Unix socket, from a user that may do everything.
    Local,
    /// The listener did not say; nobody is trusted for it.
    Unknown,
}

impl Peer {
    /// Address of the client. IPv4 in IPv6 clothing is undressed.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Network(address) => Some(address.ip().to_canonical()),
            Self::Local | Self::Unknown => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .copied()
            .unwrap_or(Self::Unknown))
    }
}
