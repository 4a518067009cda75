"""Goal: whatever a client sends as a conversation, the daemon lives, answers each request once, with
a reply or an error, and serves a good one afterwards.
Method: conversations, made at random and then broken (keys, types, bytes), for models of every
renderer and parser, over one connection of a client that speaks the wire by hand.

usage: chat_fuzz.py HEARTHD MODEL.gguf [SECONDS [SEED]]
"""
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

HELLO, GENERATE, RENDER = 1, 7, 21
REPLY, ERROR = 1, 2
OPEN_AT_ONCE = 16
CARDS = {
    "plain": {},
    "gemma": {"promptRenderer": "gemma4", "outputParser": "gemma4"},
    "deepseek": {"promptRenderer": "dsml", "outputParser": "deepseek_v32"},
    "harmony": {"outputParser": "gpt_oss"},
}
TEXTS = [
    "", " ", "Hello", "<|im_start|>", "<think>", "</think>", "<tool_call>{\"name\":\"f\"}</tool_call>",
    "{{ messages }}{% raise %}", "<|channel>thought\n", "<|channel|>analysis<|message|>", "\u00e9\U0001f525",
    "[TOOL_CALLS]", "<|\"|>", "a" * 3000, "\n" * 50, "{\"a\": [1, true, null]}", "\\", "\"",
]
SCALARS = [None, True, False, 0, -1, 1e308, 2**63, 0.5, [], {}]


def text(rng):
    made = "".join(rng.choice(TEXTS) for _ in range(rng.choice([1, 1, 2, 5])))
    return made + "\0" if rng.random() < 0.002 else made


def value(rng, depth=0):
    kind = rng.randrange(6 if depth < 4 else 3)
    if kind < 2:
        return rng.choice(SCALARS)
    if kind < 4:
        return text(rng)
    if kind == 4:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {text(rng)[:20]: value(rng, depth + 1) for _ in range(rng.randrange(4))}


def message(rng):
    role = rng.choice(["user", "user", "assistant", "assistant", "system", "developer", "tool"])
    made = {"role": role, "content": text(rng)}
    if rng.random() < 0.2:
        made["content"] = [{"type": "text", "text": text(rng)} for _ in range(rng.randrange(3))]
    if role == "assistant" and rng.random() < 0.4:
        made["reasoning_content"] = text(rng)
    if role == "assistant" and rng.random() < 0.4:
        arguments = rng.choice([text(rng), {"x": value(rng)}, json.dumps({"x": value(rng)})])
        made["tool_calls"] = [{"id": "1", "type": "function",
                               "function": {"name": "f", "arguments": arguments}}]
    if role == "tool":
        made["tool_call_id"] = "1"
    return made


def conversation(rng):
    made = {"messages": [message(rng) for _ in range(rng.randrange(1, 8))]}
    if rng.random() < 0.4:
        schema = {"type": "object", "properties": {"x": {"type": rng.choice(["string", "integer"])}}}
        made["tools"] = [{"type": "function",
                          "function": {"name": "f", "description": text(rng), "parameters": schema}}]
    if rng.random() < 0.3:
        made["reasoning"] = rng.choice([True, False, "low", "high", "off", text(rng)])
    if rng.random() < 0.2:
        made["template_arguments"] = {text(rng)[:16]: value(rng) for _ in range(3)}
    if made["messages"][-1]["role"] == "assistant" or rng.random() < 0.05:
        made["continue"] = rng.random() < 0.8
    if rng.random() < 0.2:
        made["split_reasoning"] = rng.random() < 0.5
    return made


def places(node, found):
    """Every (container, key) below a node."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        found.append((node, key))
        if isinstance(node[key], (dict, list)):
            places(node[key], found)
    return found


def broken(rng, document):
    """Another value in a place or two; then bytes that are others, doubled or missing."""
    for _ in range(rng.choice([0, 0, 1, 1, 2])):
        node, key = rng.choice(places(document, []))
        node[key] = value(rng)
    data = bytearray(json.dumps(document, ensure_ascii=rng.random() < 0.5).encode())
    for _ in range(rng.choice([0, 0, 0, 1, 3])):
        at = rng.randrange(len(data))
        how = rng.randrange(3)
        if how == 0:
            data[at] = rng.randrange(256)
        elif how == 1:
            data[at:at] = data[at:at + rng.randrange(1, 40)]
        else:
            del data[at:at + rng.randrange(1, 40)]
    return bytes(data) or b"{}"


class Client:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(path)
        self.send(HELLO, 0, {"protocol_min": 1, "protocol_max": 1, "client": "chat_fuzz"})
        self.read()

    def send(self, verb, request, head, payload=b""):
        text = json.dumps(head).encode()
        frame = struct.pack("<IHBBII", len(text) + len(payload), verb, 0, 0, request, len(text))
        self.socket.sendall(frame + text + payload)

    def read(self):
        """The next frame: flags, request, JSON, payload."""
        size, _, flags, _, request, json_size = struct.unpack("<IHBBII", self.exactly(16))
        body = self.exactly(size)
        head = json.loads(body[:json_size]) if json_size else None
        return flags, request, head, body[json_size:]

    def exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, "the daemon closed the connection"
            data += more
        return data


def good(client, request):
    """A request that is served, by every model."""
    asked = json.dumps({"messages": [{"role": "user", "content": "Hello"}]}).encode()
    for name in CARDS:
        client.send(GENERATE, request, {"model": name, "prompt_kind": "chat", "max_tokens": 4}, asked)
        flags = 0
        while not flags & REPLY:
            flags, _, head, payload = client.read()
        assert not flags & ERROR, head
        assert json.loads(payload)["message"]["role"] == "assistant"
        request += 1
    return request


def attack(client, rng, seconds):
    """Requests for some seconds, and until there were some of both kinds: how many were served, and
    how many refused."""
    counts = {"served": 0, "refused": 0}
    sent = {}
    request = good(client, 1)
    end = time.monotonic() + seconds
    go_on = True
    while sent or go_on:
        go_on = time.monotonic() < end or min(counts.values()) < 20
        while go_on and len(sent) < OPEN_AT_ONCE:
            payload = broken(rng, conversation(rng))
            head = {"model": rng.choice(list(CARDS))}
            verb = RENDER if rng.random() < 0.6 else GENERATE
            if verb == GENERATE:
                head |= {"prompt_kind": "chat", "max_tokens": rng.randrange(1, 12),
                         "temperature": rng.choice([0, 2])}
            client.send(verb, request, head, payload)
            sent[request] = payload
            request += 1
        flags, answered, head, _ = client.read()
        assert answered in sent, f"an answer to {answered}, which is not open"
        if not flags & REPLY:
            continue
        payload = sent.pop(answered)
        if flags & ERROR:
            error = head["error"]
            assert error["code"] != "internal" and error["message"], (error, payload)
        counts["refused" if flags & ERROR else "served"] += 1
    good(client, request)
    return counts


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))  # the daemon goes with us
    daemon_path, model = sys.argv[1:3]
    seconds = float(sys.argv[3] if len(sys.argv) > 3 else os.environ.get("HEARTH_FUZZ_SECONDS", 8))
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    with tempfile.TemporaryDirectory() as home:
        state = ["--state-dir", home + "/state"]
        arguments = [daemon_path, "--socket", home + "/h.sock", *state]
        for name, card in CARDS.items():
            arguments += ["--model", f"{name}={model}"]
            if card:
                with open(f"{home}/{name}.json", "w") as file:
                    json.dump(card, file)
                arguments += ["--card", f"{name}={home}/{name}.json"]
        with open(home + "/log", "w") as log:
            daemon = subprocess.Popen(arguments, stdout=log, stderr=log)
        try:
            while " serves " not in open(home + "/log").read() and daemon.poll() is None:
                time.sleep(0.05)
            counts = attack(Client(home + "/h.sock"), random.Random(seed), seconds)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(60) == 0, "it did not end well"
            assert "Sanitizer" not in open(home + "/log").read()
        except BaseException:
            print(open(home + "/log").read()[-8000:], file=sys.stderr)
            raise
        finally:
            daemon.kill()
            daemon.wait()
            subprocess.run([daemon_path, "--purge", *state], stdout=subprocess.DEVNULL, check=False)
    print(f"seed {seed}, {seconds} s: {counts}")


main()
