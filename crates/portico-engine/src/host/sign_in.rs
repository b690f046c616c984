//! Sign-in with the account's password.

use portico_model::Secret;
use portico_wire::terminal::header::{Open, RefusedError};
use russh::{
    MethodKind,
    client::{AuthResult, Handle, KeyboardInteractiveAuthResponse},
};

use super::{
    key::Client,
    refusal::{self, SignInFailure},
};

/// Rounds of questions that are answered.
const ROUNDS_MAX: usize = 5;

/// Signs in as the account of `open`.
///
/// The host is asked first which methods it takes: a wrong password must count once against the
/// account, not once for each method.
pub(super) async fn sign_in(handle: &mut Handle<Client>, open: &Open) -> Result<(), RefusedError> {
    let lost = |error: russh::Error| refusal::lost(open, &error);
    let methods = match handle
        .authenticate_none(&open.account)
        .await
        .map_err(lost)?
    {
        AuthResult::Success => return Ok(()),
        AuthResult::Failure {
            remaining_methods, ..
        } => remaining_methods,
    };
    if handle.is_closed() {
        return Err(refusal::lost(open, &russh::Error::Disconnect));
    }
    let Some(password) = &open.password else {
        return Err(refusal::sign_in(open, SignInFailure::NoPassword));
    };
    let failure = if methods.contains(&MethodKind::Password) {
        by_password(handle, open, password).await.map_err(lost)?
    } else if methods.contains(&MethodKind::KeyboardInteractive) {
        by_questions(handle, open, password).await.map_err(lost)?
    } else {
        Some(SignInFailure::NoMethod)
    };
    match failure {
        None => Ok(()),
        Some(_) if handle.is_closed() => Err(refusal::lost(open, &russh::Error::Disconnect)),
        Some(failure) => Err(refusal::sign_in(open, failure)),
    }
}

async fn by_password(
    handle: &mut Handle<Client>,
    open: &Open,
    password: &Secret,
) -> Result<Option<SignInFailure>, russh::Error> {
    match handle
        .authenticate_password(&open.account, password.expose())
        .await?
    {
        AuthResult::Success => Ok(None),
        AuthResult::Failure {
            partial_success: true,
            ..
        } => Ok(Some(SignInFailure::MoreWanted)),
        AuthResult::Failure { .. } => Ok(Some(SignInFailure::WrongPassword)),
    }
}

/// RFC 4256: the password answers one hidden question. Anything else needs the user.
async fn by_questions(
    handle: &mut Handle<Client>,
    open: &Open,
    password: &Secret,
) -> Result<Option<SignInFailure>, russh::Error> {
    let mut is_answered = false;
    let mut response = handle
        .authenticate_keyboard_interactive_start(&open.account, None::<String>)
        .await?;
    for _ in 0..ROUNDS_MAX {
        let answers = match response {
            KeyboardInteractiveAuthResponse::Success => return Ok(None),
            KeyboardInteractiveAuthResponse::Failure {
                partial_success: true,
                ..
            } => {
                return Ok(Some(SignInFailure::MoreWanted));
            }
            KeyboardInteractiveAuthResponse::Failure { .. } => {
                return Ok(Some(SignInFailure::WrongPassword));
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => match &prompts[..] {
                [] => Vec::new(),
                [prompt] if !prompt.echo && !is_answered => {
                    is_answered = true;
                    vec![password.expose().to_owned()]
                }
                _ => return Ok(Some(SignInFailure::MoreWanted)),
            },
        };
        response = handle
            .authenticate_keyboard_interactive_respond(answers)
            .await?;
    }
    Ok(Some(SignInFailure::MoreWanted))
}
