"""Every difference between a real Text Embeddings Inference and us, by the record's id: what is seen, and why."""

from __future__ import annotations

BATCH = "a batch of any size within BERT_MAX_TEXTS is served whole; there 32 texts are the most"
BUSY = "there each text takes a permit, so a batch that is larger than the permits is refused for ever; here none is"
VERTEX = "Google's form of a request is not served"
WIRE = "the path is the same once it is read as HTTP has it"
ENCODED = "a Content-Encoding is refused by name; there it is not looked at"
LENIENT = "null is a default here too: clients that write out every field send it"
STRICT = "what follows the JSON, or stands in a list instead of an object, is a mistake, and is told"
FOREIGN = (
    "ids without this model's special tokens seem to be another vocabulary's: its vectors would be wrong in silence"
)
SIZE = "BERT_MAX_CHARS (100,000) and BERT_MAX_BODY_BYTES (8 MB) are other limits than there"
AS_GIVEN = "ids stand for themselves; there they are decoded and encoded again, as other tokens"
CORS = "no other origin may read answers unless BERT_CORS_ORIGINS names it"
DOCS = "the documentation is one page, at /docs and /docs/"
BOM = "a byte-order mark before the JSON is taken"
MORE = "served here"
KEY = "Bearer may be written in small letters, with spaces behind it (RFC 9110)"

DIFFERENCES = {
    "v1-ids-no-special": ("422 for 200", FOREIGN),
    "v1-ids-piece": ("422 for 200", FOREIGN),
    "embed-ids-piece": (
        "x-compute-tokens 1 for 4",
        AS_GIVEN,
    ),
    "tight-ids-long-true": ("another answer", AS_GIVEN),
    "prompts-ids": (
        "x-compute-tokens 4 for 6",
        "ids stand for themselves; there the default prompt is put before them",
    ),
    "fragile-id-and-unknown": ("422 for 200", "an id beyond the vocabulary is refused; there it is left out"),
    "embed-duplicate-key": ("200 for 422", "of a key that is given twice the last one holds"),
    "embed-array-body-full": ("422 for 200", STRICT),
    "similarity-list": ("422 for 200", STRICT),
    "body-trailing": ("400 for 200", STRICT),
    "body-two": ("400 for 200", STRICT),
    "body-deep": ("422 for 400", "lists in lists are a wrong form before they are too deep"),
    "v1-format-null": ("200 for 400", LENIENT),
    "embed-direction-null": ("200 for 400", LENIENT),
    "v1-prompt-name": ("422 for 200", "prompt_name is known on this route too"),
    "embed-batch-33": ("200 for 422", BATCH),
    "embed-batch-33-with-empty": ("400 for 422", BATCH),
    "v1-batch-33": ("200 for 422", BATCH),
    "embed_all-33": ("200 for 422", BATCH),
    "embed_sparse-33": ("424 for 422", BATCH),
    "predict-33": ("424 for 422", BATCH),
    "similarity-32": ("200 for 422", BATCH),
    "tokenize-33": ("200 for 422", BATCH),
    "decode-33": ("200 for 422", BATCH),
    "tokenize-chars": ("200 for 422", SIZE),
    "payload-over": ("422 for 413", SIZE),
    "payload-exact": ("422 for 200", SIZE),
    "payload-plus-1": ("422 for 413", SIZE),
    "chunked-over": ("422 for 413", SIZE),
    "embed-bad-utf8-key": ("200 for 400", "what is ignored is not looked at"),
    "embed-bom-body": ("200 for 400", BOM),
    "gzip": ("415 for 400", ENCODED),
    "deflate": ("415 for 400", ENCODED),
    "identity-encoding": ("415 for 200", ENCODED),
    "path-double-slash": ("200 for 404", WIRE),
    "path-encoded": ("200 for 404", WIRE),
    "path-v1-models": ("200 for 404", MORE),
    "path-models": ("200 for 404", MORE),
    "path-openapi": ("200 for 404", MORE),
    "options-preflight-unknown": ("404 for 200", CORS),
    "options-star": ("404 for 200", CORS),
    "key-options": ("401 for 200", CORS),
    "no-host": ("400 for 200", "HTTP/1.1 asks for a Host"),
    "path-favicon": ("200 for 404", "a browser is given a picture"),
    "long-path": ("414 for 404", "a request line has at most 8,190 bytes"),
    "get-vertex": ("404 for 405", VERTEX),
    "vertex-one": ("404 for 200", VERTEX),
    "vertex-two": ("404 for 200", VERTEX),
    "vertex-empty": ("404 for 200", VERTEX),
    "vertex-rerank": ("404 for 424", VERTEX),
    "vertex-wrong": ("404 for 422", VERTEX),
    "vertex-string": ("404 for 422", VERTEX),
    "vertex-no-instances": ("404 for 422", VERTEX),
    "vertex-empty-string": ("404 for 400", VERTEX),
    "vertex-parameters": ("404 for 200", VERTEX),
    "vertex-direction": ("404 for 422", VERTEX),
    "busy-vertex-2": ("404 for 429", VERTEX),
    "docs": ("200 for 303", DOCS),
    "docs-js": ("404 for 200", DOCS),
    "task-root-embed": ("200 for 422", "/ takes both forms, whatever the model is for"),
    "busy-batch-2": ("200 for 429", BUSY),
    "busy-v1-batch-2": ("200 for 429", BUSY),
    "busy-similarity": ("200 for 429", BUSY),
    "busy-embed-all-2": ("200 for 429", BUSY),
    "busy-sparse-2": ("424 for 429", BUSY),
    "key-lower": ("200 for 401", KEY),
    "key-space": ("200 for 401", KEY),
    "key-get-nothing": ("401 for 404", "without a key nobody learns which paths there are"),
}
# Not compared: an error's sentence; that one of the framework's there is text/plain, and 401, 404 and 405 have no body,
# where ours are JSON throughout; CORS headers, which are off by default; the digits of milliseconds (ours have three
# after the point); what is no HTTP (a request line that is none, HTTP/2), of which tests/live/test_front.py has more.
