//! The fields of each dialect. No table may hold more than 64.

use crate::field::Role::{
    AudioSeconds, Background, Choice, ChoiceList, Choices, Error, Finish, Id, ImageQuality, ImageSize,
    IncludeUsage, InputCount, MapPlace, MaxOutput, Metrics, Model, OutputAction, OutputCount, OutputType,
    Picture, SearchCount, Searches, Speed, SpokenText, Status, StatusReason, Stream, StreamOptions, Tier,
    ToolModel, ToolPictures, Usage,
};
use crate::stream::json_fields::{Want, want};

pub(super) const CHAT_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Stream, &["stream"]),
    want(StreamOptions, &["stream_options"]),
    want(IncludeUsage, &["stream_options", "include_usage"]),
    want(MaxOutput, &["max_completion_tokens"]),
    want(MaxOutput, &["max_tokens"]),
    want(Choices, &["n"]),
    want(Tier, &["service_tier"]),
];

pub(super) const CHAT: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["x_groq", "usage"]),
    want(Usage, &["usage"]),
    want(Tier, &["service_tier"]),
    want(ChoiceList, &["choices"]),
    want(Choice, &["choices", "*"]),
    want(Finish, &["choices", "*", "finish_reason"]),
    // Moonshot tells it there.
    want(Usage, &["choices", "*", "usage"]),
    want(Error, &["error"]),
];

pub(super) const NATIVE_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Stream, &["stream"]),
    want(MaxOutput, &["max_completion_tokens"]),
    want(MaxOutput, &["max_tokens"]),
    want(MaxOutput, &["parameters", "max_tokens"]),
];

pub(super) const NATIVE: &[Want] = &[
    want(Id, &["id"]),
    want(Id, &["request_id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Finish, &["choices", "*", "finish_reason"]),
    want(Finish, &["output", "finish_reason"]),
    want(Finish, &["output", "choices", "*", "finish_reason"]),
    want(Error, &["error"]),
];

pub(super) const CONVERSATIONS: &[Want] = &[
    want(Id, &["conversation_id"]),
    want(Model, &["model"]),
    want(Model, &["outputs", "*", "model"]),
    want(Usage, &["usage"]),
    want(Error, &["error"]),
];

pub(super) const RESPONSES_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Stream, &["stream"]),
    want(MaxOutput, &["max_output_tokens"]),
    want(Tier, &["service_tier"]),
];

pub(super) const RESPONSES: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Tier, &["service_tier"]),
    want(Status, &["status"]),
    want(StatusReason, &["incomplete_details", "reason"]),
    want(OutputType, &["output", "*", "type"]),
    want(OutputAction, &["output", "*", "action", "type"]),
    want(SearchCount, &["tool_usage", "web_search", "num_requests"]),
    want(ToolPictures, &["tool_usage", "image_gen"]),
    want(ToolModel, &["tools", "*", "model"]),
    want(Background, &["background"]),
    want(Error, &["error"]),
    want(Id, &["response", "id"]),
    want(Model, &["response", "model"]),
    want(Usage, &["response", "usage"]),
    want(Tier, &["response", "service_tier"]),
    want(Status, &["response", "status"]),
    want(StatusReason, &["response", "incomplete_details", "reason"]),
    want(OutputType, &["response", "output", "*", "type"]),
    want(OutputAction, &["response", "output", "*", "action", "type"]),
    want(SearchCount, &["response", "tool_usage", "web_search", "num_requests"]),
    want(ToolPictures, &["response", "tool_usage", "image_gen"]),
    want(ToolModel, &["response", "tools", "*", "model"]),
    want(Background, &["response", "background"]),
    want(Error, &["response", "error"]),
];

pub(super) const IMAGES_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Stream, &["stream"]),
    want(Choices, &["n"]),
    want(ImageSize, &["size"]),
    want(ImageQuality, &["quality"]),
];

pub(super) const IMAGES: &[Want] = &[
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Picture, &["data", "*"]),
    want(ImageSize, &["size"]),
    want(ImageQuality, &["quality"]),
    want(Error, &["error"]),
];

pub(super) const SPEECH_REQUEST: &[Want] =
    &[want(Model, &["model"]), want(Stream, &["stream"]), want(SpokenText, &["input"])];

pub(super) const TRANSCRIPTION: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(AudioSeconds, &["duration"]),
    want(Error, &["error"]),
];

pub(super) const OCR: &[Want] =
    &[want(Model, &["model"]), want(Usage, &["usage_info"]), want(Error, &["error"])];

pub(super) const BATCH_FILE: &[Want] =
    &[want(Model, &["response", "body", "model"]), want(Usage, &["response", "body", "usage"])];

pub(super) const BATCH_MESSAGES: &[Want] =
    &[want(Model, &["result", "message", "model"]), want(Usage, &["result", "message", "usage"])];

pub(super) const MESSAGES_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Stream, &["stream"]),
    want(MaxOutput, &["max_tokens"]),
    want(Tier, &["service_tier"]),
];

pub(super) const MESSAGES: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Finish, &["stop_reason"]),
    want(Id, &["message", "id"]),
    want(Model, &["message", "model"]),
    want(Usage, &["message", "usage"]),
    want(Finish, &["delta", "stop_reason"]),
    want(Error, &["error"]),
];

pub(super) const GEMINI_REQUEST: &[Want] = &[
    want(MaxOutput, &["generationConfig", "maxOutputTokens"]),
    want(MaxOutput, &["generation_config", "max_output_tokens"]),
    want(Choices, &["generationConfig", "candidateCount"]),
    want(Choices, &["generation_config", "candidate_count"]),
    want(Tier, &["serviceTier"]),
];

pub(super) const GEMINI: &[Want] = &[
    want(Id, &["responseId"]),
    want(Model, &["modelVersion"]),
    want(Usage, &["usageMetadata"]),
    want(Finish, &["candidates", "*", "finishReason"]),
    want(Finish, &["promptFeedback", "blockReason"]),
    want(Searches, &["candidates", "*", "groundingMetadata", "webSearchQueries"]),
    want(MapPlace, &["candidates", "*", "groundingMetadata", "groundingChunks", "*", "maps"]),
    want(Error, &["error"]),
    want(Id, &["response", "responseId"]),
    want(Model, &["response", "modelVersion"]),
    want(Usage, &["response", "usageMetadata"]),
    want(Finish, &["response", "candidates", "*", "finishReason"]),
    want(Searches, &["response", "candidates", "*", "groundingMetadata", "webSearchQueries"]),
    want(MapPlace, &["response", "candidates", "*", "groundingMetadata", "groundingChunks", "*", "maps"]),
];

pub(super) const INTERACTIONS: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Status, &["status"]),
    want(Id, &["interaction", "id"]),
    want(Model, &["interaction", "model"]),
    want(Usage, &["interaction", "usage"]),
    want(Status, &["interaction", "status"]),
    want(Error, &["error"]),
];

pub(super) const PREDICT: &[Want] = &[
    want(InputCount, &["predictions", "*", "embeddings", "statistics", "token_count"]),
    want(Picture, &["predictions", "*", "bytesBase64Encoded"]),
    want(Error, &["error"]),
];

pub(super) const CONVERSE_REQUEST: &[Want] =
    &[want(MaxOutput, &["inferenceConfig", "maxTokens"]), want(Tier, &["serviceTier", "type"])];

pub(super) const CONVERSE: &[Want] = &[
    want(Usage, &["usage"]),
    want(Finish, &["stopReason"]),
    want(Tier, &["serviceTier", "type"]),
    want(Speed, &["performanceConfig", "latency"]),
    // A prompt router picks the model; only its trace tells which.
    want(Model, &["trace", "promptRouter", "invokedModelId"]),
];

pub(super) const INVOKE_REQUEST: &[Want] = &[
    want(MaxOutput, &["max_tokens"]),
    want(MaxOutput, &["max_tokens_to_sample"]),
    want(MaxOutput, &["max_gen_len"]),
    want(MaxOutput, &["max_completion_tokens"]),
    want(MaxOutput, &["textGenerationConfig", "maxTokenCount"]),
    want(MaxOutput, &["inferenceConfig", "max_new_tokens"]),
    want(MaxOutput, &["inferenceConfig", "maxTokens"]),
];

pub(super) const INVOKE: &[Want] = &[
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["usage"]),
    want(Finish, &["stop_reason"]),
    want(Finish, &["stopReason"]),
    want(Finish, &["choices", "*", "finish_reason"]),
    want(Finish, &["results", "*", "completionReason"]),
    want(Id, &["message", "id"]),
    want(Model, &["message", "model"]),
    want(Usage, &["message", "usage"]),
    want(Finish, &["delta", "stop_reason"]),
    want(Finish, &["messageStop", "stopReason"]),
    want(Usage, &["metadata", "usage"]),
    want(InputCount, &["prompt_token_count"]),
    want(OutputCount, &["generation_token_count"]),
    want(InputCount, &["inputTextTokenCount"]),
    want(OutputCount, &["results", "*", "tokenCount"]),
    want(Picture, &["images", "*"]),
    want(Picture, &["artifacts", "*", "base64"]),
    want(Metrics, &["amazon-bedrock-invocationMetrics"]),
];

pub(super) const COHERE: &[Want] = &[
    want(Id, &["generation_id"]),
    want(Id, &["response_id"]),
    want(Id, &["id"]),
    want(Model, &["model"]),
    want(Usage, &["meta"]),
    want(Usage, &["usage"]),
    want(Finish, &["finish_reason"]),
    want(Id, &["response", "generation_id"]),
    want(Usage, &["response", "meta"]),
    want(Usage, &["delta", "usage"]),
    want(Finish, &["delta", "finish_reason"]),
    want(Finish, &["generations", "*", "finish_reason"]),
    want(Error, &["error"]),
];

/// What a custom shape is asked for beside the configured places.
pub(super) const CUSTOM_REQUEST: &[Want] = &[want(Stream, &["stream"])];

pub(super) const OLLAMA_REQUEST: &[Want] = &[
    want(Model, &["model"]),
    want(Model, &["name"]),
    want(Stream, &["stream"]),
    want(MaxOutput, &["options", "num_predict"]),
];

pub(super) const OLLAMA: &[Want] = &[
    want(Model, &["model"]),
    want(InputCount, &["prompt_eval_count"]),
    want(OutputCount, &["eval_count"]),
    want(Finish, &["done_reason"]),
    want(Error, &["error"]),
];
