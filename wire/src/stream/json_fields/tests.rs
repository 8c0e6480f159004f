use super::*;
use crate::field::Role;

static WANTS: Table = Table::of(
    const {
        &[
            want(Role::Model, &["model"]),
            want(Role::Usage, &["usage"]),
            want(Role::Usage, &["message", "usage"]),
            want(Role::Choice, &["choices", "*"]),
            want(Role::Finish, &["choices", "*", "finish"]),
            want(Role::Searches, &["a", "*", "*", "b"]),
        ]
    },
);

#[derive(Default, Debug, PartialEq, Clone)]
struct Seen {
    values: Vec<(usize, String)>,
    sights: Vec<(usize, char)>,
    documents: usize,
}

impl Sink for Seen {
    fn mark(&self) -> usize {
        self.values.len()
    }
    fn repeats(&mut self, wants: Set, mark: usize) {
        let tail = self.values.split_off(mark);
        self.values.extend(tail.into_iter().filter(|(index, _)| wants & bit(*index) == 0));
    }
    fn begins(&mut self, wants: Set, first: u8, _: usize) {
        self.sights.extend(indices(wants).map(|index| (index, char::from(first))));
    }
    fn value(&mut self, wants: Set, raw: &[u8]) {
        let text = String::from_utf8_lossy(raw).into_owned();
        self.values.extend(indices(wants).map(|index| (index, text.clone())));
    }
    fn closes(&mut self, wants: Set, _: Content, _: usize) {
        self.documents += usize::from(wants == 0);
    }
}

fn scan(parts: &[&[u8]]) -> (Seen, bool) {
    let (mut scanner, mut seen) = (Scanner::new(&WANTS, Root::ObjectsOrArray), Seen::default());
    for part in parts {
        scanner.feed(part, &mut seen);
    }
    let broken = scanner.malformed || !scanner.is_outside();
    (seen, broken)
}

fn check(name: &str, text: &str, expected: &[(usize, &str)], documents: usize) {
    let bytes = text.as_bytes();
    let (whole, broken) = scan(&[bytes]);
    let values: Vec<_> = whole.values.iter().map(|(index, text)| (*index, text.as_str())).collect();
    assert_eq!(values, expected, "{name}");
    assert_eq!(whole.documents, documents, "{name}");
    let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(scan(&bytewise), (whole.clone(), broken), "{name}, byte by byte");
    for cut in 0..bytes.len() {
        let (left, right) = bytes.split_at(cut);
        assert_eq!(scan(&[left, right]), (whole.clone(), broken), "{name}, cut at {cut}");
    }
}

#[test]
fn wanted_fields_are_found() {
    check("a plain field", r#"{"x":1,"model":"m","y":[1,2]}"#, &[(0, r#""m""#)], 1);
    check(
        "white space everywhere",
        "\u{feff} {\n \"model\" :\t\"m\" , \"usage\" : { } }\r\n",
        &[(0, r#""m""#), (1, "{ }")],
        1,
    );
    check(
        "an object with its own brackets in strings",
        r#"{"usage":{"a":"}]{\"","b":[{}]},"z":"}"}"#,
        &[(1, r#"{"a":"}]{\"","b":[{}]}"#)],
        1,
    );
    check("a nested field", r#"{"message":{"usage":{"n":1},"x":0}}"#, &[(2, r#"{"n":1}"#)], 1);
    check(
        "a field of each element",
        r#"{"choices":[{"finish":"a"},{},{"finish":null}]}"#,
        &[(4, r#""a""#), (4, "null")],
        1,
    );
    check("arrays in arrays", r#"{"a":[[{"b":1}],[],[{"c":2},{"b":3}]]}"#, &[(5, "1"), (5, "3")], 1);
    check("the same name deeper down does not count", r#"{"x":{"model":"no"},"y":[{"usage":1}]}"#, &[], 1);
    check("the last of equal keys counts", r#"{"model":"a","model":"b"}"#, &[(0, r#""b""#)], 1);
    check("so does the last of equal parents", r#"{"message":{"usage":1},"message":{}}"#, &[], 1);
    check("an escaped key", r#"{"mod\u0065l":"m","\"model":1}"#, &[(0, r#""m""#)], 1);
    check("an escape in a skipped string", r#"{"x":"\\","model":"a\"b"}"#, &[(0, r#""a\"b""#)], 1);
    check("documents after each other", "{\"model\":1}\n{\"model\":2}\n", &[(0, "1"), (0, "2")], 2);
    check("an array of documents", r#"[{"model":1},{"model":2}, 3, [4]]"#, &[(0, "1"), (0, "2")], 2);
    check(
        "scalars of all kinds",
        r#"{"usage":-1.5e3,"x":true,"model":null}"#,
        &[(1, "-1.5e3"), (0, "null")],
        1,
    );
    check("a parent of another kind", r#"{"message":[{"usage":1}],"choices":{"finish":2}}"#, &[], 1);
}

#[test]
fn anything_malformed_is_flagged_and_never_a_panic() {
    for text in [
        "{",
        "{]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1",
        "[{},",
        "x",
        "{\"a\":1 2}",
        "{,}",
        "{\"model\":\"",
        "}",
        "{\"a\":x}",
    ] {
        let (seen, broken) = scan(&[text.as_bytes()]);
        assert!(broken, "`{text}` gave {seen:?}");
    }
}

#[test]
fn deep_nesting_costs_no_stack_and_long_values_no_memory() {
    let deep = format!("{{\"x\":{}{},\"model\":1}}", "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(scan(&[deep.as_bytes()]).0.values, [(0, "1".to_owned())]);
    let mut scanner = Scanner::new(&WANTS, Root::Objects);
    let mut seen = Seen::default();
    scanner.feed(b"{\"usage\":\"", &mut seen);
    for _ in 0..100 {
        scanner.feed(&[b'x'; 10_000], &mut seen);
    }
    scanner.feed(b"\",\"model\":1}", &mut seen);
    assert!(scanner.overlong && scanner.buffer.capacity() <= 4 * LONGEST_VALUE);
    assert_eq!(seen.values, [(0, "1".to_owned())]);
}
