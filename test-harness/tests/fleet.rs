//! Quotas of a fleet: two real Envoys with two workers each, a real Redis, and a real Webdis in front of it that is killed, cut off and
//! brought back under load.
//!
//! `ENVOY`, `TOLLGATE_WASM`, `REDIS_SERVER` and `WEBDIS` name what it needs; `cargo xtask test` sets them.

mod support;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Given, Sum, call, full_size, given, llm, records, team};
use tollgate_test_harness::envoy::config::Plugin;
use tollgate_test_harness::envoy::{Envoy, Reload, UPSTASH_TOKEN};
use tollgate_test_harness::load::{Call, Load, Tally};
use tollgate_test_harness::store::{Programs, Redis, Upstash, Webdis};
use tollgate_test_harness::upstream::Upstream;

/// Two Envoys that share a store.
struct Fleet {
    envoys: Vec<Envoy>,
    _llm: Upstream,
    redis: Redis,
    webdis: Webdis,
    /// What the check that runs now counts under, and the value of a tag in its records: those before it are out of its sight.
    namespace: String,
    checks: u32,
}

/// The store's time-out. No call may take longer than it and what its own answer takes, on a machine that is busy.
const TIMEOUT_MS: u64 = 800;
const SLACK: Duration = Duration::from_millis(2000);
/// What was admitted while the store was away is there this long after its return.
const RECOVERY: Duration = Duration::from_secs(5);

/// The configuration but for its namespace.
fn plugin(on_failure: &str, timeout_ms: u64, quotas: &Value) -> Value {
    json!({
        "tags": {"team": {"from": [{"header": "x-team"}]}},
        "stores": {"redis": {"cluster": "store", "protocol": "webdis", "timeout_ms": timeout_ms, "on_failure": on_failure}},
        "quotas": quotas,
    })
}

/// For tests in which nothing fails: a busy machine is no failure.
const PATIENT_MS: u64 = 10_000;

/// Two machines' worth of servers are enough for two cores.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// One quota of each kind, with limits that nobody reaches.
fn wide() -> Value {
    json!([
        {"name": "calls", "per": [], "limit": {"requests": 10_000_000}, "window": "year", "store": "redis"},
        {"name": "tokens", "per": [], "limit": {"tokens": 10_000_000_000_u64}, "window": "year", "store": "redis"},
        {"name": "money", "per": ["team"], "limit": {"usd": "100000"}, "window": "year", "store": "redis"},
    ])
}

impl Fleet {
    fn start() -> Option<Self> {
        let Some(programs) = Programs::given() else {
            println!("skipped: REDIS_SERVER and WEBDIS are not set, run `cargo xtask test`");
            return None;
        };
        let wasm = given("TOLLGATE_WASM")?;
        let redis = Redis::start(&programs.redis).unwrap();
        let webdis = Webdis::start(&programs.webdis, redis.address()).unwrap();
        let llm = llm();
        let given = || Given {
            config: "quickstart/ecds.yaml",
            wasm: wasm.clone(),
            plugin: json!({}),
            upstream: llm.address(),
            store: Some(("store", webdis.address())),
        };
        let envoys = both(given(), given())?;
        Some(Self { envoys, _llm: llm, redis, webdis, namespace: String::new(), checks: 0 })
    }

    /// Another check begins: both get this configuration, and count anew.
    fn configure(&mut self, mut plugin: Value) {
        self.checks += 1;
        self.namespace = format!("check-{}", self.checks);
        plugin["namespace"] = json!(self.namespace);
        plugin["tags"]["check"] = json!({"value": self.namespace});
        for envoy in &mut self.envoys {
            let reload = envoy.reconfigure_extension("tollgate.yaml", Plugin::Text(plugin.to_string()));
            assert_eq!(reload.unwrap(), Reload::Accepted);
        }
    }

    fn load(&self, calls: u64) -> Load {
        Load { to: self.envoys.iter().map(Envoy::address).collect(), connections: 64, calls }
    }

    /// So many calls pass, and then none of these first proxies, once all has been said.
    fn check_admitted(&self, proxies: usize, expected: u64, what: &str) {
        let to = self.envoys.iter().take(proxies).map(Envoy::address).collect();
        let one = Load { to, connections: 1, calls: 1 };
        let (mut admitted, until) = (0, Instant::now() + RECOVERY);
        while admitted < expected {
            admitted += one.run(|_| call("", "t0")).of(200);
            assert!(Instant::now() < until, "{what}: {admitted} of {expected} passed");
        }
        std::thread::sleep(Duration::from_millis(600));
        let more = Load { connections: 2, calls: 10, ..one }.run(|_| call("", "t0"));
        assert_eq!((more.of(200), more.of(429)), (0, 10), "{what}: {more:?}");
    }

    /// How many refusals both have counted that were for what others had put aside.
    fn transient(&self) -> u64 {
        let name = "wasmcustom.tollgate_quota_refused_while_reserved;quota=calls";
        self.envoys.iter().filter_map(|envoy| envoy.stat(name).ok()).sum()
    }

    /// The records of both.
    fn records(&self, at_least: u64) -> Vec<Value> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let all = self.envoys.iter().flat_map(|envoy| records(envoy, 0));
            let of_check = |record: &Value| record["tollgate.tags"]["check"] == *self.namespace;
            let all: Vec<Value> = all.filter(of_check).collect();
            if all.len() as u64 >= at_least || Instant::now() > until {
                return all;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the store has for a quota, summed over its keys: used, and still put aside.
    fn stored(&self, quota: &str) -> (i128, i128) {
        let keys = self.redis.keys(&format!("*/{}}}/quota/{quota}/v*", self.namespace)).unwrap();
        let counters = keys.iter().filter(|key| !key.ends_with(":leases"));
        counters.fold((0, 0), |(used, open), key| {
            let hash = self.redis.hash(key).unwrap();
            let field = |name: &str| hash.get(name).map_or(0, |text| text.parse::<i128>().unwrap());
            (used + field("used"), open + field("open"))
        })
    }

    /// Waits until the store says what the logs say, and nothing is put aside any more.
    fn check_totals(&self, what: &str, sum: &Sum) {
        let until = Instant::now() + RECOVERY;
        let expected = [("calls", sum.calls), ("tokens", sum.tokens), ("money", sum.pico)];
        loop {
            let stored = expected.map(|(name, _)| (name, self.stored(name)));
            if stored == expected.map(|(name, used)| (name, (used, 0))) {
                return;
            }
            assert!(
                Instant::now() < until,
                "{what}: the logs say {expected:?}, the store {stored:?} (used, open)"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Two that start at the same time.
fn both(one: Given, other: Given) -> Option<Vec<Envoy>> {
    let (one, other) = std::thread::scope(|scope| {
        let other = scope.spawn(|| other.start());
        (one.start(), other.join().unwrap())
    });
    Some(vec![one?, other?])
}

type Check = fn(&mut Fleet);

/// What holds of one fleet after the other, without starting it anew each time.
static CHECKS: [(&str, Check); 8] = [
    ("two proxies together admit exactly the limit", two_proxies_together_admit_exactly_the_limit),
    ("a reservation that nobody settles expires", a_reservation_that_nobody_settles_expires),
    (
        "a counter of the store is granted more, and reset, from any proxy",
        a_counter_is_granted_more_and_reset,
    ),
    ("proxies that do not wait for the store pass the limit by little and tell it all", proxies_do_not_wait),
    ("a proxy stands in for a store that is away", a_proxy_stands_in_for_a_store_that_is_away),
    ("a store that goes away loses nothing where calls pass without it", |fleet| {
        check_faults(fleet, "allow", &FAULTS);
    }),
    ("a store that goes away loses nothing where a proxy stands in for it", |fleet| {
        check_faults(fleet, "local", some_of_them());
    }),
    ("a store that goes away loses nothing where calls are refused without it", |fleet| {
        check_faults(fleet, "deny", some_of_them());
    }),
];

#[test]
fn a_fleet_shares_its_budgets_whatever_befalls_its_store() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut fleet) = Fleet::start() else { return };
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let begun = Instant::now();
        let result = std::panic::catch_unwind(AssertUnwindSafe(|| check(&mut fleet)));
        println!("{name} ... {}, {:?}", if result.is_ok() { "ok" } else { "FAILED" }, begun.elapsed());
        if result.is_err() {
            failed.push(name);
            // The next check is not to suffer for what this one left behind.
            fleet.webdis.restart().unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed:?}, see above");
}

fn two_proxies_together_admit_exactly_the_limit(fleet: &mut Fleet) {
    let quotas = json!([
        {"name": "calls", "per": [], "limit": {"requests": 500}, "window": "year", "store": "redis"},
        {"name": "team", "per": ["team"], "limit": {"requests": 90}, "window": "year", "store": "redis"},
    ]);
    fleet.configure(plugin("deny", PATIENT_MS, &quotas));
    // Five teams could make 450 calls.
    let tally = fleet.load(1200).run(|number| call("", &team(number)));
    assert_eq!((tally.of(200), tally.of(429)), (450, 750), "{tally:?}");
    let more = fleet.load(200).run(|number| call("", &format!("more{number}")));
    assert_eq!((more.of(200), more.of(429)), (50, 150), "{more:?}");
    let sent = Sum::of(&fleet.records(1400));
    assert_eq!(sent.calls, 500);
}

/// What nobody settled stops standing in the way once its lease is over: the next admission sweeps it.
fn a_reservation_that_nobody_settles_expires(fleet: &mut Fleet) {
    let quotas =
        json!([{"name": "calls", "per": [], "limit": {"requests": 1}, "window": "year", "store": "redis"}]);
    fleet.configure(plugin("deny", PATIENT_MS, &quotas));
    let one = Load { connections: 1, ..fleet.load(1) };
    // A call that has no place: the mark of one that is open.
    let key = format!("{{tg/1/{}}}/quota/calls/v", fleet.namespace);
    let leases = format!("{key}:leases");
    for command in [
        vec!["HSET", &key, "window", "0", "used", "0", "open", "1", "r:dead", "1"],
        vec!["ZADD", &leases, "99999999999", "dead"],
    ] {
        fleet.redis.command(&command).unwrap();
    }
    let before = fleet.transient();
    assert_eq!(one.run(|_| call("", "t0")).of(429), 1, "the reservation stands");
    fleet.redis.command(&["ZADD", &leases, "1", "dead"]).unwrap();
    assert_eq!(one.run(|_| call("", "t0")).of(200), 1, "the reservation is over");
    let until = Instant::now() + RECOVERY;
    while fleet.stored("calls") != (1, 0) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(one.run(|_| call("", "t0")).of(429), 1, "the limit is used");
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(
        fleet.transient() - before,
        1,
        "one was refused for what was put aside alone, the other was not"
    );
}

/// Each counts once, however often its message has to be sent. A proxy that does not wait for the store knows what others have used
/// only after its own first call: so there one proxy does all.
fn a_counter_is_granted_more_and_reset(fleet: &mut Fleet) {
    for (mode, proxies) in [(json!("strict"), 2), (json!({"cached": {"sync_ms": 100}}), 1)] {
        let quotas = json!([{"name": "calls", "per": ["team"], "limit": {"requests": 4}, "window": "year", "store": "redis"}]);
        let mut plugin = plugin("allow", PATIENT_MS, &quotas);
        plugin["stores"]["redis"]["mode"] = mode.clone();
        // Of `secret`.
        plugin["admin"] =
            json!({"token_sha256": "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"});
        fleet.configure(plugin);
        fleet.check_admitted(proxies, 4, &format!("{mode}: at first"));
        for (path, stored, admitted) in [("?grant=3", 1, 3), ("?reset", 0, 4)] {
            let path = if path == "?reset" {
                "/.tollgate/quotas/calls/t0?reset"
            } else {
                "/.tollgate/quotas/calls/t0?grant=3"
            };
            let change = Call {
                path,
                headers: vec![("authorization", "Bearer secret".to_owned())],
                ..Call::default()
            };
            let change = Load { connections: 1, ..fleet.load(1) }.run(|_| change.clone());
            assert_eq!(change.of(202), 1, "{mode}: {path}: {change:?}");
            let until = Instant::now() + RECOVERY;
            while fleet.stored("calls").0 != stored {
                assert!(Instant::now() < until, "{mode}: {path}: {:?}", fleet.stored("calls"));
                std::thread::sleep(Duration::from_millis(50));
            }
            fleet.check_admitted(proxies, admitted, &format!("{mode}: {path}"));
        }
    }
}

/// The shipped configurations as they stand, one of which has Envoy add the credentials of the store.
#[test]
fn the_configurations_of_a_fleet_count_in_redis() {
    let Some(programs) = Programs::given() else { return };
    let (Some(wasm), _alone) = (given("TOLLGATE_WASM"), ONE_AT_A_TIME.lock()) else { return };
    let redis = Redis::start(&programs.redis).unwrap();
    let webdis = Webdis::start(&programs.webdis, redis.address()).unwrap();
    let upstash = Upstash::start(redis.address(), UPSTASH_TOKEN).unwrap();
    let llm = llm();
    let shipped = |config, store| {
        let store = Some(store);
        Given { config, wasm: wasm.clone(), plugin: Value::Null, upstream: llm.address(), store }
    };
    let through_webdis = shipped("fleet/envoy.yaml", ("webdis", webdis.address()));
    let through_upstash = shipped("fleet/upstash.yaml", ("upstash", upstash.address()));
    let Some(envoys) = both(through_webdis, through_upstash) else { return };
    for (envoy, (config, calls)) in envoys.iter().zip([("fleet/envoy.yaml", 3), ("fleet/upstash.yaml", 7)]) {
        redis.command(&["FLUSHALL"]).unwrap();
        let load = Load { to: vec![envoy.address()], connections: 1, calls };
        let errors = || envoy.stat("wasmcustom.tollgate_errors;kind=store").unwrap();
        // A machine that is busy for longer than the 50 ms that such a store gets is asked again.
        let heard = (1..=5).any(|round| {
            let before = errors();
            assert_eq!(load.run(|_| call("", "search")).of(200), calls, "{config}");
            check_spent(&redis, config, &Sum::of(&records(envoy, round * calls)));
            errors() == before
        });
        assert!(heard, "{config}: the store was not heard");
    }
}

/// The store has what was spent, and nothing is put aside in it.
fn check_spent(redis: &Redis, config: &str, sum: &Sum) {
    let spent = sum.pico.to_string();
    let until = Instant::now() + RECOVERY;
    loop {
        let hash = redis.hash("{tg/1/default}/quota/team-day/v/search").unwrap();
        if hash.get("used") == Some(&spent) && hash.get("open").is_none_or(|open| open == "0") {
            return;
        }
        assert!(Instant::now() < until, "{config}: {spent} was spent, the store has {hash:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Each decides by itself: what is admitted beyond the limit is what the other admits between two words with the store. Whatever was
/// admitted is in the store afterwards.
fn proxies_do_not_wait(fleet: &mut Fleet) {
    let quotas = json!([
        {"name": "calls", "per": [], "limit": {"requests": 300}, "window": "year", "store": "redis"},
        {"name": "tokens", "per": [], "limit": {"tokens": 10_000_000_000_u64}, "window": "year", "store": "redis"},
        {"name": "money", "per": ["team"], "limit": {"usd": "100000"}, "window": "year", "store": "redis"},
    ]);
    let mut plugin = plugin("allow", PATIENT_MS, &quotas);
    plugin["stores"]["redis"]["mode"] = json!({"cached": {"sync_ms": 100}});
    fleet.configure(plugin);
    let load = Load { connections: 8, ..fleet.load(800) };
    let tally = load.run(|number| {
        std::thread::sleep(Duration::from_millis(20));
        call("", &team(number))
    });
    assert_eq!(tally.of(200) + tally.of(429), 800, "{tally:?}");
    println!("a limit of 300 calls admitted {}: {tally:?}", tally.of(200));
    // Some 300 calls a second between two syncs of 100 ms, and as much again for a busy machine.
    assert!((300..=400).contains(&tally.of(200)), "{tally:?}");
    let all = fleet.records(800);
    fleet.check_totals("mode: cached", &Sum::of(&all));
}

/// What befalls the store while calls go on.
type Fault = fn(&mut Fleet);

static FAULTS: [(&str, Fault); 4] = [
    ("Webdis is killed and comes back", |fleet| {
        fleet.webdis.kill();
        std::thread::sleep(Duration::from_secs(1));
        fleet.webdis.restart().unwrap();
    }),
    ("Redis is killed and comes back", |fleet| {
        fleet.redis.kill();
        std::thread::sleep(Duration::from_secs(1));
        fleet.redis.restart().unwrap();
    }),
    ("Redis is paused for 5 s", |fleet| fleet.redis.pause(Duration::from_secs(5)).unwrap()),
    ("Redis is restarted at once", |fleet| fleet.redis.restart().unwrap()),
];

/// What a pass through all of them with another policy shows anew: the first, or all in `cargo xtask soak`.
fn some_of_them() -> &'static [(&'static str, Fault)] {
    if full_size(1) > 1 { &FAULTS } else { &FAULTS[..1] }
}

/// While the store is away each proxy goes on from what it heard last; afterwards the store has it all.
fn a_proxy_stands_in_for_a_store_that_is_away(fleet: &mut Fleet) {
    let quotas =
        json!([{"name": "calls", "per": [], "limit": {"requests": 100}, "window": "year", "store": "redis"}]);
    fleet.configure(plugin("local", TIMEOUT_MS, &quotas));
    let one_by_one = |fleet: &Fleet, calls: u64| {
        let load = Load { connections: 2, ..fleet.load(calls) };
        load.run(|_| call("", "t0")).of(200)
    };
    assert_eq!(one_by_one(fleet, 40), 40);
    fleet.webdis.kill();
    // Each heard of about half of the 40 calls at least: either may make what the limit leaves beside them.
    let away = one_by_one(fleet, 300);
    assert!((60..=160).contains(&away), "{away} calls while the store was away");
    fleet.webdis.restart().unwrap();
    let until = Instant::now() + RECOVERY;
    while fleet.stored("calls").0 < i128::from(40 + away) {
        assert!(Instant::now() < until, "{away} calls while away, {:?} in the store", fleet.stored("calls"));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(fleet.stored("calls"), (i128::from(40 + away), 0));
    assert_eq!(one_by_one(fleet, 10), 0, "the store knows that the limit is passed");
}

/// No call takes longer than the store's time-out, each goes as `on_failure` says, and what the logs say is in the store afterwards.
fn check_faults(fleet: &mut Fleet, on_failure: &str, faults: &[(&str, Fault)]) {
    fleet.configure(plugin(on_failure, TIMEOUT_MS, &wide()));
    let mut made = 0;
    for (name, fault) in faults {
        let what = format!("{name}, on_failure: {on_failure}");
        let tally = under_load(fleet, *fault);
        println!("{what}: {tally:?}");
        let bound = Duration::from_millis(TIMEOUT_MS) + SLACK;
        assert!(tally.longest < bound, "{what}: a call took {:?}", tally.longest);
        assert_eq!(tally.of(0) + tally.of(429), 0, "{what}: {tally:?}");
        assert_eq!(tally.of(503) > 0, on_failure == "deny", "{what}: {tally:?}");
        made += tally.statuses.values().sum::<u64>();
        let all = fleet.records(made);
        assert_eq!(all.len() as u64, made, "{what}");
        fleet.check_totals(&what, &Sum::of(&all));
    }
}

/// Calls go on before, during and after the fault.
fn under_load(fleet: &mut Fleet, fault: Fault) -> Tally {
    let stop = AtomicBool::new(false);
    let load = Load { connections: 16, ..fleet.load(full_size(100_000)) };
    std::thread::scope(|scope| {
        let running = scope.spawn(|| {
            load.run_until(&stop, |number| {
                // Some 400 calls a second, so that both cores have time for everybody.
                std::thread::sleep(Duration::from_millis(40));
                call(if number % 10 == 3 { "stream" } else { "" }, &team(number))
            })
        });
        std::thread::sleep(Duration::from_millis(500));
        fault(fleet);
        std::thread::sleep(Duration::from_millis(700));
        stop.store(true, Ordering::Relaxed);
        running.join().unwrap()
    })
}
