//! What happened, line by line. The hash of all lines tells whether two runs were the same.

/// Lines kept of a run that is not traced: those before the end.
const LAST_LINES: usize = 60;
/// Lines kept of a traced run: the memory of a run that does not come to an end is not.
const ALL_LINES_MAX: usize = 1_000_000;

/// The lines of a run.
#[derive(Debug)]
pub(crate) struct Trace {
    hash: u64,
    lines: std::collections::VecDeque<String>,
    kept_max: usize,
}

impl Trace {
    pub(crate) fn new(keep_all: bool) -> Self {
        Self {
            hash: 0xcbf2_9ce4_8422_2325,
            lines: std::collections::VecDeque::new(),
            kept_max: if keep_all { ALL_LINES_MAX } else { LAST_LINES },
        }
    }

    pub(crate) fn push(&mut self, line: String) {
        for byte in line.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines.push_back(line);
        if self.lines.len() > self.kept_max {
            self.lines.pop_front();
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
