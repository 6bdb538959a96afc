"""chromadb: see openai_client.py."""

import json
import sys

from chromadb.utils.embedding_functions import HuggingFaceEmbeddingServer

URL, _ = sys.argv[1:]
embed = HuggingFaceEmbeddingServer(f"{URL}/embed", api_key_env_var="KEY")
print(json.dumps([[float(number) for number in vector] for vector in embed(json.load(sys.stdin))]))
