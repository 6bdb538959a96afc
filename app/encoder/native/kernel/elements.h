/* Weights and activation elements in memory, and one step of the matrix product, for each kind of arithmetic. */

/* Vectors that hold one panel's 16 columns. */
#define PANEL_VECTORS (BERT_COLUMNS / LANES)

#if BFLOAT16
#define STEP 2 /* inputs that one step of a panel holds: 16 columns × 2 × 2 bytes are a cache line … */
typedef uint16_t weight;
#else
#define STEP 1 /* … and so are 16 columns × 4 bytes */
typedef float weight;
#endif

/* `store` gives back what it stored, rounded. */
#if DOT
typedef uint16_t element;
INLINE vector store(element *to, vector x) { return v_store_bf16(to, x); }
#else
typedef float element;
INLINE vector store(element *to, vector x)
{
    x = BFLOAT16 ? v_round_bf16(x) : x;
    v_store(to, x);
    return x;
}
#endif

/* A step is multiplied in phases: of a widened pair first the second input, then the first, as the processor's own
 * bfloat16 product does it, so that all paths agree to the bit. `load` gives the weights of one vector's columns. */
#if DOT
#define PHASES 1
typedef pairs loaded;
INLINE loaded load(const weight *from, int phase) { return (void)phase, v_load_pairs(from); }
INLINE vector accumulate(vector sum, const element *inputs, loaded w, int phase)
{
    return (void)phase, v_dot(sum, v_all_pairs(inputs), w);
}
#elif BFLOAT16
#define PHASES 2
typedef vector loaded;
INLINE loaded load(const weight *from, int phase) { return phase == 0 ? v_load_second(from) : v_load_first(from); }
INLINE vector accumulate(vector sum, const element *inputs, loaded w, int phase)
{
    return v_fma(v_all(inputs[1 - phase]), w, sum);
}
#else
#define PHASES 1
typedef vector loaded;
INLINE loaded load(const weight *from, int phase) { return (void)phase, v_load(from); }
INLINE vector accumulate(vector sum, const element *inputs, loaded w, int phase)
{
    return v_fma(v_all(inputs[phase]), w, sum);
}
#endif

#if BFLOAT16
INLINE vector load_row(const weight *from) { return v_load_bf16(from); }
#else
INLINE vector load_row(const weight *from) { return v_load(from); }
#endif

/* Keys and values are "weights" of attention's products. `narrow_step` makes a step's inputs one column's weights,
 * `interleave` makes 16 columns of one input (STEP 1), or of two, one step of a panel; nothing is lost. */
#if BFLOAT16 && !DOT
INLINE weight narrowed(element x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (weight)(bits >> 16);
}
INLINE void narrow_step(const element *from, weight *to)
{
    to[0] = narrowed(from[0]);
    to[1] = narrowed(from[1]);
}
INLINE void interleave(const element *first, const element *second, weight *to)
{
    for (int column = 0; column < BERT_COLUMNS; column++) {
        to[2 * column] = narrowed(first[column]);
        to[2 * column + 1] = narrowed(second[column]);
    }
}
#else
INLINE void narrow_step(const element *from, weight *to) { memcpy(to, from, STEP * sizeof(element)); }
#if DOT
INLINE void interleave(const element *first, const element *second, weight *to) { v_store_pairs(to, first, second); }
#else
INLINE void interleave(const element *first, const element *second, weight *to)
{
    (void)second;
    memcpy(to, first, BERT_COLUMNS * sizeof(element));
}
#endif
#endif
