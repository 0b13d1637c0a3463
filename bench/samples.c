#include "samples.h"

#include <stdlib.h>

void samples_add(struct samples *samples, int64_t nanoseconds) {
    if (samples->count == samples->capacity) {
        samples->capacity = samples->capacity == 0 ? 65536 : samples->capacity * 2;
        samples->values = realloc(samples->values, samples->capacity * sizeof *samples->values);
        if (samples->values == NULL) {
            abort();
        }
    }
    samples->values[samples->count++] = nanoseconds;
}

static int compare(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void samples_sort(struct samples *samples) {
    if (samples->count > 0) {
        qsort(samples->values, samples->count, sizeof *samples->values, compare);
    }
}

double samples_percentile_us(const struct samples *samples, double fraction) {
    if (samples->count == 0) {
        return 0.0;
    }
    size_t rank = (size_t)(fraction * (double)samples->count);
    return (double)samples->values[rank < samples->count ? rank : samples->count - 1] / 1e3;
}
