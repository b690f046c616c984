//! The report of a port check as one HTML file: no script, no other file, light, dark and on paper.
//! Everything that a server or an estate says is made printable and escaped.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
};

use portico_catalogue::{
    Catalogue,
    diagram::{self, DiagramOptions, LineEnds, LineState, STATE_STYLE, Sign, Tone, sign_svg},
};
use portico_model::printable;
use portico_net::tls::TlsSurvey;
use portico_probe::check::Verdict;

use super::{
    checked::{Checked, Checkup, host, wire},
    plan::names,
};
use crate::cli::listed::utc;

const STYLE: &str = include_str!("report/style.css");
/// Flows that are listed before all others because something has to be done about them.
const TODO_MAX: usize = 300;
/// Flows that are listed in all; the worst come first, so that only good ones are left out.
const LISTED_MAX: usize = 5_000;
/// Hosts at each side of the matrix.
const MATRIX_MAX: usize = 40;
/// More columns than this have upright headings.
const COLUMNS_FEW: usize = 7;
/// Sections of fewer flows than this, in all, are unfolded.
const UNFOLDED_MAX: usize = 25;
/// Names of a certificate that are shown.
const NAMES_MAX: usize = 8;

/// When and where a check ran.
#[derive(Debug, Clone, Default)]
pub(super) struct Run {
    /// Name of the estate.
    pub(super) estate: String,
    /// Name of the machine.
    pub(super) machine: String,
    /// When it ended, in milliseconds since 1970.
    pub(super) at_ms: i64,
}

/// Verdicts, worst first.
pub(super) const WORST_FIRST: [Verdict; 8] = [
    Verdict::NotResolvable,
    Verdict::Refused,
    Verdict::NoAnswer,
    Verdict::Blocked,
    Verdict::WrongService,
    Verdict::ReachableNotProven,
    Verdict::Skipped,
    Verdict::Proven,
];

fn severity(verdict: Verdict) -> usize {
    let place = WORST_FIRST.iter().position(|other| *other == verdict);
    place.unwrap_or(WORST_FIRST.len())
}

const fn look(verdict: Verdict) -> (Tone, Sign) {
    match verdict {
        Verdict::Proven => (Tone::Good, Sign::Tick),
        Verdict::ReachableNotProven => (Tone::Doubtful, Sign::Question),
        Verdict::WrongService => (Tone::Bad, Sign::Unequal),
        Verdict::Refused => (Tone::Bad, Sign::Cross),
        Verdict::NoAnswer => (Tone::Bad, Sign::Dots),
        Verdict::Blocked => (Tone::Bad, Sign::Bar),
        Verdict::NotResolvable => (Tone::Bad, Sign::Name),
        Verdict::Skipped => (Tone::Unknown, Sign::Ring),
    }
}

/// Flows by verdict.
#[derive(Debug, Clone, Copy, Default)]
struct Tally([usize; 8]);

impl Tally {
    fn add(&mut self, verdict: Verdict) {
        if let Some(count) = self.0.get_mut(severity(verdict)) {
            *count += 1;
        }
    }

    /// Verdicts that there are, worst first, with their counts.
    fn each(self) -> impl Iterator<Item = (Verdict, usize)> {
        WORST_FIRST
            .into_iter()
            .zip(self.0)
            .filter(|(_, count)| *count > 0)
    }

    fn all(self) -> usize {
        self.0.iter().sum()
    }

    fn worst(self) -> Option<Verdict> {
        self.each().next().map(|(verdict, _)| verdict)
    }

    fn words(self) -> String {
        let each = self.each();
        let each: Vec<String> = each
            .map(|(verdict, count)| format!("{count} {}", verdict.name()))
            .collect();
        each.join(", ")
    }
}

/// The whole file.
pub(super) fn html(checked: &Checked<'_>) -> String {
    let rows: Vec<Checkup<'_>> = checked.results().collect();
    let pairs = pairs(&rows);
    let mut page = Page(String::new());
    page.head();
    page.summary(checked, &rows);
    if !rows.is_empty() {
        let listing = Listing::of(checked, rows);
        page.picture(checked, &pairs);
        page.matrix(checked, &pairs, &listing);
        page.todo(checked, &listing);
        page.by_host(checked, &listing);
    }
    page.put(format_args!(
        "<footer>Written by <code>portico ports check -o html</code>. What servers said is shown \
         in printable characters only.</footer>\n</main>\n</body>\n</html>\n"
    ));
    page.0
}

/// Verdicts by who opens the connection and who listens.
type Pairs = BTreeMap<(u32, u32), Tally>;

fn pairs(rows: &[Checkup<'_>]) -> Pairs {
    let mut pairs = Pairs::new();
    for (flow, _, outcome) in rows {
        for from in &flow.from {
            let tally = pairs.entry((*from, flow.to)).or_default();
            tally.add(outcome.verdict);
        }
    }
    pairs
}

/// Which flows stand where, worst first.
struct Listing<'c> {
    /// Those about which something has to be done.
    todo: Vec<Checkup<'c>>,
    /// Flows like those for which there was no room among them.
    more_todo: usize,
    /// All others, by the host that listens.
    by_host: BTreeMap<u32, Vec<Checkup<'c>>>,
    /// Those for which there is no room.
    left_out: Tally,
}

impl<'c> Listing<'c> {
    fn of(checked: &Checked<'_>, mut rows: Vec<Checkup<'c>>) -> Self {
        // Stable: the order of the plan within a verdict.
        rows.sort_by_key(|(_, _, outcome)| severity(outcome.verdict));
        let is_todo = |(flow, _, outcome): &Checkup<'_>| flow.required && !checked.is_good(outcome);
        let (mut todo, mut others): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_todo);
        let mut listed = todo.split_off(todo.len().min(TODO_MAX));
        let more_todo = listed.len();
        listed.append(&mut others);
        let left_out = listed.split_off(listed.len().min(LISTED_MAX - todo.len()));
        let mut by_host: BTreeMap<u32, Vec<Checkup<'c>>> = BTreeMap::new();
        for row in listed {
            by_host.entry(row.0.to).or_default().push(row);
        }
        Self {
            todo,
            more_todo,
            by_host,
            left_out: tally(&left_out),
        }
    }

    /// Where the flows to a host begin.
    fn anchor(&self, to: u32) -> String {
        let is_todo = self.todo.iter().any(|(flow, ..)| flow.to == to);
        let kind = if is_todo { "todo" } else { "to" };
        format!("{kind}-{to}")
    }
}

struct Page(String);

impl Page {
    /// Writing to a String cannot fail.
    fn put(&mut self, arguments: fmt::Arguments<'_>) {
        let _ = self.0.write_fmt(arguments);
    }

    fn head(&mut self) {
        self.put(format_args!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
             style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
             <title>Port check</title>\n<style>\n{STYLE}{STATE_STYLE}\n</style>\n</head>\n\
             <body>\n<main>\n"
        ));
    }

    fn summary(&mut self, checked: &Checked<'_>, rows: &[Checkup<'_>]) {
        let run = checked.run;
        self.put(format_args!(
            "<h1>Port check of <bdi>{}</bdi></h1>\n<p class=\"facts\">Seen from <bdi>{}</bdi>, \
             {}.</p>\n",
            text(&run.estate),
            text(&run.machine),
            utc(run.at_ms)
        ));
        let (bad, required) = checked.counts();
        let (tone, sign, words) = match (rows.len(), bad) {
            (0, _) => (
                Tone::Unknown,
                Sign::Ring,
                "The plan has nothing to check.".to_owned(),
            ),
            (_, 0) => (
                Tone::Good,
                Sign::Tick,
                format!("All {required} required flows are good."),
            ),
            _ => (
                Tone::Bad,
                Sign::Cross,
                format!("{bad} of {required} required flows are not proven."),
            ),
        };
        self.put(format_args!(
            "<p class=\"outcome tone-{}\">{}<span>{words}</span></p>\n",
            tone.id(),
            sign_svg(tone, sign)
        ));
        let tally = tally(rows);
        if tally.all() == 0 {
            return;
        }
        self.put(format_args!(
            "<ul class=\"tiles\" aria-label=\"Flows by verdict\">\n"
        ));
        for (verdict, count) in tally.each() {
            let (tone, _) = look(verdict);
            self.put(format_args!(
                "<li class=\"tile tone-{}\"><b>{count}</b>{}</li>\n",
                tone.id(),
                badge(verdict)
            ));
        }
        self.put(format_args!("</ul>\n"));
    }

    fn picture(&mut self, checked: &Checked<'_>, pairs: &Pairs) {
        let options = DiagramOptions {
            title: "What answers",
            ..DiagramOptions::new(Catalogue::portico())
        };
        let svg = diagram::stated(checked.plan, &options, |ends| state(pairs, ends));
        self.put(format_args!(
            "<h2 id=\"picture\">Picture</h2>\n<div class=\"picture\" tabindex=\"0\" role=\"group\" \
             aria-labelledby=\"picture\">\n{svg}</div>\n<ul class=\"legend\" aria-label=\"Signs\">\n"
        ));
        let verdicts: BTreeSet<usize> = pairs
            .values()
            .flat_map(|tally| tally.each().map(|(verdict, _)| severity(verdict)))
            .collect();
        for verdict in verdicts.iter().filter_map(|place| WORST_FIRST.get(*place)) {
            let (tone, _) = look(*verdict);
            self.put(format_args!(
                "<li><svg class=\"dash bundle tone-{}\" viewBox=\"0 0 34 14\" \
                 aria-hidden=\"true\"><path class=\"line\" d=\"M0 7H34\"/></svg>{}</li>\n",
                tone.id(),
                badge(*verdict)
            ));
        }
        self.put(format_args!(
            "</ul>\n<p class=\"hint\">A line has the colour, the dashes and the sign of the worst \
             verdict of its flows; without a colour of these nothing of it was checked.</p>\n"
        ));
    }

    fn matrix(&mut self, checked: &Checked<'_>, pairs: &Pairs, listing: &Listing<'_>) {
        let sources = worst_hosts(pairs, |(from, _)| from);
        let destinations = worst_hosts(pairs, |(_, to)| to);
        let shown = |all: &[u32]| {
            all.iter()
                .copied()
                .take(MATRIX_MAX)
                .collect::<BTreeSet<_>>()
        };
        let (rows, columns) = (shown(&sources), shown(&destinations));
        self.put(format_args!(
            "<h2 id=\"matrix\">From and to</h2>\n<div class=\"scroll{}\" tabindex=\"0\" \
             role=\"group\" aria-labelledby=\"matrix\">\n<table>\n<thead><tr><th \
             scope=\"col\">from \\ to</th>",
            if columns.len() > COLUMNS_FEW {
                " many"
            } else {
                ""
            }
        ));
        for to in &columns {
            let name = text(host(checked.plan, *to));
            self.put(format_args!(
                "<th scope=\"col\"><span><bdi>{name}</bdi></span></th>"
            ));
        }
        self.put(format_args!("</tr></thead>\n<tbody>\n"));
        for from in &rows {
            let name = text(host(checked.plan, *from));
            self.put(format_args!("<tr><th scope=\"row\"><bdi>{name}</bdi></th>"));
            for to in &columns {
                match pairs.get(&(*from, *to)) {
                    Some(tally) => self.cell(&listing.anchor(*to), *tally),
                    None => self.put(format_args!("<td class=\"none\">·</td>")),
                }
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</tbody>\n</table>\n</div>\n"));
        let left_out = sources.len() + destinations.len() - rows.len() - columns.len();
        if left_out > 0 {
            self.put(format_args!(
                "<p class=\"hint\">The {MATRIX_MAX} hosts of each side with the worst verdicts are \
                 shown; {left_out} rows and columns are left out.</p>\n"
            ));
        }
    }

    fn cell(&mut self, anchor: &str, tally: Tally) {
        let Some(worst) = tally.worst() else {
            return;
        };
        let (tone, sign) = look(worst);
        let worst_count = tally.each().next().map_or(0, |(_, count)| count);
        let words = tally.words();
        self.put(format_args!(
            "<td class=\"tone-{}\"><a href=\"#{anchor}\" title=\"{words}\">{} <span \
             class=\"word\">{}</span> {worst_count} of {}</a></td>",
            tone.id(),
            sign_svg(tone, sign),
            worst.name(),
            tally.all()
        ));
    }

    /// What has to be done, whichever host it is about.
    fn todo(&mut self, checked: &Checked<'_>, listing: &Listing<'_>) {
        if listing.todo.is_empty() {
            return;
        }
        self.put(format_args!(
            "<h2>What is to be done</h2>\n<ul class=\"flows todo\">\n"
        ));
        let mut begun = BTreeSet::new();
        for row in &listing.todo {
            let to = row.0.to;
            let id = begun.insert(to).then(|| format!("todo-{to}"));
            self.flow(checked, row, id.as_deref());
        }
        self.put(format_args!("</ul>\n"));
        if listing.more_todo > 0 {
            self.put(format_args!(
                "<p class=\"hint\">{} more are in the sections below.</p>\n",
                listing.more_todo
            ));
        }
    }

    /// A section for each host that listens, with what is not above.
    fn by_host(&mut self, checked: &Checked<'_>, listing: &Listing<'_>) {
        let count: usize = listing.by_host.values().map(Vec::len).sum();
        let open = if count < UNFOLDED_MAX { " open" } else { "" };
        if count > 0 {
            self.put(format_args!("<h2>By host</h2>\n"));
        }
        for (to, rows) in &listing.by_host {
            self.put(format_args!(
                "<details class=\"host\"{open}>\n<summary><h3>to <bdi>{}</bdi></h3><span \
                 class=\"counts\">",
                text(host(checked.plan, *to))
            ));
            for (verdict, count) in tally(rows).each() {
                self.put(format_args!("<span>{count} {}</span>", badge(verdict)));
            }
            self.put(format_args!(
                "</span></summary>\n<ul class=\"flows\" id=\"to-{to}\">\n"
            ));
            for row in rows {
                self.flow(checked, row, None);
            }
            self.put(format_args!("</ul>\n</details>\n"));
        }
        let left_out = listing.left_out;
        if left_out.all() > 0 {
            self.put(format_args!(
                "<p class=\"hint\">{} more flows are left out here ({}): <code>portico ports check \
                 -o json</code> lists all.</p>\n",
                left_out.all(),
                left_out.words()
            ));
        }
    }

    fn flow(
        &mut self,
        checked: &Checked<'_>,
        (flow, target, outcome): &Checkup<'_>,
        id: Option<&str>,
    ) {
        let (tone, _) = look(outcome.verdict);
        let id = id.map(|id| format!(" id=\"{id}\"")).unwrap_or_default();
        let optional = if flow.required { "" } else { " · optional" };
        self.put(format_args!(
            "<li class=\"flow tone-{}\"{id}><div class=\"head-line\">{}<span class=\"ends\"><bdi>{}\
             </bdi> → <bdi>{}</bdi></span><code><bdi>{}</bdi> {}</code><span>{}</span><span \
             class=\"ms\">{} ms</span></div>\n<p>{}</p>\n",
            tone.id(),
            badge(outcome.verdict),
            text(&names(checked.plan, &flow.from)),
            text(host(checked.plan, flow.to)),
            text(&target.host),
            text(&wire(flow)),
            text(&flow.flow.application_protocol),
            outcome.took.as_millis(),
            text(&outcome.evidence)
        ));
        if let Some(next_step) = &outcome.next_step {
            self.put(format_args!(
                "<p class=\"step\"><strong>Next step:</strong> {}</p>\n",
                text(next_step)
            ));
        }
        if let Some(tls) = &outcome.tls {
            self.tls(tls);
        }
        self.put(format_args!(
            "<p class=\"about\"><code>{}</code> · {}{optional}</p></li>\n",
            text(&flow.flow.id),
            text(&flow.flow.purpose)
        ));
    }

    fn tls(&mut self, survey: &TlsSurvey) {
        let findings = match survey.findings.len() {
            0 => "nothing found wrong".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        self.put(format_args!(
            "<details><summary>{}, {findings}</summary>\n<dl>",
            text(&survey.version)
        ));
        for finding in &survey.findings {
            self.put(format_args!("<dt>Finding</dt><dd>{}</dd>", text(finding)));
        }
        if let Some(own) = survey.chain.first() {
            let mut names: Vec<&str> = own.names.iter().map(String::as_str).collect();
            names.truncate(NAMES_MAX);
            let more = own.names.len() - names.len();
            let mut names = names.join(", ");
            if more > 0 {
                let _ = write!(names, " and {more} more");
            }
            self.put(format_args!(
                "<dt>Certificate of</dt><dd><bdi>{}</bdi></dd><dt>For</dt><dd><bdi>{}</bdi></dd>\
                 <dt>Issued by</dt><dd><bdi>{}</bdi></dd><dt>Good</dt><dd>{} to {}</dd>\
                 <dt>SHA-256</dt><dd><code>{}</code></dd>",
                text(&own.subject),
                text(&names),
                text(&own.issuer),
                utc(own.not_before.unix_ms()),
                utc(own.not_after.unix_ms()),
                text(&own.sha256)
            ));
        }
        self.put(format_args!("</dl></details>\n"));
    }
}

fn tally(rows: &[Checkup<'_>]) -> Tally {
    let mut tally = Tally::default();
    for (_, _, outcome) in rows {
        tally.add(outcome.verdict);
    }
    tally
}

/// The state of a line of the picture: the worst of what runs over it.
fn state(pairs: &Pairs, ends: &LineEnds) -> Option<LineState> {
    let mut all = Tally::default();
    for from in &ends.from {
        for to in &ends.to {
            let Some(tally) = pairs.get(&(*from, *to)) else {
                continue;
            };
            for (sum, count) in all.0.iter_mut().zip(tally.0) {
                *sum += count;
            }
        }
    }
    let (tone, sign) = look(all.worst()?);
    Some(LineState {
        tone,
        sign,
        words: all.words(),
    })
}

/// Hosts at one side, those with the worst verdicts first.
fn worst_hosts(pairs: &Pairs, side: impl Fn((u32, u32)) -> u32) -> Vec<u32> {
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    for (pair, tally) in pairs {
        let of_host = tallies.entry(side(*pair)).or_default();
        for (sum, count) in of_host.0.iter_mut().zip(tally.0) {
            *sum += count;
        }
    }
    let mut hosts: Vec<(u32, Tally)> = tallies.into_iter().collect();
    hosts.sort_by_key(|(_, tally)| tally.worst().map_or(usize::MAX, severity));
    hosts.into_iter().map(|(host, _)| host).collect()
}

/// The sign of a verdict with its name.
fn badge(verdict: Verdict) -> String {
    let (tone, sign) = look(verdict);
    format!(
        "<span class=\"badge tone-{}\">{} <span class=\"word\">{}</span></span>",
        tone.id(),
        sign_svg(tone, sign),
        verdict.name()
    )
}

/// Text for HTML, safe in elements and in quoted attributes.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for character in printable(raw).chars() {
        match character {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests;
