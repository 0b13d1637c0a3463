/* What the load generator is told, what it keeps, and what it found. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "response.h"
#include "samples.h"

#include <stdio.h>
#include <sys/resource.h>

enum error_kind { CONNECT_FAILED, CUT_SHORT, NOT_2XX, NOT_HTTP, NO_DONE, TIMED_OUT, ERROR_KINDS };

extern const char *const ERROR_NAMES[ERROR_KINDS];

struct options {
    int port, connections, timeout_ms;
    double rate, seconds, warmup, drain; /* requests per second, and seconds */
    bool saturate, stream, leave; /* leave: hang up as soon as a stream's first chunk is there */
    const char *method, *path;
    FILE *log; /* null: no line for each answer */
    char *body;
    size_t body_length;
    char headers[4096];
};

struct load;

struct connection {
    struct load *load;
    int fd; /* -1: closed */
    bool busy;
    int64_t intended, sent_at;
    int64_t chunks;
    size_t written;
    struct response response;
};

struct load {
    struct options options;
    char *request;
    size_t request_length;
    int epoll;
    struct connection *connections;
    struct connection **idle;
    int idle_count, busy_count;
    int64_t started, window_from, window_to, deadline, now, last_sweep;
    int64_t next_index, starved_at;
    struct samples latency, first_chunk, chunk_lag;
    int64_t errors[ERROR_KINDS], error_total, in_window, completed_total, chunks_total, late, late_max, waited,
        unfinished;
    struct rusage usage_from, usage_to;
    bool usage_started, usage_ended;
};

/* Opens the connections, runs the schedule, waits up to `drain` seconds for the last answers. */
void load_run(struct load *load);

#endif
