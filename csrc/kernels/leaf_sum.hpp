// The value of the leftmost leaf that is left over for each row of one tree.
//
// The 32 values stay in registers, where a permutation picks them: a gather reads each from memory
// and is no faster than a plain loop. Included by level.cpp only.
static void leaf_sum(const std::uint32_t* __restrict leaves, std::size_t count,
                     const float* __restrict values, float* __restrict total) {
    std::size_t i = 0;
#if defined(__AVX512F__) && defined(__AVX512CD__)
    const __m512 low = _mm512_loadu_ps(values), high = _mm512_loadu_ps(values + 16);
    const __m512i top = _mm512_set1_epi32(31);
    for (; i + 16 <= count; i += 16) {
        const __m512i left = _mm512_loadu_si512(leaves + i);
        const __m512i lowest =
            _mm512_and_si512(left, _mm512_sub_epi32(_mm512_setzero_si512(), left));
        const __m512i leaf = _mm512_sub_epi32(top, _mm512_lzcnt_epi32(lowest));
        const __m512 value = _mm512_permutex2var_ps(low, leaf, high);
        _mm512_storeu_ps(total + i, _mm512_add_ps(_mm512_loadu_ps(total + i), value));
    }
#elif defined(__AVX2__)
    const __m256 first = _mm256_loadu_ps(values), second = _mm256_loadu_ps(values + 8),
                 third = _mm256_loadu_ps(values + 16), fourth = _mm256_loadu_ps(values + 24);
    const __m256i bias = _mm256_set1_epi32(127), exponent = _mm256_set1_epi32(0xFF);
    for (; i + 8 <= count; i += 8) {
        const __m256i left = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(leaves + i));
        const __m256i lowest =
            _mm256_and_si256(left, _mm256_sub_epi32(_mm256_setzero_si256(), left));
        // The index of the only bit of a number is the exponent of its value as a float.
        const __m256i bits = _mm256_castps_si256(_mm256_cvtepi32_ps(lowest));
        const __m256i leaf =
            _mm256_sub_epi32(_mm256_and_si256(_mm256_srli_epi32(bits, 23), exponent), bias);
        // Bits 3 and 4 of the index choose the register: the sign of a float is its highest bit.
        const __m256 eighth = _mm256_castsi256_ps(_mm256_slli_epi32(leaf, 28));
        const __m256 half = _mm256_castsi256_ps(_mm256_slli_epi32(leaf, 27));
        const __m256 lower = _mm256_blendv_ps(_mm256_permutevar8x32_ps(first, leaf),
                                              _mm256_permutevar8x32_ps(second, leaf), eighth);
        const __m256 upper = _mm256_blendv_ps(_mm256_permutevar8x32_ps(third, leaf),
                                              _mm256_permutevar8x32_ps(fourth, leaf), eighth);
        const __m256 value = _mm256_blendv_ps(lower, upper, half);
        _mm256_storeu_ps(total + i, _mm256_add_ps(_mm256_loadu_ps(total + i), value));
    }
#endif
    for (; i < count; ++i) {
#if defined(_MSC_VER) && !defined(__clang__)
        unsigned long leaf;
        _BitScanForward(&leaf, leaves[i]);
#else
        const int leaf = __builtin_ctz(leaves[i]);
#endif
        total[i] += values[leaf];
    }
}
