"""haystack: see openai_client.py."""

import json
import sys

from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)

URL, WAY = sys.argv[1:]
TEXTS = json.load(sys.stdin)
OPTIONS = {"api_type": "text_embeddings_inference", "api_params": {"url": URL}, "token": Secret.from_env_var("KEY")}


def documents():
    embedder = HuggingFaceAPIDocumentEmbedder(**OPTIONS)
    return [one.embedding for one in embedder.run([Document(content=text) for text in TEXTS])["documents"]]


WAYS = {
    "texts": lambda: [HuggingFaceAPITextEmbedder(**OPTIONS).run(text)["embedding"] for text in TEXTS],
    "documents": documents,
}
print(json.dumps(WAYS[WAY]()))
