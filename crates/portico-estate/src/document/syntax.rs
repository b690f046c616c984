//! Syntax errors, and how many of them there are before memory is taken for each.

use std::{borrow::Cow, ops::Range};

use toml_parser::{
    ErrorSink, ParseError, Raw, Source, Span,
    decoder::Encoding,
    parser::{EventReceiver, RecursionGuard, ValidateWhitespace, parse_document},
};

/// Lists and inline tables in one another, as the `toml` crate allows.
const DEPTH_MAX: u32 = 80;

/// Something that is not TOML.
pub(super) struct SyntaxError {
    pub(super) span: Range<usize>,
    pub(super) message: String,
}

impl From<&toml::de::Error> for SyntaxError {
    fn from(error: &toml::de::Error) -> Self {
        Self {
            span: error.span().unwrap_or(0..0),
            message: error.message().to_owned(),
        }
    }
}

/// The first `most` syntax errors of `text` when it has so many. Goes the way of the `toml` crate,
/// which keeps every error, but builds nothing and forgets all others. Keys that are given twice
/// only show when the document is built.
pub(super) fn too_many_errors(text: &str, most: usize) -> Option<Vec<SyntaxError>> {
    let source = Source::new(text);
    let tokens = source.lex().into_vec();
    let mut decoder = Decoder { text };
    let mut whitespace = ValidateWhitespace::new(&mut decoder, source);
    // Without it, lists in lists end the stack.
    let mut receiver = RecursionGuard::new(&mut whitespace, DEPTH_MAX);
    let mut errors = Vec::new();
    parse_document(&tokens, &mut receiver, &mut |error: ParseError| {
        if errors.len() < most {
            let span = error
                .unexpected()
                .map_or(0..0, |span| span.start()..span.end());
            errors.push(SyntaxError {
                span,
                message: error.description().to_owned(),
            });
        }
    });
    (errors.len() == most).then_some(errors)
}

/// Decodes keys and values for the errors in them.
struct Decoder<'t> {
    text: &'t str,
}

impl<'t> Decoder<'t> {
    fn raw(&self, span: Span, encoding: Option<Encoding>) -> Option<Raw<'t>> {
        let written = self.text.get(span.start()..span.end())?;
        Some(Raw::new_unchecked(written, encoding, span))
    }
}

impl EventReceiver for Decoder<'_> {
    fn simple_key(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if let Some(raw) = self.raw(span, encoding) {
            raw.decode_key(&mut Cow::Borrowed(""), error);
        }
    }

    fn scalar(&mut self, span: Span, encoding: Option<Encoding>, error: &mut dyn ErrorSink) {
        if let Some(raw) = self.raw(span, encoding) {
            let _kind = raw.decode_scalar(&mut Cow::Borrowed(""), error);
        }
    }
}
