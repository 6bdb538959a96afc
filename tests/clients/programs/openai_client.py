"""openai: python openai_client.py URL WAY, texts as JSON on standard input, vectors as JSON on standard output."""

import asyncio
import base64
import json
import os
import struct
import sys

from openai import APIStatusError, AsyncOpenAI, OpenAI

URL, WAY = sys.argv[1:]
TEXTS = json.load(sys.stdin)
OPTIONS = {"base_url": f"{URL}/v1", "api_key": os.environ["KEY"], "max_retries": 0}


def vectors(answer):
    return [one.embedding for one in answer.data]


def base64_asked():
    answer = OpenAI(**OPTIONS).embeddings.create(model="any", input=TEXTS, encoding_format="base64")
    numbers = [base64.b64decode(one) for one in vectors(answer)]
    return [struct.unpack(f"<{len(one) // 4}f", one) for one in numbers]


async def asynchronous():
    async with AsyncOpenAI(**OPTIONS) as client:
        return vectors(await client.embeddings.create(model="any", input=TEXTS))


def refused():
    try:
        OpenAI(**OPTIONS).embeddings.create(model="any", input=["fine", ""])
    except APIStatusError as error:
        return [type(error).__name__, error.status_code, error.param, error.body["message"]]


def models():
    client = OpenAI(**OPTIONS)
    return [client.models.retrieve(one.id).id == one.id for one in client.models.list()]


WAYS = {
    "default": lambda: vectors(OpenAI(**OPTIONS).embeddings.create(model="any", input=TEXTS)),
    "float": lambda: vectors(OpenAI(**OPTIONS).embeddings.create(model="any", input=TEXTS, encoding_format="float")),
    "base64": base64_asked,
    "async": lambda: asyncio.run(asynchronous()),
    "refused": refused,
    "models": models,
}
print(json.dumps(WAYS[WAY]()))
