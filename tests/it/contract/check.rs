//! `allim publish --check`: what would become of a record is said beforehand, and nothing is sent.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use allim::config;

use super::{folder, samples};

/// The program in a folder of its own, where no server runs.
fn check(arguments: &[&str], env: &[(&str, &str)], input: &[u8]) -> (Option<i32>, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_allim"));
    for (name, _) in config::environment() {
        command.env_remove(name);
    }
    command.current_dir(folder.path()).arg("publish").args(arguments).envs(env.iter().copied());
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(!folder.path().join("data").exists(), "it only looks");
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn paths(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let files = samples::all().into_iter().map(|sample| sample.file).filter(|file| wanted(file));
    files.map(|file| folder("samples").join(file).display().to_string()).collect()
}

#[test]
fn all_samples_at_once_each_with_what_becomes_of_it() {
    let (accepted, rejected) =
        (paths(|file| file.starts_with("accepted_")), paths(|file| file.starts_with("rejected_")));
    let files = |all: &[String]| -> Vec<String> { ["--check".to_owned()].iter().chain(all).cloned().collect() };
    let run = |all: &[String]| {
        let all = files(all);
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        check(&all, &[], b"")
    };
    let (code, out, err) = run(&accepted);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out.matches(": would be shown\n").count(), accepted.len(), "{out}");
    assert!(!out.contains("  but  "), "a sample that is only half right: {out}");
    let (code, out, err) = run(&rejected);
    assert_eq!(code, Some(1));
    assert_eq!(out.matches(": would be a dead letter: ").count(), rejected.len(), "{out}");
    assert_eq!(err, format!("allim: {0} of {0} would not be shown\n", rejected.len()));
}

#[test]
fn it_says_to_whom_and_what_each_would_read() {
    let event = r#"{"type":"order.created","id":"7","data":{"mallNo":1001,"orderNo":"77","link":"javascript:alert(1)",
        "orderProductOptions":[{"partnerNo":501,"amount":100,"productName":"사과"},{"partnerNo":502,"amount":900,"productName":"니트"}]}}"#;
    let (code, out, _) = check(&["--check", "-"], &[], event.as_bytes());
    assert_eq!(code, Some(0), "{out}");
    for wanted in [
        "-: would be shown\n",
        "  type      order.created   order, notice, kept\n",
        "  audience  mall:1001, mall:1001:partner:501, mall:1001:partner:502\n",
        "  key       mall:1001\n",
        "  reads     operator: 새 주문 1,000원  사과 외 1건 · 주문번호 77\n",
        "  reads     partner 501: 새 주문 100원  사과 · 주문번호 77\n",
        "  reads     partner 502: 새 주문 900원  니트 · 주문번호 77\n",
        "  seen by   70001 김하늘, 70002 이바다, 70010 최가온, 80501 정다온, 80502 한누리\n",
        "70003 박솔이 (other_mall)",
        "  but       /data/link: an address that begins with https://",
    ] {
        assert!(out.contains(wanted), "{wanted:?} in {out}");
    }
    // Of real people nothing is known here.
    let real = [("ALLIM_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")];
    let (code, out, _) = check(&["--check", "-"], &real, event.as_bytes());
    assert_eq!(code, Some(0), "nobody is asked: {out}");
    assert!(out.contains("audience  mall:1001") && !out.contains("70001"), "{out}");
}

#[test]
fn what_only_partners_see_only_partners_read() {
    let file = folder("samples").join("accepted_task_message.added.json").display().to_string();
    let (_, out, _) = check(&["--check", &file], &[], b"");
    assert!(out.contains("  reads     partner 501: ") && !out.contains("operator: "), "{out}");
    let event = br#"{"type":"notice.published","audience":"mall:1001:partners","title":"x"}"#;
    let (_, out, _) = check(&["--check", "-"], &[], event);
    assert!(out.contains("  reads     partners: x\n"), "{out}");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_and_a_mall_only_once() {
    let event = br#"{"type":"order.created","severity":"high","expiresAt":"soon","data":{"mallNo":0}}"#;
    let (code, out, err) = check(&["--check", "-"], &[], event);
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = out.lines().skip(1).filter_map(|line| line.trim().split(": ").next()).collect();
    assert_eq!(lines, ["/expiresAt", "/severity", "/data/mallNo"], "{out}");
    assert_eq!(err, "allim: 1 of 1 would not be shown\n");
}

#[test]
fn headers_stand_beside_the_value_and_a_typing_error_in_them_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let value = file("a.json", r#"{"type":"notice.published","title":"x"}"#);
    let run = || check(&["--check", &value], &[], b"");
    assert!(run().1.contains("would be a dead letter: no_audience"), "{}", run().1);
    file("a.headers", "audience=operator:70001\n\n");
    assert!(run().1.contains("audience  operator:70001\n"), "{}", run().1);
    file("a.headers", "audience\n");
    let (code, out, _) = run();
    assert_eq!(code, Some(1));
    assert!(out.ends_with("a.headers: a header is written as name=value\n"), "{out}");
    // One that cannot be read is said once, and keeps no other from being looked at.
    file("a.headers", "audience=operator:70001\n");
    let missing = Path::new("no").join("such.json").display().to_string();
    let (code, out, err) = check(&["--check", &missing, &value], &[], b"");
    assert_eq!((code, err.as_str()), (Some(1), "allim: 1 of 2 would not be shown\n"));
    assert!(out.starts_with("no/such.json cannot be read: No such file or directory (os error 2)\n"), "{out}");
    assert!(out.contains("a.json: would be shown\n"), "{out}");
}
