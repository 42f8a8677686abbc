//! Who a notification is for: against an independent model, and the grammar.

use std::collections::HashSet;

use allim::notification::{AdminNo, Audience, BadAudience, MallNo, PartnerNo, Term, Viewer};
use fastrand::Rng;
use proptest::prelude::*;

/// Numbers that are prefixes and suffixes of each other, in all three kinds.
const MALLS: [u64; 5] = [1, 10, 100, 2, 21];
const PARTNERS: [u64; 3] = [1, 10, 5];
const ADMINS: [u64; 3] = [1, 10, 7];

fn mall(number: u64) -> MallNo {
    MallNo::new(number).expect("a mall")
}

fn pick<const N: usize>(rng: &mut Rng, from: [u64; N]) -> u64 {
    from[rng.usize(0..N)]
}

fn random_term(rng: &mut Rng) -> Term {
    let partner = PartnerNo::new(pick(rng, PARTNERS)).expect("a partner");
    let mall = mall(pick(rng, MALLS));
    match rng.u8(0..100) {
        0..8 => Term::Everyone,
        8..32 => Term::Mall(mall),
        32..50 => Term::MallPartners(mall),
        50..68 => Term::MallPartner(mall, partner),
        68..84 => Term::Partner(partner),
        _ => Term::Operator(AdminNo::new(pick(rng, ADMINS)).expect("an admin")),
    }
}

fn random_viewer(rng: &mut Rng) -> Viewer {
    let malls: Vec<MallNo> = MALLS.into_iter().filter(|_| rng.u8(0..10) < 6).map(mall).collect();
    let partner = rng.bool().then(|| PartnerNo::new(pick(rng, PARTNERS)).expect("a partner"));
    Viewer::new(AdminNo::new(pick(rng, ADMINS)).expect("an admin"), malls, partner)
}

/// The model: everybody wears badges, and a term is one badge. It knows texts where the real thing knows types.
struct Badges {
    always: HashSet<String>,
    /// What is worn only within one's own malls.
    within: HashSet<String>,
    malls: HashSet<u64>,
}

impl Badges {
    fn of(viewer: &Viewer) -> Badges {
        let malls: HashSet<u64> = viewer.malls().iter().map(|mall| mall.get()).collect();
        let mut always = HashSet::from(["everyone".to_owned()]);
        let mut within = HashSet::from([format!("operator:{}", viewer.admin)]);
        if let Some(partner) = viewer.partner {
            within.insert(format!("partner:{partner}"));
            always.extend(malls.iter().map(|mall| format!("mall:{mall}:partners")));
            always.extend(malls.iter().map(|mall| format!("mall:{mall}:partner:{partner}")));
        } else {
            always.extend(malls.iter().map(|mall| format!("mall:{mall}")));
        }
        Badges { always, within, malls }
    }

    fn sees(&self, terms: &[String], mall: Option<u64>) -> bool {
        let here = mall.is_none_or(|mall| self.malls.contains(&mall));
        terms.iter().any(|term| self.always.contains(term) || (here && self.within.contains(term)))
    }
}

type Rule = fn(&Audience, &Viewer, Option<MallNo>) -> bool;

struct Outcome {
    differences: usize,
    seen: usize,
    kinds: [usize; 6],
}

fn kind(term: Term) -> usize {
    match term {
        Term::Everyone => 0,
        Term::Mall(_) => 1,
        Term::MallPartners(_) => 2,
        Term::MallPartner(..) => 3,
        Term::Partner(_) => 4,
        Term::Operator(_) => 5,
    }
}

fn compare(rule: Rule, cases: usize) -> Outcome {
    let mut rng = Rng::with_seed(20_261_120);
    let viewers: Vec<(Viewer, Badges)> = std::iter::repeat_with(|| random_viewer(&mut rng))
        .map(|viewer| {
            let badges = Badges::of(&viewer);
            (viewer, badges)
        })
        .take(2_000)
        .collect();
    let audiences: Vec<(Audience, Vec<String>)> = std::iter::repeat_with(|| {
        let count = [1, 1, 1, 2, 3][rng.usize(0..5)];
        let audience = Audience::new((0..count).map(|_| random_term(&mut rng))).expect("an audience");
        let texts = audience.terms().iter().map(Term::to_string).collect();
        (audience, texts)
    })
    .take(4_000)
    .collect();
    let mut outcome = Outcome { differences: 0, seen: 0, kinds: [0; 6] };
    for _ in 0..cases {
        let (viewer, badges) = &viewers[rng.usize(0..viewers.len())];
        let (audience, texts) = &audiences[rng.usize(0..audiences.len())];
        let about = rng.bool().then(|| pick(&mut rng, MALLS));
        let expected = badges.sees(texts, about);
        outcome.differences += usize::from(rule(audience, viewer, about.map(mall)) != expected);
        outcome.seen += usize::from(expected);
        audience.terms().iter().for_each(|term| outcome.kinds[kind(*term)] += 1);
    }
    outcome
}

#[test]
fn agrees_with_the_model_in_a_million_cases() {
    const CASES: usize = 1_000_000;
    let outcome = compare(Audience::includes, CASES);
    assert_eq!(outcome.differences, 0);
    let share = outcome.seen * 100 / CASES;
    assert!((20..=80).contains(&share), "{share} % are seen: the cases say little");
    let terms: usize = outcome.kinds.iter().sum();
    for count in outcome.kinds {
        assert!(count * 100 / terms >= 5, "a kind of term is rare: {:?}", outcome.kinds);
    }
}

/// A rule that decides by text: `mall:1` finds `mall:10`.
fn by_prefix(audience: &Audience, viewer: &Viewer, about: Option<MallNo>) -> bool {
    audience.includes(viewer, about)
        || audience.terms().iter().any(|term| {
            let term = term.to_string();
            viewer.malls().iter().any(|mall| viewer.partner.is_none() && term.starts_with(&format!("mall:{mall}")))
        })
}

/// A rule that forgets in which mall a partner is meant.
fn forgets_the_mall(audience: &Audience, viewer: &Viewer, about: Option<MallNo>) -> bool {
    audience.includes(viewer, about)
        || audience.terms().iter().any(|term| matches!(term, Term::MallPartner(_, p) if viewer.partner == Some(*p)))
}

/// A rule that takes a partner's admin for an operator.
fn ignores_the_partner_flag(audience: &Audience, viewer: &Viewer, about: Option<MallNo>) -> bool {
    audience.includes(viewer, about)
        || audience.terms().iter().any(|term| matches!(term, Term::Mall(mall) if viewer.belongs_to(*mall)))
}

#[test]
fn the_model_catches_what_would_leak() {
    for (name, mutant) in [
        ("by prefix", by_prefix as Rule),
        ("forgets the mall", forgets_the_mall),
        ("ignores the partner flag", ignores_the_partner_flag),
    ] {
        assert!(compare(mutant, 20_000).differences > 0, "the mutant `{name}` is not caught");
    }
}

#[test]
fn what_is_an_audience() {
    for (text, canonical) in [
        ("everyone", "everyone"),
        ("mall:1001", "mall:1001"),
        ("mall:1001:operators", "mall:1001"),
        ("mall:1001:partners", "mall:1001:partners"),
        ("mall:1001:partner:501", "mall:1001:partner:501"),
        ("partner:501", "partner:501"),
        ("operator:70001", "operator:70001"),
        ("operator:9223372036854775807", "operator:9223372036854775807"),
        ("mall:1, partner:2", "mall:1,partner:2"),
        ("mall:1,mall:1:operators,mall:1", "mall:1"),
    ] {
        assert_eq!(text.parse::<Audience>().map(|audience| audience.to_string()), Ok(canonical.to_owned()), "{text}");
    }
}

#[test]
fn what_is_none() {
    let many = (1..=65).map(|number| format!("mall:{number}")).collect::<Vec<_>>().join(",");
    let same = vec!["mall:1"; 65].join(",");
    for text in [
        "",
        " ",
        ",",
        "everyone,",
        ",everyone",
        "Everyone",
        "everyone:1",
        "all",
        "*",
        "mall",
        "mall:",
        "mall:0",
        "mall:01",
        "mall:+1",
        "mall:-1",
        "mall:1.0",
        "mall:1e3",
        "mall: 1",
        "mall:1 :operators",
        "mall:１",
        "mall:1:",
        "mall:1:admins",
        "mall:1:operators:2",
        "mall:1:partners:2",
        "mall:1:partner",
        "mall:1:partner:",
        "mall:1:partner:0",
        "mall:1:partner:2:3",
        "partner:",
        "partner:0",
        "partner:1:mall.2",
        "operator",
        "operator:",
        "operator:a",
        "operator:1:2",
        "operator:9223372036854775808",
        "operator:18446744073709551617",
        "mall:1;mall:2",
        "mall:1\n",
        "mall:1\tmall:2",
        "identity:ops:user:oncall",
        "mall:1001:operators\0",
        many.as_str(),
        same.as_str(),
    ] {
        assert!(text.parse::<Audience>().is_err(), "{text:?} is taken for an audience");
    }
    assert_eq!(many.parse::<Audience>(), Err(BadAudience::TooManyTerms));
}

fn any_term() -> impl Strategy<Value = Term> {
    let id = 1..=i64::MAX.unsigned_abs();
    (0..6_u8, id.clone(), id).prop_map(|(kind, a, b)| match kind {
        0 => Term::Everyone,
        1 => Term::Mall(mall(a)),
        2 => Term::MallPartners(mall(a)),
        3 => Term::MallPartner(mall(a), PartnerNo::new(b).expect("a partner")),
        4 => Term::Partner(PartnerNo::new(b).expect("a partner")),
        _ => Term::Operator(AdminNo::new(a).expect("an admin")),
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(terms in prop::collection::vec(any_term(), 1..=64)) {
        let audience = Audience::new(terms).expect("an audience");
        prop_assert_eq!(audience.to_string().parse::<Audience>(), Ok(audience));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z:0-9, ]{0,40}|\\PC{0,40}") {
        if let Ok(audience) = text.parse::<Audience>() {
            prop_assert_eq!(audience.to_string().parse::<Audience>(), Ok(audience));
        }
    }
}
