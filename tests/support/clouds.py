"""Clouds that a stand-in answers for: their paths, and on Bedrock their frames of events."""

import base64
import json
import struct
import zlib

import httpx2

SETTINGS = {
    "AnthropicBedrock": {"api_key": "key", "aws_region": "eu-west-1"},
    "AnthropicVertex": {"region": "europe-west1", "project_id": "p", "access_token": "t"},
    "AnthropicFoundry": {"api_key": "key", "resource": "r"},
}


def cloud(fake):
    """What takes a cloud's requests to the stand-in, for transports without and with a loop."""

    def forward(request):
        body = json.loads(request.read())
        path = request.url.path
        named = path.split("/models/" if "/models/" in path else "/model/")[-1]
        body.setdefault("model", named.split("/")[0].split(":")[0])
        body.pop("anthropic_version", None)
        framed = path.endswith("invoke-with-response-stream")
        if framed:
            body["stream"] = True
        asked = httpx2.Request(
            "POST",
            "http://claude/v1/messages",
            json=body,
            headers={"anthropic-version": "2023-06-01"},
        )
        answer = fake.transport.handle_request(asked)
        if not framed or answer.status_code != 200:
            return answer
        events = [
            line.removeprefix(b"data: ")
            for line in answer.read().split(b"\n")
            if line.startswith(b"data: ")
        ]
        return httpx2.Response(
            200,
            headers={"content-type": "application/vnd.amazon.eventstream", "x-amzn-requestid": "r"},
            content=b"".join(map(frame, events)),
        )

    async def forward_async(request):
        return forward(request)

    return forward, forward_async


def frame(event):
    """One event as AWS sends it: lengths, headers, payload, each with a checksum."""
    payload = json.dumps({"bytes": base64.b64encode(event).decode(), "p": "abc"}).encode()
    headers = b"".join(
        bytes([len(name)]) + name + b"\x07" + struct.pack(">H", len(value)) + value
        for name, value in [
            (b":event-type", b"chunk"),
            (b":content-type", b"application/json"),
            (b":message-type", b"event"),
        ]
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return whole + struct.pack(">I", zlib.crc32(whole))
