//! Audiences: the grammar against a small one of texts, and who is included against badges that are texts too.
//!
//! A seed has three lines: the audience; the viewer's number and malls, and behind `/` its partner; the mall that the
//! notification is about, or nothing.
#![no_main]

use allim_fuzz::notification::{AdminNo, Audience, MallNo, PartnerNo, Term, Viewer};
use libfuzzer_sys::fuzz_target;

fn is_number(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && !text.starts_with('0') && text.parse::<i64>().is_ok()
}

/// D2 of the design, read once more.
fn is_term(text: &str) -> bool {
    match text.split(':').collect::<Vec<_>>()[..] {
        ["everyone"] => true,
        ["mall", n] | ["mall", n, "operators" | "partners"] | ["partner", n] | ["operator", n] => is_number(n),
        ["mall", n, "partner", p] => is_number(n) && is_number(p),
        _ => false,
    }
}

fn is_audience(text: &str) -> bool {
    let terms: Vec<&str> = text.split(',').map(|term| term.trim_matches(' ')).collect();
    terms.len() <= 64 && terms.into_iter().all(is_term)
}

/// Everybody wears badges, and a term is one badge; some count only where nothing is about a mall that one left.
fn includes(audience: &Audience, viewer: &Viewer, about: Option<MallNo>) -> bool {
    let here = about.is_none_or(|mall| viewer.malls().contains(&mall));
    let in_a_mall = |test: &dyn Fn(&MallNo) -> bool| viewer.malls().iter().any(test);
    audience.to_string().split(',').any(|term| match viewer.partner {
        _ if term == "everyone" => true,
        _ if term == format!("operator:{}", viewer.admin) => here,
        None => in_a_mall(&|mall| term == format!("mall:{mall}")),
        Some(partner) if term == format!("partner:{partner}") => here,
        Some(partner) => in_a_mall(&|mall| {
            term == format!("mall:{mall}:partners") || term == format!("mall:{mall}:partner:{partner}")
        }),
    })
}

fn viewer(line: &str) -> Option<Viewer> {
    let (numbers, partner) = line.split_once('/').map_or((line, None), |(rest, partner)| (rest, Some(partner)));
    let mut numbers = numbers.split(' ').filter_map(|number| number.parse::<u64>().ok());
    let admin = AdminNo::new(numbers.next()?).ok()?;
    let malls = numbers.filter_map(|number| MallNo::new(number).ok());
    Some(Viewer::new(admin, malls, partner.and_then(|number| number.trim().parse::<PartnerNo>().ok())))
}

fuzz_target!(|seed: &[u8]| {
    let Ok(seed) = std::str::from_utf8(seed) else { return };
    let mut lines = seed.split('\n');
    let text = lines.next().unwrap_or_default();
    let parsed = text.parse::<Audience>();
    assert_eq!(parsed.is_ok(), is_audience(text), "{text:?} is {parsed:?}");
    let Ok(audience) = parsed else { return };
    assert_eq!(audience.to_string().parse::<Audience>().as_ref(), Ok(&audience));
    let Some(viewer) = lines.next().and_then(viewer) else { return };
    let about = lines.next().and_then(|mall| mall.parse::<MallNo>().ok());
    let sees = audience.includes(&viewer, about);
    assert_eq!(sees, includes(&audience, &viewer, about), "{audience} for {viewer:?} about {about:?}");
    // Whoever looks by the viewer's terms finds all candidates.
    let terms: Vec<Term> = viewer.terms().collect();
    assert!(!sees || audience.terms().iter().any(|term| terms.contains(term)), "{viewer:?} is found by no term");
});
