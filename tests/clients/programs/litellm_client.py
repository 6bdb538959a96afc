"""LiteLLM: see openai_client.py."""

import json
import os
import sys

import litellm

URL, WAY = sys.argv[1:]
TEXTS = json.load(sys.stdin)
WAYS = {
    "openai": {"model": "openai/any", "api_base": f"{URL}/v1"},
    "huggingface": {"model": "huggingface/any", "api_base": URL, "input_type": "feature-extraction"},
}
answer = litellm.embedding(input=TEXTS, api_key=os.environ["KEY"], **WAYS[WAY])
print(json.dumps([one["embedding"] for one in answer.data]))
