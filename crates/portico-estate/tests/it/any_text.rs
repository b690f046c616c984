//! The oracle over seeded mutations of every fixture: the fuzz target's body without the fuzzer.

use std::{fs, path::Path};

use portico_estate::{fuzzing, samples};

/// A small generator (xorshift64*), so that a failure can be repeated from its seed alone.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(value).unwrap() % end.max(1)
    }
}

const SNIPPETS: [&str; 24] = [
    "\"",
    "'''",
    "\"\"\"",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    ".",
    ",",
    "\n",
    "\r\n",
    "\u{1b}",
    "\\u0000",
    "\u{202e}",
    "0x",
    "1e999",
    "group:",
    "[[hosts]]\n",
    "id = \"x\"\n",
    "-",
    "nan",
];

fn mutate(text: &str, chance: &mut Chance) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=chance.below(6) {
        let at = chance.below(characters.len());
        let end = (at + chance.below(40)).min(characters.len());
        match chance.below(4) {
            0 => {
                characters.drain(at..end);
            }
            1 => {
                let copied: Vec<char> = characters[at..end].to_vec();
                let to = chance.below(characters.len());
                characters.splice(to..to, copied);
            }
            2 => {
                let snippet = SNIPPETS[chance.below(SNIPPETS.len())];
                characters.splice(at..at, snippet.chars());
            }
            _ => characters.truncate(end),
        }
    }
    characters.into_iter().collect()
}

fn corpus() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/errors");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    paths.sort();
    let mut corpus: Vec<String> = paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    corpus.push(samples::HOSTILE.to_owned());
    corpus
}

#[test]
fn no_text_breaks_the_reader() {
    for (file, text) in corpus().iter().enumerate() {
        for seed in 1..=60u64 {
            let seed = seed + 1000 * u64::try_from(file).unwrap();
            let mutated = mutate(text, &mut Chance(seed));
            if let Err(broken) = fuzzing::check_parse(&mutated) {
                panic!("file {file}, seed {seed}: {broken}\n{mutated}");
            }
        }
    }
}

#[test]
fn a_file_cut_off_anywhere_does_not_break_the_reader() {
    for end in (0..samples::HOSTILE.len()).step_by(7) {
        if let Some(text) = samples::HOSTILE.get(..end) {
            fuzzing::check_parse(text).unwrap_or_else(|broken| panic!("at {end}: {broken}"));
        }
    }
}

#[test]
fn deep_and_wide_texts_end_in_time() {
    for (piece, count) in [
        ("[", 20_000),
        ("{a=", 20_000),
        ("x=[", 200_000),
        ("x=[\n", 200_000),
        ("x={a=", 200_000),
        ("x=[{a=", 100_000),
        ("a.", 20_000),
        ("[a", 20_000),
        ("[[a]]\n", 20_000),
        ("[[a.a.a.a]]\n", 20_000),
        ("=\n", 20_000),
        ("\"", 20_001),
        ("a=1\n", 20_000),
        ("pools=[{", 2_000),
        ("[[users]]\nrole=\"ownr\"\n", 4_000),
    ] {
        fuzzing::check_parse(&piece.repeat(count)).unwrap();
    }
}
