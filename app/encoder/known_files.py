"""The files of BERT's own form, as types: keys that do nothing, keys of which we know what they do, and no others.

What they say is read by forms.py.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

NO_LIMIT = 10**9
"""A tokenizer that means "no limit" writes 1e30."""
Length = Annotated[int, Meta(ge=8)]
Empty = Annotated[list[Any], Meta(max_length=0)] | Annotated[dict[str, Any], Meta(max_length=0)]


class Token(Struct, forbid_unknown_fields=True, frozen=True):
    """A token as an object around its text."""

    content: str
    lstrip: bool = False
    rstrip: bool = False
    single_word: bool = False
    normalized: bool = False
    special: bool = True
    type_: str = field(name="__type", default="AddedToken")


class SpecialTokens(Struct, forbid_unknown_fields=True):
    """special_tokens_map.json."""

    unk_token: str | Token = "[UNK]"
    sep_token: str | Token = "[SEP]"
    pad_token: str | Token = "[PAD]"
    cls_token: str | Token = "[CLS]"
    mask_token: str | Token = "[MASK]"


USUAL = msgspec.structs.asdict(SpecialTokens())
"""The special tokens of BERT's own tokenizer, by their names."""


class TokenizerConfig(SpecialTokens):
    """tokenizer_config.json."""

    tokenizer_class: Literal["BertTokenizer", "BertTokenizerFast"] = "BertTokenizer"
    do_lower_case: bool = True
    strip_accents: bool | None = None
    tokenize_chinese_chars: bool = True
    model_max_length: Length | Annotated[float, Meta(ge=NO_LIMIT)] = NO_LIMIT
    truncation_side: Literal["right"] = "right"
    padding_side: Literal["left", "right"] = "right"
    additional_special_tokens: Empty = []
    extra_special_tokens: Empty = []
    model_input_names: tuple[str, str, str] = ("input_ids", "token_type_ids", "attention_mask")
    added_tokens_decoder: dict[str, Token] = {}
    # What follows does nothing to an id.
    name_or_path: Any = None
    special_tokens_map_file: Any = None
    tokenizer_file: Any = None
    do_basic_tokenize: Any = None
    never_split: None = None
    clean_up_tokenization_spaces: Any = None
    backend: Any = None
    is_local: Any = None
    local_files_only: Any = None
    max_length: Any = None
    stride: Any = None
    truncation_strategy: Any = None
    pad_to_multiple_of: Any = None
    pad_token_type_id: Any = None


class Config(Struct, forbid_unknown_fields=True):
    """config.json, with what bert.py has checked and what does nothing to a vector."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_act: str
    layer_norm_eps: float
    pad_token_id: int
    is_decoder: bool
    model_type: Literal["bert"]
    add_cross_attention: bool = False
    """Without a decoder it does nothing."""
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    position_embedding_type: Literal["absolute"] = "absolute"
    dtype: Literal["float32", "float16", "bfloat16"] | None = None
    torch_dtype: Literal["float32", "float16", "bfloat16"] | None = None
    architectures: list[str] = []
    id2label: dict[str, str] = {}
    label2id: dict[str, int] = {}
    use_cache: bool = True
    attention_probs_dropout_prob: float = 0.1
    hidden_dropout_prob: float = 0.1
    classifier_dropout: float | None = None
    initializer_range: float = 0.02
    gradient_checkpointing: bool = False
    name_or_path: str = field(name="_name_or_path", default="")
    transformers_version: str = ""
    directionality: Any = None
    pooler_fc_size: Any = None
    pooler_num_attention_heads: Any = None
    pooler_num_fc_layers: Any = None
    pooler_size_per_head: Any = None
    pooler_type: Any = None


class SentenceConfig(Struct, forbid_unknown_fields=True):
    """sentence_bert_config.json."""

    max_seq_length: Length | None = None
    do_lower_case: bool = False


class PoolingConfig(Struct, forbid_unknown_fields=True):
    """A Pooling module's config.json; recipe.py reads the flags."""

    word_embedding_dimension: int | None = None
    embedding_dimension: int | None = None
    pooling_mode: str = "mean"
    pooling_mode_cls_token: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False
    include_prompt: bool = True


class ModelConfig(Struct, forbid_unknown_fields=True):
    """config_sentence_transformers.json."""

    version: Any = field(name="__version__", default=None)
    prompts: dict[str, str | None] = {}
    default_prompt_name: str | None = None
    similarity_fn_name: str | None = None
    model_type: Literal["SentenceTransformer"] = "SentenceTransformer"
