use proptest::prelude::*;

use super::*;

/// A viewer as the browser has it: it counts and keeps what it gets.
#[derive(Debug, Default)]
struct Terminal {
    received: u64,
    output: Vec<u8>,
    opened: Vec<(u64, bool)>,
}

impl Terminal {
    /// Reads all frames there are.
    fn read(&mut self, outflow: &mut Outflow) {
        let mut stream = Vec::new();
        while outflow.poll_frame(&mut stream) {}
        let mut rest = &stream[..];
        while let Some((frame, taken)) = framing::split(rest, 1 << 20).unwrap() {
            match EngineFrame::decode(frame).unwrap() {
                EngineFrame::Opened { start, resumed } => {
                    self.opened.push((start, resumed));
                    self.received = start;
                    if !resumed {
                        self.output.clear();
                    }
                }
                EngineFrame::Output(bytes) => {
                    self.received += offset(bytes.len());
                    self.output.extend_from_slice(bytes);
                }
                other => panic!("{other:?}"),
            }
            rest = &rest[taken..];
        }
    }
}

fn lines(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|n| format!("line {n}\r\n").into_bytes())
        .collect()
}

/// Pushes as the session does: only into room, in packets.
fn push(outflow: &mut Outflow, output: &[u8]) -> usize {
    let mut pushed = 0;
    for packet in output.chunks(32 * 1024) {
        if outflow.room() == 0 {
            break;
        }
        outflow.push(packet);
        pushed += packet.len();
    }
    pushed
}

#[test]
fn a_viewer_that_does_not_draw_gets_the_window_and_then_the_host_waits() {
    let mut outflow = Outflow::default();
    let mut terminal = Terminal::default();
    assert_eq!(outflow.attach(0), Attached::Replayed { full_screen: false });
    let output = lines(100_000);
    let mut pushed = 0;
    while !outflow.is_blocked() {
        pushed += push(&mut outflow, &output[pushed..pushed + 8192]);
        terminal.read(&mut outflow);
    }
    assert_eq!(terminal.received, WINDOW_LEN);
    while outflow.room() > 0 {
        pushed += push(&mut outflow, &output[pushed..pushed + 8192]);
    }
    assert!(pushed <= usize::try_from(WINDOW_LEN).unwrap() + UNSENT_LEN_MAX + 32 * 1024);
    outflow.ack(1000);
    terminal.read(&mut outflow);
    assert_eq!(terminal.received, WINDOW_LEN + 1000);
    assert_eq!(terminal.output, output[..terminal.output.len()]);
}

#[test]
fn a_viewer_that_lost_its_connection_gets_exactly_what_it_misses() {
    let mut outflow = Outflow::default();
    let mut terminal = Terminal::default();
    outflow.attach(0);
    push(&mut outflow, b"one two ");
    terminal.read(&mut outflow);
    outflow.detach();
    push(&mut outflow, b"\x1b[?1049hthree");
    assert_eq!(outflow.attach(terminal.received), Attached::Resumed);
    terminal.read(&mut outflow);
    assert_eq!(terminal.output, b"one two \x1b[?1049hthree");
    assert_eq!(terminal.opened, [(0, false), (8, true)]);
}

#[test]
fn without_a_viewer_the_program_goes_on_and_the_oldest_is_dropped() {
    let mut outflow = Outflow::default();
    let output = lines(200_000);
    assert_eq!(push(&mut outflow, &output), output.len());
    let mut terminal = Terminal::default();
    assert_eq!(outflow.attach(0), Attached::Replayed { full_screen: false });
    terminal.read(&mut outflow);
    let got = terminal.output.strip_prefix(b"\x1bc").unwrap();
    assert!(got.len() > RING_LEN_MAX - 20, "{}", got.len());
    assert!(output.ends_with(got));
    assert!(got.starts_with(b"line "), "begins with a whole line");
    assert_eq!(
        terminal.received,
        offset(output.len()),
        "offsets are those of the stream"
    );
}

#[test]
fn an_offset_that_is_unknown_or_of_the_text_in_front_gives_a_replay() {
    let mut outflow = Outflow::default();
    push(&mut outflow, &lines(100_000));
    outflow.attach(0);
    let mut terminal = Terminal::default();
    terminal.read(&mut outflow);
    let (start, _) = terminal.opened[0];
    for received in [1, start, start + 1, u64::MAX, outflow.ring.end() + 1] {
        assert!(
            matches!(outflow.attach(received), Attached::Replayed { .. }),
            "{received}"
        );
    }
    assert_eq!(outflow.attach(start + 2), Attached::Resumed);
    assert_eq!(outflow.attach(outflow.ring.end()), Attached::Resumed);
}

#[test]
fn a_replay_inside_a_full_screen_program_enters_the_alternate_screen_first() {
    let mut outflow = Outflow::default();
    push(&mut outflow, b"\x1b[?1049h\x1b[?25l");
    push(&mut outflow, &b"\x1b[5;5Hx\xc3\xa4".repeat(30_000));
    assert_eq!(outflow.attach(0), Attached::Replayed { full_screen: true });
    let mut terminal = Terminal::default();
    terminal.read(&mut outflow);
    assert!(terminal.output.starts_with(b"\x1bc\x1b[?1049h\x1b[?25l"));
    // It has no lines, and is still cut between characters.
    let after = &terminal.output[b"\x1bc\x1b[?1049h\x1b[?25l".len()..];
    assert!(std::str::from_utf8(after).is_ok());
}

#[test]
fn a_viewer_left_behind_continues_or_is_replayed() {
    let mut outflow = Outflow::default();
    let mut terminal = Terminal::default();
    outflow.attach(0);
    let output = lines(150_000);
    let mut pushed = 0;
    while !outflow.is_blocked() {
        pushed += push(&mut outflow, &output[pushed..pushed + 8192]);
        terminal.read(&mut outflow);
    }
    outflow.leave_behind();
    // A little more: nothing is lost, and it just continues.
    pushed += push(&mut outflow, &output[pushed..pushed + 8192]);
    terminal.read(&mut outflow);
    assert_eq!(terminal.received, WINDOW_LEN);
    outflow.ack(WINDOW_LEN);
    terminal.read(&mut outflow);
    assert_eq!(terminal.output, output[..pushed]);
    assert_eq!(terminal.opened.len(), 1);
    // Much more: it starts clean and ends right.
    while !outflow.is_blocked() {
        pushed += push(&mut outflow, &output[pushed..pushed + 8192]);
        terminal.read(&mut outflow);
    }
    outflow.leave_behind();
    pushed += push(&mut outflow, &output[pushed..]);
    assert_eq!(pushed, output.len());
    outflow.ack(terminal.received);
    terminal.read(&mut outflow);
    assert_eq!(terminal.opened.len(), 2);
    assert!(output.ends_with(terminal.output.strip_prefix(b"\x1bc").unwrap()));
    assert_eq!(terminal.received, offset(output.len()));
}

#[derive(Debug, Clone)]
enum Step {
    Push(usize),
    Read,
    Ack(u8),
    Drop,
    Back,
    New,
    LeaveBehind,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0usize..32_768).prop_map(Step::Push),
        3 => Just(Step::Read),
        2 => any::<u8>().prop_map(Step::Ack),
        1 => Just(Step::Drop),
        1 => Just(Step::Back),
        1 => Just(Step::New),
        1 => Just(Step::LeaveBehind),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    /// Whatever happens in whatever order: the viewer never has more than the window, memory stays
    /// within the ring, and in the end the viewer has the stream from where it was opened.
    #[test]
    fn in_the_end_a_viewer_has_the_stream(steps in proptest::collection::vec(steps(), 1..120)) {
        let mut outflow = Outflow::default();
        let mut terminal = Terminal::default();
        let mut all = Vec::new();
        let mut acked = 0;
        outflow.attach(0);
        for step in steps {
            match step {
                Step::Push(len) => if outflow.room() > 0 {
                    let from = all.len();
                    all.extend((from..from + len).map(|i| b"abcdefgh\xc3\xa4\x1b[1mxyz\n"[i % 18]));
                    outflow.push(&all[from..]);
                },
                Step::Read => terminal.read(&mut outflow),
                Step::Ack(part) => {
                    acked = acked.max(terminal.received.saturating_sub(u64::from(part) * 100));
                    outflow.ack(acked);
                }
                Step::Drop => outflow.detach(),
                Step::Back => { outflow.attach(terminal.received); acked = terminal.received; }
                Step::New => { terminal = Terminal::default(); acked = 0; outflow.attach(0); }
                Step::LeaveBehind => outflow.leave_behind(),
            }
            prop_assert!(outflow.ring.end() - outflow.ring.start() <= offset(RING_LEN_MAX));
            if let Some(viewer) = &outflow.viewer {
                prop_assert!(viewer.sent <= viewer.acked + WINDOW_LEN + offset(RESTORE_LEN_MAX));
            }
        }
        if outflow.viewer.is_none() {
            outflow.attach(terminal.received);
        }
        for _ in 0..4 {
            terminal.read(&mut outflow);
            outflow.ack(u64::MAX);
        }
        prop_assert!(outflow.is_sent());
        prop_assert_eq!(terminal.received, offset(all.len()));
        let kept = terminal.output.len().min(1000);
        prop_assert!(all.ends_with(&terminal.output[terminal.output.len() - kept..])
            || terminal.output.len() <= RESTORE_LEN_MAX);
    }
}
