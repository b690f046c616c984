//! The bodies of the fuzz targets, over saved input and over mutations of it from fixed seeds.

use std::{fs, path::Path};

use portico_rdp::{cleanpath, fuzzing};

const ROUNDS: u64 = 3000;

/// Small, fast and the same everywhere (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % limit.max(1)
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(5) {
                0 if !bytes.is_empty() => bytes[at] = self.next().to_le_bytes()[0],
                1 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(1),
                2 => bytes.truncate(at),
                3 => bytes.insert(at.min(bytes.len()), self.next().to_le_bytes()[0]),
                _ => {
                    let piece = bytes[at..bytes.len().min(at + 8)].to_vec();
                    bytes.extend(piece);
                }
            }
        }
    }
}

fn check_target(name: &str, body: fn(&[u8]), mut samples: Vec<Vec<u8>>) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpus")
        .join(name);
    let saved = fs::read_dir(&corpus).unwrap_or_else(|e| panic!("{}: {e}", corpus.display()));
    samples.extend(saved.map(|entry| fs::read(entry.unwrap().path()).unwrap()));
    for sample in &samples {
        body(sample);
        for len in 0..sample.len() {
            body(&sample[..len]);
        }
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..ROUNDS {
        let mut bytes = samples[random.below(samples.len())].clone();
        random.mutate(&mut bytes);
        body(&bytes);
    }
}

#[test]
fn cleanpath_request() {
    let samples = vec![
        cleanpath::encode_request("host:3389", "broker.ticket", 1),
        cleanpath::Failure::Http(401).encode(),
    ];
    check_target("cleanpath_request", fuzzing::cleanpath_request, samples);
}

#[test]
fn x224_confirm() {
    let samples = vec![
        vec![
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 2, 0x1f, 8, 0, 8, 0, 0, 0,
        ],
        vec![
            3, 0, 0, 19, 14, 0xd0, 0, 0, 0x12, 0x34, 0, 3, 0, 8, 0, 5, 0, 0, 0,
        ],
    ];
    check_target("x224_confirm", fuzzing::x224_confirm, samples);
}

#[test]
fn connect_sequence() {
    let samples = vec![
        fuzzing::connect_sequence(&["cliprdr", "rdpdr"]).concat(),
        fuzzing::connect_sequence(&[]).concat(),
    ];
    check_target(
        "connect_sequence",
        fuzzing::connect_sequence_rewriting,
        samples,
    );
}
