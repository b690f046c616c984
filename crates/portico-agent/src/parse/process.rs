//! `/proc/PID/stat`, `status`, `cmdline`, `environ` (proc(5)).

/// What `/proc/PID/stat` tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessStat {
    /// Name of the program, at most 15 bytes. A program can give itself any.
    pub name: String,
    /// Letter of its state; `Z` and `X` are dead.
    pub state: char,
    /// Its parent.
    pub parent: u32,
    /// Device number of its controlling terminal; 0 is none.
    pub terminal: i64,
    /// When it was started, in ticks since the start of the machine. With the id it names one
    /// process, also when the id is used again.
    pub start: u64,
}

impl ProcessStat {
    /// Whether it still runs: a zombie only waits for its parent.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// `/proc/PID/stat`. The name stands in parentheses and may hold parentheses, blanks and line
/// ends, so it ends at the last one.
pub fn stat(bytes: &[u8]) -> Option<ProcessStat> {
    let text = String::from_utf8_lossy(bytes);
    let (_, rest) = text.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    // Fields 7 and 22 of the file; the parent is field 4.
    let terminal = fields.nth(2)?.parse().ok()?;
    let start = fields.nth(14)?.parse().ok()?;
    Some(ProcessStat {
        name: name.to_owned(),
        state,
        parent,
        terminal,
        start,
    })
}

/// Who a process runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// Real user.
    pub uid: u32,
    /// Real group.
    pub gid: u32,
}

/// The ids in `/proc/PID/status`. The name in it cannot make lines of its own: the kernel writes
/// its line ends as `\n`.
pub fn status(bytes: &[u8]) -> Option<Ids> {
    let text = String::from_utf8_lossy(bytes);
    let first_of = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key))?;
        line.split_ascii_whitespace().next()?.parse::<u32>().ok()
    };
    Some(Ids {
        uid: first_of("Uid:")?,
        gid: first_of("Gid:")?,
    })
}

/// Arguments of a process, the program's name first: `/proc/PID/cmdline`.
pub fn arguments(bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    bytes
        .split(|byte| *byte == 0)
        .map(|part| String::from_utf8_lossy(part).into_owned())
        .collect()
}

/// The value of a variable in `/proc/PID/environ`.
pub fn variable(environ: &[u8], name: &str) -> Option<String> {
    environ.split(|byte| *byte == 0).find_map(|entry| {
        let value = entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        Some(String::from_utf8_lossy(value).into_owned())
    })
}

/// The display an X server serves: its first argument of the form `:10`.
pub fn display_of(arguments: &[String]) -> Option<u16> {
    arguments
        .iter()
        .skip(1)
        .find_map(|argument| argument.strip_prefix(':')?.parse().ok())
}

/// Whether `display`, as in a `DISPLAY` variable, is this one of the machine: `:10`, `:10.0`.
pub fn is_display(display: &str, number: u16) -> bool {
    let Some(rest) = display.strip_prefix(':') else {
        return false;
    };
    let rest = rest
        .split_once('.')
        .map_or(rest, |(display, _screen)| display);
    rest.parse() == Ok(number)
}

/// Who is logged in by an SSH server's process, and on which terminals, from its title
/// `sshd: anna@pts/0,pts/1`. Names of directories have an `@` of their own.
pub fn ssh_title(title: &str) -> Option<(&str, Vec<&str>)> {
    let rest = title
        .strip_prefix("sshd: ")
        .or_else(|| title.strip_prefix("sshd-session: "))?;
    // setproctitle(3) fills the room of the old arguments with blanks or zeros.
    let (account, terminals) = rest.trim_end().rsplit_once('@')?;
    let terminals: Vec<&str> = terminals
        .split(',')
        .filter(|terminal| is_terminal(terminal))
        .collect();
    (!account.is_empty() && !terminals.is_empty()).then_some((account, terminals))
}

fn is_terminal(name: &str) -> bool {
    name.strip_prefix("pts/").is_some_and(|number| {
        !number.is_empty() && number.len() <= 7 && number.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "S 72 59 59 0 -1 4194560 699 91 0 0 0 0 0 0 20 0 1 0 1399041 17473536 2467";

    #[test]
    fn a_hostile_name_does_not_move_the_fields() {
        for name in [
            "sshd",
            "a) S 1 (b",
            ") Z 1 1 1",
            "a\nb",
            "((((",
            "))))",
            "",
            "\u{202e}x",
        ] {
            let stat = stat(format!("59 ({name}) {REST}\n").as_bytes()).unwrap();
            assert_eq!(stat.name, name);
            assert_eq!((stat.state, stat.parent, stat.start), ('S', 72, 1_399_041));
        }
        assert_eq!(stat(b"59 (\xff\xfe) S 72"), None);
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_refused_or_whole() {
        let whole = format!("59 (x) {REST}");
        for len in 0..whole.len() {
            if let Some(stat) = stat(&whole.as_bytes()[..len]) {
                // Cut inside or after the start time: digits may be missing, nothing else.
                assert!("1399041".starts_with(&stat.start.to_string()), "{stat:?}");
            }
        }
    }

    #[test]
    fn the_dead_are_told_from_the_living() {
        let of = |state| stat(format!("1 (x) {state}{}", &REST[1..]).as_bytes()).unwrap();
        assert!(of('S').is_alive() && of('R').is_alive() && of('D').is_alive());
        assert!(!of('Z').is_alive() && !of('X').is_alive());
    }

    #[test]
    fn ids_are_the_real_ones() {
        let text = b"Name:\tx\\nUid:\\t0\nUmask:\t0022\nPPid:\t5\nUid:\t2001\t0\t0\t0\nGid:\t2002\t1\t1\t1\n";
        assert_eq!(
            status(text),
            Some(Ids {
                uid: 2001,
                gid: 2002
            })
        );
        assert_eq!(status(b"Uid:\t-1\nGid:\t1\n"), None);
        assert_eq!(status(b""), None);
    }

    #[test]
    fn titles_of_ssh_servers() {
        for (title, account, terminals) in [
            ("sshd: anna@pts/0", "anna", vec!["pts/0"]),
            (
                "sshd: anna@pts/0,pts/12   ",
                "anna",
                vec!["pts/0", "pts/12"],
            ),
            (
                "sshd: anna@example.org@pts/3",
                "anna@example.org",
                vec!["pts/3"],
            ),
            ("sshd-session: EX\\anna@pts/3", "EX\\anna", vec!["pts/3"]),
        ] {
            assert_eq!(ssh_title(title), Some((account, terminals)), "{title}");
        }
        for other in [
            "sshd: anna [priv]",
            "sshd: anna@notty",
            "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups",
            "sshd: @pts/0",
            "sshd: anna@pts/",
            "sshd: anna@pts/../../x",
            "sshd: anna@pts/99999999",
            "xterm",
            "",
        ] {
            assert_eq!(ssh_title(other), None, "{other}");
        }
    }

    #[test]
    fn displays_and_variables() {
        let line = b"/usr/lib/xorg/Xorg\0:10\0-auth\0.Xauthority\0";
        assert_eq!(display_of(&arguments(line)), Some(10));
        assert_eq!(display_of(&arguments(b":10\0")), None);
        assert_eq!(display_of(&arguments(b"Xorg\0:70000\0")), None);
        assert_eq!(arguments(b"a\0\0b\0"), ["a", "", "b"]);
        assert!(is_display(":10", 10) && is_display(":10.0", 10));
        assert!(!is_display(":100", 10) && !is_display("10", 10) && !is_display("", 10));
        let environ = b"A=1\0XDISPLAY=:9\0DISPLAY=:10.0\0B=\0";
        assert_eq!(variable(environ, "DISPLAY").as_deref(), Some(":10.0"));
        assert_eq!(variable(environ, "B").as_deref(), Some(""));
        assert_eq!(variable(environ, "C"), None);
    }
}
