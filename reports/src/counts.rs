//! Token counts of a record, which contain each other, as classes that do not: those that have prices.

use tollgate_pricing::{TokenCounts, TokenKind};
use tollgate_record::Tokens;

/// The same counts as disjoint classes, as the filter prices them. A part that is greater than its whole keeps what it
/// says, and nothing is left of the whole.
pub fn disjoint(tokens: &Tokens) -> TokenCounts {
    let cached = [tokens.cache_read_audio, tokens.cache_read_image, tokens.cache_read_video];
    let audio = rest(tokens.audio_input, &[tokens.cache_read_audio]);
    let image = rest(tokens.image_input, &[tokens.cache_read_image]);
    let video = rest(tokens.video_input, &[tokens.cache_read_video]);
    let made = [tokens.reasoning, tokens.audio_output, tokens.image_output, tokens.video_output];
    let input = [tokens.cache_read, tokens.cache_creation, audio, image, video];
    let all = [
        (TokenKind::Input, rest(tokens.input, &input)),
        (TokenKind::CacheRead, rest(tokens.cache_read, &cached)),
        (TokenKind::CacheWrite, rest(tokens.cache_creation, &[tokens.cache_creation_1h])),
        (TokenKind::CacheWrite1h, tokens.cache_creation_1h),
        (TokenKind::InputAudio, audio),
        (TokenKind::InputImage, image),
        (TokenKind::InputVideo, video),
        (TokenKind::CacheReadAudio, tokens.cache_read_audio),
        (TokenKind::CacheReadImage, tokens.cache_read_image),
        (TokenKind::CacheReadVideo, tokens.cache_read_video),
        (TokenKind::Output, rest(tokens.output, &made)),
        (TokenKind::Reasoning, tokens.reasoning),
        (TokenKind::OutputAudio, tokens.audio_output),
        (TokenKind::OutputImage, tokens.image_output),
        (TokenKind::OutputVideo, tokens.video_output),
        (TokenKind::Citation, tokens.citation),
    ];
    let mut counts = TokenCounts::default();
    for (kind, count) in all {
        count.into_iter().for_each(|count| counts.set(kind, count));
    }
    counts
}

/// What a whole has beyond its parts; `None` if it was not reported, or the parts leave nothing.
fn rest(whole: Option<u64>, parts: &[Option<u64>]) -> Option<u64> {
    parts.iter().flatten().try_fold(whole?, |rest, part| rest.checked_sub(*part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tollgate_wire::ReportedUsage;

    fn count() -> impl Strategy<Value = Option<u64>> {
        prop_oneof![Just(None), (0..50_u64).prop_map(Some), (0..1000_u64).prop_map(Some)]
    }

    proptest! {
        /// The wire room makes classes of what a provider reported; here they are made of the record, and are the same.
        #[test]
        fn classes_are_those_that_were_priced(counts in proptest::collection::vec(count(), 16)) {
            let at = |place: usize| counts[place];
            let tokens = Tokens {
                input: at(0), output: at(1), cache_read: at(2), cache_creation: at(3), cache_creation_1h: at(4),
                reasoning: at(5), audio_input: at(6), audio_output: at(7), image_input: at(8), image_output: at(9),
                video_input: at(10), video_output: at(11), cache_read_audio: at(12), cache_read_image: at(13),
                cache_read_video: at(14), citation: at(15),
            };
            let reported = ReportedUsage {
                input: at(0), output: at(1), cache_read: at(2), cache_write: at(3), cache_write_1h: at(4),
                reasoning: at(5), input_audio: at(6), output_audio: at(7), input_image: at(8), output_image: at(9),
                input_video: at(10), output_video: at(11), cache_read_audio: at(12), cache_read_image: at(13),
                cache_read_video: at(14), citation: at(15), ..ReportedUsage::default()
            };
            prop_assert_eq!(disjoint(&tokens), reported.counts());
        }
    }
}
