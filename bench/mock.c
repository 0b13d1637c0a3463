/* The mock upstream: one thread, one epoll, and an answer ready before the question.
 *
 * POST: a fixed OpenAI chat completion of about 1 KB (to /v1/messages: an Anthropic message of the same text), or, when
 * the body says "stream": true, a server-sent event stream: N text chunks and what the dialect has around them, one
 * write each. The prompt may steer a stream, so that every gateway can pass the wish on:  mock:chunks=60
 * mock:interval_us=5000  mock:stall_after=1  (digits follow; the prompt wins over the flags). Each text chunk carries the monotonic time of its writing (`@<19 digits>`), from which the load
 * generator measures lag. GET /mock/stats counts requests and open streams; any other GET lists one model, for gateways
 * that ask first. */
#define _GNU_SOURCE
#include "mock_answers.h"
#include "mock_wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_CAPACITY = 16 << 20, FIRST_CAPACITY = 16384, EVENTS = 256, MAX_STREAMS = 65536 };
#define NS_PER_SECOND 1000000000LL
#define IDLE_NS NS_PER_SECOND

struct script {                            /* how a stream goes */
    long chunks, interval_us, stall_after; /* stall_after 0: never */
};

struct connection {
    int fd;
    bool streaming;
    long sent_chunks;
    int64_t next_due;
    struct script script;
    const struct wire *wire;
    size_t stream_index; /* where it stands in the list of streams */
    size_t length, capacity;
    char *input; /* `capacity` bytes and one for a closing 0 */
    struct connection *next_dead;
};

struct mock {
    int epoll, listener;
    struct script defaults;
    struct connection *streams[MAX_STREAMS];
    size_t stream_count;
    struct connection *dead;
    long requests;
    int64_t now;
};

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

static void stop_streaming(struct mock *mock, struct connection *connection) {
    if (connection->streaming) {
        struct connection *last = mock->streams[--mock->stream_count];
        mock->streams[connection->stream_index] = last;
        last->stream_index = connection->stream_index;
        connection->streaming = false;
    }
}

static void hang_up(struct mock *mock, struct connection *connection) {
    stop_streaming(mock, connection);
    close(connection->fd);
    connection->fd = -1; /* an event of this turn may still name it: it is freed when the turn is over */
    connection->next_dead = mock->dead;
    mock->dead = connection;
}

/* Answers are small and the peer reads them: a socket that cannot take one whole is a peer that has gone wrong. */
static bool write_whole(struct mock *mock, struct connection *connection, const char *bytes, size_t length) {
    if (send(connection->fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)length) {
        return true;
    }
    hang_up(mock, connection);
    return false;
}

static bool write_event(struct mock *mock, struct connection *connection, const char *event, size_t length) {
    char framed[1024];
    int size = snprintf(framed, sizeof framed, "%zx\r\n%.*s\r\n", length, (int)length, event);
    return write_whole(mock, connection, framed, (size_t)size);
}

/* False when the peer is gone. */
static bool write_events(struct mock *mock, struct connection *connection, const char *const *events) {
    for (int at = 0; at < MAX_ASIDES && events[at] != NULL; at++) {
        if (!write_event(mock, connection, events[at], strlen(events[at]))) {
            return false;
        }
    }
    return true;
}

static void end_stream(struct mock *mock, struct connection *connection) {
    if (write_events(mock, connection, connection->wire->ending) && write_whole(mock, connection, "0\r\n\r\n", 5)) {
        stop_streaming(mock, connection);
    }
}

static void write_chunk(struct mock *mock, struct connection *connection) {
    bool last = ++connection->sent_chunks >= connection->script.chunks;
    char event[EVENT_CAPACITY];
    int length =
        connection->wire->chunk(event, sizeof event, connection->sent_chunks == 1, last, (long long)clock_ns());
    connection->next_due += connection->script.interval_us * 1000;
    if (!write_event(mock, connection, event, (size_t)length)) {
        return;
    }
    if (connection->sent_chunks == connection->script.stall_after) {
        connection->next_due = INT64_MAX;
    } else if (last) {
        end_stream(mock, connection);
    }
}

static long asked_for(const char *body, const char *wish, long otherwise) {
    const char *found = strstr(body, wish);
    return found == NULL ? otherwise : atol(found + strlen(wish));
}

static bool wants_stream(const char *body) {
    static const char key[] = "\"stream\"";
    for (const char *found = strstr(body, key); found != NULL; found = strstr(found + 1, key)) {
        const char *value = found + sizeof key - 1;
        value += strspn(value, " \t\r\n");
        if (*value == ':') {
            value += 1 + strspn(value + 1, " \t\r\n");
            return strncmp(value, "true", 4) == 0;
        }
    }
    return false;
}

static void start_stream(struct mock *mock, struct connection *connection, const char *body) {
    connection->script.chunks = asked_for(body, "mock:chunks=", mock->defaults.chunks);
    connection->script.interval_us = asked_for(body, "mock:interval_us=", mock->defaults.interval_us);
    connection->script.stall_after = asked_for(body, "mock:stall_after=", mock->defaults.stall_after);
    connection->sent_chunks = 0;
    connection->next_due = mock->now;
    connection->streaming = true;
    connection->stream_index = mock->stream_count;
    mock->streams[mock->stream_count++] = connection;
    if (write_whole(mock, connection, STREAM_HEAD, sizeof STREAM_HEAD - 1)) {
        write_events(mock, connection, connection->wire->opening);
    }
}

static void answer_json(struct mock *mock, struct connection *connection, const char *json) {
    char answer[4096];
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                          strlen(json), json);
    write_whole(mock, connection, answer, (size_t)length);
}

static void answer(struct mock *mock, struct connection *connection, const char *head, const char *body) {
    if (strncmp(head, "GET /mock/stats ", 16) == 0) {
        char stats[128];
        snprintf(stats, sizeof stats, "{\"requests\":%ld,\"open_streams\":%zu}", mock->requests, mock->stream_count);
        answer_json(mock, connection, stats);
        return;
    }
    if (strncmp(head, "GET ", 4) == 0) {
        answer_json(mock, connection, MODELS);
        return;
    }
    connection->wire = wire_of(head);
    mock->requests++;
    if (wants_stream(body) && mock->stream_count < MAX_STREAMS) {
        start_stream(mock, connection, body);
    } else {
        answer_json(mock, connection, connection->wire->answer);
    }
}

/* The end of a chunked body that starts at `body`, or null when it has not all come. */
static char *chunked_end(char *body, const char *limit) {
    for (char *read = body;;) {
        char *line_end = memmem(read, (size_t)(limit - read), "\r\n", 2);
        if (line_end == NULL) {
            return NULL;
        }
        size_t size = strtoul(read, NULL, 16);
        if ((size_t)(limit - line_end) < size + 4) {
            return NULL;
        }
        read = line_end + 4 + size;
        if (size == 0) {
            return read;
        }
    }
}

static void join_chunks(char *body) {
    char *read = body, *write = body;
    for (size_t size = strtoul(read, &read, 16); size > 0; size = strtoul(read, &read, 16)) {
        read = strchr(read, '\n') + 1;
        memmove(write, read, size);
        write += size;
        read += size + 2;
    }
    *write = 0;
}

/* The body of the request in the input, as a string, or null while it is not all there. Nobody pipelines to an
 * upstream, so the input holds one request at most. */
static char *whole_request(struct connection *connection) {
    char *limit = connection->input + connection->length;
    *limit = 0;
    char *head_end = strstr(connection->input, "\r\n\r\n");
    if (head_end == NULL) {
        return NULL;
    }
    head_end[2] = 0; /* the searches below stay inside the head */
    const char *length = strcasestr(connection->input, "\ncontent-length:");
    bool chunked = strcasestr(connection->input, "\ntransfer-encoding: chunked") != NULL;
    size_t size = length == NULL ? 0 : strtoul(length + 16, NULL, 10);
    head_end[2] = '\r';
    char *body = head_end + 4;
    if (chunked) {
        if (chunked_end(body, limit) == NULL) {
            return NULL;
        }
        join_chunks(body);
        return body;
    }
    return body + size <= limit ? body : NULL;
}

static bool make_room(struct connection *connection) {
    if (connection->length < connection->capacity) {
        return true;
    }
    size_t capacity = connection->capacity == 0 ? FIRST_CAPACITY : connection->capacity * 4;
    char *input = capacity > REQUEST_CAPACITY ? NULL : realloc(connection->input, capacity + 1);
    if (input == NULL) {
        return false;
    }
    connection->input = input;
    connection->capacity = capacity;
    return true;
}

static void read_requests(struct mock *mock, struct connection *connection) {
    while (connection->fd >= 0) {
        if (!make_room(connection)) {
            hang_up(mock, connection);
            return;
        }
        ssize_t size = recv(connection->fd, connection->input + connection->length,
                            connection->capacity - connection->length, MSG_DONTWAIT);
        if (size < 0 && errno == EAGAIN) {
            return;
        }
        if (size <= 0) {
            hang_up(mock, connection);
            return;
        }
        bool socket_empty = connection->length + (size_t)size < connection->capacity;
        connection->length += (size_t)size;
        const char *body = whole_request(connection);
        if (body != NULL) {
            connection->length = 0;
            answer(mock, connection, connection->input, body);
        }
        if (socket_empty) {
            return;
        }
    }
}

static void accept_connections(struct mock *mock) {
    for (;;) {
        int fd = accept4(mock->listener, NULL, NULL, SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(mock->epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

/* One chunk for each stream that is due, and how long to sleep after it. */
static int64_t write_due_chunks(struct mock *mock) {
    int64_t next = mock->now + IDLE_NS;
    for (size_t i = mock->stream_count; i-- > 0;) { /* backwards: a stream that ends is replaced by one already seen */
        struct connection *connection = mock->streams[i];
        if (connection->next_due <= mock->now) {
            write_chunk(mock, connection);
        }
        if (connection->streaming && connection->next_due < next) {
            next = connection->next_due;
        }
    }
    return next > mock->now ? next - mock->now : 0;
}

static void bury(struct mock *mock) {
    while (mock->dead != NULL) {
        struct connection *connection = mock->dead;
        mock->dead = connection->next_dead;
        free(connection->input);
        free(connection);
    }
}

static void serve(struct mock *mock) {
    for (;;) {
        mock->now = clock_ns();
        int64_t pause = write_due_chunks(mock);
        struct timespec timeout = {.tv_sec = pause / NS_PER_SECOND, .tv_nsec = pause % NS_PER_SECOND};
        struct epoll_event events[EVENTS];
        int count = epoll_pwait2(mock->epoll, events, EVENTS, &timeout, NULL);
        mock->now = clock_ns();
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (connection == NULL) {
                accept_connections(mock);
            } else if (connection->fd >= 0) {
                read_requests(mock, connection);
            }
        }
        bury(mock);
    }
}

static void listen_on(struct mock *mock, int port) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    mock->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(mock->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(mock->listener, (struct sockaddr *)&address, length) != 0 || listen(mock->listener, 4096) != 0) {
        perror("mock: cannot listen");
        exit(1);
    }
    getsockname(mock->listener, (struct sockaddr *)&address, &length);
    mock->epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(mock->epoll, EPOLL_CTL_ADD, mock->listener, &event);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
}

static const struct option LONG_OPTIONS[] = {
    {"port", required_argument, NULL, 'p'},
    {"chunks", required_argument, NULL, 'n'},
    {"chunk-interval-us", required_argument, NULL, 'i'},
    {"stall-after", required_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

/* Prints the port it listens on (--port 0: any), then serves until it is killed. */
int main(int count, char **words) {
    static struct mock mock = {.defaults = {.chunks = 60}};
    int port = 0;
    for (int name = getopt_long(count, words, "", LONG_OPTIONS, NULL); name != -1;
         name = getopt_long(count, words, "", LONG_OPTIONS, NULL)) {
        switch (name) {
        case 'p': port = atoi(optarg); break;
        case 'n': mock.defaults.chunks = atol(optarg); break;
        case 'i': mock.defaults.interval_us = atol(optarg); break;
        case 's': mock.defaults.stall_after = atol(optarg); break;
        default: return 2;
        }
    }
    prctl(PR_SET_TIMERSLACK, 1UL);
    listen_on(&mock, port);
    serve(&mock);
}
