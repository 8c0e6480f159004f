//! Providers: by which hosts they are known, and what is peculiar about their reports.

use crate::routes::{self, Route};

/// One provider.
#[derive(Debug)]
pub(crate) struct Provider {
    /// OpenTelemetry's name, or one in its style where it has none.
    pub(crate) name: &'static str,
    /// Its hosts: exact, or with one `*` that stands for any letters.
    pub(crate) hosts: &'static [&'static str],
    /// Paths that mean something else, or more, there than elsewhere.
    pub(crate) routes: &'static [Route],
    pub(crate) habits: &'static [Habit],
}

/// What is peculiar about a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// It takes `stream_options.include_usage`, and reports no usage of a stream without it.
    TakesIncludeUsage,
    /// The same, from the API version of 2024-09-01 on (Azure).
    TakesIncludeUsageByVersion,
    /// Reasoning is never inside the output of chat completions, whatever the total says.
    ReasoningApart,
    /// The same for models whose name begins with `google/`.
    ReasoningApartForGoogle,
    /// What the total has beyond input and output was thought (Gemini's OpenAI-compatible endpoint).
    HiddenThinking,
    /// Its search models search once for each chat completion, and no answer tells (OpenAI's "Web search": they "always retrieve
    /// information from the web before responding").
    SearchModels,
}

use Habit::{
    HiddenThinking, ReasoningApart, ReasoningApartForGoogle, SearchModels, TakesIncludeUsage,
    TakesIncludeUsageByVersion,
};

/// A provider whose paths are OpenAI's.
const fn compatible(
    name: &'static str,
    hosts: &'static [&'static str],
    habits: &'static [Habit],
) -> Provider {
    Provider { name, hosts, routes: &[], habits }
}

const fn own(name: &'static str, hosts: &'static [&'static str], routes: &'static [Route]) -> Provider {
    Provider { name, hosts, routes, habits: &[] }
}

/// All providers that are known by host.
pub(crate) static PROVIDERS: &[Provider] = &[
    compatible(
        "openai",
        &["api.openai.com", "*.api.openai.com", "chatgpt.com"],
        &[TakesIncludeUsage, SearchModels],
    ),
    own("anthropic", &["api.anthropic.com"], &[]),
    Provider {
        name: "gcp.gemini",
        hosts: &["generativelanguage.googleapis.com"],
        routes: routes::GOOGLE,
        habits: &[HiddenThinking, TakesIncludeUsage],
    },
    Provider {
        name: "gcp.vertex_ai",
        hosts: &["aiplatform.googleapis.com", "*aiplatform.googleapis.com", "*.rep.googleapis.com"],
        routes: routes::GOOGLE,
        habits: &[HiddenThinking, TakesIncludeUsage],
    },
    own("gcp.gen_ai", &["cloudcode-pa.googleapis.com"], routes::GOOGLE),
    compatible(
        "azure.ai.openai",
        &["*.openai.azure.com", "*.cognitiveservices.azure.com", "*.services.ai.azure.com"],
        &[TakesIncludeUsageByVersion],
    ),
    compatible("azure.ai.inference", &["*.inference.ai.azure.com", "*.models.ai.azure.com"], &[]),
    own(
        "aws.bedrock",
        &["bedrock-runtime.*.amazonaws.com", "bedrock-runtime-fips.*.amazonaws.com"],
        routes::BEDROCK,
    ),
    own(
        "aws.bedrock",
        &["*.bedrock-runtime.*.vpce.amazonaws.com", "bedrock-runtime.*.amazonaws.com.cn"],
        routes::BEDROCK,
    ),
    compatible("aws.bedrock", &["bedrock-mantle.*.api.aws"], &[TakesIncludeUsage]),
    own("aws.sagemaker", &["runtime.sagemaker.*.amazonaws.com"], &[]),
    own("cohere", &["api.cohere.com", "api.cohere.ai", "production.api.cohere.ai"], routes::COHERE),
    own("voyage_ai", &["api.voyageai.com"], routes::VOYAGE),
    Provider {
        name: "ollama",
        hosts: &["ollama.com", "api.ollama.com"],
        routes: routes::OLLAMA,
        habits: &[TakesIncludeUsage],
    },
    own("mistral_ai", &["api.mistral.ai", "codestral.mistral.ai"], routes::MISTRAL),
    compatible("groq", &["api.groq.com"], &[TakesIncludeUsage]),
    compatible("x_ai", &["api.x.ai", "*.api.x.ai"], &[TakesIncludeUsage]),
    Provider { name: "deepseek", hosts: &["api.deepseek.com"], routes: &[], habits: &[TakesIncludeUsage] },
    compatible("openrouter", &["openrouter.ai"], &[]),
    compatible("perplexity", &["api.perplexity.ai"], &[ReasoningApart]),
    compatible("vercel", &["ai-gateway.vercel.sh"], &[ReasoningApartForGoogle, TakesIncludeUsage]),
    compatible("github_copilot", &["api.githubcopilot.com", "*.githubcopilot.com"], &[TakesIncludeUsage]),
    compatible("github", &["models.github.ai", "models.inference.ai.azure.com"], &[TakesIncludeUsage]),
    own(
        "databricks",
        &["*.azuredatabricks.net", "*.cloud.databricks.com", "*.gcp.databricks.com"],
        routes::DATABRICKS,
    ),
    own("writer", &["api.writer.com"], routes::WRITER),
    compatible("moonshot_ai", &["api.moonshot.ai", "api.moonshot.cn"], &[TakesIncludeUsage]),
    compatible(
        "huggingface",
        &["router.huggingface.co", "api-inference.huggingface.co"],
        &[TakesIncludeUsage],
    ),
    compatible("huggingface", &["*.endpoints.huggingface.cloud"], &[TakesIncludeUsage]),
    Provider {
        name: "snowflake",
        hosts: &["*.snowflakecomputing.com"],
        routes: routes::SNOWFLAKE,
        habits: &[TakesIncludeUsage],
    },
    compatible("heroku", &["*.inference.heroku.com", "inference.heroku.com"], &[]),
    compatible("cerebras", &["api.cerebras.ai"], &[TakesIncludeUsage]),
    compatible("cloudflare", &["api.cloudflare.com", "gateway.ai.cloudflare.com"], &[]),
    compatible("together", &["api.together.xyz", "api.together.ai"], &[TakesIncludeUsage]),
    compatible("fireworks", &["api.fireworks.ai"], &[TakesIncludeUsage]),
    compatible("avian", &["api.avian.io"], &[TakesIncludeUsage]),
    compatible("doubleword", &["api.doubleword.ai"], &[TakesIncludeUsage]),
    compatible("crusoe", &["api.inference.crusoecloud.com"], &[TakesIncludeUsage]),
    compatible("venice", &["api.venice.ai"], &[TakesIncludeUsage]),
    compatible("portkey", &["api.portkey.ai"], &[]),
    compatible("zai", &["api.z.ai", "open.bigmodel.cn"], &[TakesIncludeUsage]),
    Provider {
        name: "alibaba",
        hosts: &["dashscope*.aliyuncs.com"],
        routes: routes::ALIBABA,
        habits: &[TakesIncludeUsage],
    },
    own("ibm.watsonx.ai", &["*.ml.cloud.ibm.com"], routes::WATSONX),
    compatible("novita", &["api.novita.ai"], &[TakesIncludeUsage]),
    compatible("deepinfra", &["api.deepinfra.com"], &[TakesIncludeUsage]),
    compatible("sambanova", &["api.sambanova.ai"], &[TakesIncludeUsage]),
    compatible("hyperbolic", &["api.hyperbolic.xyz"], &[]),
    compatible(
        "nebius",
        &["api.studio.nebius.com", "api.studio.nebius.ai", "api.tokenfactory.nebius.com"],
        &[],
    ),
    compatible("nvidia", &["integrate.api.nvidia.com"], &[TakesIncludeUsage]),
    Provider {
        name: "minimax",
        hosts: &["api.minimax.io", "api.minimaxi.com", "api.minimax.chat"],
        routes: routes::MINIMAX,
        habits: &[TakesIncludeUsage],
    },
    compatible("ai21", &["api.ai21.com"], &[]),
    compatible("baseten", &["inference.baseten.co"], &[TakesIncludeUsage]),
    compatible("siliconflow", &["api.siliconflow.com", "api.siliconflow.cn"], &[]),
    compatible("volcengine", &["ark.*.volces.com"], &[TakesIncludeUsage]),
    compatible("ovhcloud", &["*.endpoints.kepler.ai.cloud.ovh.net"], &[]),
    compatible("jina_ai", &["api.jina.ai"], &[]),
];

/// The provider that a host belongs to. The host carries no port and is in lower case.
pub(crate) fn by_host(host: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.hosts.iter().any(|pattern| matches(pattern, host)))
}

/// Hugging Face's router hands calls on to sellers, each with its own prices: the first segment of the path
/// names the seller, and the provider is then known by both names.
static SELLERS: &[(&str, &str)] = &[
    ("cerebras", "huggingface_cerebras"),
    ("fireworks-ai", "huggingface_fireworks-ai"),
    ("groq", "huggingface_groq"),
    ("hyperbolic", "huggingface_hyperbolic"),
    ("nebius", "huggingface_nebius"),
    ("novita", "huggingface_novita"),
    ("nscale", "huggingface_nscale"),
    ("ovhcloud", "huggingface_ovhcloud"),
    ("publicai", "huggingface_publicai"),
    ("sambanova", "huggingface_sambanova"),
    ("together", "huggingface_together"),
];

impl Provider {
    /// The name of the provider, or of the seller behind it where the path names one.
    pub(crate) fn name_under(&self, segments: &[&str]) -> &'static str {
        let first = segments.first().filter(|_| self.name == ROUTER);
        let seller = first.and_then(|first| SELLERS.iter().find(|(seller, _)| seller == first));
        seller.map_or(self.name, |(_, name)| name)
    }
}

/// The provider that is a router to [`SELLERS`].
const ROUTER: &str = "huggingface";

/// Whether calls may be made to a provider of that name without the configuration naming it.
pub fn is_provider(name: &str) -> bool {
    PROVIDERS.iter().any(|provider| provider.name == name) || SELLERS.iter().any(|(_, both)| *both == name)
}

/// The habits of the provider with that name. A seller behind a router has the router's.
pub(crate) fn habits(name: &str) -> &'static [Habit] {
    let name = if SELLERS.iter().any(|(_, both)| *both == name) { ROUTER } else { name };
    PROVIDERS.iter().find(|provider| provider.name == name).map_or(&[], |provider| provider.habits)
}

/// Whether a host fits a pattern whose `*`s stand for any letters, none included.
fn matches(pattern: &str, host: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| host.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some((_, tail)) = rest.split_once(part) else { return false };
        rest = tail;
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_known() {
        let cases = [
            ("api.openai.com", Some("openai")),
            ("eu.api.openai.com", Some("openai")),
            ("us-east5-aiplatform.googleapis.com", Some("gcp.vertex_ai")),
            ("aiplatform.googleapis.com", Some("gcp.vertex_ai")),
            ("bedrock-runtime.eu-central-1.amazonaws.com", Some("aws.bedrock")),
            ("vpce-1.bedrock-runtime.us-east-1.vpce.amazonaws.com", Some("aws.bedrock")),
            ("my-team.openai.azure.com", Some("azure.ai.openai")),
            ("dashscope-intl.aliyuncs.com", Some("alibaba")),
            ("api.openai.com.evil.example", None),
            ("notapi.openai.com.example", None),
            ("openai.com", None),
            ("", None),
        ];
        for (host, expected) in cases {
            assert_eq!(by_host(host).map(|provider| provider.name), expected, "`{host}`");
        }
    }

    /// Providers that the price catalogue does not know, each with the reason.
    const UNPRICED: [(&str, &str); 10] = [
        ("aws.sagemaker", "bills the machines of one's own endpoint by the hour, not tokens"),
        ("github", "GitHub Models: no list price by token in any source of the catalogue"),
        ("heroku", "sold as an add-on; no list price in any source of the catalogue"),
        ("huggingface", "the router: the seller's price counts, by path or by `model:seller`"),
        ("nvidia", "a free trial of self-hosted models; no list price"),
        ("ollama", "self-hosted, or a flat subscription"),
        ("portkey", "a gateway: the provider behind it bills"),
        ("siliconflow", "no list price in any source of the catalogue"),
        ("venice", "no list price in any source of the catalogue"),
        ("writer", "no list price in any source of the catalogue"),
    ];

    fn names() -> impl Iterator<Item = &'static str> {
        let sellers = SELLERS.iter().map(|(_, name)| *name);
        PROVIDERS.iter().map(|provider| provider.name).chain(sellers)
    }

    #[test]
    fn every_name_has_prices_or_a_reason_why_not() {
        let catalogue = tollgate_pricing::catalogue();
        for name in names() {
            let excused = UNPRICED.iter().any(|(unpriced, _)| *unpriced == name);
            assert_ne!(catalogue.provider_known(name), excused, "`{name}`");
        }
        for (unpriced, _) in UNPRICED {
            assert!(names().any(|name| name == unpriced), "`{unpriced}` is not given by any host");
        }
    }

    #[test]
    fn the_names_are_those_of_opentelemetry() {
        // The well-known values of `gen_ai.provider.name` in the semantic conventions.
        let conventions = [
            "anthropic",
            "aws.bedrock",
            "azure.ai.inference",
            "azure.ai.openai",
            "cohere",
            "deepseek",
            "gcp.gemini",
            "gcp.gen_ai",
            "gcp.vertex_ai",
            "groq",
            "ibm.watsonx.ai",
            "mistral_ai",
            "openai",
            "perplexity",
            "x_ai",
        ];
        for convention in conventions {
            assert!(names().any(|name| name == convention), "`{convention}`");
        }
    }

    #[test]
    fn a_router_is_named_with_its_seller() {
        let router = by_host("router.huggingface.co").unwrap();
        let cases = [
            ("huggingface_nebius", &["nebius", "v1", "chat", "completions"][..]),
            ("huggingface", &["v1", "chat", "completions"]),
            ("huggingface", &["stranger", "v1", "chat", "completions"]),
            ("huggingface", &[]),
        ];
        for (expected, segments) in cases {
            assert_eq!(router.name_under(segments), expected, "{segments:?}");
            assert_eq!(habits(expected), router.habits, "{expected}");
        }
        assert_eq!(by_host("api.openai.com").unwrap().name_under(&["nebius"]), "openai");
    }
}
