//! Each flow as JSON fits `docs/schemas/port-flows.schema.json`, and a wrong one does not.

use portico_catalogue::Catalogue;
use serde_json::{Value, json};

fn schema() -> Value {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/schemas/port-flows.schema.json"
    );
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The part of JSON Schema that the file uses; a word that it does not know is an error.
fn check(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    for (word, rule) in schema.as_object().unwrap() {
        let fits = match word.as_str() {
            "$schema" | "title" | "$defs" => true,
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                check(root, root.pointer(pointer).unwrap(), value)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|name| has_type(name, value)),
                name => has_type(name, value),
            },
            "enum" => rule.as_array().unwrap().contains(value),
            "const" => rule == value,
            "minimum" => value.as_i64().is_none_or(|n| n >= rule.as_i64().unwrap()),
            "maximum" => value.as_i64().is_none_or(|n| n <= rule.as_i64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "minItems" => value.as_array().is_none_or(|items| !items.is_empty()),
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    check(root, rule, item)?;
                }
                true
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, rule) in rule.as_object().unwrap() {
                    if let Some(inner) = value.get(key) {
                        check(root, rule, inner)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                assert_eq!(rule, &json!(false));
                let known = schema["properties"].as_object().unwrap();
                value
                    .as_object()
                    .is_none_or(|object| object.keys().all(|key| known.contains_key(key)))
            }
            "oneOf" => {
                let rules = rule.as_array().unwrap().iter();
                rules
                    .filter(|rule| check(root, rule, value).is_ok())
                    .count()
                    == 1
            }
            other => panic!("the schema uses {other:?}, which this test does not know"),
        };
        if !fits {
            return Err(format!("{word} {rule}: {value}"));
        }
    }
    Ok(())
}

fn has_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "array" => value.is_array(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        other => panic!("type {other:?}"),
    }
}

#[test]
fn every_flow_fits_the_schema() {
    let schema = schema();
    let flows: Vec<_> = Catalogue::portico().flows().collect();
    let json = serde_json::to_value(&flows).unwrap();
    for flow in json.as_array().unwrap() {
        check(&schema, &schema["$defs"]["flow"], flow)
            .unwrap_or_else(|error| panic!("{}: {error}", flow["id"]));
    }
    check(&schema, &schema, &json).unwrap();
}

#[test]
fn a_wrong_flow_does_not_fit_the_schema() {
    let schema = schema();
    let flow = Catalogue::portico()
        .find("rds-2012.gateway-dc-ntds-rpc")
        .unwrap();
    let good = serde_json::to_value(flow).unwrap();
    check(&schema, &schema, &json!([good])).unwrap();
    let wrong: [(&str, Value); 14] = [
        ("/id", json!("")),
        ("/from", json!(1)),
        ("/transport", json!("sctp")),
        ("/ip_protocol", json!(256)),
        ("/ports", json!([{ "first": 0, "last": 1 }])),
        ("/ports", json!([{ "first": 1 }])),
        ("/ports", json!(["1-2"])),
        ("/direction", json!("in")),
        ("/conditions", json!([{ "when": "sometimes" }])),
        (
            "/conditions",
            json!([{ "when": "os", "at": "to", "first": "windows-95", "last": null }]),
        ),
        ("/proof", json!("G")),
        ("/sources", json!([])),
        (
            "/errata",
            json!([{ "written": "x", "correction": "y", "effect": "none" }]),
        ),
        (
            "/portico",
            json!({ "answer": "built", "by": "x", "why": "y" }),
        ),
    ];
    for (pointer, value) in wrong {
        let mut flow = good.clone();
        *flow.pointer_mut(pointer).unwrap() = value.clone();
        assert!(
            check(&schema, &schema, &json!([flow])).is_err(),
            "{pointer} {value}"
        );
    }
    for key in good.as_object().unwrap().keys() {
        let mut flow = good.clone();
        flow.as_object_mut().unwrap().remove(key);
        assert!(
            check(&schema, &schema, &json!([flow])).is_err(),
            "without {key}"
        );
    }
    let mut more = good;
    more["more"] = json!(1);
    assert!(check(&schema, &schema, &json!([more])).is_err());
}
