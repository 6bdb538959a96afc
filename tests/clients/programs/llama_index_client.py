"""llama-index: see openai_client.py."""

import json
import os
import sys

from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

URL, _ = sys.argv[1:]
TEXTS = json.load(sys.stdin)
embedding = TextEmbeddingsInference(model_name="any", base_url=URL, auth_token=os.environ["KEY"])
assert embedding.get_query_embedding(TEXTS[0]) == embedding.get_text_embedding(TEXTS[0])
print(json.dumps(embedding.get_text_embedding_batch(TEXTS)))
