"""The matrix of conversations that real chat templates are rendered over."""

SYSTEM = {"role": "system", "content": "You are terse. <b>&\"quotes\"</b> é ☃ 😀\n"}
USER = {"role": "user", "content": "  What's the weather in Zürich?\n"}
USER2 = {"role": "user", "content": "And tomorrow? {{ no }} {% template %}"}
ASSISTANT = {"role": "assistant", "content": "It rains."}
PARTS = {"role": "user", "content": [{"type": "text", "text": "Look: "}, {"type": "text", "text": "twice "}]}
IMAGE = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What is this?"},
                                     {"type": "image_url", "image_url": {"url": "x.png"}}]}
DEVELOPER = {"role": "developer", "content": "Prefer SI units."}

PARAMETERS = {
    "type": "object",
    "properties": {
        "location": {"type": "string", "description": "City, e.g. \"Zürich\""},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
        "days": {"type": "integer", "description": "How many", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
        "where": {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
                  "required": ["lat"]},
    },
    "required": ["location"],
}
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Current weather.\nIn a city",
                                      "parameters": PARAMETERS}},
    {"type": "function", "function": {"name": "now", "description": "The time",
                                      "parameters": {"type": "object", "properties": {}}}},
]
TOOLS_RICH = [
    {"type": "function", "function": {
        "name": "search", "description": "Search",
        "parameters": {"type": "object", "properties": {
            "q": {"type": ["string", "null"], "description": "query"},
            "k": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
            "f": {"type": "boolean", "default": False},
            "o": {"oneOf": [{"type": "string"}, {"type": "number"}]},
            "n": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "e": {"enum": ["a", "b"]},
            "x": {"type": "number", "maximum": 2.5},
        }, "required": ["q", "k"], "additionalProperties": False},
        "return": {"type": "object", "properties": {"r": {"type": "string"}}}, "strict": True}},
]

ARGS = {"location": "Zürich", "unit": "celsius", "days": 3, "tags": ["a", "b"], "where": {"lat": 47.4, "ok": True}}
ARGS_TEXT = '{"location": "Zürich", "days": 3}'


def call(arguments, name="get_weather", id="call_0001"):
    tool_call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    if id:
        tool_call["id"] = id
    return tool_call


def asks(*calls, content="", **more):
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


RESULT = {"role": "tool", "content": '{"temp": 7, "sky": "grau"}', "name": "get_weather", "tool_call_id": "call_0001"}
RESULT2 = {"role": "tool", "content": "12:00", "name": "now", "tool_call_id": "call_0002"}
RESULT_OBJECT = {**RESULT, "content": {"temp": 7, "list": [1, 2.5, None, True]}}
RESULT_PARTS = {**RESULT, "content": [{"type": "text", "text": "seven degrees"}]}
LONG_ID = "abcdef123"

CONVERSATIONS = {
    "user": [USER],
    "system": [SYSTEM, USER],
    "system only": [SYSTEM],
    "turns": [USER, ASSISTANT, USER2],
    "system turns": [SYSTEM, USER, ASSISTANT, USER2, ASSISTANT, USER],
    "ends with assistant": [SYSTEM, USER, ASSISTANT],
    "parts": [PARTS],
    "system parts": [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, PARTS, ASSISTANT, USER2],
    "assistant parts": [USER, {"role": "assistant", "content": [{"type": "text", "text": "Part."}]}, USER2],
    "image": [IMAGE],
    "developer": [DEVELOPER, USER],
    "system developer": [SYSTEM, DEVELOPER, USER, ASSISTANT, USER2],
    "two users": [USER, USER2],
    "assistant first": [ASSISTANT, USER],
    "unknown role": [USER, {"role": "critic", "content": "Hm."}, USER2],
    "late system": [USER, ASSISTANT, SYSTEM, USER2],
    "empty": [],
    "empty content": [{"role": "user", "content": ""}],
    "none content": [USER, {"role": "assistant", "content": None}, USER2],
    "no content": [USER, {"role": "assistant"}, USER2],
    "think text": [USER, {"role": "assistant", "content": "<think>\nHm, rain.\n</think>\n\nIt rains."}, USER2],
    "reasoning": [USER, {"role": "assistant", "content": "It rains.", "reasoning_content": "Hm, rain."}, USER2],
    "reasoning last": [USER, {"role": "assistant", "content": "It rains.", "reasoning_content": "Hm,\nrain."}],
    "thinking": [USER, {"role": "assistant", "content": "It rains.", "thinking": "Hm, rain.",
                        "reasoning": "Hm, rain."}, USER2],
    "call object": [USER, asks(call(ARGS)), RESULT],
    "call text": [USER, asks(call(ARGS_TEXT)), RESULT],
    "call bad text": [USER, asks(call("not json")), RESULT],
    "call empty": [USER, asks(call({}, "now")), RESULT2],
    "call no id": [USER, asks(call(ARGS, id=None)), RESULT],
    "call long id": [USER, asks(call(ARGS, id=LONG_ID)), {**RESULT, "tool_call_id": LONG_ID}, ASSISTANT, USER2],
    "call content": [SYSTEM, USER, asks(call(ARGS), content="Let me see."), RESULT, ASSISTANT, USER2],
    "call none content": [USER, asks(call(ARGS), content=None), RESULT],
    "call reasoning": [USER, asks(call(ARGS), content="See.", reasoning_content="I need it.", thinking="I need it."),
                       RESULT, {"role": "assistant", "content": "Rain.", "reasoning_content": "So."}, USER2],
    "call twice": [USER, asks(call(ARGS), call({"zone": "UTC"}, "now", "call_0002")), RESULT, RESULT2, ASSISTANT],
    "call twice text": [SYSTEM, USER, asks(call(ARGS_TEXT), call("{}", "now", "call_0002")), RESULT, RESULT2],
    "call chain": [USER, asks(call(ARGS)), RESULT, asks(call({}, "now", "call_0002")), RESULT2, ASSISTANT, USER2],
    "call without result": [USER, asks(call(ARGS))],
    "call id nine": [USER, asks(call(ARGS, id=LONG_ID), call({}, "now", "abcdef124")),
                     {**RESULT, "tool_call_id": LONG_ID}, {**RESULT2, "tool_call_id": "abcdef124"}],
    "result object": [USER, asks(call(ARGS)), RESULT_OBJECT],
    "result parts": [USER, asks(call(ARGS)), RESULT_PARTS, ASSISTANT],
    "result only": [USER, RESULT],
    "function call": [USER, {"role": "assistant", "content": None,
                             "function_call": {"name": "get_weather", "arguments": ARGS_TEXT}},
                      {"role": "function", "name": "get_weather", "content": "7"}],
    "ipython": [USER, asks(call(ARGS)), {"role": "ipython", "content": {"output": "7"}}, ASSISTANT],
    "flat call": [USER, asks({"name": "get_weather", "arguments": ARGS, "id": "x1"}), RESULT],
    "odd text": [{"role": "user", "content": "tabs\tand \\ 'q' \"d\" \u2028 \u00a0 \x7f <|im_end|> [INST] </s>"},
                 {"role": "assistant", "content": "\n\n lines \n\n"}, {"role": "user", "content": "   "}],
    "string number": [{"role": "user", "content": "12"}, {"role": "assistant", "content": "3.0"}, USER],
    "extra keys": [{**USER, "name": "Eve", "weight": 1.5, "cache": None}, {**ASSISTANT, "prefix": True}, USER2],
    "call then user": [USER, asks(call(ARGS)), RESULT, USER2, asks(call(ARGS_TEXT, id="call_0003")),
                       {**RESULT, "tool_call_id": "call_0003"}],
}

OPTIONS = [
    {},
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking": True, "reasoning_effort": "high", "thinking_mode": "chat", "add_thoughts": True},
    {"thinking": False, "reasoning_effort": "low", "clear_thinking": True, "builtin_tools": ["python", "browser"],
     "date_string": "26 Jul 2024", "preserve_thinking": True, "tools_in_user_message": False},
    {"reasoning_effort": "none", "preserved_thinking": True, "truncate_history_thinking": False,
     "custom_tools": TOOLS, "model_identity": "I am.", "keep_past_thinking": True, "tool_choice": "required",
     "documents_hint": 1},
    {"enable_thinking": True, "thinking_budget": 512, "keep_reasoning": True, "drop_thinking": False,
     "json_response": True, "response_format": {"type": "json_schema", "json_schema": {"schema": PARAMETERS}}},
]
DOCUMENTS = [{"title": "Rain", "text": "It rains.", "content": "It rains.", "doc_id": 1}]
BOS, EOS = "<s>", "</s>"
NOW = 1721995530  # 2024-07-26 12:05:30


def cases():
    """Every conversation, with and without generation prompt and tools; the options over a rotating part of them."""
    made = []
    for number, (name, messages) in enumerate(CONVERSATIONS.items()):
        for t, tools in enumerate((None, TOOLS, TOOLS_RICH, [])):
            for generation in (False, True):
                for o, options in enumerate(OPTIONS):
                    if t > 1 and o > 1:
                        continue
                    made.append({
                        "name": f"{name} / tools {t} / generation {generation} / options {o}",
                        "messages": messages, "tools": tools, "generation": generation, "extra": options,
                        "documents": DOCUMENTS if (number + o) % 5 == 4 else None,
                        "bos": BOS, "eos": EOS, "now": NOW})
    return made
