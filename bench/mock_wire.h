/* How the mock tells a stream in each dialect it speaks. */
#ifndef BENCH_MOCK_WIRE_H
#define BENCH_MOCK_WIRE_H

#include <stdbool.h>
#include <stddef.h>

enum { MAX_ASIDES = 4, EVENT_CAPACITY = 512 };

struct wire {
    const char *path;                /* of the requests it answers */
    const char *answer;              /* a whole answer, of about 1 KB */
    const char *opening[MAX_ASIDES]; /* events before the first chunk, up to a null */
    const char *ending[MAX_ASIDES];  /* events after the last one */
    /* Writes an event with text that begins with `@` and the stamp, 19 digits; gives its length. */
    int (*chunk)(char *event, size_t capacity, bool first, bool last, long long stamp);
};

/* The dialect of a request, by its first line. */
const struct wire *wire_of(const char *head);

#endif
