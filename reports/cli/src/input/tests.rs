use super::*;
use std::io::Write;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tollgate-input-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn read(name: &str, bytes: &[u8], max_line: usize) -> (Vec<String>, u64) {
    let folder = folder(name);
    let path = folder.join("a.log");
    std::fs::write(&path, bytes).unwrap();
    let mut source = Source { max_line, ..Source::open(path.to_str().unwrap(), 0).unwrap() };
    let (mut chunks, mut too_long) = (Vec::new(), 0);
    while let Some(chunk) = source.next().unwrap() {
        too_long += chunk.too_long;
        chunks.push(String::from_utf8(chunk.bytes).unwrap());
    }
    std::fs::remove_dir_all(folder).unwrap();
    (chunks, too_long)
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
    let (chunks, too_long) = read(name, bytes, MAX_LINE);
    assert_eq!((chunks.concat() == expected, too_long), (true, 0), "{name}");
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
    let packed = gzip(&long);
    let (chunks, _) = read("gzip cut", &packed[..packed.len() - 9], MAX_LINE);
    assert!(long.starts_with(&chunks.concat()) && chunks.concat().len() > long.len() / 2);
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_told() {
    let monster = "x".repeat(5 << 20);
    for (name, text, expected, too_long) in [
        ("first", format!("{monster}\nb\n"), "b\n", 1),
        ("between", format!("a\n{monster}\nb\n{monster}\nc\n"), "a\nb\nc\n", 2),
        ("last", format!("a\n{monster}"), "a\n", 1),
    ] {
        let (chunks, count) = read(name, text.as_bytes(), 3 << 20);
        assert_eq!((chunks.concat().as_str(), count), (expected, too_long), "{name}");
    }
    assert_eq!(read("bearable", format!("a\n{monster}\nb\n").as_bytes(), MAX_LINE).1, 0);
}

#[test]
fn patterns_name_files_in_the_order_of_their_names() {
    let folder = folder("patterns");
    std::fs::create_dir_all(folder.join("b")).unwrap();
    for name in ["2.log", "1.log", "x.txt", "b/3.log.gz"] {
        std::fs::write(folder.join(name), "").unwrap();
    }
    let found = |pattern: &str| {
        let files = expand(&[folder.join(pattern).to_string_lossy().into_owned()]);
        files.map(|files| {
            files.iter().map(|file| file.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
        })
    };
    assert_eq!(found("*.log").unwrap(), ["1.log", "2.log"]);
    assert_eq!(found("?/*.log*").unwrap(), ["3.log.gz"]);
    assert_eq!(found("1.log").unwrap(), ["1.log"]);
    assert!(found("*.json").unwrap_err().starts_with("no file fits "));
    std::fs::remove_dir_all(folder).unwrap();
    for (pattern, name, expected) in [
        ("*", "", true),
        ("a*c", "abc", true),
        ("a?c", "ac", false),
        ("*é?", "aéb", true),
        ("a", "ab", false),
    ] {
        assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
    }
}
