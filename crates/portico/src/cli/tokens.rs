//! `portico tokens`: join tokens, by which agents get their certificates.

use clap::{Args, Subcommand};
use portico_model::{HostId, JoinTokenId, printable};
use portico_net::clock::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{
    Globals,
    failure::Failure,
    humane,
    listed::{self, Column},
    teach,
};

const CREATE_HELP: &str = teach![
    "portico tokens create --host sh1             # the host starts in drain: see what it reports first",
    "portico tokens create --host sh1 --enable    # it takes sessions at once",
    "portico tokens create --host sh1 --rejoin    # the machine was made anew, or its key was lost",
    "portico tokens create --host sh1 --life 10m -o json | jq -r .token",
];
const LIST_HELP: &str = teach!["portico tokens list",];
const REVOKE_HELP: &str = teach!["portico tokens revoke 0f3c5a7b9d1e2f40",];

/// What to do with join tokens.
#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a join token. It is good for one host and one join, and shown only now.
    #[command(after_help = CREATE_HELP)]
    Create(CreateArgs),
    /// List the join tokens of the last day, without the tokens themselves.
    #[command(after_help = LIST_HELP)]
    List,
    /// Revoke a join token that was not used.
    #[command(after_help = REVOKE_HELP)]
    Revoke {
        /// Id of the token, as `portico tokens list` shows it.
        #[arg(value_name = "ID", value_parser = token_id)]
        id: JoinTokenId,
    },
}

/// Which token.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// Host of the estate whose agent shall join.
    #[arg(long, value_name = "NAME", value_parser = host_id)]
    host: HostId,
    /// Let the host take new sessions at once, instead of starting in drain.
    #[arg(long)]
    enable: bool,
    /// Let it take the place of an agent that joined before, without an operator's approval.
    #[arg(long)]
    rejoin: bool,
    /// How long the token is good; an hour at most.
    #[arg(long, value_name = "DURATION", value_parser = humane::duration_s, default_value = "1h")]
    life: u32,
}

fn host_id(text: &str) -> Result<HostId, String> {
    HostId::new(text).map_err(|error| error.to_string())
}

fn token_id(text: &str) -> Result<JoinTokenId, String> {
    JoinTokenId::new(text).map_err(|error| error.to_string())
}

/// Does it.
pub(crate) async fn tokens(globals: &Globals, what: &TokensCommand) -> Result<String, Failure> {
    let client = globals.client()?;
    let now_ms = SystemClock.now().unix_ms();
    match what {
        TokensCommand::Create(args) => {
            let body = json!({
                "host": args.host,
                "enable": args.enable,
                "rejoin": args.rejoin,
                "life_s": args.life,
            });
            let made = client.post("/join-tokens", &body).await?;
            globals.output.show(&made, |made| Ok(created(made, now_ms)))
        }
        TokensCommand::List => {
            let tokens = client.get("/join-tokens").await?;
            globals.output.show(&tokens, |tokens| Ok(list(tokens)))
        }
        TokensCommand::Revoke { id } => {
            client.delete(&format!("/join-tokens/{id}")).await?;
            let done = json!({ "id": id, "message": "Revoked" });
            globals
                .output
                .show(&done, |_| Ok(format!("{id}: revoked.\n")))
        }
    }
}

/// A new token: the command on a line of its own, to be copied.
pub(crate) fn created(made: &Value, now_ms: i64) -> String {
    let text = |field| {
        let text = made.get(field).and_then(Value::as_str).unwrap_or_default();
        printable(text).into_owned()
    };
    let left = made.get("expires_at_ms").and_then(Value::as_i64);
    let left = left.and_then(|at| humane::until(at, now_ms));
    format!(
        "Run this on {} as root, once, within {}:\n\n  {}\n\n\
         Whoever has the token can be the agent of {0}; it is not shown again.\n\
         To revoke it: portico tokens revoke {}\n",
        text("host"),
        left.unwrap_or_else(|| "0s".into()),
        text("command"),
        text("id"),
    )
}

/// Tokens as a table.
pub(crate) fn list(tokens: &Value) -> String {
    let tokens = tokens.as_array().map(Vec::as_slice).unwrap_or_default();
    let columns = [
        listed::text("id"),
        listed::text("host"),
        listed::time("good until", "expires_at_ms"),
        listed::text("enable"),
        listed::text("rejoin"),
        listed::text("state"),
        Column {
            heading: "made by",
            ..listed::text("created_by")
        },
    ];
    listed::table(tokens, &columns, "There is no join token.")
}

#[cfg(test)]
mod tests {
    use portico_model::text::is_unsafe_to_show;

    use super::*;

    #[test]
    fn a_new_token_is_a_command_to_copy_and_says_how_long_it_is_good() {
        let made = json!({ "id": "0f3c", "host": "sh1", "expires_at_ms": 3_600_000,
            "token": "portico-join-1.e30", "command": "portico agent --join portico-join-1.e30\u{1b}" });
        let shown = created(&made, 0);
        assert!(!shown.chars().any(|c| c != '\n' && is_unsafe_to_show(c)));
        expect_test::expect![[r#"
            Run this on sh1 as root, once, within 1h:

              portico agent --join portico-join-1.e30\u{1b}

            Whoever has the token can be the agent of sh1; it is not shown again.
            To revoke it: portico tokens revoke 0f3c
        "#]]
        .assert_eq(&shown);
    }

    #[test]
    fn tokens_are_listed_without_their_secrets() {
        let tokens = json!([{ "id": "0f3c", "host": "sh1", "expires_at_ms": 1_763_696_000_000_i64,
            "enable": true, "rejoin": false, "state": "usable",
            "created_by": "olga" }]);
        expect_test::expect![[r#"
            ID    HOST  GOOD UNTIL            ENABLE  REJOIN  STATE   MADE BY
            0f3c  sh1   2025-11-21 03:33:20Z  yes     no      usable  olga
        "#]]
        .assert_eq(&list(&tokens));
        assert_eq!(list(&json!([])), "There is no join token.\n");
    }
}
