//! Every link within the repository leads to a file that is there, and to a heading that is in it.

use std::{collections::HashMap, path::Path};

use super::{Document, all, none, package};

/// What GitHub makes of a heading: small letters of any language, digits, `-` and `_`; spaces become `-`.
fn slug(heading: &str) -> String {
    let text = shown(heading);
    let kept = text.chars().filter(|c| c.is_alphanumeric() || ['-', '_', ' '].contains(c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A heading without its marks: of a link the text, of code what is in it.
fn shown(heading: &str) -> String {
    let mut text = String::new();
    let mut rest = heading;
    while let Some((before, behind)) = rest.split_once('[') {
        text.push_str(before);
        match behind.split_once("](").and_then(|(word, address)| Some((word, address.split_once(')')?.1))) {
            Some((word, behind)) => {
                text.push_str(word);
                rest = behind;
            }
            None => rest = behind,
        }
    }
    (text + rest).replace(['`', '*'], "")
}

fn anchors(page: &Document) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = page.prose().into_iter().filter_map(|(_, line)| {
        let text = line.trim_start_matches('#');
        let depth = line.len() - text.len();
        ((1..=6).contains(&depth) && text.starts_with(' ')).then(|| slug(text.trim().trim_end_matches('#').trim()))
    });
    headings
        .map(|slug| {
            let times = seen.entry(slug.clone()).or_default();
            *times += 1;
            if *times == 1 { slug } else { format!("{slug}-{}", *times - 1) }
        })
        .collect()
}

/// Where each link of a page points, with its line.
fn links(page: &Document) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (n, line) in page.prose() {
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("_");
        for (at, _) in plain.match_indices("](") {
            let target = plain[at + 2..].split(')').next().unwrap_or_default();
            links.push((n, target.split(' ').next().unwrap_or_default().to_owned()));
        }
        let reference = plain.starts_with('[').then(|| plain.split_once("]: ")).flatten();
        links.extend(reference.map(|(_, target)| (n, target.trim().to_owned())));
    }
    links
}

/// `docs/../README.md` is `README.md`. None: it leaves the repository.
fn resolved(page: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn broken(pages: &[Document], is_there: impl Fn(&str) -> bool) -> Vec<String> {
    let mut breaches = Vec::new();
    for page in pages {
        for (n, link) in
            links(page).into_iter().filter(|(_, link)| !link.contains("://") && !link.starts_with("mailto:"))
        {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if file.is_empty() { Some(page.path.clone()) } else { resolved(&page.path, file) };
            let target = path.as_ref().and_then(|path| pages.iter().find(|page| page.path == *path));
            let good = match (&path, target) {
                (None, _) => false,
                (Some(_), Some(target)) => anchor.is_empty() || anchors(target).iter().any(|one| one == anchor),
                (Some(path), None) => anchor.is_empty() && is_there(path),
            };
            if !good {
                breaches.push(format!("{}:{n}: {link} leads nowhere", page.path));
            }
        }
    }
    breaches
}

#[test]
fn every_link_within_the_repository_resolves() {
    let pages = all();
    let count: usize = pages.iter().map(|page| links(page).len()).sum();
    assert!(count > 30, "only {count} links are looked at");
    none(broken(&pages, |path| package().join(path).exists()));
}

/// Files are named in backticks as well, from the repository's folder on.
#[test]
fn every_file_that_a_page_names_is_there() {
    let folders = ["src/", "tests/", "docs/", "static/", "benches/", "fuzz/", "kafka/", ".ci/"];
    let mut breaches = Vec::new();
    for page in all() {
        for (n, span) in page.spans() {
            let word = span.split([' ', '`', ',']).next().unwrap_or_default();
            let named = folders.iter().any(|folder| word.starts_with(folder)) && !word.contains(['*', '…', '<', '{']);
            let beside = Path::new(&page.path).parent().map(|folder| package().join(folder).join(word));
            if named && !package().join(word).exists() && !beside.is_some_and(|path| path.exists()) {
                breaches.push(format!("{}:{n}: there is no {word}", page.path));
            }
        }
    }
    none(breaches);
}

#[test]
fn what_leads_nowhere_is_seen() {
    let other =
        Document::new("docs/b.md", "# 알림 Allim!\n## A `b_c`, d\n## A `b_c`, d\n## [x](y.md) z\n```\n# no\n```\n");
    assert_eq!(anchors(&other), ["알림-allim", "a-b_c-d", "a-b_c-d-1", "x-z"]);
    let page = |text: &str| vec![Document::new("a.md", text), Document::new("docs/b.md", &other.text)];
    let broken = |text: &str| broken(&page(text), |path| path == "LICENSE").len();
    let good = "[a](docs/b.md#알림-allim) [b](LICENSE) ![c](./docs/b.md) [d](https://e.example/f#g) `[h](i)` [j]\n[j]: docs/b.md";
    // The link in b.md leads nowhere.
    assert_eq!(broken(good), 1);
    for bad in ["[a](b.md)", "[a](docs/b.md#no)", "[a](docs/b.md#Allim)", "[a](#x)", "[a](../LICENSE)", "[j]: k.md"] {
        assert_eq!(broken(bad), 2, "{bad}");
    }
    assert_eq!(broken("```\n[a](b.md)\n```"), 1);
}
