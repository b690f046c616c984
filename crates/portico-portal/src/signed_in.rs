//! Who is asking: extractors that every handler but the public ones begins with.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, header, request::Parts},
};
use portico_brokering::{Action, Forbidden, authorize};
use portico_identity::SignedIn as SignIn;
use portico_model::{
    Secret, Timestamp, UserId,
    people::{Principal, Role, Strength},
};

use crate::{ApiError, ApiResult, Peer, Portal};

/// Name of the cookie. The prefix makes browsers insist on `Secure`, `Path=/` and no `Domain`.
pub(crate) const COOKIE: &str = "__Host-portico";
/// Header that a state-changing request made with the cookie must carry.
pub(crate) const CSRF_HEADER: &str = "x-portico-csrf";

/// Somebody signed in, for calls that change nothing.
pub(crate) struct SignedIn(pub(crate) Principal);

/// Somebody signed in who shows that the request is meant: by the CSRF header, or by not using
/// a cookie at all.
pub(crate) struct Changing(pub(crate) Principal);

/// Like [`Changing`], with the way to the password of the sign-in.
pub(crate) struct ChangingWithPassword {
    pub(crate) principal: Principal,
    sign_in: Option<SignIn>,
}

impl ChangingWithPassword {
    /// The password, unsealed now; `None` for sign-ins without.
    pub(crate) fn password(&self) -> ApiResult<Option<Secret>> {
        match &self.sign_in {
            Some(sign_in) => sign_in.password().map_err(ApiError::unavailable),
            None => Ok(None),
        }
    }
}

/// How a caller proved who they are.
pub(crate) enum Proof {
    /// With the browser's cookie.
    Cookie(SignIn),
    /// With a token in the `Authorization` header.
    Token(SignIn),
    /// With the Unix socket.
    Local(Principal),
}

impl Proof {
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::Cookie(sign_in) | Self::Token(sign_in) => &sign_in.principal,
            Self::Local(principal) => principal,
        }
    }

    pub(crate) fn sign_in(self) -> Option<SignIn> {
        match self {
            Self::Cookie(sign_in) | Self::Token(sign_in) => Some(sign_in),
            Self::Local(_) => None,
        }
    }
}

/// Lets the caller do `action`, or refuses.
pub(crate) fn require(principal: &Principal, action: Action) -> ApiResult<()> {
    authorize(principal, action).map_err(|refused| forbidden(&refused))
}

/// A role that is missing, as the API says it.
pub(crate) fn forbidden(refused: &Forbidden) -> ApiError {
    let needed = crate::views::RoleView::from(refused.needs);
    let name = serde_json::to_value(needed).unwrap_or_default();
    ApiError::role_missing(name.as_str().unwrap_or_default())
}

/// Finds out who is asking; `None` when nobody proved anything.
pub(crate) async fn proof(portal: &Portal, parts: &Parts) -> ApiResult<Option<Proof>> {
    let peer = parts
        .extensions
        .get::<Peer>()
        .copied()
        .unwrap_or(Peer::Unknown);
    proof_of(portal, &parts.headers, peer).await
}

/// As [`proof`], from the parts of a request that count.
pub(crate) async fn proof_of(
    portal: &Portal,
    headers: &HeaderMap,
    peer: Peer,
) -> ApiResult<Option<Proof>> {
    if let Peer::Local = peer {
        return Ok(local_principal(portal.clock.now()).map(Proof::Local));
    }
    let (text, is_cookie) = match (bearer(headers), cookie(headers)) {
        (Some(token), _) => (token, false),
        (None, Some(cookie)) => (cookie, true),
        (None, None) => return Ok(None),
    };
    let estate = portal
        .broker
        .estate()
        .await
        .map_err(ApiError::unavailable)?;
    let found = portal
        .sign_ins
        .resolve(&estate, text, peer.address())
        .await
        .map_err(ApiError::unavailable)?;
    Ok(found.map(|sign_in| {
        if is_cookie {
            Proof::Cookie(sign_in)
        } else {
            Proof::Token(sign_in)
        }
    }))
}

/// Like [`proof`], for calls that change something.
async fn changing(portal: &Portal, parts: &Parts) -> ApiResult<Proof> {
    let proof = proof(portal, parts)
        .await?
        .ok_or_else(ApiError::not_signed_in)?;
    if let Proof::Cookie(sign_in) = &proof {
        let token = parts
            .headers
            .get(CSRF_HEADER)
            .and_then(|value| value.to_str().ok());
        if !token.is_some_and(|token| sign_in.csrf_token_is(token)) {
            return Err(ApiError::new(
                axum::http::StatusCode::FORBIDDEN,
                "csrf",
                "The request does not show that it comes from Portico's own page",
            )
            .reason("the header X-Portico-Csrf is missing or wrong")
            .next_step("Reload the page and try again"));
        }
    }
    Ok(proof)
}

/// Somebody at the Unix socket: the machine's root, or the user Portico runs as.
fn local_principal(now: Timestamp) -> Option<Principal> {
    Some(Principal {
        user: UserId::new("root").ok()?,
        display_name: "root on this machine".into(),
        groups: Vec::new(),
        role: Role::Owner,
        strength: Strength::Password,
        sign_in: None,
        signed_in_at: now,
        client_address: None,
    })
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, value)| value)
}

impl FromRequestParts<Portal> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> ApiResult<Self> {
        let proof = proof(portal, parts)
            .await?
            .ok_or_else(ApiError::not_signed_in)?;
        Ok(Self(proof.principal().clone()))
    }
}

impl FromRequestParts<Portal> for Changing {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> ApiResult<Self> {
        Ok(Self(changing(portal, parts).await?.principal().clone()))
    }
}

impl FromRequestParts<Portal> for ChangingWithPassword {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, portal: &Portal) -> ApiResult<Self> {
        let proof = changing(portal, parts).await?;
        Ok(Self {
            principal: proof.principal().clone(),
            sign_in: proof.sign_in(),
        })
    }
}
