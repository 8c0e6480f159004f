"""Makes calls with the providers' own SDKs, all at once, and prints of each what its user would see: a JSON object a line.

Standard input is an object: `base`, where the proxy is, and `cases`. A case has `name` (sent as the query `case`), `way` (a function
below), `model`, `team`, `stream`, and where it needs them `max_tokens`, `usage` (ask for the usage of a stream), `text` (what is asked),
`retries` (default: the SDK's own), `then` (a team whose call the same client makes afterwards).
"""

import concurrent.futures
import functools
import json
import sys
import threading
import time

import anthropic
import openai

given = json.load(sys.stdin)
printing = threading.Lock()


@functools.cache
def client(sdk, retries):
    settings = {"api_key": "none", "timeout": 60} | ({} if retries is None else {"max_retries": retries})
    if sdk == "openai":
        return openai.OpenAI(base_url=given["base"] + "/v1", **settings)
    return anthropic.Anthropic(base_url=given["base"], **settings)


def options(case, limit):
    common = {"model": case["model"], limit: case.get("max_tokens", 9)}
    return common | {"extra_headers": {"x-team": case["team"]}, "extra_query": {"case": case["name"]}}


def messages(case):
    return [{"role": "user", "content": case.get("text", "Hello")}]


def chat(case, said):
    call = functools.partial(
        client("openai", case.get("retries")).chat.completions.create,
        messages=messages(case), **options(case, "max_tokens"))
    if not case.get("stream"):
        answer = call()
        said.append(answer.choices[0].message.content)
        return answer.usage.completion_tokens
    asked, usage = case.get("usage"), None
    for chunk in call(stream=True, **({"stream_options": {"include_usage": True}} if asked else {})):
        # Only who asked for the usage may get a chunk without a choice: to all others it would be an IndexError.
        if asked and not chunk.choices:
            usage = chunk.usage.completion_tokens
        else:
            said.append(chunk.choices[0].delta.content or "")
    return usage


def responses(case, said):
    call = functools.partial(
        client("openai", case.get("retries")).responses.create,
        input=case.get("text", "Hello"), **options(case, "max_output_tokens"))
    if not case.get("stream"):
        answer = call()
        said.append(answer.output_text)
        return answer.usage.output_tokens
    usage = None
    for event in call(stream=True):
        if event.type == "response.output_text.delta":
            said.append(event.delta)
        if event.type == "response.completed":
            usage = event.response.usage.output_tokens
    return usage


def claude(case, said):
    api = client("anthropic", case.get("retries")).messages
    asked = {"messages": messages(case)} | options(case, "max_tokens")
    if not case.get("stream"):
        answer = api.create(**asked)
        said.append(answer.content[0].text)
        return answer.usage.output_tokens
    with api.stream(**asked) as stream:
        for text in stream.text_stream:
            said.append(text)
        return stream.get_final_message().usage.output_tokens


WAYS = {"chat": chat, "responses": responses, "claude": claude}


def outcome(case):
    said, begun = [], time.monotonic()
    seen = {"name": case["name"], "error": [], "status": None, "body": None, "usage": None}
    try:
        seen["usage"] = WAYS[case["way"]](case, said)
    except Exception as error:
        seen["error"] = [kind.__name__ for kind in type(error).__mro__]
        seen["status"] = getattr(error, "status_code", None)
        body = getattr(error, "body", None)
        # Anthropic's SDK keeps the whole body, OpenAI's what stands under `error`.
        seen["body"] = body.get("error", body) if isinstance(body, dict) else body
        seen["message"] = str(error)
    return seen | {"text": "".join(said), "seconds": time.monotonic() - begun}


def run(case):
    show(outcome(case))
    if "then" in case:
        show(outcome(case | {"name": case["name"] + ", then", "team": case["then"], "stream": False, "text": "Hello"}))


def show(seen):
    with printing:
        print(json.dumps(seen), flush=True)


for case in given["cases"]:
    client("anthropic" if case["way"] == "claude" else "openai", case.get("retries"))
with concurrent.futures.ThreadPoolExecutor(len(given["cases"])) as pool:
    for done in [pool.submit(run, case) for case in given["cases"]]:
        done.result()
