/* BERT's forward pass over packed texts: what the outside (app/encoder/native/library.py) may call.
 *
 * Nothing here allocates, locks, or writes to anything but `scratch`, the output and `stage_ns`, so any number of
 * threads may run the same model at once. The weights' layout is drawn in ../README.md.
 */
#ifndef BERT_H
#define BERT_H

#include <stddef.h>
#include <stdint.h>

/* Raised with every change of a struct, a signature or the layout: library.py refuses a library of another number. */
#define BERT_ABI 4

#define BERT_ALIGNMENT 64
/* A panel: 16 output columns of a weight matrix. */
#define BERT_COLUMNS 16

enum bert_precision { BERT_FLOAT32, BERT_BFLOAT16, BERT_INT8 };
/* The order in which a matrix product's sums are made, of which its bits come: ../README.md. */
enum bert_sums { BERT_SINGLES, BERT_PAIRS, BERT_TILES, BERT_INTEGERS };
enum bert_activation { BERT_IDENTITY, BERT_GELU, BERT_GELU_TANH, BERT_RELU, BERT_TANH };
enum bert_pooling { BERT_MEAN, BERT_CLS, BERT_MAX, BERT_LAST };
enum bert_error { BERT_OK, BERT_NO_PATH, BERT_BAD_MODEL, BERT_BAD_TEXTS, BERT_BAD_POOLING, BERT_SMALL_SCRATCH };
enum bert_stage {
    BERT_EMBED,
    BERT_QKV,
    BERT_ATTENTION,
    BERT_PROJECT,
    BERT_FEED_UP,
    BERT_FEED_DOWN,
    BERT_NORMALIZE,
    BERT_POOL,
    BERT_STAGES
};

/* outputs = inputs × weights + bias. `weights` are panels in a precision of their own; `inputs` even, `outputs` a
 * multiple of 64. With int8 weights `inputs` is a multiple of 64 too. They are for inputs that were stretched, moved
 * (input × stretch + offset) and rotated (../README.md); a column's are `scale` times what is stored, `sums` is their
 * sum. */
struct bert_linear {
    const void *weights;
    const float *bias, *scale, *sums; /* [outputs] */
    const float *stretch, *offset;    /* [inputs] */
    int32_t inputs, outputs, precision;
};

/* LayerNorm. */
struct bert_norm {
    const float *gain, *bias;
};

struct bert_layer {
    struct bert_linear qkv, project, feed_up, feed_down;
    struct bert_norm attended, fed;
};

struct bert_model {
    int32_t words_precision, activation; /* the products' is that of layer[0].qkv, in all layers */
    int32_t layers, hidden, inner, heads;
    int32_t vocabulary, positions, types;
    /* -1: a text's positions are 0, 1, 2 …; else RoBERTa's: pad_id + 1, pad_id + 2 …, and pad_id for the padding. */
    int32_t pad_id;
    float epsilon;
    const void *words;            /* [vocabulary][hidden]; beside int8 weights in bfloat16 */
    const float *position, *type; /* [positions][hidden], [types][hidden] */
    struct bert_norm embedded;
    const struct bert_layer *layer;
};

/* Texts laid end to end: text i is ids[starts[i]] to ids[starts[i + 1] - 1]; starts[0] is 0. */
struct bert_texts {
    const int32_t *ids, *types, *starts;
    int32_t count;
};

/* What a caller may want to see beside the vectors. */
struct bert_watch {
    uint64_t *stage_ns; /* NULL, or BERT_STAGES counters that are added to */
    /* NULL, or in float32: what went into each product, layer by layer: QKV's, projection's and feed-up's inputs, each
     * [tokens][hidden], and feed-down's, [tokens][inner]. */
    float *inputs;
};

#pragma GCC visibility push(default)

int32_t bert_abi(void);

/* Bytes of the structs above, in their order; 0 past the last. Whoever declares them again can see whether it is so. */
size_t bert_struct_bytes(int32_t number);

/* The path's name ("plain", "avx2", …), in the order from the plainest to the fastest; NULL past the last. */
const char *bert_path_name(int32_t path);

/* Whether this processor, and this build, can run the path. The first call asks the system for the tile unit. */
int32_t bert_path_runs(int32_t path);

/* The first path that computes in this precision by the same code; -1 if the path cannot run here. */
int32_t bert_path_code(int32_t path, int32_t precision);

/* Why a processor that has a tile unit cannot use it; NULL if it can, or has none. */
const char *bert_tiles_obstacle(void);

/* The order in which a path adds (enum bert_sums); -1 if it cannot run here. */
int32_t bert_path_sums(int32_t path, int32_t precision);

/* What makes this processor run as it does: maker, family, model and stepping, features, states that the system keeps.
 * "" where nothing is known. `text` gets at most `bytes`, with the 0 at its end. */
void bert_processor(char *text, size_t bytes);

/* Bytes of scratch for so many tokens in all, the longest text having so many; 0 if the model or path is not sound. */
size_t bert_scratch_bytes(int32_t path, const struct bert_model *model, int32_t tokens, int32_t longest);

/* Encodes texts. With poolings, `vectors` is [texts][poolings × hidden]; without, [tokens][hidden].
 * `scratch` is aligned to 64 bytes. `watch` may be NULL. */
int32_t bert_encode(int32_t path, const struct bert_model *model, const struct bert_texts *texts,
                    const int32_t *poolings, int32_t pooling_count, void *scratch, size_t scratch_bytes, float *vectors,
                    const struct bert_watch *watch);

/* A dense layer over float32 rows: outputs [rows][dense->outputs]. `scratch` needs no alignment. Not in int8. */
int32_t bert_dense(int32_t path, const struct bert_linear *dense, int32_t activation, const float *inputs, int32_t rows,
                   void *scratch, size_t scratch_bytes, float *outputs);

/* Bytes of scratch that bert_dense needs for so many rows; 0 if an argument is not sound. */
size_t bert_dense_scratch_bytes(int32_t path, const struct bert_linear *dense, int32_t rows);

/* Multiplies and adds in registers alone, the most that a core can do: runs `rounds` of it, returns the FLOP done. */
double bert_peak(int32_t path, int32_t precision, int64_t rounds);

#pragma GCC visibility pop

#endif
