//! Where the estate of a plan comes from: a file, or the server.

use std::collections::BTreeSet;

use portico_catalogue::{Catalogue, plan::Deployment};
use portico_estate::{deployment, parse};
use portico_model::estate::{AgentMode, Estate};

use super::EstateArgs;
use crate::cli::{Globals, apply, client::typed, failure::Failure};

/// An estate and what it is called in messages.
pub(crate) struct Source {
    /// Its hosts as the planner sees them.
    pub(crate) deployment: Deployment,
    /// Ids of the hosts that have an agent by the estate.
    pub(crate) with_agent: BTreeSet<String>,
    /// Name of the file, or of the server's estate.
    pub(crate) name: String,
}

impl Source {
    /// Reads the estate that is meant.
    pub(crate) async fn read(globals: &Globals, args: &EstateArgs) -> Result<Self, Failure> {
        let (estate, name) = match &args.file {
            Some(path) => from_file(path)?,
            None => from_server(globals).await?,
        };
        let hosts = estate.hosts.iter();
        let with_agent = hosts
            .filter(|(_, host)| host.agent == AgentMode::Required)
            .map(|(id, _)| id.as_str().to_owned())
            .collect();
        let mut deployment = deployment(&estate);
        deployment.with_optional |= args.optional;
        deployment.features.extend(args.feature.iter().cloned());
        if deployment.hosts.is_empty() {
            return Err(Failure::new(format!("{name} has no hosts"))
                .reason("a plan is made of hosts and their roles")
                .next_step(
                    "describe them under [[hosts]] with roles and addresses; examples/estates has \
                     estates to begin with, and `portico ports roles` lists the roles",
                ));
        }
        Ok(Self {
            deployment,
            with_agent,
            name,
        })
    }
}

/// The estate of a file.
pub(crate) fn from_file(path: &std::path::Path) -> Result<(Estate, String), Failure> {
    let text = apply::read(path)?;
    let name = apply::shown_name(path);
    let draft = parse(&name, &text).map_err(|errors| {
        let count = match errors.len() {
            1 => "an error".to_owned(),
            n => format!("{n} errors"),
        };
        Failure::new(format!("{name} has {count}"))
            .lines(errors.iter().map(ToString::to_string).collect())
            .next_step("mend the file and try again")
    })?;
    Ok((draft.estate, name))
}

async fn from_server(globals: &Globals) -> Result<(Estate, String), Failure> {
    let no_server = |failure: Failure| {
        let next_step = "give an estate file with -f, for which no server is needed";
        match failure.next_step {
            Some(_) => failure.lines(vec![format!("or {next_step}")]),
            None => failure.next_step(next_step),
        }
    };
    let client = globals.client().map_err(no_server)?;
    let answer = client
        .get("/estate")
        .await
        .map_err(|error| no_server(error.into()))?;
    Ok((typed(&answer)?, "the estate of the server".to_owned()))
}

/// `FEATURE=on` or `FEATURE=off`.
pub(super) fn feature(text: &str) -> Result<(String, bool), String> {
    let (name, state) = text.split_once('=').unwrap_or((text, ""));
    let is_on = match state {
        "on" => true,
        "off" => false,
        _ => return Err("write FEATURE=on or FEATURE=off".to_owned()),
    };
    let catalogue = Catalogue::portico();
    if catalogue.feature(name).is_none() {
        let known = catalogue.features().map(|feature| feature.id.as_str());
        let hint = portico_estate::document::nearest(name, known)
            .map(|near| format!("; did you mean {near:?}?"))
            .unwrap_or_default();
        return Err(format!(
            "there is no feature {name:?}{hint}; `portico ports roles --features` lists them"
        ));
    }
    Ok((name.to_owned(), is_on))
}
