/* The load generator: one thread, one epoll, HTTP/1.1 keep-alive.
 *
 * --rate R is an open loop. Request i is due at start + i/R whatever the subject does, and its latency runs from that
 * moment, not from the moment it was sent: a subject that stalls pays for the requests it kept waiting (no coordinated
 * omission). A request that finds no free connection waits for one; that wait is the subject's. A request that is sent
 * late although a connection was free is the generator's own fault: those are counted apart, and make the result
 * suspect.
 * --saturate is a closed loop: each connection sends its next request when the last one has been answered.
 * --leave makes every client a rude one, who hangs up on its stream after the first chunk; that counts as answered.
 * --log FILE keeps a line for each request: when it was due (CLOCK_MONOTONIC, ns), how long it took (ns), and `ok` or
 * what went wrong.
 *
 * One line of JSON comes out. Percentiles are exact: every latency is kept and sorted at the end. */
#define _GNU_SOURCE
#include "load.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>

const char *const ERROR_NAMES[ERROR_KINDS] = {"connect", "short", "non_2xx", "malformed", "no_done", "timeout"};
static const double BUSY_PERCENT = 90.0, LATE_PERCENT = 1.0;

static void die(const char *what, const char *detail) {
    fprintf(stderr, "load: %s: %s\n", what, detail);
    exit(2);
}

static void read_body(struct options *options, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        die("cannot read the body", path);
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    options->body = malloc((size_t)size + 1);
    options->body_length = fread(options->body, 1, (size_t)size, file);
    fclose(file);
}

static FILE *open_log(const char *path) {
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        die("cannot write the log", path);
    }
    return file;
}

static void add_header(struct options *options, const char *header) {
    size_t used = strlen(options->headers);
    if (used + strlen(header) + 3 > sizeof options->headers) {
        die("too many headers", header);
    }
    snprintf(options->headers + used, sizeof options->headers - used, "%s\r\n", header);
}

static const struct option LONG_OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},
    {"path", required_argument, NULL, 'u'},
    {"method", required_argument, NULL, 'x'},
    {"connections", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"saturate", no_argument, NULL, 's'},
    {"seconds", required_argument, NULL, 't'},
    {"warmup", required_argument, NULL, 'w'},
    {"drain", required_argument, NULL, 'd'},
    {"timeout-ms", required_argument, NULL, 'm'},
    {"body", required_argument, NULL, 'b'},
    {"header", required_argument, NULL, 'h'},
    {"stream", no_argument, NULL, 'e'},
    {"leave", no_argument, NULL, 'l'},
    {"log", required_argument, NULL, 'g'},
    {NULL, 0, NULL, 0},
};

static void set_option(struct options *options, int name) {
    switch (name) {
    case 'p': options->port = atoi(optarg); break;
    case 'u': options->path = optarg; break;
    case 'c': options->connections = atoi(optarg); break;
    case 'r': options->rate = atof(optarg); break;
    case 's': options->saturate = true; break;
    case 't': options->seconds = atof(optarg); break;
    case 'w': options->warmup = atof(optarg); break;
    case 'd': options->drain = atof(optarg); break;
    case 'm': options->timeout_ms = atoi(optarg); break;
    case 'b': read_body(options, optarg); break;
    case 'h': add_header(options, optarg); break;
    case 'e': options->stream = true; break;
    case 'l': options->leave = true; break;
    case 'g': options->log = open_log(optarg); break;
    case 'x': options->method = optarg; break;
    default: die("unknown option", "see load.c for the list");
    }
}

static void parse_options(struct options *options, int count, char **words) {
    options->method = "POST";
    options->path = "/v1/chat/completions";
    options->connections = 32;
    options->seconds = 3;
    options->drain = 2;
    options->timeout_ms = 10000;
    for (int name = getopt_long(count, words, "", LONG_OPTIONS, NULL); name != -1;
         name = getopt_long(count, words, "", LONG_OPTIONS, NULL)) {
        set_option(options, name);
    }
    if (options->port <= 0 || options->connections <= 0 || (options->body == NULL && strcmp(options->method, "GET") != 0)) {
        die("missing option", "--port, --connections and --body are needed (no body for --method GET)");
    }
    if (options->leave && !options->stream) {
        die("missing option", "--leave needs --stream");
    }
    if (options->saturate == (options->rate > 0)) {
        die("missing option", "either --rate R or --saturate");
    }
}

static void build_request(struct load *load) {
    const struct options *options = &load->options;
    size_t capacity = options->body_length + sizeof options->headers + strlen(options->path) + 256;
    const char *type = options->body == NULL ? "" : "Content-Type: application/json\r\n";
    load->request = malloc(capacity);
    int head = snprintf(
        load->request, capacity,
        "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s%sContent-Length: %zu\r\n\r\n",
        options->method, options->path, options->port, type, options->headers, options->body_length);
    if (options->body != NULL) {
        memcpy(load->request + head, options->body, options->body_length);
    }
    load->request_length = (size_t)head + options->body_length;
}

static void create_connections(struct load *load) {
    size_t count = (size_t)load->options.connections;
    load->connections = calloc(count, sizeof *load->connections);
    load->idle = calloc(count, sizeof(struct connection *));
    for (size_t i = 0; i < count; i++) {
        load->connections[i].load = load;
        load->connections[i].fd = -1;
    }
    load->epoll = epoll_create1(0);
}

static void print_samples(const char *name, struct samples *samples) {
    samples_sort(samples);
    printf("\"%s\": {\"count\": %zu, \"p50\": %.1f, \"p90\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"max\": %.1f}, ",
           name, samples->count, samples_percentile_us(samples, 0.50), samples_percentile_us(samples, 0.90),
           samples_percentile_us(samples, 0.99), samples_percentile_us(samples, 0.999),
           samples_percentile_us(samples, 1.0));
}

static double cpu_seconds(const struct rusage *usage) {
    return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
           (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void report(struct load *load) {
    const struct options *options = &load->options;
    double own_cpu = 100.0 * (cpu_seconds(&load->usage_to) - cpu_seconds(&load->usage_from)) / options->seconds;
    double requests = (double)(load->latency.count > 0 ? load->latency.count : 1);
    bool bottleneck = own_cpu > BUSY_PERCENT || 100.0 * (double)load->late / requests > LATE_PERCENT;
    printf("{\"mode\": \"%s\", \"rate\": %.1f, \"connections\": %d, \"seconds\": %.3f, ",
           options->saturate ? "saturate" : "rate", options->rate, options->connections, options->seconds);
    printf("\"requests\": %ld, \"completed_total\": %ld, \"unfinished\": %ld, \"rps\": %.1f, ", (long)load->in_window,
           (long)load->completed_total, (long)load->unfinished, (double)load->in_window / options->seconds);
    printf("\"error_total\": %ld, \"errors\": {", (long)load->error_total);
    for (int kind = 0; kind < ERROR_KINDS; kind++) {
        printf("%s\"%s\": %ld", kind > 0 ? ", " : "", ERROR_NAMES[kind], (long)load->errors[kind]);
    }
    printf("}, ");
    print_samples("latency_us", &load->latency);
    print_samples("first_chunk_us", &load->first_chunk);
    print_samples("chunk_lag_us", &load->chunk_lag);
    printf("\"chunks_total\": %ld, \"waited_for_connection\": %ld, \"late_sends\": %ld, \"late_max_us\": %.1f, ",
           (long)load->chunks_total, (long)load->waited, (long)load->late, (double)load->late_max / 1e3);
    printf("\"own_cpu_percent\": %.1f, \"bottleneck\": %s}\n", own_cpu, bottleneck ? "true" : "false");
}

int main(int count, char **words) {
    static struct load load;
    parse_options(&load.options, count, words);
    prctl(PR_SET_TIMERSLACK, 1UL); /* the default slack of 50 us would be charged to the subject */
    build_request(&load);
    create_connections(&load);
    load_run(&load);
    report(&load);
    return 0;
}
