/* Attention's products on vectors, in the order in which the tile unit adds (plain_tiles.h): 32 inputs at a time, the
 * firsts of 16 pairs in one chain, their seconds in another, then both onto the sum; subnormal numbers are zero. */

#define CHAIN_INPUTS 32
#if LANES == 16
#define CHAIN_ROWS 6
#define CHAIN_PANELS 2 /* 6 rows × 2 panels × 2 chains = 24 sums, of 32 registers */
#else
#define CHAIN_ROWS 3
#define CHAIN_PANELS 1 /* 3 rows × 2 vectors × 2 chains = 12 sums, of 16 registers */
#endif

/* outputs[row][column] = Σ inputs[row][i] × panels[i][column]. */
struct chains {
    const float *inputs;
    long input_stride;
    const float *panels; /* [outputs / 16][count][16] */
    long count;          /* of inputs, a multiple of CHAIN_INPUTS */
    float *outputs;
    long output_stride;
};

INLINE void chain_tile(int rows, int panels, const struct chains *chains)
{
    for (long start = 0; start < chains->count; start += CHAIN_INPUTS) {
        vector chain[2][CHAIN_ROWS][CHAIN_PANELS * PANEL_VECTORS];
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++)
                chain[0][r][v] = chain[1][r][v] = v_zero();
        for (long i = start; i < start + CHAIN_INPUTS; i += 2)
            UNROLL for (int k = 0; k < 2; k++) {
                const float *step = chains->panels + (i + k) * BERT_COLUMNS;
                UNROLL for (int r = 0; r < rows; r++)
                    UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++) {
                        const float *weights = step + v / PANEL_VECTORS * chains->count * BERT_COLUMNS;
                        chain[k][r][v] = v_fma(v_all(chains->inputs[r * chains->input_stride + i + k]),
                                               v_load(weights + v % PANEL_VECTORS * LANES), chain[k][r][v]);
                        PIN(chain[k][r][v]);
                    }
            }
        UNROLL for (int r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < panels * PANEL_VECTORS; v++) {
                float *to = chains->outputs + r * chains->output_stride + v * LANES;
                v_store(to, v_add(start ? v_load(to) : v_zero(), v_add(chain[0][r][v], chain[1][r][v])));
            }
    }
}

#if CHAIN_ROWS > 3
#define MORE_ROWS(panels)                         \
    case 4: chain_tile(4, panels, chains); break; \
    case 5: chain_tile(5, panels, chains); break; \
    case 6: chain_tile(6, panels, chains); break;
#else
#define MORE_ROWS(panels)
#endif
#define CHAIN_TILE_OF(name, panels)                                                    \
    static __attribute__((noinline)) void name(long rows, const struct chains *chains) \
    {                                                                                  \
        switch (rows) {                                                                \
        case 1: chain_tile(1, panels, chains); break;                                  \
        case 2: chain_tile(2, panels, chains); break;                                  \
        case 3: chain_tile(3, panels, chains); break;                                  \
        MORE_ROWS(panels)                                                              \
        }                                                                              \
    }
CHAIN_TILE_OF(chain_wide, CHAIN_PANELS)
#if CHAIN_PANELS > 1
CHAIN_TILE_OF(chain_narrow, 1)
#endif

/* With subnormal numbers taken for zero, before and after each step: FTZ and DAZ. */
static void multiply_chains(long rows, struct chains chains, long columns)
{
    const unsigned mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040);
    for (; columns > 0; columns -= CHAIN_PANELS * BERT_COLUMNS) {
#if CHAIN_PANELS > 1
        if (columns < CHAIN_PANELS * BERT_COLUMNS)
            chain_narrow(rows, &chains);
        else
#endif
            chain_wide(rows, &chains);
        chains.panels += CHAIN_PANELS * BERT_COLUMNS * chains.count;
        chains.outputs += CHAIN_PANELS * BERT_COLUMNS;
    }
    _mm_setcsr(mode);
}
