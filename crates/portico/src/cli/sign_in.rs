//! `portico login` and `logout`.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::Args;
use portico_model::{Secret, printable};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    Globals,
    client::{ApiClient, typed},
    credentials::{Credentials, FingerprintText, Known, fingerprint_text, read_fingerprint},
    failure::Failure,
    server::Server,
    teach,
    transport::{self, Fingerprint},
};

/// End of the help of `login`.
pub(crate) const LOGIN_HELP: &str = teach![
    "portico login --server https://portico.example.org",
    "portico login --server https://portico.example.org --user anna --password-stdin \\\n      \
        --fingerprint AB:CD:… < password-file        # for programs",
];

/// End of the help of `logout`.
pub(crate) const LOGOUT_HELP: &str = teach![
    "portico logout",
    "portico logout --server https://portico.example.org",
];

/// Bytes of a line that is typed or piped in.
const LINE_BYTES_MAX: u64 = 8192;

/// Who signs in, and how the server is known.
#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// Name to sign in with; asked for without it.
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Read the password from standard input, one line.
    #[arg(long)]
    pub(crate) password_stdin: bool,

    /// SHA-256 of the server's certificate, as `portico serve` prints it; asked for without it.
    #[arg(long, value_name = "SHA256", value_parser = read_fingerprint)]
    pub(crate) fingerprint: Option<Fingerprint>,
}

#[derive(Serialize)]
struct TokenRequest<'a> {
    user: &'a str,
    password: &'a str,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Secret,
    me: MeAnswer,
}

#[derive(Deserialize)]
struct MeAnswer {
    user: String,
    display_name: String,
    role: String,
}

/// Signs in and keeps the token.
pub(crate) async fn login(globals: &Globals, args: LoginArgs) -> Result<String, Failure> {
    let mut credentials = Credentials::load()?;
    let server = https_server(globals, &credentials)?;
    let name = server.to_string();
    let seen = transport::seen_fingerprint(&server).await?;
    let known = credentials
        .servers
        .get(&name)
        .map(|known| known.fingerprint.0);
    accept(&name, seen, known, args.fingerprint, &mut Console)?;
    let user = match args.user {
        Some(user) => user,
        None => ask("User: ")?,
    };
    let password = password(args.password_stdin, &user)?;
    let client = ApiClient::anonymous(server, Some(seen));
    let request = TokenRequest {
        user: &user,
        password: password.expose(),
    };
    let answer: TokenAnswer = typed(&client.post("/tokens", &request).await?)?;
    credentials.servers.insert(
        name.clone(),
        Known {
            user: answer.me.user.clone(),
            token: answer.token,
            fingerprint: FingerprintText(seen),
        },
    );
    credentials.current = Some(name.clone());
    credentials.save()?;
    let me = answer.me;
    Ok(format!(
        "Signed in to {name} as {} ({}, role {}).\n",
        printable(&me.display_name),
        printable(&me.user),
        printable(&me.role)
    ))
}

/// Forgets a sign-in, here and, when it can be reached, on the server.
pub(crate) async fn logout(globals: &Globals) -> Result<String, Failure> {
    let mut credentials = Credentials::load()?;
    let server = https_server(globals, &credentials)?;
    let name = server.to_string();
    if !credentials.servers.contains_key(&name) {
        return Ok(format!("You are not signed in to {name}.\n"));
    }
    let told = ApiClient::new(server, &credentials)
        .post("/sign-out", &json!({}))
        .await;
    credentials.servers.remove(&name);
    if credentials.current.as_deref() == Some(&name) {
        credentials.current = None;
    }
    credentials.save()?;
    Ok(match told {
        Ok(_) => format!("Signed out of {name}.\n"),
        Err(_) => format!(
            "Signed out of {name} on this machine. The server could not be told; the sign-in \
             lapses there by itself.\n"
        ),
    })
}

fn https_server(globals: &Globals, credentials: &Credentials) -> Result<Server, Failure> {
    let current = || credentials.current.as_deref()?.parse().ok();
    match globals.server.clone().or_else(current) {
        Some(server @ Server::Https { .. }) => Ok(server),
        Some(Server::Socket(_)) => Err(Failure::new("A Unix socket needs no sign-in")
            .reason("it knows who you are from the system")
            .next_step("leave `login` out, or name a server with --server https://HOST")),
        None => Err(Failure::new("No server is named")
            .next_step("name it with --server https://HOST[:PORT]")),
    }
}

/// Asks a person.
pub(crate) trait Ask {
    /// The answer to `question`, or a failure when nobody can be asked.
    fn ask(&mut self, question: &str) -> Result<String, Failure>;
}

/// The person at the terminal.
pub(crate) struct Console;

impl Ask for Console {
    fn ask(&mut self, question: &str) -> Result<String, Failure> {
        ask(question)
    }
}

/// Accepts the certificate with the fingerprint `seen`: because it is the given or known one, or
/// because a person says so.
pub(crate) fn accept(
    server: &str,
    seen: Fingerprint,
    known: Option<Fingerprint>,
    given: Option<Fingerprint>,
    person: &mut impl Ask,
) -> Result<(), Failure> {
    let shown = fingerprint_text(&seen);
    if let Some(given) = given {
        if given == seen {
            return Ok(());
        }
        return Err(Failure::new(format!("{server} has another certificate"))
            .reason(format!("its fingerprint is {shown}"))
            .next_step("compare it with the one that `portico serve` prints on the server"));
    }
    if known == Some(seen) {
        return Ok(());
    }
    let warning = match known {
        Some(known) => format!(
            "WARNING: the certificate of {server} has CHANGED.\n  before: {}\n",
            fingerprint_text(&known)
        ),
        None => format!("The certificate of {server} is not known on this machine.\n"),
    };
    let question = format!(
        "{warning}  SHA-256: {shown}\nCompare it with the one that `portico serve` prints on the \
         server. Is it the same? (yes/no) "
    );
    let refused = || {
        Failure::new(format!("The certificate of {server} was not accepted"))
            .reason(format!("its fingerprint is {shown}"))
            .next_step("when it is the right one, give it with --fingerprint")
    };
    match person.ask(&question) {
        Ok(answer) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        Ok(_) | Err(_) => Err(refused()),
    }
}

fn password(from_stdin: bool, user: &str) -> Result<Secret, Failure> {
    if from_stdin {
        return line().map(Secret::new);
    }
    let unreadable = |error: io::Error| {
        Failure::new("The password cannot be asked for")
            .reason(error)
            .next_step("give it on standard input with --password-stdin")
    };
    rpassword::prompt_password(format!("Password of {}: ", printable(user)))
        .map(Secret::new)
        .map_err(unreadable)
}

fn ask(question: &str) -> Result<String, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new("Nobody can be asked")
            .reason("standard input is not a terminal")
            .next_step("give --user, --password-stdin and --fingerprint"));
    }
    let mut out = io::stderr().lock();
    out.write_all(question.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| Failure::new("The terminal cannot be written to").reason(error))?;
    line()
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    let failed = |reason: String| {
        Failure::new("Standard input cannot be read")
            .reason(reason)
            .next_step("give one line of text")
    };
    let mut input = io::Read::take(io::stdin().lock(), LINE_BYTES_MAX);
    match input.read_line(&mut line) {
        Ok(0) => Err(failed("it is empty".into())),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(failed(error.to_string())),
    }
}
