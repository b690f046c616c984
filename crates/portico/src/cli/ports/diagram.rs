//! `portico ports diagram`.

use clap::Args;
use portico_catalogue::{
    Catalogue,
    diagram::{self, DiagramFormat, DiagramOptions},
    plan,
};

use super::{EstateArgs, Source, catalogue::value};
use crate::cli::{Globals, failure::Failure, output::Format};

/// Which picture.
#[derive(Debug, Args)]
pub(crate) struct DiagramArgs {
    #[command(flatten)]
    estate: EstateArgs,

    /// Heading of the picture.
    #[arg(long, value_name = "TEXT", default_value = "Network flows")]
    title: String,
}

/// Draws an estate.
pub(crate) async fn diagram(globals: &Globals, args: &DiagramArgs) -> Result<String, Failure> {
    let catalogue = Catalogue::portico();
    let format = match globals.output {
        Format::Svg => DiagramFormat::Svg,
        Format::Mermaid => DiagramFormat::Mermaid,
        Format::Dot => DiagramFormat::Dot,
        Format::Json | Format::Yaml => {
            let source = Source::read(globals, &args.estate).await?;
            let options = DiagramOptions::new(catalogue);
            let layout = diagram::layout(&plan::plan(catalogue, &source.deployment), &options);
            return globals.output.show(&value(&layout)?, |_| Ok(String::new()));
        }
        Format::Table | Format::Csv | Format::Markdown | Format::Junit | Format::Html => {
            return Err(Failure::new("A picture is no table")
                .reason("this form has no pictures")
                .next_step("use -o svg, -o mermaid or -o dot; -o json gives the layout as data"));
        }
    };
    let source = Source::read(globals, &args.estate).await?;
    let options = DiagramOptions {
        title: &args.title,
        ..DiagramOptions::new(catalogue)
    };
    Ok(diagram::diagram(
        &plan::plan(catalogue, &source.deployment),
        format,
        &options,
    ))
}
