/* Why the kernel is compiled at -O2: gcc 12.2 at -O3 adds the first pair's first product twice, where gcc 11.3 and clang
 * 14 do not. It is kernel/plain_pairs.inc as far as it takes that; tests/unit/test_native_build.py runs it. Ends with 0
 * if the sums are right: 1 + 10 + 100 + 1000 in each column. */
#include <stdint.h>
#include <string.h>

#define COLUMNS 16

static float widened(uint16_t x)
{
    uint32_t bits = (uint32_t)x << 16;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static void add_products(float input, const uint16_t *step, float *sums)
{
    for (long column = 0; column < COLUMNS; column++)
        sums[column] += input * widened(step[column * 2]);
}

__attribute__((noinline)) static void multiply(const float *inputs, const uint16_t *panel, long count, float *outputs)
{
    float sums[COLUMNS] = {0};
    for (long i = 0; i < count; i += 2, panel += COLUMNS * 2) {
        add_products(inputs[i + 1], panel + 1, sums);
        add_products(inputs[i], panel, sums);
    }
    for (long column = 0; column < COLUMNS; column++)
        outputs[column] = sums[column];
}

int main(void)
{
    const float inputs[] = {1, 10, 100, 1000};
    uint16_t panel[4 * COLUMNS];
    float outputs[COLUMNS];
    for (int i = 0; i < 4 * COLUMNS; i++)
        panel[i] = 0x3f80; /* 1 in bfloat16 */
    multiply(inputs, panel, 4, outputs);
    for (int column = 0; column < COLUMNS; column++)
        if (outputs[column] != 1111)
            return 1;
    return 0;
}
