"""Two agents with the providers' own SDKs, left to themselves: each asks its tool the same thing again and again, because the model wants it
to. Prints for each how many turns it got and what ended it: a JSON object a line.

The argument is the address of the proxy.
"""

import json
import sys

import anthropic
import openai

base = sys.argv[1]
MOST = 10


def look(arguments):
    return "Nothing was found for " + json.dumps(arguments, sort_keys=True)


def with_openai(headers):
    client = openai.OpenAI(base_url=base + "/v1", api_key="none")
    messages = [{"role": "system", "content": "You are careful."}, {"role": "user", "content": "Find the report."}]
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
    for turn in range(MOST):
        yield turn
        answer = client.chat.completions.create(
            model="gpt-4.1-mini", messages=messages, tools=tools, extra_headers=headers)
        message = answer.choices[0].message
        messages.append(message)
        for call in message.tool_calls:
            result = look(json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})


def with_anthropic(headers):
    client = anthropic.Anthropic(base_url=base, api_key="none")
    messages = [{"role": "user", "content": "Find the report."}]
    tools = [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]
    for turn in range(MOST):
        yield turn
        answer = client.messages.create(
            model="claude-haiku-4-5", max_tokens=99, messages=messages, tools=tools, extra_headers=headers)
        messages.append({"role": "assistant", "content": answer.content})
        results = [{"type": "tool_result", "tool_use_id": block.id, "content": look(block.input)}
                   for block in answer.content if block.type == "tool_use"]
        messages.append({"role": "user", "content": results})


for name, agent in {"openai": with_openai, "anthropic": with_anthropic}.items():
    turns, seen = 0, {"error": [], "status": None, "message": None}
    try:
        for turn in agent({"x-workflow-id": "agent-of-" + name}):
            turns = turn
    except Exception as error:
        seen = {"error": [kind.__name__ for kind in type(error).__mro__],
                "status": getattr(error, "status_code", None), "message": str(error)}
    print(json.dumps({"name": name, "turns": turns} | seen), flush=True)
