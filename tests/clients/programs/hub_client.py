"""huggingface_hub: see openai_client.py."""

import json
import os
import sys

from huggingface_hub import InferenceClient

URL, WAY = sys.argv[1:]
TEXTS = json.load(sys.stdin)
KEY = os.environ["KEY"]
CLIENT, NAMED = InferenceClient(URL, token=KEY), InferenceClient(base_url=URL, api_key=KEY)


def one_by_one():
    found = [CLIENT.feature_extraction(text) for text in TEXTS]
    assert all(vectors.shape == (1, 384) for vectors in found)
    return [vectors[0].tolist() for vectors in found]


WAYS = {
    "feature_extraction": one_by_one,
    "base_url": lambda: [NAMED.feature_extraction(text)[0].tolist() for text in TEXTS],
    "sentence_similarity": lambda: CLIENT.sentence_similarity(TEXTS[0], TEXTS[1:]),
}
print(json.dumps(WAYS[WAY]()))
