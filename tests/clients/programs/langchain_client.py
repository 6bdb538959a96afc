"""langchain_openai and langchain_huggingface: see openai_client.py."""

import json
import os
import sys

from huggingface_hub import InferenceClient
from langchain_huggingface import HuggingFaceEndpointEmbeddings
from langchain_openai import OpenAIEmbeddings
from openai import APIStatusError

URL, WAY = sys.argv[1:]
TEXTS = json.load(sys.stdin)
KEY = os.environ["KEY"]
OPTIONS = {"base_url": f"{URL}/v1", "api_key": KEY, "max_retries": 0}


def as_token_ids():
    try:
        OpenAIEmbeddings(**OPTIONS).embed_documents(TEXTS)
    except APIStatusError as error:
        return [error.status_code, error.body["message"]]


def from_hub():
    embeddings = HuggingFaceEndpointEmbeddings()
    embeddings.client = InferenceClient(URL, token=KEY)
    assert embeddings.embed_query(TEXTS[0]) == embeddings.embed_documents(TEXTS)[0]
    return embeddings.embed_documents(TEXTS)


WAYS = {
    "text": lambda: OpenAIEmbeddings(check_embedding_ctx_length=False, **OPTIONS).embed_documents(TEXTS),
    "ids": as_token_ids,
    "huggingface": from_hub,
}
print(json.dumps(WAYS[WAY]()))
