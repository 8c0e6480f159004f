//! The columns of FOCUS and what stands in them.

use serde_json::{Value as Json, json};
use tollgate_pricing::{PicoUsd, TokenKind};

use super::{Charge, Key, Kind, MICROS, Value, instant, month_of};
use crate::amount::mul_div;

/// Who is billed.
#[derive(Clone, Debug)]
pub struct Account {
    /// The id of the billing account.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The tag that names the sub-account.
    pub sub_account: String,
}

pub const COLUMNS: [(&str, Kind); 50] = [
    ("BilledCost", Kind::Usd),
    ("BillingAccountId", Kind::Text),
    ("BillingAccountName", Kind::Text),
    ("BillingAccountType", Kind::Text),
    ("BillingCurrency", Kind::Text),
    ("BillingPeriodEnd", Kind::Micros),
    ("BillingPeriodStart", Kind::Micros),
    ("ChargeCategory", Kind::Text),
    ("ChargeClass", Kind::Text),
    ("ChargeDescription", Kind::Text),
    ("ChargeFrequency", Kind::Text),
    ("ChargePeriodEnd", Kind::Micros),
    ("ChargePeriodStart", Kind::Micros),
    ("CommitmentDiscountStatus", Kind::Text),
    ("ConsumedQuantity", Kind::Usd),
    ("ConsumedUnit", Kind::Text),
    ("ContractedCost", Kind::Usd),
    ("ContractedUnitPrice", Kind::Usd),
    ("EffectiveCost", Kind::Usd),
    ("InvoiceId", Kind::Text),
    ("InvoiceIssuerName", Kind::Text),
    ("ListCost", Kind::Usd),
    ("ListUnitPrice", Kind::Usd),
    ("PricingCategory", Kind::Text),
    ("PricingCurrency", Kind::Text),
    ("PricingCurrencyContractedUnitPrice", Kind::Usd),
    ("PricingCurrencyEffectiveCost", Kind::Usd),
    ("PricingCurrencyListUnitPrice", Kind::Usd),
    ("PricingQuantity", Kind::Usd),
    ("PricingUnit", Kind::Text),
    ("ProviderName", Kind::Text),
    ("PublisherName", Kind::Text),
    ("RegionId", Kind::Text),
    ("RegionName", Kind::Text),
    ("ResourceId", Kind::Text),
    ("ResourceName", Kind::Text),
    ("ResourceType", Kind::Text),
    ("ServiceCategory", Kind::Text),
    ("ServiceName", Kind::Text),
    ("ServiceSubcategory", Kind::Text),
    ("SkuId", Kind::Text),
    ("SkuMeter", Kind::Text),
    ("SkuPriceDetails", Kind::Text),
    ("SkuPriceId", Kind::Text),
    ("SubAccountId", Kind::Text),
    ("SubAccountName", Kind::Text),
    ("Tags", Kind::Text),
    ("x_ModelName", Kind::Text),
    ("x_TokenType", Kind::Text),
    ("x_CallCount", Kind::Whole),
];

/// A value of a column.
#[derive(Clone, Debug)]
pub enum Cell {
    None,
    Text(String),
    /// A decimal of twelve places.
    Decimal(PicoUsd),
    Second(i64),
    Count(i64),
}

impl Cell {
    pub fn csv(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) if text.contains([',', '"', '\n', '\r']) => {
                format!("\"{}\"", text.replace('"', "\"\""))
            }
            Self::Text(text) => text.clone(),
            Self::Decimal(number) => {
                // Readers that guess types by looking take a column without a point for one of integers.
                let text = number.to_string();
                if text.contains('.') { text } else { format!("{text}.0") }
            }
            Self::Second(second) => instant(*second),
            Self::Count(count) => count.to_string(),
        }
    }

    pub fn value(&self) -> Value<'_> {
        match self {
            Self::None => Value::None,
            Self::Text(text) => Value::Text(text),
            Self::Decimal(number) => Value::Usd(*number),
            Self::Second(second) => second.checked_mul(1_000_000).map_or(Value::None, Value::Whole),
            Self::Count(count) => Value::Whole(*count),
        }
    }
}

/// The cells of a charge, in the order of the columns. `InvoiceId` stays empty, since the log knows of no invoice.
pub fn row(account: &Account, key: &Key, charge: &Charge) -> [Cell; 50] {
    let told = Told::of(key, charge);
    let parts = [
        of_the_bill(account, key, &told).to_vec(),
        of_the_charge(key, &told).to_vec(),
        of_the_price(&told).to_vec(),
        of_the_service(key, &told).to_vec(),
        of_the_customer(account, key, charge).to_vec(),
    ];
    let mut all = parts.into_iter().flatten();
    std::array::from_fn(|_| all.next().unwrap_or(Cell::None))
}

/// What several columns tell.
struct Told {
    billed: Cell,
    list: Cell,
    quantity: Cell,
    unit: &'static str,
    /// The price of one unit, as billed and as listed.
    contracted_price: Cell,
    list_price: Cell,
    meter: String,
    sku: String,
}

impl Told {
    fn of(key: &Key, charge: &Charge) -> Self {
        let is_tokens = TokenKind::from_name(&key.meter).is_some();
        Self {
            billed: Cell::Decimal(charge.billed),
            list: Cell::Decimal(charge.list),
            quantity: quantity(charge.quantity),
            unit: if is_tokens { "Tokens" } else { "Units" },
            contracted_price: price(key.unit_price, charge.billed, charge.quantity),
            list_price: price(key.list_unit_price, charge.list, charge.quantity),
            meter: words(&key.meter, is_tokens),
            sku: format!("{}/{}", key.provider, key.model),
        }
    }
}

/// `BilledCost` to `BillingPeriodStart`.
fn of_the_bill(account: &Account, key: &Key, told: &Told) -> [Cell; 7] {
    let (month, next_month) = month_of(key.start);
    [
        told.billed.clone(),
        text(&account.id),
        text(&account.name),
        text("Organization"),
        text("USD"),
        Cell::Second(next_month),
        Cell::Second(month),
    ]
}

/// `ChargeCategory` to `ListUnitPrice`.
fn of_the_charge(key: &Key, told: &Told) -> [Cell; 16] {
    [
        text("Usage"),
        Cell::None,
        Cell::Text(format!("{} {}, {}", key.model, told.meter, key.operation)),
        text("Usage-Based"),
        Cell::Second(key.start.saturating_add(86_400)),
        Cell::Second(key.start),
        Cell::None,
        told.quantity.clone(),
        text(told.unit),
        told.billed.clone(),
        told.contracted_price.clone(),
        told.billed.clone(),
        Cell::None,
        text(&key.provider),
        told.list.clone(),
        told.list_price.clone(),
    ]
}

/// `PricingCategory` to `PricingUnit`.
fn of_the_price(told: &Told) -> [Cell; 7] {
    [
        text("Standard"),
        text("USD"),
        told.contracted_price.clone(),
        told.billed.clone(),
        told.list_price.clone(),
        told.quantity.clone(),
        text(told.unit),
    ]
}

/// `ProviderName` to `SkuPriceId`.
fn of_the_service(key: &Key, told: &Told) -> [Cell; 14] {
    let region = || key.region.clone().map_or(Cell::None, Cell::Text);
    let details = json!({"x_ModelName": key.model, "x_TokenType": key.meter, "x_Operation": key.operation});
    [
        text(&key.provider),
        text(&key.provider),
        region(),
        region(),
        Cell::None,
        Cell::None,
        Cell::None,
        text("AI and Machine Learning"),
        Cell::Text(format!("{} API", key.provider)),
        text("Generative AI"),
        text(&told.sku),
        text(&told.meter),
        Cell::Text(details.to_string()),
        Cell::Text(format!("{}/{}", told.sku, key.meter)),
    ]
}

/// `SubAccountId` to the end.
fn of_the_customer(account: &Account, key: &Key, charge: &Charge) -> [Cell; 6] {
    let tags: Json = key.tags.as_deref().and_then(|tags| serde_json::from_str(tags).ok()).unwrap_or_default();
    let sub_account = || tags.get(&account.sub_account).and_then(Json::as_str).map_or(Cell::None, text);
    [
        sub_account(),
        sub_account(),
        key.tags.clone().map_or(Cell::None, Cell::Text),
        text(&key.model),
        text(&key.meter),
        Cell::Count(i64::try_from(charge.calls).unwrap_or(i64::MAX)),
    ]
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// `cache_read` is `Cache Read Tokens`.
fn words(meter: &str, is_tokens: bool) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map(|first| first.to_uppercase().chain(letters).collect::<String>())
            .unwrap_or_default()
    };
    let mut words: Vec<String> = meter.split('_').map(capital).collect();
    words.extend(is_tokens.then(|| "Tokens".to_owned()));
    words.join(" ")
}

/// Millionths as a decimal of twelve places.
fn quantity(micros: u128) -> Cell {
    let places = micros.checked_mul(MICROS).and_then(|pico| i128::try_from(pico).ok());
    places.map_or(Cell::None, |pico| Cell::Decimal(PicoUsd::from_pico(pico)))
}

/// The price of one, and where rows of several prices stand together their mean, to twelve decimals.
fn price(exact: Option<i128>, amount: PicoUsd, quantity: u128) -> Cell {
    let mean = || mul_div(amount.pico(), MICROS, quantity);
    exact.or_else(mean).map_or(Cell::None, |pico| Cell::Decimal(PicoUsd::from_pico(pico)))
}
