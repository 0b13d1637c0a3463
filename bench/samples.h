/* A growing list of durations in nanoseconds, and its exact percentiles. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
    int64_t *values;
    size_t count, capacity;
};

void samples_add(struct samples *samples, int64_t nanoseconds);
void samples_sort(struct samples *samples);

/* Nearest rank, of sorted samples; 0 when there are none. */
double samples_percentile_us(const struct samples *samples, double fraction);

#endif
