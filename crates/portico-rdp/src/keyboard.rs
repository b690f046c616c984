//! Keyboard layout by language. The browser does not tell its layout, so the one that is usual
//! for its language is the best guess; without it hosts fall back to US.

/// The Windows keyboard layout id that is usual for a BCP 47 tag, such as `de-CH`; `None` for
/// languages that the table does not have.
///
/// The region decides where it changes the layout, the script where it changes the letters. For
/// languages whose users switch between a Latin and their own layout the own one is given.
pub fn layout_for_language(tag: &str) -> Option<u32> {
    let mut parts = tag.split(['-', '_']).map(str::to_ascii_lowercase);
    let language = parts.next()?;
    let mut script = None;
    let mut region = None;
    for part in parts {
        match part.len() {
            4 if script.is_none() && region.is_none() => script = Some(part),
            2 | 3 if region.is_none() => region = Some(part),
            1 => break, // extensions and private use follow
            _ => {}
        }
    }
    let find = |key: &str| {
        LAYOUTS
            .iter()
            .find(|(known, _)| *known == key)
            .map(|(_, layout)| *layout)
    };
    let specific = [script, region]
        .into_iter()
        .flatten()
        .find_map(|part| find(&format!("{language}-{part}")));
    specific.or_else(|| find(&language))
}

/// Tags in lower case, and layouts (the low word is the language id of Windows).
const LAYOUTS: &[(&str, u32)] = &[
    ("ar", 0x0401),
    ("bg", 0x0402),
    ("bs", 0x041a),
    ("ca", 0x040a),
    ("cs", 0x0405),
    ("cy", 0x0452),
    ("da", 0x0406),
    ("de", 0x0407),
    ("de-ch", 0x0807),
    ("de-li", 0x0807),
    ("el", 0x0408),
    ("en", 0x0409),
    ("en-au", 0x0409),
    ("en-ca", 0x0409),
    ("en-gb", 0x0809),
    ("en-ie", 0x1809),
    ("es", 0x040a),
    ("es-419", 0x080a),
    ("es-ar", 0x080a),
    ("es-cl", 0x080a),
    ("es-co", 0x080a),
    ("es-mx", 0x080a),
    ("es-pe", 0x080a),
    ("et", 0x0425),
    ("eu", 0x040a),
    ("fa", 0x0429),
    ("fi", 0x040b),
    ("fr", 0x040c),
    ("fr-be", 0x080c),
    ("fr-ca", 0x1009),
    ("fr-ch", 0x100c),
    ("ga", 0x1809),
    ("gl", 0x040a),
    ("gsw", 0x0807),
    ("he", 0x040d),
    ("hi", 0x0439),
    ("hr", 0x041a),
    ("hu", 0x040e),
    ("hy", 0x042b),
    ("is", 0x040f),
    ("it", 0x0410),
    ("it-ch", 0x0807),
    ("ja", 0x0411),
    ("ka", 0x0437),
    ("kk", 0x043f),
    ("ko", 0x0412),
    ("lb", 0x046e),
    ("lt", 0x0427),
    ("lv", 0x0426),
    ("mk", 0x042f),
    ("mt", 0x043a),
    ("nb", 0x0414),
    ("nl", 0x0413),
    ("nl-be", 0x0813),
    ("nn", 0x0414),
    ("no", 0x0414),
    ("pl", 0x0415),
    ("pt", 0x0816),
    ("pt-br", 0x0416),
    ("ro", 0x0418),
    ("ru", 0x0419),
    ("sk", 0x041b),
    ("sl", 0x0424),
    ("sq", 0x041c),
    ("sr", 0x0c1a),
    ("sr-cyrl", 0x0c1a),
    ("sr-latn", 0x081a),
    ("sv", 0x041d),
    ("th", 0x041e),
    ("tr", 0x041f),
    ("uk", 0x0422),
    ("vi", 0x042a),
    ("zh", 0x0804),
    ("zh-hant", 0x0404),
    ("zh-hk", 0x0404),
    ("zh-tw", 0x0404),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn region_and_script_decide_where_they_matter() {
        for (tag, layout) in [
            ("de", Some(0x0407)),
            ("de-DE", Some(0x0407)),
            ("de-AT", Some(0x0407)),
            ("de-CH", Some(0x0807)),
            ("de-Latn-CH", Some(0x0807)),
            ("en_GB", Some(0x0809)),
            ("en-US", Some(0x0409)),
            ("pt-BR", Some(0x0416)),
            ("zh-Hant-TW", Some(0x0404)),
            ("sr-Latn-RS", Some(0x081a)),
            ("de-x-ch", Some(0x0407)),
            ("es-419", Some(0x080a)),
            ("tlh", None),
            ("", None),
            ("-", None),
        ] {
            assert_eq!(layout_for_language(tag), layout, "{tag}");
        }
    }

    #[test]
    fn the_table_is_sorted_and_without_doubles() {
        assert!(LAYOUTS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
