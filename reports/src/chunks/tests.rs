use super::*;
use std::io::{Cursor, Write};

fn read(bytes: &[u8], max_line: usize) -> (Vec<String>, u64, bool) {
    let mut source = Chunks { max_line, ..Chunks::new(Cursor::new(bytes.to_vec()), 0).unwrap() };
    let (mut chunks, mut too_long) = (Vec::new(), 0);
    while let Some(chunk) = source.next_chunk().unwrap() {
        too_long += chunk.too_long;
        chunks.push(String::from_utf8(chunk.bytes).unwrap());
    }
    (chunks, too_long, source.is_cut())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn zstd(text: &str) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest)
}

/// More than two chunks.
fn long() -> String {
    (0..300_000).map(|number| format!("line {number}\n")).collect()
}

fn check(name: &str, bytes: &[u8], expected: &str) {
    let (chunks, too_long, is_cut) = read(bytes, MAX_LINE);
    assert_eq!((chunks.concat() == expected, too_long, is_cut), (true, 0, false), "{name}");
    let (_, all_but_last) = chunks.split_last().unwrap();
    assert!(all_but_last.iter().all(|chunk| chunk.ends_with('\n')), "{name}: chunks end with lines");
}

#[test]
fn all_packings_hold_the_same_lines() {
    let long = long();
    let (head, tail) = long.split_at(long.len() / 3);
    check("plain", long.as_bytes(), &long);
    check("gzip", &gzip(&long), &long);
    check("gzip appended", &[gzip(head), gzip(tail)].concat(), &long);
    check("zstd", &zstd(&long), &long);
    check("zstd appended", &[zstd(head), zstd(tail)].concat(), &long);
    check("empty", b"", "");
    let torn = format!("{long}torn");
    check("torn", torn.as_bytes(), &torn);
}

#[test]
fn a_packed_file_that_is_cut_is_read_up_to_there() {
    let (long, packed) = (long(), gzip(&long()));
    let (chunks, _, is_cut) = read(packed.get(..packed.len() - 9).unwrap(), MAX_LINE);
    let read = chunks.concat();
    assert!(is_cut && long.starts_with(&read) && read.len() > long.len() / 2);
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_told() {
    let monster = "x".repeat(5 << 20);
    for (name, text, expected, too_long) in [
        ("first", format!("{monster}\nb\n"), "b\n", 1),
        ("between", format!("a\n{monster}\nb\n{monster}\nc\n"), "a\nb\nc\n", 2),
        ("last", format!("a\n{monster}"), "a\n", 1),
    ] {
        let (chunks, count, _) = read(text.as_bytes(), 3 << 20);
        assert_eq!((chunks.concat().as_str(), count), (expected, too_long), "{name}");
    }
    assert_eq!(read(format!("a\n{monster}\nb\n").as_bytes(), MAX_LINE).1, 0);
}
