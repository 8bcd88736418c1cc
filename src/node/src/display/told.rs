//! What a node tells of several people in JSON: who is there (`~/people`), and what was found of each (`~/bodies`).

use std::sync::Arc;

use serde_json::{Value, json};
use thalweg_task::Root;
use thalweg_task::limits::JOINTS;

use super::{MOST_PEOPLE, ShownPerson};
use crate::intake::identity;

/// Writes what was found of somebody; `names`: those of the joints, J.
#[must_use]
pub fn write_body(person: &ShownPerson, names: &[String]) -> String {
    let ShownPerson { id, arrival, joints, observed, root } = person;
    let root = root.as_ref().map(Root::numbers);
    json!({ "id": &**id, "arrival": arrival, "names": names, "positions": joints, "observed": observed, "root": root })
        .to_string()
}

/// Reads what [`write_body`] wrote: the names of the joints, and the person. None where it is none.
#[must_use]
pub fn read_body(text: &str) -> Option<(Vec<String>, ShownPerson)> {
    let body: Value = serde_json::from_str(text).ok()?;
    let list = |key: &str| body.get(key)?.as_array().filter(|list| list.len() <= JOINTS as usize);
    let names: Option<Vec<String>> = list("names")?.iter().map(|name| name.as_str().map(str::to_owned)).collect();
    let joints: Option<Vec<f64>> = list("positions")?.iter().map(Value::as_f64).collect();
    let observed: Option<Vec<bool>> = list("observed")?.iter().map(Value::as_bool).collect();
    let (names, joints) = (names?, joints?);
    let root = match body.get("root")? {
        Value::Null => None,
        root => {
            let numbers: Option<Vec<f64>> = root.as_array()?.iter().map(Value::as_f64).collect();
            Some(Root::of_numbers(numbers?.as_slice().try_into().ok()?)?)
        }
    };
    let id = body.get("id")?.as_str()?;
    // As the node makes them: not one of its identities is changed by that.
    let id: Arc<str> = identity(id).filter(|same| **same == *id)?;
    let person = ShownPerson { id, arrival: body.get("arrival")?.as_u64()?, joints, observed: observed?, root };
    (names.len() == person.joints.len()).then_some((names, person))
}

/// Reads the identities of who is there; none where it is no such list.
#[must_use]
pub fn present(text: &str) -> Option<Vec<String>> {
    let list: Value = serde_json::from_str(text).ok()?;
    let ids = list.get("ids")?.as_array()?;
    ids.iter().take(MOST_PEOPLE).map(|id| id.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_passed_over(at in 0usize..200, with in "[ -~]{0,6}", cut in 0usize..200, text in ".{0,60}") {
            let good = write_body(&person(), &["a", "b"].map(str::to_owned));
            let (at, cut) = (at.min(good.len()), cut.min(good.len()));
            for text in [text, format!("{}{with}{}", &good[..at], &good[at..]), good[..cut].to_owned()] {
                if let Some((names, person)) = read_body(&text) {
                    prop_assert!(names.len() == person.joints.len());
                    prop_assert!(person.joints.iter().all(|position| position.is_finite()));
                    prop_assert!(identity(&person.id).is_some_and(|same| same == person.id));
                }
                drop(present(&text));
            }
        }
    }

    fn person() -> ShownPerson {
        let root = Root { position: [0.1, -2.0, 3.0], rotation: [0.5; 4], scale: 0.9, is_seen: true, misfit: 0.01 };
        let (joints, observed) = (vec![0.1, -0.0], vec![true, false]);
        ShownPerson { id: "b7".into(), arrival: 3, joints, observed, root: Some(root) }
    }

    #[test]
    fn what_is_written_is_read() {
        let names = ["a", "b"].map(str::to_owned);
        for root in [person().root, None] {
            let person = ShownPerson { root, ..person() };
            assert_eq!(read_body(&write_body(&person, &names)), Some((names.to_vec(), person)));
        }
        assert_eq!(present(r#"{"ids": ["b7", "b9"], "others": 0}"#), Some(vec!["b7".to_owned(), "b9".to_owned()]));
    }

    #[test]
    fn what_is_none_is_passed_over() {
        let names = ["a", "b"].map(str::to_owned);
        let good = write_body(&person(), &names);
        for (part, other) in [
            ("\"b7\"", "\"7\""),
            ("\"b7\"", "\"a/b\""),
            ("\"b7\"", "7"),
            ("[\"a\",\"b\"]", "[\"a\"]"),
            ("[true,false]", "[1,0]"),
            ("0.9", "null"),
            ("0.9", "1e9"),
            ("\"arrival\":3", "\"arrival\":-3"),
        ] {
            let bad = good.replace(part, other);
            assert_ne!(bad, good, "{part}");
            assert_eq!(read_body(&bad), None, "{bad}");
        }
        for text in ["", "{}", "[]", "null", r#"{"ids": [7]}"#, r#"{"ids": "b7"}"#] {
            assert_eq!((read_body(text), present(text)), (None, None), "{text}");
        }
    }
}
