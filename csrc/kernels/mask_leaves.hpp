// One node of one tree, for many rows: a row that goes right keeps only `kept` of the
// leaves that are left over for it.
//
// Right is where the value is above the threshold; NaN goes left. Included by level.cpp only.
static void mask_leaves(const float* __restrict values, std::size_t count, float threshold,
                   std::uint32_t kept, std::uint32_t* __restrict leaves) {
    for (std::size_t i = 0; i < count; ++i)
        // All ones where the row goes left, so that nothing is struck out.
        leaves[i] &= kept | (static_cast<std::uint32_t>(values[i] > threshold) - 1u);
}
