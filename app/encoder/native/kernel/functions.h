/* exp, erf and their kin on vectors, written in the names of vector_*.h. v_max and v_min give their second argument if
 * either is no number, so what may be NaN stands second: it must not come out as an ordinary number. */

/* e to the x. Below -87 the result is about 1e-38, which is nothing beside a softmax's largest term, 1.
 * x = n ln 2 + r with |r| <= ln 2 / 2; the polynomial is the Taylor series of e^r, within 2e-7 of it. */
INLINE vector v_exp(vector x)
{
    x = v_max(v_all(-87.0f), v_min(v_all(88.0f), x));
    vector n = v_nearest(v_multiply(x, v_all(1.44269504f)));
    vector r = v_fma(n, v_all(-0.693145752f), x); /* ln 2 in two parts, the first exact in few bits */
    r = v_fma(n, v_all(-1.42860677e-6f), r);
    vector sum = v_all(1.0f / 5040);
    sum = v_fma(sum, r, v_all(1.0f / 720));
    sum = v_fma(sum, r, v_all(1.0f / 120));
    sum = v_fma(sum, r, v_all(1.0f / 24));
    sum = v_fma(sum, r, v_all(1.0f / 6));
    sum = v_fma(sum, r, v_all(0.5f));
    sum = v_fma(sum, r, v_all(1.0f));
    sum = v_fma(sum, r, v_all(1.0f));
    return v_multiply(sum, v_power_of_2(n));
}

/* tanh x = 1 - 2 / (e^2x + 1), within 2e-7. */
INLINE vector v_tanh(vector x)
{
    vector grown = v_exp(v_multiply(v_all(2.0f), v_max(v_all(-20.0f), v_min(v_all(20.0f), x))));
    return v_subtract(v_all(1.0f), v_divide(v_all(2.0f), v_add(grown, v_all(1.0f))));
}

/* x Φ(x), Φ the normal distribution: the exact GELU. Φ(x) - 1/2 = x P(x²) for |x| <= 5.5, where Φ is 0 or 1 to 2e-8;
 * P is a Chebyshev interpolation of degree 16 over u = 2x²/5.5² - 1 (coefficients: tests/unit/test_native_functions.py
 * computes them again). Within 8e-7 of the true value, 6e-8 on average over |x| < 4, which is what erff gives. */
INLINE vector v_gelu(vector x)
{
    static const float coefficients[] = {
        0.000113726106f, -0.000285286398f, 0.000201298797f, -0.000358214107f, 0.00137924298f,
        -0.00265651802f, 0.00409791572f, -0.00665234262f, 0.0104575213f, -0.0150618451f, 0.0203101356f,
        -0.0260362942f, 0.03207656f, -0.0387937799f, 0.0477373526f, -0.0641723126f, 0.12855193f,
    };
    vector z = v_max(v_min(x, v_all(5.5f)), v_all(-5.5f));
    vector u = v_fma(v_multiply(z, z), v_all(2.0f / (5.5f * 5.5f)), v_all(-1.0f));
    /* Even and odd powers apart: two short chains of sums instead of a long one. */
    vector uu = v_multiply(u, u), even = v_all(coefficients[0]), odd = v_all(coefficients[1]);
    for (int i = 2; i < 17; i += 2)
        even = v_fma(even, uu, v_all(coefficients[i]));
    for (int i = 3; i < 17; i += 2)
        odd = v_fma(odd, uu, v_all(coefficients[i]));
    vector sum = v_fma(odd, u, even);
    return v_multiply(v_max(v_all(-5.5f), x), v_fma(z, sum, v_all(0.5f)));
}

/* The approximation that some models were trained with: x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))). */
INLINE vector v_gelu_tanh(vector x)
{
    vector cube = v_multiply(v_multiply(x, x), x);
    vector inner = v_multiply(v_all(0.797884561f), v_fma(cube, v_all(0.044715f), x));
    return v_multiply(v_multiply(x, v_all(0.5f)), v_add(v_all(1.0f), v_tanh(inner)));
}

INLINE vector v_activate(vector x, int activation)
{
    switch (activation) {
    case BERT_GELU: return v_gelu(x);
    case BERT_GELU_TANH: return v_gelu_tanh(x);
    case BERT_RELU: return v_max(v_zero(), x);
    case BERT_TANH: return v_tanh(x);
    default: return x;
    }
}
