//! Streams of real servers, replayed to a picture that was looked at.
//!
//! `testdata/NAME.rec` is what a gateway sent; `testdata/NAME.json` what must come of it.
//! `UPDATE_EXPECT=1` writes the latter anew: look at the picture (`dev/try.mjs --png`) first.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use rdp_client_core::{Client, Event, fuzzing};
use serde::{Deserialize, Serialize};

/// What must come of a recording.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Expected {
    /// Where it is from, and what is to be seen.
    origin: String,
    width: u16,
    height: u16,
    /// FNV-1a, 64 bits, of the RGBA.
    hash: String,
    /// Colours of single pixels, by `x,y`.
    probes: BTreeMap<String, [u8; 4]>,
    codec: String,
    /// Pictures of video, each grey.
    #[serde(default, skip_serializing_if = "is_zero")]
    video: u64,
    /// How often each event came, without positions of the pointer.
    events: BTreeMap<String, usize>,
    /// Bytes of sound.
    sound: usize,
    /// How the connection ended, when it did.
    end: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn testdata() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata")
}

fn recordings() -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(testdata())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rec"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

fn hash(bytes: &[u8]) -> String {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    for byte in bytes {
        sum = (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("{sum:016x}")
}

/// Replays in parts of `step` bytes.
fn replay(recording: &fuzzing::Recording, step: usize, was: &Expected) -> Expected {
    let mut client = Client::new(&recording.settings);
    let mut seen = Expected {
        origin: was.origin.clone(),
        ..Expected::default()
    };
    let take = |client: &mut Client, seen: &mut Expected| {
        for event in client.take_events() {
            let value = serde_json::to_value(&event).unwrap();
            if let Event::End(end) = &event {
                seen.end = serde_json::to_value(end.code)
                    .unwrap()
                    .as_str()
                    .map(str::to_owned);
            }
            // How many changes of the pointer are told depends on how often they are asked for.
            if !matches!(event, Event::Pointer(_)) {
                let name = value["type"].as_str().unwrap().to_owned();
                *seen.events.entry(name).or_default() += 1;
            }
        }
        seen.sound += client.take_sound().len();
        client.take_output();
        if client.width() > 0 {
            seen.width = client.width();
            seen.height = client.height();
        }
    };
    for part in recording.bytes.chunks(step) {
        client.feed(part);
        fuzzing::decode_grey(&mut client);
        take(&mut client, &mut seen);
    }
    assert!(
        !client.frame().is_empty(),
        "{} in parts of {step} bytes: {seen:?}",
        was.origin
    );
    seen.codec = client.stats().codec.to_owned();
    seen.video = client.stats().video_pictures;
    seen.hash = hash(client.frame());
    assert!(
        client.frame().chunks_exact(4).all(|pixel| pixel[3] == 255),
        "the picture is opaque"
    );
    for at in was.probes.keys() {
        let (x, y) = at.split_once(',').unwrap();
        let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
        let offset = (y * usize::from(client.width()) + x) * 4;
        let pixel = client.frame()[offset..offset + 4].try_into().unwrap();
        seen.probes.insert(at.clone(), pixel);
    }
    seen
}

fn check_recording(file: &PathBuf) {
    let bytes = fs::read(file).unwrap();
    assert!(bytes.len() <= 200_000, "{} is too large", file.display());
    let recording = fuzzing::Recording::read(&bytes).unwrap();
    let json = file.with_extension("json");
    let was: Expected = serde_json::from_slice(&fs::read(&json).unwrap()).unwrap();
    let whole = replay(&recording, usize::MAX, &was);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut text = serde_json::to_string_pretty(&whole).unwrap();
        text.push('\n');
        fs::write(&json, text).unwrap();
        return;
    }
    assert_eq!(whole, was, "{}", file.display());
    for step in [1, 3, 7, 61, 1021, 4095, 16_383] {
        let seen = replay(&recording, step, &was);
        assert_eq!(seen, was, "{} in parts of {step} bytes", file.display());
    }
}

#[test]
fn recordings_of_real_servers_become_their_pictures_wherever_they_are_cut() {
    for file in recordings() {
        check_recording(&file);
    }
}

/// A generator of its own, so that a failing seed can be tried again anywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn truncated_streams_are_waited_for_and_never_break_anything() {
    for file in recordings() {
        let bytes = fs::read(&file).unwrap();
        let recording = fuzzing::Recording::read(&bytes).unwrap();
        let opening = recording.opening_len().unwrap();
        // Every length of the connect sequence, then some of the pictures.
        let lengths = (0..opening)
            .step_by(7)
            .chain((opening..recording.bytes.len()).step_by(4099));
        for len in lengths {
            let mut client = Client::new(&recording.settings);
            client.feed(&recording.bytes[..len]);
            fuzzing::Invariants::default().check(&mut client);
        }
    }
}

#[test]
fn mutated_streams_end_the_connection_or_are_drawn_in_bounded_time() {
    let begin = Instant::now();
    let mut runs = 0;
    for file in recordings() {
        let bytes = fs::read(&file).unwrap();
        let recording = fuzzing::Recording::read(&bytes).unwrap();
        let opening = recording.opening_len().unwrap();
        for seed in 1..=40_u64 {
            let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            // Some in the connect sequence, the others in the pictures.
            let (from, to) = if seed % 4 == 0 {
                (0, opening)
            } else {
                (opening, recording.bytes.len())
            };
            let mut mutated = recording.bytes.clone();
            for _ in 0..=random.below(8) {
                let at = from + random.below(to - from);
                mutated[at] = u8::try_from(random.next() & 0xFF).unwrap();
            }
            let started = Instant::now();
            let outcome = std::panic::catch_unwind(|| {
                fuzzing::feed(&mut Client::new(&recording.settings), &mutated, 4096);
            });
            assert!(outcome.is_ok(), "{} with seed {seed}", file.display());
            assert!(
                started.elapsed().as_secs() < 20,
                "{} with seed {seed}",
                file.display()
            );
            runs += 1;
        }
    }
    eprintln!("{runs} mutated streams in {:?}", begin.elapsed());
}

#[test]
fn noise_never_breaks_a_client() {
    let file = recordings().remove(0);
    let bytes = fs::read(&file).unwrap();
    let recording = fuzzing::Recording::read(&bytes).unwrap();
    let mut opening = recording.clone();
    opening.bytes.truncate(recording.opening_len().unwrap());
    for seed in 1..=200_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let noise: Vec<u8> = (0..random.below(2000))
            .map(|_| u8::try_from(random.next() & 0xFF).unwrap())
            .collect();
        fuzzing::answer(&noise);
        fuzzing::session(&opening, &noise);
    }
}

#[test]
fn a_pipeline_with_video_takes_any_messages_and_any_answers() {
    for seed in 1..=400_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut script = Vec::new();
        for _ in 0..random.below(60) {
            match random.below(4) {
                // A picture: surface 1, AVC420 or AVC444v2, XRGB, 64 x 64, one rectangle.
                0 | 1 => {
                    let slice = [0, 0, 0, 1, 0x65, 1];
                    let mut stream = vec![1, 0, 0, 0, 0, 0, 0, 0, 64, 0, 64, 0, 20, 100];
                    stream.extend(slice);
                    let codec = if random.below(3) == 0 { 0x0F } else { 0x0B };
                    if codec == 0x0F {
                        // Only luma.
                        stream.splice(0..0, [20, 0, 0, 0x40]);
                    }
                    let mut content = vec![1, 0, codec, 0, 0x20, 0, 0, 0, 0, 64, 0, 64, 0];
                    content.extend(u32::try_from(stream.len()).unwrap().to_le_bytes());
                    content.extend(stream);
                    if random.below(6) == 0 {
                        let at = random.below(content.len());
                        content[at] = u8::try_from(random.next() & 0xFF).unwrap();
                    }
                    script.push(1);
                    script.push(u8::try_from(content.len()).unwrap());
                    script.extend(content);
                }
                // An answer.
                2 => script.extend([0x80 | u8::try_from(random.below(64)).unwrap(), 64]),
                // The beginning or end of a frame, or anything.
                _ => {
                    let kind = [0x0B, 0x0C, 0x09, 0x0A, 0x0E, 0x04][random.below(6)];
                    let len = random.below(12);
                    script.push(kind);
                    script.push(u8::try_from(len).unwrap());
                    script.extend((0..len).map(|_| u8::try_from(random.next() & 3).unwrap()));
                }
            }
        }
        fuzzing::video(&script);
    }
}
