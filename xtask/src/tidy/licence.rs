//! SPDX licence expressions (SPDX 2.3, annex D), as far as crates write them.

/// Whether the licences in `allowed` are enough for `expression`. `/` is read as `OR`, as cargo
/// once did.
///
/// # Errors
/// What is wrong with the expression.
pub(crate) fn is_allowed(expression: &str, allowed: &[String]) -> Result<bool, String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    let mut tokens = spaced.split_whitespace().peekable();
    let outcome = alternatives(&mut tokens, allowed)?;
    match tokens.next() {
        None => Ok(outcome),
        Some(more) => Err(format!("{more:?} after the end")),
    }
}

type Tokens<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(tokens: &mut Tokens<'_>, allowed: &[String]) -> Result<bool, String> {
    let mut outcome = conjunction(tokens, allowed)?;
    while tokens
        .next_if(|token| token.eq_ignore_ascii_case("or"))
        .is_some()
    {
        outcome |= conjunction(tokens, allowed)?;
    }
    Ok(outcome)
}

fn conjunction(tokens: &mut Tokens<'_>, allowed: &[String]) -> Result<bool, String> {
    let mut outcome = term(tokens, allowed)?;
    while tokens
        .next_if(|token| token.eq_ignore_ascii_case("and"))
        .is_some()
    {
        outcome &= term(tokens, allowed)?;
    }
    Ok(outcome)
}

fn term(tokens: &mut Tokens<'_>, allowed: &[String]) -> Result<bool, String> {
    let token = tokens.next().ok_or("it ends too early")?;
    if token == "(" {
        let outcome = alternatives(tokens, allowed)?;
        return match tokens.next() {
            Some(")") => Ok(outcome),
            _ => Err("a bracket is not closed".into()),
        };
    }
    if ["or", "and", "with", ")"]
        .iter()
        .any(|word| token.eq_ignore_ascii_case(word))
    {
        return Err(format!("{token:?} where a licence belongs"));
    }
    let mut licence = token.to_owned();
    if tokens
        .next_if(|token| token.eq_ignore_ascii_case("with"))
        .is_some()
    {
        let exception = tokens.next().ok_or("no exception after WITH")?;
        licence = format!("{licence} WITH {exception}");
    }
    Ok(allowed.contains(&licence))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_judged_as_spdx_says() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0", false),
            ("GPL-3.0 OR MIT", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 / MIT", true),
            ("GPL-3.0 AND MIT", false),
            ("MIT AND (ISC OR GPL-3.0)", true),
            ("MIT OR ISC AND GPL-3.0", true),
            ("(MIT OR ISC) AND GPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("MIT WITH Classpath-exception-2.0", false),
        ] {
            assert_eq!(
                is_allowed(expression, &allowed),
                Ok(expected),
                "{expression}"
            );
        }
        for wrong in [
            "", "MIT OR", "(MIT", "MIT ISC", "AND MIT", "MIT WITH", "MIT)",
        ] {
            assert!(is_allowed(wrong, &allowed).is_err(), "{wrong}");
        }
    }
}
