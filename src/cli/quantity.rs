//! Sizes, rates, durations and percentages as people write them.
