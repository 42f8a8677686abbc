//! Random lives of two pages of one operator: one always connected, one that is cut, opened anew, filtered and loaded further.
//!
//! Whatever happened, in the end both show the same rows, the same of them read, and the same number on the bell.

use serde_json::{Value, json};

use super::{
    Stage,
    bell::{LIVE, PAGES, READ_ALL, publish},
};
use crate::harness::{PATIENCE, accounts::token, apache::word, browser::Tab, sse::Stream, until, wire::Wire};

const WORLDS: u64 = 200;
const STEPS: usize = 12;
/// Worlds at once: two for each of the pages.
const LANES: usize = 6;

/// The malls of worlds, an operator for each.
const FIRST_MALL: u64 = 1000;

/// All rows, loaded to the end, each with whether it is read; and the number on the bell.
const LOOK: &str = "const more = document.querySelector('.more button');
    if (more) more.click();
    const rows = [...document.querySelectorAll('.list li[data-id]')];
    return [more !== null, document.querySelector('.bell').ariaLabel, rows.map((li) => li.dataset.id + li.classList.contains('seen'))];";

struct World<'s> {
    stage: &'s Stage,
    mall: u64,
    random: fastrand::Rng,
    published: usize,
    calm: &'s Tab,
    wild: &'s Tab,
    wire: &'s Wire,
    said: Vec<&'static str>,
}

/// Somebody shows a token, or another one: the pane begins anew.
async fn begin(tab: &Tab, token: &str) {
    let show = "const box = document.querySelector('input[type=password]'); box.value = arg; box.form.requestSubmit();";
    tab.run(show, json!(token)).await;
}

async fn unread(stage: &Stage, token: &str) -> u64 {
    let bearer = format!("Bearer {token}");
    let asked = Stream::get(stage.server.address, "/timeline/unread-count", &[("Authorization", &bearer)]).await;
    let counted: Value = serde_json::from_str(&asked.unwrap().rest().await.unwrap()).unwrap();
    counted["unread"].as_u64().unwrap()
}

impl World<'_> {
    async fn publish(&mut self, many: usize) {
        let numbers = self.published..self.published + many;
        self.published += many;
        if self.random.u8(..4) > 0 {
            publish(self.stage, self.mall, numbers).await;
            return;
        }
        // About one of three items, of which the newest replaces what is shown.
        for _ in numbers {
            let data = json!({"mallNo": self.mall, "claimNo": self.random.u8(1..4), "claimType": "RETURN",
                              "orderNo": "1", "claimStatusType": "RETURN_REQUEST"});
            let event = json!({"type": "claim.status_changed", "data": data});
            self.stage.publisher.json(&format!("mall:{}", self.mall), &event).await;
        }
    }

    async fn step(&mut self, token: &str) {
        let all = ["publish", "publish", "many", "cut", "anew", "more", "read", "read", "all", "filter"];
        let what = all[self.random.usize(..all.len())];
        self.said.push(what);
        // As many dice whichever way it goes.
        let (many, one, other) = (self.random.usize(1..5), self.random.bool(), self.random.bool());
        let some = if one { self.calm } else { self.wild };
        match what {
            "publish" => self.publish(many).await,
            "many" => self.publish(many * 20).await,
            "cut" => self.wire.cut(),
            "anew" => begin(self.wild, token).await,
            "more" => drop(self.wild.run("document.querySelector('.more button')?.click()", Value::Null).await),
            "read" => {
                let click = "const rows = document.querySelectorAll('.list li[data-id]');
                    rows[Math.floor(arg * rows.length)]?.click()";
                some.run(click, json!(self.random.f64())).await;
            }
            "all" => drop(some.run("document.querySelector(arg).click()", json!(READ_ALL)).await),
            _ => self.filter(one, other).await,
        }
    }

    async fn filter(&self, unread: bool, severity: bool) {
        let filter = "const [unread, severity] = [document.querySelector('.filters button'), document.querySelector('.filters select:last-of-type')];
            if ((unread.ariaPressed === 'true') !== arg[0]) unread.click();
            severity.value = arg[1] ? 'info' : '';
            severity.dispatchEvent(new Event('change'));";
        self.wild.run(filter, json!([unread, severity])).await;
    }

    /// Both are live, show everything, and the same.
    async fn is_one(&self, token: &str) {
        for tab in [self.calm, self.wild] {
            tab.until(&LIVE.replace("=== 'live'", "?.match(/^(live|caught-up)$/)")).await;
        }
        self.filter(false, false).await;
        let looks = async || {
            let (calm, wild) = (self.calm.run(LOOK, Value::Null).await, self.wild.run(LOOK, Value::Null).await);
            let counted = unread(self.stage, token).await.min(100);
            let bell =
                format!("읽지 않은 알림 {}", if counted == 100 { "99+".to_owned() } else { counted.to_string() });
            (calm[0] == false && calm == wild && calm[1] == bell, calm, wild, bell)
        };
        let same = until("both pages are one", async || looks().await.0);
        if tokio::time::timeout(PATIENCE / 2, same).await.is_err() {
            let (_, calm, wild, bell) = looks().await;
            panic!("SEED={} after {:?}:\ncalm {calm}\nwild {wild}\n{bell}", self.mall - FIRST_MALL, self.said);
        }
    }
}

/// A pane that is always connected, and one that is not, over a wire of its own.
async fn pages(stage: &Stage, lane: usize) -> (Tab, Tab, Wire) {
    let wire = Wire::to(stage.server.address).await;
    let calm = stage.profile.open(&format!("{}/", stage.url())).await;
    let wild = stage.profile.open(&format!("{}{}", wire.url(), PAGES[lane % PAGES.len()])).await;
    for tab in [&calm, &wild] {
        tab.until("document.querySelector('input[type=password]')").await;
        // Nobody waits for longer than he has to.
        tab.run("Math.random = () => 0", Value::Null).await;
    }
    (calm, wild, wire)
}

/// `SEED=7` is that world alone.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_page_it_shows_what_the_always_connected_one_shows() {
    let Some(stage) = Stage::set(&[("ALLIM_HTTP_NEW_STREAMS_PER_OPERATOR", "10000")]).await else { return };
    let one: Option<u64> = word("SEED").map(|seed| seed.parse().expect("a number"));
    // They wait for each other more than they work.
    let lane = async |lane: usize| {
        let (calm, wild, wire) = pages(&stage, lane).await;
        let seeds = one.map_or(0..WORLDS, |seed| seed..seed + 1);
        for seed in seeds.skip_while(|seed| *seed as usize % LANES != lane).step_by(LANES) {
            let mall = FIRST_MALL + seed;
            let token = token(mall, &[mall], None, false);
            begin(&calm, &token).await;
            calm.until(LIVE).await;
            begin(&wild, &token).await;
            let (stage, calm, wild, wire) = (&stage, &calm, &wild, &wire);
            let random = fastrand::Rng::with_seed(seed);
            let mut world = World { stage, mall, random, published: 0, calm, wild, wire, said: Vec::new() };
            for _ in 0..STEPS {
                world.step(&token).await;
            }
            world.is_one(&token).await;
        }
    };
    futures::future::join_all((0..LANES).map(lane)).await;
    stage.profile.done().await;
}
