use super::*;
use crate::render::csv;

const USD: i128 = 1_000_000_000_000;

/// Whole numbers between 0 and 999 that look like chance and are always the same.
fn noise(seed: u64) -> i128 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    i128::from((mixed ^ (mixed >> 31)) % 1000)
}

/// A year of daily costs: a base that grows by so many thousandths a day, weekdays, and so many thousandths of noise.
fn year(seed: u64, growth: i128, weekdays: [i128; 7], noisy: i128) -> Vec<i128> {
    let day = |day: i128| {
        let base = 100 * USD + 100 * USD * growth * day / 1000;
        let weekly = base * weekdays[day as usize % 7] / 100;
        weekly + weekly * noisy * (noise(seed * 1000 + day as u64) - 500) / 500_000
    };
    (0..365).map(day).collect()
}

const OFFICE: [i128; 7] = [130, 135, 130, 125, 110, 40, 30];
const FLAT: [i128; 7] = [100; 7];

#[test]
fn the_model_is_held_against_the_same_day_of_last_week_on_synthetic_years() {
    println!("year                          model off   rival off");
    for (name, growth, weekdays, noisy) in [
        ("steady, office days, 10 %", 0, OFFICE, 100),
        ("steady, office days, 30 %", 0, OFFICE, 300),
        ("growing, office days, 10 %", 5, OFFICE, 100),
        ("growing fast, office days", 20, OFFICE, 100),
        ("growing, every day, 20 %", 5, FLAT, 200),
        ("shrinking, office days, 10 %", -2, OFFICE, 100),
    ] {
        let test = back_test(&year(7, growth, weekdays, noisy));
        let (model, rival) = test.errors().unwrap();
        println!("{name:<30} {:>6}.{} %  {:>7}.{} %", model / 10, model % 10, rival / 10, rival % 10);
        assert!(model < rival, "{name}: {model} {rival}");
    }
}

#[test]
fn a_week_that_repeats_is_forecast_exactly() {
    let days: Vec<i128> = (0..28).map(|day| OFFICE[day % 7] * USD).collect();
    assert_eq!(forecast(&days, 14), (0..14).map(|day| OFFICE[day % 7] * USD).collect::<Vec<_>>());
    assert_eq!(forecast(&days[..13], 5), Vec::<i128>::new());
    assert_eq!(naive(&[], 5), Vec::<i128>::new());
}

#[test]
fn a_budget_that_runs_out_says_when() {
    // From Sunday, 2026-11-01 on, 10 dollars a day for 21 days, the last of which ends in the evening.
    let mut daily = Daily::new(None, Lens::default(), Selection::default());
    for day in 1..=21 {
        let time = format!("2026-11-{day:02}T23:30:00Z").parse().unwrap();
        daily.add(&Row { time, usd: Some(PicoUsd::from_pico(10 * USD)), ..Row::default() });
    }
    let budgets = Budgets::parse("month,usd\n2026-11,250\n2026-12,1000\n2027-05,1\n", None).unwrap();
    let document = daily.document(20, &budgets);
    let table = csv(&document.sheets[0]);
    let rows: Vec<&str> = table.lines().skip(1).collect();
    assert_eq!(
        rows,
        ["all,2026-11,210,90,300,,,250,50,20.0,2026-11-26", "all,2026-12,0,110,110,,,1000,-890,-89.0,"]
    );
    assert_eq!(document.sheets[1].rows[0][1], Cell::text("2026-11-22"));
    for (text, expected) in [
        ("month\n", "there is no column `usd`"),
        ("month,usd\nsoon,1\n", "`soon` is no month"),
        ("month,usd\n2026-11,x\n", "`x`: "),
        ("month,usd\n2026-11,1\n2026-11,2\n", "`all` has two budgets"),
    ] {
        assert!(Budgets::parse(text, None).unwrap_err().starts_with(expected), "{text}");
    }
}

#[test]
fn the_interval_holds_most_of_what_came() {
    let days = year(3, 5, OFFICE, 200);
    let (past, future) = days.split_at(300);
    let tried = back_test(past);
    let said: i128 = forecast(past, 28).iter().sum();
    let was: i128 = future[..28].iter().sum();
    let (low, high) = tried.interval(27).unwrap();
    assert!(low < 1000 && 1000 < high && high - low < 300, "{low} {high}");
    assert!(said * low / 1000 < was && was < said * high / 1000, "{said} {was} {low} {high}");
}
