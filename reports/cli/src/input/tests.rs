use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tollgate-input-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
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
