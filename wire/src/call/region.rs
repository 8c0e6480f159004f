//! Where a call is served, as far as its host and path say it.

/// The region that serves a call: of Vertex and Bedrock their name for it, of OpenAI's regional hosts `eu` or `us`.
/// `None` where host and path do not tell. The host may carry a port.
pub fn region_of<'a>(host: &'a str, path: &'a str) -> Option<&'a str> {
    let host = host.rsplit_once(':').map_or(host, |(name, _)| name);
    if host.ends_with("aiplatform.googleapis.com") {
        let (_, after) = path.split_once("/locations/")?;
        return after.split('/').next().filter(|region| is_region(region));
    }
    let rest = host.strip_prefix("bedrock-runtime").or_else(|| host.strip_prefix("bedrock-mantle"));
    if let Some(rest) = rest {
        // `bedrock-runtime-fips.` is the same service.
        let (region, domain) = rest.trim_start_matches("-fips").strip_prefix('.')?.split_once('.')?;
        let is_aws = domain.starts_with("amazonaws.com") || domain.starts_with("api.aws");
        return Some(region).filter(|region| is_aws && is_region(region));
    }
    match host {
        "eu.api.openai.com" => Some("eu"),
        "us.api.openai.com" => Some("us"),
        _ => None,
    }
}

/// Paths come from clients, so not everything in the place of a region is one.
fn is_region(name: &str) -> bool {
    (2..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_paths_tell_the_region() {
        let vertex = "/v1/projects/p/locations/us-east5/publishers/google/models/g:generateContent";
        for (host, path, region) in [
            ("us-east5-aiplatform.googleapis.com", vertex, Some("us-east5")),
            ("aiplatform.googleapis.com:443", "/v1/projects/p/locations/global/publishers/x", Some("global")),
            ("aiplatform.googleapis.com", "/v1/projects/p/locations/%2e%2e/x", None),
            ("aiplatform.googleapis.com", "/v1/publishers/google/models/g:generateContent", None),
            ("bedrock-runtime.eu-west-1.amazonaws.com", "/model/m/converse", Some("eu-west-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "/model/m/invoke", Some("us-gov-west-1")),
            ("bedrock-mantle.us-east-1.api.aws:443", "/v1/chat/completions", Some("us-east-1")),
            ("bedrock-runtime.llm.corp", "/model/m/invoke", None),
            ("eu.api.openai.com", "/v1/responses", Some("eu")),
            ("api.openai.com", "/v1/responses", None),
            ("llm.corp", vertex, None),
            ("", "", None),
        ] {
            assert_eq!(region_of(host, path), region, "{host} {path}");
        }
    }
}
