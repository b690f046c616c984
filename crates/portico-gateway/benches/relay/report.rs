//! The table, and the figures against the budgets of `docs/benches.md`.

/// Budget: CPU per GiB in relation to HAProxy.
const CPU_TO_HAPROXY_MAX: f64 = 0.8;
/// Budget: CPU of a set-up.
const SETUP_US_MAX: f64 = 900.0;
/// Budget: memory of an idle session.
const IDLE_KIB_MAX: f64 = 72.0;

#[derive(Debug, Default)]
pub(crate) struct Setups {
    pub(crate) per_s: f64,
    pub(crate) cpu_us: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Echo {
    pub(crate) connections: usize,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Row {
    pub(crate) cpu_down: f64,
    pub(crate) cpu_up: f64,
    pub(crate) setups: Setups,
    pub(crate) echo: Echo,
    /// Connections and KiB for each; none when there are too few open files.
    pub(crate) idle: Vec<(usize, Option<f64>)>,
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<(String, Row)>,
    missing: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, name: &str, row: Row) {
        self.rows.push((name.to_owned(), row));
    }

    pub(crate) fn missing(&mut self, name: &str) {
        self.missing.push(name.to_owned());
    }

    pub(crate) fn print(&self) {
        println!();
        println!("Relay of desktops: the relay process alone, all on loopback");
        println!(
            "{:<11} {:>13} {:>13} {:>9} {:>12} {:>16} {:>16}  idle KiB per session",
            "relay",
            "CPU-s/GiB dn",
            "CPU-s/GiB up",
            "setups/s",
            "CPU us/setup",
            "64 B p50 us",
            "64 B p99 us"
        );
        for (name, row) in &self.rows {
            let idle: Vec<String> = row
                .idle
                .iter()
                .map(|(count, kib)| match kib {
                    Some(kib) => format!("{kib:.1} at {count}"),
                    None => format!("too few open files for {count}"),
                })
                .collect();
            println!(
                "{name:<11} {:>13.2} {:>13.2} {:>9.0} {:>12.0} {:>10.0} at {:<3} {:>16.0}  {}",
                row.cpu_down,
                row.cpu_up,
                row.setups.per_s,
                row.setups.cpu_us,
                row.echo.p50_us,
                row.echo.connections,
                row.echo.p99_us,
                idle.join(", ")
            );
        }
        for name in &self.missing {
            println!("{name:<11} missing: it is not installed (bench/install-relay-peers)");
        }
        self.print_budgets();
    }

    fn row(&self, name: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, row)| row)
    }

    fn print_budgets(&self) {
        let Some(portico) = self.row("portico") else {
            return;
        };
        println!();
        for peer in ["haproxy", "tokio", "websockify"] {
            let Some(row) = self.row(peer) else {
                continue;
            };
            let (down, up) = (portico.cpu_down / row.cpu_down, portico.cpu_up / row.cpu_up);
            print!("CPU per GiB, portico / {peer}: {down:.2} down, {up:.2} up");
            if peer == "haproxy" {
                let worst = down.max(up);
                print!(
                    " (budget {CPU_TO_HAPROXY_MAX}: {})",
                    verdict(worst, CPU_TO_HAPROXY_MAX)
                );
            }
            println!();
        }
        let setup = portico.setups.cpu_us;
        println!(
            "CPU per set-up: {setup:.0} us (budget {SETUP_US_MAX}: {})",
            verdict(setup, SETUP_US_MAX)
        );
        for (count, kib) in &portico.idle {
            if let Some(kib) = kib {
                println!(
                    "idle session at {count}: {kib:.1} KiB (budget {IDLE_KIB_MAX}: {})",
                    verdict(*kib, IDLE_KIB_MAX)
                );
            }
        }
    }
}

fn verdict(value: f64, budget: f64) -> &'static str {
    if value <= budget { "kept" } else { "BROKEN" }
}
